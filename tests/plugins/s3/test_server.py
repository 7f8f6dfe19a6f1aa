"""A server whose bots are in a bucket: links lead on, what was left is carried when it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import trio

from meetcore_s3 import plugin
from meetcore_server.assembly import Server
from meetcore_server.leftovers import carry_the_rest
from tests.plugins.server.running import SHORT, http, serving

from .bad_way import bad_way
from .places import bucket_for, open_s3
from .servers import moto_server
from .test_whole_bots import KIT


def config_for(tmp_path: Path) -> dict[str, Any]:
    """Return a configuration with a bucket, however the server of the tests is set else."""
    server = moto_server()
    options = {**server.access(), "workplaces": str(tmp_path / "work")}
    url = f"s3://{bucket_for(server, tmp_path)}/mine"
    return {"store": {"url": url}, "plugins": {"s3": options}}


async def ended(server: Server, bot_id: str) -> None:
    async with http(server) as client:
        asked = f"/v1/bots/{bot_id}"
        while (await client.get(asked)).json()["state"] != "completed":  # noqa: ASYNC110  as a user
            await trio.sleep(0.1)


async def test_links_lead_on_to_the_bucket_but_for_the_servers_own_page(tmp_path: Path) -> None:
    """Where that is asked for; the file is the same either way."""
    more: dict[str, Any] = {
        "config": config_for(tmp_path),
        "plugin_files": (Path(plugin.__file__),),
    }
    async with (
        serving(tmp_path / "server", links_lead_on=True, **more) as server,
        http(server) as client,
    ):
        made = await client.post("/v1/bots", json={"meeting_url": SHORT})
        assert made.status_code == 201, made.text
        bot_id = made.json()["id"]
        await ended(server, bot_id)
        row = await server.service.stores.bots.get(bot_id)
        source = tmp_path / "note.txt"
        source.write_bytes(b"0123456789")
        await server.service.store.media(bot_id).put("files/note.txt", source)
        link = server.service.media_url(
            server.url, row, "files/note.txt", client=None, expires_s=60.0
        )
        led = await client.get(link, follow_redirects=False)
        assert led.status_code == 307
        assert led.headers["location"].startswith(moto_server().url)
        assert "X-Amz-Signature" in led.headers["location"]
        assert (await client.get(led.headers["location"])).content == b"0123456789"
        own = await client.get(link, headers={"sec-fetch-site": "same-origin"})
        assert (own.status_code, own.content) == (200, b"0123456789")


async def test_what_could_not_be_carried_is_when_a_server_starts(
    tmp_path: Path, monkeypatch: Any
) -> None:
    """And a bot that was deleted meanwhile does not come again."""
    monkeypatch.setattr("meetcore_server.leftovers._AGAIN_AFTER_S", 0.05)
    server = moto_server()
    bucket = bucket_for(server, tmp_path)
    with trio.fail_after(60):
        async with bad_way(server.url) as way:
            copies = bucket_for(server, tmp_path / "second")
            second = {"url": f"s3://{copies}", **server.access(), "endpoint": way.url}
            store = open_s3(server, bucket, tmp_path / "w", second=second, request_s=1.0)
            way.mode = "reset"
            for bot_id in ("b-1", "b-2"):
                await KIT.attended(store, bot_id)
            assert await store.uncarried() == ["b-1", "b-2"]
            other = open_s3(server, bucket, tmp_path / "elsewhere")
            await other.delete("b-2")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(carry_the_rest, store)
                await trio.sleep(0.3)
                assert "b-1" in await store.uncarried()
                way.mode = "pass"
                while "b-1" in await store.uncarried():  # noqa: ASYNC110  a file says it
                    await trio.sleep(0.05)
                nursery.cancel_scope.cancel()
            assert [each.bot_id async for each in store.records()] == ["b-1"]

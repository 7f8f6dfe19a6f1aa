"""A server whose bots' folder is encrypted: everybody is told all, and no byte is in the clear."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from meetcore.fleet import ChildProcessLauncher
from meetcore.log.folders import encrypted_log_path

from .running import SHORT, STAY, http, ordered, serving, until
from .test_nothing_kept import contents, traces

SAID = (b"good morning", b"hello", b'"Ada"', b'"Ben"', b"WAVEfmt ")
"""What is said, who is there, and how a recording begins; too long to come about by chance."""
pytestmark = pytest.mark.folder_store


@pytest.fixture
def memory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="meetcore-tests-") as folder:
        yield Path(folder)


def encrypted_in(place: Path, memory: Path, **settings: object) -> dict[str, object]:
    """Return settings for an encrypted folder; the key is beside the disk that is scanned."""
    key = place.parent / f"{place.name}-key"
    key.write_bytes(base64.b64encode(bytes(range(32))))
    return {
        "sinks": ["files"],
        "plugins": {"files": {"format": "wav"}},
        "store": {"encrypt": f"file:{key}"},
        "retention": {"memory": str(memory)},
        **settings,
    }


def clear(disk: Path) -> list[object]:
    """Return what is in the clear of what was said, in files or in their names."""
    names = [path.name for path in (disk / "bots").rglob("*") if "Ada" in path.name]
    return [*traces(disk, SAID), *names]


async def test_a_recording_is_served_in_parts_while_it_grows_and_when_it_is_whole(
    tmp_path: Path, memory: Path
) -> None:
    async with (
        serving(tmp_path, config=encrypted_in(tmp_path, memory)) as server,
        http(server) as client,
    ):
        bot = await ordered(client, STAY)
        await until(client, bot["id"], "recording")
        row = await server.service.stores.bots.get(bot["id"])
        link = server.service.media_url(
            server.url, row, "files/mix.wav", client=None, expires_s=600.0
        )
        media = await server.service.media(row)
        sizes: list[int] = []
        with trio.fail_after(90):
            while len(sizes) < 3:
                found = await media.stat("files/mix.wav")
                if found is None or found.size_bytes <= max([*sizes, 20_000]):
                    await trio.sleep(0.05)
                    continue
                sizes.append(found.size_bytes)
                answer = await client.get(link, headers={"range": "bytes=10000-19999"})
                assert answer.status_code == 206
                assert int(answer.headers["content-range"].partition("/")[2]) >= sizes[-1]
                grown = await media.read_bytes("files/mix.wav")
                assert answer.content == grown[10_000:20_000]
                assert clear(tmp_path) == []
        whole = await client.get(link)
        assert whole.content[:4] == b"RIFF"
        assert len(whole.content) >= sizes[-1]
        words = ""
        with trio.fail_after(60):
            while "good morning everyone" not in words:
                words = (await client.get(f"/v1/bots/{bot['id']}/transcript")).text
                await trio.sleep(0.1)
        await client.post(f"/v1/bots/{bot['id']}/stop")
        await until(client, bot["id"], "completed")
        listed = (await client.get(f"/v1/bots/{bot['id']}/recordings")).json()
        (mix,) = [each for each in listed if each["kind"] == "audio.mix"]
        answer = await client.get(mix["url"])
        assert len(answer.content) == mix["size_bytes"]
        last = await client.get(mix["url"], headers={"range": "bytes=-1000"})
        assert last.content == answer.content[-1000:]
        clip = await client.get(f"/v1/bots/{bot['id']}/clip?to=0.5&format=wav")
        assert clip.status_code == 200, clip.text
        assert len(clip.content) > 15_000
        (text,) = [each for each in listed if each["path"].endswith(".txt")]
        assert "good morning" in (await client.get(text["url"])).text.lower()
        assert clear(tmp_path) == []
        assert (await client.delete(f"/v1/bots/{bot['id']}/data")).status_code in (200, 204)
        assert not encrypted_log_path(tmp_path / "bots" / bot["id"]).exists()


@pytest.mark.long
async def test_a_bot_in_its_own_process_that_is_killed_is_recovered_without_a_loss(
    tmp_path: Path, memory: Path
) -> None:
    settings = encrypted_in(tmp_path, memory)
    launcher = ChildProcessLauncher(stop_with_launcher=False)
    async with (
        serving(tmp_path, config=settings, launcher=launcher) as server,
        http(server) as client,
    ):
        short = await ordered(client, SHORT)
        assert (await until(client, short["id"], "completed"))["reason"] == "meeting_ended"
        stays = await ordered(client, STAY)
        await until(client, stays["id"], "recording")
    assert clear(tmp_path) == []
    async with (
        serving(tmp_path, config=settings, launcher=ChildProcessLauncher()) as server,
        http(server) as client,
    ):
        assert (await client.get(f"/v1/bots/{stays['id']}")).json()["state"] == "recording"
        words = ""
        with trio.fail_after(60):
            while "good morning everyone" not in words:
                words = (await client.get(f"/v1/bots/{stays['id']}/transcript")).text
                await trio.sleep(0.1)
        runner = await server.service.store.runner(stays["id"])
        assert runner is not None
        assert runner.pid is not None
        os.kill(runner.pid, signal.SIGKILL)
        ended = await until(client, stays["id"], "completed")
        assert (ended["state"], ended["reason"]) == ("completed", "crashed")
        row = await server.service.stores.bots.get(stays["id"])
        media = await server.service.media(row)
        with trio.fail_after(60):
            while await media.stat("files/transcript.txt") is None:  # noqa: ASYNC110
                await trio.sleep(0.1)
        assert b"good morning everyone" in (await media.read_bytes("files/transcript.txt")).lower()
        assert len(await media.read_bytes("files/mix.wav")) > 32_000
        with trio.fail_after(60):
            while contents(memory):  # noqa: ASYNC110  processes that end remove what they had
                await trio.sleep(0.1)
    assert clear(tmp_path) == []


async def test_a_server_without_the_key_begins_and_says_whom_it_cannot_read(
    tmp_path: Path, memory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = encrypted_in(tmp_path, memory)
    async with serving(tmp_path, config=settings) as server, http(server) as client:
        bot = await ordered(client, SHORT)
        await until(client, bot["id"], "completed")
    for store in ({}, {"encrypt": f"file:{tmp_path / 'other'}"}):
        (tmp_path / "other").write_bytes(base64.b64encode(bytes(32)))
        caplog.clear()
        changed = {**settings, "store": store}
        async with serving(tmp_path, config=changed) as server, http(server) as client:
            assert f"Bots that cannot be read: {bot['id']}" in caplog.text
            assert (await client.get("/v1/bots")).status_code == 200
            for path in ("", "/transcript", "/recordings"):
                answer = await client.get(f"/v1/bots/{bot['id']}{path}")
                assert answer.status_code == 503, path
                assert "[store]" in answer.text
            other = await ordered(client, SHORT)
            await until(client, other["id"], "completed")
            assert (await client.get(f"/v1/bots/{other['id']}/transcript")).status_code == 200
        shutil.rmtree(tmp_path / "bots" / other["id"])

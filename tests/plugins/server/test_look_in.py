"""A bot's page through the server: screenshots, links to look in, one person who takes over."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import trio
import trio_websocket
from attrs import define, field

from meetcore.fleet.launching.child_process import ChildProcessLauncher
from meetcore.gateway.records import Scope
from meetcore.testing import SimPage
from meetcore_server.assembly import Server
from meetcore_server.native.look_in_socket import ENDED
from tests.plugins.server.running import STAY, http, ordered, say, serving, socket, until

HANDS = frozenset({Scope.READ, Scope.TAKE_OVER})
WRITE = frozenset({Scope.READ, Scope.WRITE})


@define
class Person:
    """Somebody at the other end of a look."""

    connection: trio_websocket.WebSocketConnection
    pictures: list[bytes] = field(factory=list)

    async def told(self) -> dict[str, Any]:
        """Return the next message that is no picture."""
        while True:
            message = await self.connection.get_message()
            if isinstance(message, str):
                found: dict[str, Any] = json.loads(message)
                return found
            self.pictures.append(message)

    async def picture(self) -> bytes:
        while True:
            message = await self.connection.get_message()
            if isinstance(message, bytes):
                self.pictures.append(message)
                return message

    async def ask(self, **message: Any) -> dict[str, Any]:
        await say(self.connection, **message)
        return await self.told()

    async def gone(self) -> int:
        with pytest.raises(trio_websocket.ConnectionClosed) as closed:
            while True:
                await self.connection.get_message()
        code = closed.value.reason.code
        assert code is not None
        return code


@asynccontextmanager
async def looking(server: Server, link: dict[str, Any]) -> AsyncIterator[Person]:
    async with socket(server, f"/v1/look-in?token={link['token']}") as connection:
        person = Person(connection)
        assert (await person.told())["type"] == "looking"
        yield person


async def linked(client: httpx2.AsyncClient, bot_id: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(f"/v1/bots/{bot_id}/look-in", json=body)
    assert answer.status_code == 201, answer.text
    link: dict[str, Any] = answer.json()
    return link


async def events(client: httpx2.AsyncClient, bot_id: str, *types: str) -> list[dict[str, Any]]:
    found = (await client.get(f"/v1/bots/{bot_id}/events?limit=1000")).json()
    listed = found["events"] if isinstance(found, dict) else found
    return [each for each in listed if each["type"] in types]


def page_of(server: Server, bot_id: str) -> SimPage:
    live = server.service.live.get(bot_id)
    assert live is not None
    page: Any = live.running.bot.call.page  # type: ignore[union-attr]
    assert isinstance(page, SimPage)
    return page


def mouse(action: str, x: float = 0.5, y: float = 0.5) -> dict[str, Any]:
    return {"type": "input", "input": {"kind": "mouse", "action": action, "x": x, "y": y}}


# --- screenshots --------------------------------------------------------------------------------


async def test_a_screenshot_over_http_in_both_formats_until_there_are_too_many(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as server, http(server) as client:
        bot_id = (await ordered(client, STAY))["id"]
        await until(client, bot_id, "recording")
        shot = await client.get(f"/v1/bots/{bot_id}/screenshot")
        assert shot.headers["content-type"] == "image/jpeg"
        assert shot.headers["cache-control"] == "private, no-store"
        assert shot.content.startswith(b"\xff\xd8")
        png = await client.get(f"/v1/bots/{bot_id}/screenshot?format=png")
        assert (png.headers["content-type"], png.content[:4]) == ("image/png", b"\x89PNG")
        bad = await client.get(f"/v1/bots/{bot_id}/screenshot?format=gif")
        assert bad.status_code == 400
        for _ in range(3):
            assert (await client.get(f"/v1/bots/{bot_id}/screenshot")).status_code == 200
        many = await client.get(f"/v1/bots/{bot_id}/screenshot")
        assert many.status_code == 429
        assert int(many.headers["retry-after"]) >= 1
        noted = await events(client, bot_id, "command.answered")
        assert {(e["data"]["command"], e["data"]["by"]) for e in noted} == {("screenshot", "api")}


async def test_who_may_not_see_the_bot_has_no_picture_and_no_link(tmp_path: Path) -> None:
    async with serving(tmp_path, api_key="root-key") as server:
        _, mine = await server.service.create_key(1, scopes=WRITE)
        user, _ = await server.service.create_user("ada@example.org")
        _, other = await server.service.create_key(user.id, scopes=WRITE)
        async with http(server, mine) as client:
            bot_id = (await ordered(client, STAY))["id"]
        async with http(server, other) as client:
            assert (await client.get(f"/v1/bots/{bot_id}/screenshot")).status_code == 404
            refused = await client.post(f"/v1/bots/{bot_id}/look-in", json={})
            assert refused.status_code == 404
        async with http(server) as client:
            assert (await client.get(f"/v1/bots/{bot_id}/screenshot")).status_code == 401


async def test_a_bot_that_is_over_has_no_page_and_says_so(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, http(server) as client:
        bot_id = (await ordered(client))["id"]
        link = await linked(client, bot_id)
        await until(client, bot_id, "completed")
        with trio.fail_after(10):
            while server.service.live.get(bot_id) is not None:  # noqa: ASYNC110
                await trio.sleep(0.02)
        late = await client.post(f"/v1/bots/{bot_id}/look-in", json={})
        assert (late.status_code, late.json()["code"]) == (409, "command_refused")
        assert "has ended" in late.json()["detail"]
        shot = await client.get(f"/v1/bots/{bot_id}/screenshot")
        assert (shot.status_code, shot.json()["code"]) == (409, "command_refused")
        async with socket(server, f"/v1/look-in?token={link['token']}") as connection:
            person = Person(connection)
            ended = await person.told()
            assert (ended["type"], ended["code"]) == ("ended", "command_refused")
            assert await person.gone() == ENDED


# --- looking in -----------------------------------------------------------------------------------


async def test_a_link_shows_the_page_and_lets_nobody_touch_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, http(server) as client:
        bot_id = (await ordered(client, STAY))["id"]
        await until(client, bot_id, "recording")
        link = await linked(client, bot_id, expires_s=60)
        assert urlsplit(link["page_url"]).path == "/look-in"
        assert urlsplit(link["page_url"]).fragment == link["token"]
        assert link["url"].startswith("ws://")
        page = page_of(server, bot_id)
        async with looking(server, link) as person:
            assert {(await person.picture())[:2] for _ in range(3)} == {b"\xff\xd8"}
            assert len(set(person.pictures)) == 3
            refused = await person.ask(type="take_over")
            assert (refused["type"], refused["code"]) == ("refused", "command_refused")
            assert "only lets one see" in refused["detail"]
            assert await person.ask(**mouse("down")) == {"type": "released"}
            assert (await person.told())["type"] == "refused"
            for bad in ({"type": "input"}, {"type": "nonsense"}, {"kind": "mouse"}):
                assert (await person.ask(**bad))["type"] == "refused"
            assert await person.ask(type="ping") == {"type": "pong"}
        assert (page.inputs, page.acting) == ([], False)
        with trio.fail_after(5):
            while page.views:  # noqa: ASYNC110
                await trio.sleep(0.02)
        assert await events(client, bot_id, "bot.taken_over") == []


async def test_a_link_expires_and_what_it_opened_with_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, http(server) as client:
        bot_id = (await ordered(client, STAY))["id"]
        await until(client, bot_id, "recording")
        for wrong in (0, 3601):
            answer = await client.post(f"/v1/bots/{bot_id}/look-in", json={"expires_s": wrong})
            assert answer.status_code == 422
        answer = await client.post(f"/v1/bots/{bot_id}/look-in", json={"takeover": True})
        assert "Did you mean 'take_over'" in answer.json()["remedy"]
        link = await linked(client, bot_id, expires_s=1, take_over=True)
        async with looking(server, link) as person:
            assert await person.ask(type="take_over") == {"type": "taken_over"}
            with trio.fail_after(5):
                ended = await person.told()
            assert (ended["type"], ended["code"]) == ("ended", "expired")
            assert await person.gone() == ENDED
        assert not page_of(server, bot_id).acting
        for token in (link["token"], "x", ""):
            with pytest.raises((trio_websocket.ConnectionRejected, ExceptionGroup)):
                async with socket(server, f"/v1/look-in?token={token}"):
                    pytest.fail("it was let in")
        for purpose in ("/v1/ws", "/v1/media/"):  # a link is good for nothing else
            with pytest.raises((trio_websocket.ConnectionRejected, ExceptionGroup)):
                async with socket(server, f"{purpose}?token={link['token']}"):
                    pytest.fail("it was let in")


async def test_who_takes_nothing_has_no_pictures_made(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, http(server) as client:
        bot_id = (await ordered(client, STAY))["id"]
        await until(client, bot_id, "recording")
        page = page_of(server, bot_id)
        assert page.pictures == 0
        async with looking(server, await linked(client, bot_id)) as person:
            await person.picture()
        await trio.sleep(0.3)
        made = page.pictures
        await trio.sleep(0.3)
        assert page.pictures == made, "nobody looks any more"


# --- taking over --------------------------------------------------------------------------------


async def test_it_takes_an_own_right_and_one_person_at_a_time_has_the_hands(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, api_key="root-key") as server:
        _, plain = await server.service.create_key(1, scopes=WRITE)
        _, strong = await server.service.create_key(1, scopes=HANDS)
        async with http(server, plain) as client:
            bot_id = (await ordered(client, STAY))["id"]
            await until(client, bot_id, "recording")
            refused = await client.post(f"/v1/bots/{bot_id}/look-in", json={"take_over": True})
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        page = page_of(server, bot_id)
        async with http(server, strong) as client:
            link = await linked(client, bot_id, take_over=True)
            async with looking(server, link) as ada, looking(server, link) as ben:
                assert await ada.ask(type="take_over") == {"type": "taken_over"}
                assert page.acting
                other = await ben.ask(type="take_over")
                assert "Somebody else" in other["detail"]
                await say(ada.connection, **mouse("down", 0.25, 1))
                await say(ada.connection, type="input", input={"kind": "text", "text": "hello"})
                assert await ada.ask(type="ping") == {"type": "pong"}
                assert [each.kind for each in page.inputs] == ["mouse", "text"]
                assert await ada.ask(type="release") == {"type": "released"}
                assert (page.acting, page.held) == (False, set())
                assert await ben.ask(type="take_over") == {"type": "taken_over"}
            with trio.fail_after(5):
                while page.acting or page.views:  # noqa: ASYNC110
                    await trio.sleep(0.02)
            told = await events(client, bot_id, "bot.taken_over", "bot.released")
            assert [each["type"] for each in told] == ["bot.taken_over", "bot.released"] * 2
            assert [e["data"].get("cause") for e in told] == [None, "released", None, "gone"]
            assert {e["data"]["by"] for e in told} == {told[0]["data"]["by"]}
            assert strong not in json.dumps(told)
            assert "hello" not in json.dumps(await events(client, bot_id, "command.answered"))


async def test_a_look_and_its_hands_end_with_the_bot(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, http(server) as client:
        bot_id = (await ordered(client, STAY))["id"]
        await until(client, bot_id, "recording")
        async with looking(server, await linked(client, bot_id, take_over=True)) as person:
            assert await person.ask(type="take_over") == {"type": "taken_over"}
            await client.post(f"/v1/bots/{bot_id}/stop")
            with trio.fail_after(15):
                ended = await person.told()
            assert ended["type"] == "ended"
            assert await person.gone() == ENDED


async def test_it_is_the_same_with_a_bot_in_a_process_of_its_own(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, launcher=ChildProcessLauncher()) as server,
        http(server) as client,
    ):
        bot_id = (await ordered(client, STAY))["id"]
        await until(client, bot_id, "recording")
        shot = await client.get(f"/v1/bots/{bot_id}/screenshot?format=png")
        assert shot.content.startswith(b"\x89PNG")
        async with looking(server, await linked(client, bot_id, take_over=True)) as person:
            await person.picture()
            assert await person.ask(**mouse("down")) == {"type": "released"}
            assert (await person.told())["type"] == "refused"
            assert await person.ask(type="take_over") == {"type": "taken_over"}
            await say(person.connection, **mouse("down"))
            assert await person.ask(type="ping") == {"type": "pong"}
            await person.picture()
        await client.post(f"/v1/bots/{bot_id}/stop")
        await until(client, bot_id, "completed")
        told = await events(client, bot_id, "bot.taken_over", "bot.released")
        assert [each["type"] for each in told] == ["bot.taken_over", "bot.released"]


async def test_who_floods_a_look_is_parted_with(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, http(server) as client:
        bot_id = (await ordered(client, STAY))["id"]
        await until(client, bot_id, "recording")
        async with looking(server, await linked(client, bot_id)) as person:
            with pytest.raises(trio_websocket.ConnectionClosed) as closed:
                for _ in range(2000):
                    await say(person.connection, type="ping")
                while True:
                    await person.connection.get_message()
            assert closed.value.reason.code == 1008

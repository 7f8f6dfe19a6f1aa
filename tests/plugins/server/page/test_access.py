"""Who may look, and from where: keys, lost connections, other servers' states, a rehearsal."""

from __future__ import annotations

import json

import pytest

from meetcore_server import Sandbox, Server

from .conftest import House, Serve

pytestmark = pytest.mark.browser

STAY = "https://meet.google.com/stay-abc"
KEY = "mc_a-key-for-tests"


async def test_where_a_key_is_needed_one_signs_in_and_the_key_stays_in_the_tab(
    house: House, serve: Serve
) -> None:
    async with serve(api_key=KEY) as server:
        visitor = await house.visit(server)
        await visitor.see("h1 >> text=Sign in")
        assert await visitor.do("is_visible", "#list") is False
        await visitor.do("fill", "#key", "mc_wrong")
        await visitor.press("Enter")
        await visitor.see("#key-error >> text=not valid")
        await visitor.do("fill", "#key", KEY)
        await visitor.press("Enter")
        await visitor.see("form.order")
        await visitor.do("fill", "#order-meeting_url", STAY)
        await visitor.click("text=Send the bot")
        await visitor.see(".line.draft, .finals .line")
        assert await visitor.run("() => [localStorage.length, document.cookie]") == [0, ""]
        assert KEY not in await visitor.run("() => location.href")
        await visitor.do("reload")
        await visitor.see(".finals .line")
        await visitor.click("#sign-out")
        await visitor.see("h1 >> text=Sign in")
        assert await visitor.run("() => sessionStorage.length") == 0
        assert await visitor.run("() => document.querySelectorAll('.row').length") == 0
        other = await house.visit(server)
        await other.see("h1 >> text=Sign in")


async def test_a_key_that_was_revoked_brings_the_sign_in_box_back(
    house: House, serve: Serve
) -> None:
    async with serve(api_key=KEY) as server:
        row, secret = await server.service.create_key(1)
        visitor = await house.visit(server)
        await visitor.do("fill", "#key", secret)
        await visitor.press("Enter")
        await visitor.see("form.order")
        await server.service.revoke_key(row.id)
        await visitor.see("#key-error >> text=not valid, or not any more")
        assert await visitor.run("() => sessionStorage.length") == 0


async def test_a_broken_socket_is_told_and_comes_back_with_nothing_missed_or_twice(
    house: House, server: Server
) -> None:
    visitor = await house.visit(server, None)
    await visitor.browser.call(
        visitor.page.add_init_script,
        """window.sockets = [];
           window.WebSocket = class extends WebSocket {
             constructor(...all) {
               super(...all);
               window.sockets.push(this);
               this.addEventListener("open", () => {
                 const send = this.send.bind(this);
                 this.send = (text) => { (window.said ??= []).push(text); send(text); };
               });
             }
           };""",
    )
    await visitor.open()
    bot = await visitor.order("https://meet.google.com/busy-abc")
    await visitor.open(f"/#/bots/{bot}")
    await visitor.see(".finals .line")
    await visitor.browser.call(
        visitor.page.route, "**/v1/socket-tokens", lambda route: route.abort()
    )
    await visitor.run("() => window.sockets.at(-1).close()")
    await visitor.see(".notice-bar.lost")
    assert await visitor.do("get_attribute", ".notice-bar.lost", "role") == "status"
    assert await visitor.run("() => document.querySelectorAll('.draft').length") == 0
    async_chat = """(id) => fetch(`/v1/bots/${id}/chat`, {method: "POST", headers:
      {"content-type": "application/json"}, body: '{"text": "while you were away"}'})"""
    await visitor.run(async_chat, bot)
    await visitor.browser.call(visitor.page.unroute, "**/v1/socket-tokens")
    await visitor.see(".notice-bar.lost", state="hidden")
    await visitor.see(".messages >> text=while you were away")
    await visitor.see(".finals .line >> nth=1")
    said = [json.loads(text) for text in await visitor.run("() => window.said")]
    again = [each for each in said if each["type"] == "subscribe"][-1]
    assert again["after"] > 0
    texts = await visitor.run(
        "() => [...document.querySelectorAll('.finals .text')].map((each) => each.textContent)"
    )
    assert len(texts) == len(set(texts))
    messages = await visitor.run("() => document.querySelectorAll('.messages li').length")
    ids = await visitor.run("(id) => fetch(`/v1/bots/${id}/chat`).then((r) => r.json())", bot)
    assert messages == len(ids)


async def test_a_server_that_cannot_be_reached_is_told_and_tried_again(
    house: House, server: Server
) -> None:
    visitor = await house.visit(server)
    await visitor.see("form.order")
    await visitor.browser.call(visitor.page.route, "**/v1/bots**", lambda route: route.abort())
    await visitor.see(".notice-bar.lost")
    await visitor.browser.call(visitor.page.unroute, "**/v1/bots**")
    await visitor.click("text=Try now")
    await visitor.see(".notice-bar.lost", state="hidden")


async def test_a_bot_that_is_not_there_is_said(house: House, server: Server) -> None:
    visitor = await house.visit(server, "/#/bots/none")
    await visitor.see("text=There is no such bot")


async def test_a_newcomer_reads_a_command_line_for_each_api(house: House, serve: Serve) -> None:
    async with serve(dialects=("vexa", "skribby", "spoke")) as server:
        visitor = await house.visit(server)
        await visitor.see("text=Send your first bot")
        commands = await visitor.run(
            "() => [...document.querySelectorAll('pre')].map((each) => each.textContent)"
        )
        assert len(commands) == 4
        for path in ("/v1/bots", "/vexa/bots", "/skribby/api/v1/bot", "/spoke/bots"):
            assert any(f"curl {server.url}{path} " in each for each in commands), path
        for command in commands:
            body = json.loads(command.partition("-d '")[2].rstrip("'"))
            # The native one with a link of what is installed, a vendor's as its users write them.
            link = "stay-abc" if "/v1/bots" in command else "abc-defg-hij"
            assert any(link in str(value) for value in body.values())


async def test_a_rehearsal_says_so_and_sends_a_bot_with_one_click(
    house: House, serve: Serve
) -> None:
    async with serve(sandbox=Sandbox(), dialects=("rehearsal", "pocketsphinx")) as server:
        visitor = await house.visit(server)
        await visitor.see(".notice-bar >> text=Every meeting link leads to a scripted meeting")
        await visitor.click("text=Send a bot to a rehearsal")
        await visitor.see("h1 >> text=Notes")
        assert "abc-defg-hij" in await visitor.text(".where")
        await visitor.click(".actions button >> nth=0")
        await visitor.see(".badge >> text=/Completed|Failed/")

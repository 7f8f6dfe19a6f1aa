"""The page of the API in a real Chromium: all operations, to read and to try."""

from __future__ import annotations

import json

import pytest

from meetcore_server import Server

from .conftest import House, Serve

pytestmark = pytest.mark.browser

KEY = "mc_a-key-for-tests"


async def test_every_operation_is_shown_with_parameters_body_and_answers(
    house: House, server: Server
) -> None:
    visitor = await house.visit(server, "/docs")
    await visitor.see(".operation")
    described = await visitor.run(
        """async () => Object.values((await (await fetch("/openapi/openapi.json")).json()).paths)
           .flatMap((each) => Object.values(each).map((one) => one.operationId))"""
    )
    shown = await visitor.run(
        "() => [...document.querySelectorAll('.operation')].map((each) => each.id)"
    )
    assert sorted(shown) == sorted(described)
    await visitor.run("() => document.querySelectorAll('.operation').forEach((e) => e.open = true)")
    await visitor.until(
        "(count) => document.querySelectorAll('.operation .try').length === count", len(described)
    )
    body = await visitor.text("#create_bot .operation-body")
    for words in ("Idempotency-Key", "meeting_url", "required", "list of WebhookRequest", "201"):
        assert words in body
    await visitor.click("#create_bot summary >> text=webhooks")
    await visitor.see("#create_bot .fields .fields >> text=secret")
    assert "format" in await visitor.text("#get_transcript .fields")
    assert await visitor.fits()
    told = str(await visitor.browser.call(visitor.page.locator("body").aria_snapshot))
    assert '- heading "The native API" [level=1]' in told
    assert '- navigation "Operations":' in told
    assert visitor.troubles == []


async def test_an_operation_is_tried_with_the_key_of_the_tab(house: House, serve: Serve) -> None:
    async with serve(api_key=KEY) as server:
        visitor = await house.visit(server, "/docs#create_bot")
        await visitor.see("#create_bot .try")
        body = "#try-create_bot-body"
        assert json.loads(await visitor.do("input_value", body)) == {"meeting_url": ""}
        await visitor.click("#create_bot .try button")
        await visitor.see("#create_bot .answer-status >> text=401")
        await visitor.do("fill", "#docs-key", KEY)
        await visitor.do("fill", body, '{"meeting_url": ')
        await visitor.click("#create_bot .try button")
        await visitor.see("#create_bot .answer-status >> text=not JSON")
        await visitor.do("fill", body, '{"meeting_url": "https://meet.google.com/short-abc"}')
        await visitor.click("#create_bot .try button")
        await visitor.see("#create_bot .answer-status >> text=201")
        bot = json.loads(await visitor.do("text_content", "#create_bot .answer"))
        await visitor.open("/docs#stream_events")
        await visitor.do("fill", "#try-stream_events-bot_id", bot["id"])
        await visitor.do("fill", "#try-stream_events-after", "1")
        await visitor.click("#stream_events .try button")
        await visitor.see("#stream_events .answer >> text=segment.finalized")
        assert "id: 1\n" not in await visitor.do("text_content", "#stream_events .answer")
        await visitor.open("/")
        await visitor.see(".row >> text=short-abc")


async def test_on_a_phone_the_description_fits(house: House, server: Server) -> None:
    visitor = await house.visit(server, "/docs#create_bot", width=360, height=740, scheme="dark")
    await visitor.see("#create_bot .try")
    await visitor.run("() => document.querySelectorAll('details').forEach((e) => e.open = true)")
    assert await visitor.fits()

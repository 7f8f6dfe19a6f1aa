"""A finished bot's recording, transcribed once more on the page, in a real Chromium."""

from __future__ import annotations

import json

import pytest

from .conftest import MEETINGS, House, Serve
from .test_bots import downloaded

pytestmark = pytest.mark.browser

SHORT = "https://meet.google.com/short-abc"
LINES = "() => [...document.querySelectorAll('.finals .line .text')].map((e) => e.textContent)"


async def test_a_recording_is_transcribed_again_and_either_transcript_can_be_shown(
    house: House, serve: Serve
) -> None:
    async with serve(plugin_files=(str(MEETINGS),)) as server:
        visitor = await house.visit(server)
        bot = await visitor.order(SHORT, name="Notes")
        await visitor.open(f"/#/bots/{bot}")
        await visitor.see(".badge >> text=Completed")
        await visitor.click("text=Transcribe again")
        await visitor.see("#again-transcriber option[value='scripted']", state="attached")
        await visitor.do("select_option", "#again-transcriber", "scripted")
        await visitor.do("fill", "#again-language", "klingon")
        await visitor.click(".again >> text=/^Transcribe$/")
        await visitor.see(".revisions .error-text >> text=klingon")
        await visitor.do("fill", "#again-language", "")
        await visitor.click(".again >> text=/^Transcribe$/")
        await visitor.see(".revisions .hint >> text=/waits|is being made/")
        assert await visitor.do("is_disabled", "text=Transcribe again")
        await visitor.see(".revisions-bar select >> visible=true")
        await visitor.until("() => document.querySelector('.revisions-bar select').value === '2'")
        assert await visitor.text(".revisions .hint") == ""
        options = await visitor.run(
            "() => [...document.querySelectorAll('.revisions-bar option')].map((e) => e.text)"
        )
        assert options == ["Live: scripted", "Transcript 2: scripted"]
        made = await visitor.run(LINES)
        assert made
        for revision in ("2", "0"):
            await visitor.do("select_option", ".revisions-bar select", revision)
            shown = await downloaded(visitor, "[aria-label='Download the transcript as JSON']")
            texts = [each["text"] for each in json.loads(shown)["segments"]]
            await visitor.until(f"(texts) => ({LINES})().join() === texts.join()", texts)
        assert await visitor.fits()
        assert visitor.troubles == []
        await visitor.do("reload")
        await visitor.see(".revisions-bar select >> visible=true")
        await visitor.click("text=Delete data")
        await visitor.click("text=Delete for good")
        await visitor.see("text=Its data was deleted")
        assert await visitor.do("is_visible", ".revisions") is False

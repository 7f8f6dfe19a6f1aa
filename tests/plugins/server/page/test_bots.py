"""The page of the bots in a real Chromium: sending, watching, writing, stopping, deleting."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from meetcore_server.assembly import Server

from .conftest import House, Serve, Visitor

pytestmark = pytest.mark.browser

SHORT = "https://meet.google.com/short-abc"
STAY = "https://meet.google.com/stay-abc"
WAIT = "https://meet.google.com/wait-abc"
DENY = "https://meet.google.com/deny-abc"
SLOW = "https://meet.google.com/slow-abc"
WALL = "https://meet.google.com/wall-abc"
BUSY = "https://meet.google.com/busy-abc"


async def test_the_form_sends_a_bot_and_its_meeting_appears_live(
    house: House, server: Server
) -> None:
    visitor = await house.visit(server)
    await visitor.see("text=Send your first bot")
    await visitor.do("fill", "#order-meeting_url", BUSY)
    await visitor.do("fill", "#order-name", "Notes")
    await visitor.do("fill", "#order-entry_message", "Hello, I take notes.")
    await visitor.click("text=Send the bot")
    await visitor.see("h1 >> text=Notes")
    await visitor.see(".badge >> text=Recording")
    await visitor.see(".line.draft")
    drafted = await visitor.text(".line.draft .text")
    await visitor.see(".finals .line")
    final = await visitor.text(".finals .line .text")
    assert final == "good morning everyone shall we begin with the pilot"
    assert final.startswith(drafted.rstrip("…").split()[0])
    assert await visitor.text(".finals .line .speaker") == "Cara Mendes"
    await visitor.until(
        "() => !document.querySelector('.draft .speaker')?.textContent.includes('Cara')"
    )
    await visitor.see(".people li[data-speaking='true'] >> text=Dev Patel")
    assert "Dev Patel speaks" in await visitor.text(".speaking-now")
    await visitor.see(".people li[data-muted='true'] >> text=Eli Brandt")
    assert "Hello, I take notes." in await visitor.text(".messages")
    await visitor.see(".row[data-tone='live'] >> text=Notes")
    before = await visitor.text(".since time")
    await visitor.until("(was) => document.querySelector('.since time').innerText !== was", before)
    assert visitor.troubles == []


async def test_a_refusal_is_said_at_the_field_it_is_about(house: House, server: Server) -> None:
    visitor = await house.visit(server)
    await visitor.click("text=Send the bot")
    assert "Paste the link" in await visitor.text("#order-meeting_url-error")
    await visitor.do("fill", "#order-meeting_url", "https://nowhere.example/x")
    await visitor.click("text=Send the bot")
    await visitor.until(
        "() => document.querySelector('#order-meeting_url-error').textContent.includes('nowhere')"
    )
    assert await visitor.run("() => document.activeElement.id") == "order-meeting_url"
    assert await visitor.do("get_attribute", "#order-meeting_url", "aria-invalid") == "true"
    await visitor.do("fill", "#order-meeting_url", WAIT)
    await visitor.run("() => document.getElementById('order-name').removeAttribute('maxlength')")
    await visitor.do("fill", "#order-name", "N" * 300)
    await visitor.click("text=Send the bot")
    await visitor.until("() => document.querySelector('#order-name-error').textContent")
    assert "300 characters" in await visitor.text("#order-name-error")
    assert await visitor.text("#order-meeting_url-error") == ""
    await visitor.do("fill", "#order-name", "Notes")
    await visitor.do("select_option", "#order-video", "no")
    await visitor.run(
        "() => { const real = fetch; window.fetch = (url, how) => {"
        " if (String(url).endsWith('/v1/bots')) window.sent = how?.body ?? window.sent;"
        " return real(url, how); }; }"
    )
    await visitor.click("text=Send the bot")
    await visitor.see("h1 >> text=Notes")
    assert json.loads(await visitor.run("() => window.sent"))["video"] is False


async def test_a_bot_in_the_waiting_room_says_whom_to_ask_and_can_be_cancelled(
    house: House, server: Server
) -> None:
    visitor = await house.visit(server)
    await visitor.see("form.order")
    bot = await visitor.order(WAIT, name="Minutes")
    await visitor.see(".row .todo >> text=Ask the host to admit Minutes")
    await visitor.click(".row a")
    await visitor.see(".advice >> text=Ask the host to admit Minutes")
    await visitor.click(".actions >> text=Cancel")
    await visitor.see(".badge >> text=Completed")
    assert "told to leave" in await visitor.text(".advice")
    assert bot in await visitor.run("() => location.hash")


async def test_a_person_who_is_asked_for_answers_on_the_page(house: House, server: Server) -> None:
    visitor = await house.visit(server)
    bot = await visitor.order(WALL, name="Scribe")
    await visitor.open(f"/#/bots/{bot}")
    await visitor.see(".person >> text=A person is needed at the browser: captcha.")
    await visitor.click(".person >> text=It is done")
    await visitor.see(".badge >> text=/Recording|In the call/")
    assert await visitor.text(".person") == ""
    bot = await visitor.order(WALL[:-1] + "d", name="Scribe")
    await visitor.open(f"/#/bots/{bot}")
    await visitor.click(".person >> text=Give up")
    await visitor.see(".badge >> text=Failed")
    assert await visitor.text(".person") == ""


async def test_a_bot_that_does_not_get_on_for_a_minute_has_a_warning_and_a_cancel_button(
    house: House, server: Server
) -> None:
    visitor = await house.visit(server, None)
    clock = visitor.page.clock
    await visitor.browser.call(clock.install)
    await visitor.open()
    await visitor.see("form.order")
    await visitor.order(SLOW, name="Scribe")
    await visitor.browser.call(clock.run_for, 6_000)
    await visitor.see(".row .state >> text=Joining")
    assert await visitor.text(".row .todo") == ""
    # The server's clock does not move, and its answers would tell: hold them back.
    await visitor.browser.call(visitor.page.route, "**/v1/bots?*", lambda route: route.abort())
    await visitor.browser.call(clock.fast_forward, 62_000)
    await visitor.browser.call(clock.run_for, 2_000)
    await visitor.see(".row .todo >> text=longer than it should")
    await visitor.browser.call(visitor.page.unroute, "**/v1/bots?*")
    await visitor.click(".row button >> text=Cancel")
    await visitor.browser.call(clock.run_for, 6_000)
    await visitor.see(".row .state >> text=/Completed|Failed/")


async def test_a_failure_says_why_and_what_to_do(house: House, server: Server) -> None:
    visitor = await house.visit(server)
    await visitor.see("form.order")
    bot = await visitor.order(DENY, name="Recorder")
    await visitor.see(".row .todo >> text=The host did not let it in.")
    await visitor.open(f"/#/bots/{bot}")
    await visitor.see(".badge >> text=Failed")
    advice = await visitor.text(".advice")
    assert advice == (
        "The host did not let it in. Tell the host that a bot is coming, then send it again."
    )
    assert await visitor.do("is_visible", "text=the script denies")


async def test_a_message_is_for_one_person_alone_who_is_chosen(
    house: House, server: Server
) -> None:
    visitor = await house.visit(server)
    bot = await visitor.order(STAY)
    await visitor.open(f"/#/bots/{bot}")
    await visitor.see(".people li >> text=Ada")
    await visitor.do("select_option", "#chat-to", label="Ada")
    assert await visitor.do("get_attribute", "#chat-text", "placeholder") == "Write to Ada alone"
    await visitor.do("fill", "#chat-text", "For you alone")
    await visitor.do("press", "#chat-text", "Enter")
    await visitor.see(".messages .ours >> text=to Ada alone")
    await visitor.do("select_option", "#chat-to", label="Everybody")
    await visitor.do("fill", "#chat-text", "For all")
    await visitor.do("press", "#chat-text", "Enter")
    await visitor.see(".messages .ours >> text=For all")
    assert visitor.troubles == []


async def test_a_topic_is_set_and_begins_a_chapter(house: House, server: Server) -> None:
    visitor = await house.visit(server)
    bot = await visitor.order(STAY)
    await visitor.open(f"/#/bots/{bot}")
    await visitor.see(".badge >> text=Recording")
    await visitor.click("button >> text=Topic")
    await visitor.do("fill", "#topic-text", "Budget")
    await visitor.do("press", "#topic-text", "Enter")
    await visitor.until("() => !document.querySelector('dialog[open]')")
    told = "(id) => fetch(`/v1/bots/${id}/chapters`).then((r) => r.json())"
    chapters = await visitor.run(told, bot)
    assert any("Budget" in each["title"] for each in chapters)
    await visitor.click("text=Stop")
    await visitor.until("() => document.querySelector('.actions .quiet')?.hidden")
    assert visitor.troubles == []


async def test_chat_is_read_and_written_and_a_refusal_is_said(house: House, server: Server) -> None:
    visitor = await house.visit(server)
    bot = await visitor.order(STAY)
    await visitor.open(f"/#/bots/{bot}")
    await visitor.see(".messages >> text=hello")
    await visitor.do("fill", "#chat-text", "Good to be here")
    await visitor.do("press", "#chat-text", "Enter")
    await visitor.see(".messages .ours >> text=Good to be here")
    assert await visitor.do("input_value", "#chat-text") == ""
    problem = json.dumps({"status": 409, "code": "command_refused", "detail": "Not while paused."})
    await visitor.browser.call(
        visitor.page.route,
        "**/chat",
        lambda route: route.fulfill(status=409, body=problem, content_type="application/json"),
    )
    await visitor.do("fill", "#chat-text", "too early")
    await visitor.do("press", "#chat-text", "Enter")
    await visitor.see(".chat .error >> text=Not while paused.")
    assert await visitor.do("input_value", "#chat-text") == "too early"


async def test_a_bot_that_is_stopped_leaves_transcript_history_recording_and_downloads(
    house: House, server: Server, tmp_path: Path
) -> None:
    visitor = await house.visit(server)
    bot = await visitor.order(STAY)
    await visitor.open(f"/#/bots/{bot}")
    await visitor.see(".finals .line >> nth=1")
    await visitor.click(".actions >> text=Stop")
    await visitor.see(".badge >> text=Completed")
    transitions = await visitor.run(
        "() => [...document.querySelectorAll('.transitions strong')].map((e) => e.textContent)"
    )
    assert transitions == [
        "Starting", "Joining", "Waiting to be let in", "In the call", "Recording", "Leaving",
        "Finishing", "Completed",
    ]  # fmt: skip
    assert (
        await visitor.run(
            "() => document.querySelectorAll('.transitions .transition > time').length"
        )
        >= 8
    )
    await visitor.see("audio")
    await visitor.until("() => document.querySelector('audio').duration > 1")
    await visitor.run("() => document.querySelector('audio').play()")
    await visitor.until("() => document.querySelector('audio').currentTime > 0.2")
    await visitor.click(".finals .line >> nth=1 >> .at")
    await visitor.until("() => document.querySelector('audio').currentTime > 1.2")
    await visitor.see(".line.heard")
    for name, first in (("SRT", "1\n00:00:0"), ("VTT", "WEBVTT"), ("TXT", ""), ("JSON", "{")):
        text = await downloaded(visitor, f"[aria-label='Download the transcript as {name}']")
        assert text.decode().startswith(first)
        assert "good morning everyone" in text.decode()
    await visitor.click("summary >> text=files")
    for label in ("Everybody together", "track-ada-Ada", "track-ben-Ben"):
        assert (await downloaded(visitor, f".files a >> text={label}"))[:4] == b"OggS"
    assert visitor.troubles == []


CLICK_WORD = """(word) => {
  const text = document.querySelector('.finals .text').firstChild;
  text.parentElement.scrollIntoView({ block: "center" });
  const at = text.data.indexOf(word);
  const range = document.createRange();
  range.setStart(text, at);
  range.setEnd(text, at + word.length);
  const { x, y, width, height } = range.getBoundingClientRect();
  const place = { clientX: x + width / 2, clientY: y + height / 2, bubbles: true };
  text.parentElement.dispatchEvent(new MouseEvent("click", place));
}"""


async def test_a_film_is_played_and_a_click_on_a_word_leads_to_it(
    house: House, server: Server
) -> None:
    visitor = await house.visit(server)
    bot = await visitor.order(STAY.replace("stay", "film"), video=True)
    await visitor.open(f"/#/bots/{bot}")
    await visitor.see(".badge >> text=Completed")
    await visitor.see(".seekable")
    await visitor.see("video")
    assert await visitor.do("is_visible", "audio") is False
    await visitor.until("() => document.querySelector('video').duration > 1.5")
    assert await visitor.run("() => document.querySelector('video').videoWidth") == 160
    times = await visitor.run(
        """async (url) => (await (await fetch(url)).json()).segments[0].words""",
        f"/v1/bots/{bot}/transcript",
    )
    last = times[-1]
    await visitor.run(CLICK_WORD, last["text"])
    await visitor.until(
        f"() => document.querySelector('video').currentTime >= {last['start_s'] - 0.01}"
    )
    await visitor.run("() => document.querySelector('video').pause()")
    assert await visitor.run("() => document.querySelector('video').currentTime") < 3.0
    await visitor.run(CLICK_WORD, times[0]["text"])
    first = times[0]["start_s"]
    await visitor.until(
        f"() => Math.abs(document.querySelector('video').currentTime - {first}) < 0.4"
    )
    assert visitor.troubles == []


async def downloaded(visitor: Visitor, selector: str) -> bytes:
    async def take() -> Path:
        async with visitor.page.expect_download(timeout=15_000) as about:
            await visitor.page.click(selector)
        return Path(await (await about.value).path())

    path = await visitor.browser.call(take)
    return bytes(path.read_bytes())


async def test_what_a_bot_left_is_deleted_after_a_confirmation(
    house: House, server: Server
) -> None:
    visitor = await house.visit(server)
    bot = await visitor.order(SHORT)
    await visitor.open(f"/#/bots/{bot}")
    await visitor.see(".badge >> text=Completed")
    await visitor.see("audio")
    await visitor.click("text=Delete data")
    assert await visitor.run("() => document.activeElement.textContent") == "Keep it"
    await visitor.press("Escape")
    await visitor.see("dialog", state="hidden")
    await visitor.see(".finals .line")
    await visitor.click("text=Delete data")
    await visitor.click("text=Delete for good")
    await visitor.see("text=Its data was deleted")
    assert await visitor.do("is_visible", "audio") is False
    assert await visitor.run("() => document.querySelectorAll('.line').length") == 0
    await visitor.do("reload")
    await visitor.see("text=Its data was deleted")


async def test_bots_ordered_elsewhere_appear_and_move_from_now_to_lately(
    house: House, serve: Serve
) -> None:
    async with serve(dialects=("spoke",)) as server:
        visitor = await house.visit(server)
        await visitor.see("form.order")
        body = {"meeting_url": STAY, "bot_name": "Sprecher"}
        await visitor.run(
            """(body) => fetch("/spoke/bots", {method: "POST", body: JSON.stringify(body),
               headers: {"content-type": "application/json", "x-spoke-api-key": "any"}})""",
            body,
        )
        await visitor.see("section[aria-labelledby='now-title'] .row >> text=Sprecher")
        await visitor.click(".row a")
        await visitor.see("text=ordered through spoke")
        await visitor.click(".actions >> text=/Stop|Cancel/")
        await visitor.see("section[aria-labelledby='lately-title'] .row >> text=Sprecher")


async def test_people_who_write_markup_are_shown_with_what_they_wrote(
    house: House, server: Server
) -> None:
    visitor = await house.visit(server)
    image = "<img src=x onerror=document.title='broken'>"
    bot = await visitor.order(
        "https://meet.google.com/markup-abc", name=image, entry_message=f"<b>{image}</b>"
    )
    await visitor.open(f"/#/bots/{bot}")
    await visitor.see(".finals .line")
    await visitor.see(".messages li >> nth=1")
    assert await visitor.text("h1") == image
    assert await visitor.text(".row .name") == image
    assert await visitor.text(".people strong") == image
    assert await visitor.text(".finals .speaker") == image
    chat = await visitor.text(".messages")
    assert f"<b>{image}</b>" in chat
    assert "<script>document.title='broken'</script>" in chat
    await visitor.run(
        """async (text) => {
          const { Transcript } = await import("/static/transcript.js");
          const made = new Transcript("none");
          document.querySelector(".main-part").append(made.element);
          made.element.id = "made";
          const said = `${text} once more`;
          const draft = {id: "d", speaker: text, text: said, start_s: 1, end_s: 2};
          made.draft({...draft, language: '"><b>'}, 3);
          made.final({id: "f", speaker: text, text, start_s: 1, end_s: 2, language: '"><b>'});
        }""",
        image,
    )
    assert await visitor.text("#made .finals .text") == image
    assert await visitor.text("#made .drafts .stable") == f"{image} ".strip()
    assert await visitor.text("#made .drafts .unstable") == "once more"
    assert await visitor.run("() => document.querySelectorAll('main img, main b').length") == 0
    assert await visitor.do("title") != "broken"
    assert visitor.troubles == []

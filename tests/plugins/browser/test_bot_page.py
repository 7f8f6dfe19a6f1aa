"""Steps with deadlines, controls found in order, messages from page scripts, and the bundle."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.lowlevel

from meetcore.model.errors import MeetcoreError
from meetcore.model.signals import DiagnosticsWritten, StepWorked
from meetcore_browser.bot_page import BotPage, open_page
from meetcore_browser.browser import Browser
from meetcore_browser.capture import CaptureOptions
from meetcore_browser.errors import SelectorMissed, StepFailed, StepTimedOut
from meetcore_browser.page_settings import PageSettings
from meetcore_browser.selectors import SelectorPack
from meetcore_browser.testing import KeepingCallEvents, PageSite, until

pytestmark = pytest.mark.browser

PASSCODE = "s3cr3t&word"

LOBBY = """<!doctype html><html lang="en"><title>Lobby</title>
<h1>You can't join yet</h1>
<p>Passcode: s3cr3t&amp;word</p>
<a href="/wc/99?pwd=tok3n-of-the-day">Ask to join</a>
<img alt="" src="/avatar.png?sig=tok3n-of-the-day">
<input id="code" value="s3cr3t&amp;word">
<button hidden>Hidden</button>
<button id="join" aria-label="Join the call" onclick="document.title = 'joined'">Join</button>
<script>
  console.log("joining with", "s3cr3t&word");
  console.error("failed: https://api.example/join?token=abcdef0123");
  const say = (n) => { throw new Error("boom " + n) };
  setTimeout(() => say("s3cr3t&word"));
</script>"""

PACK = SelectorPack.parse(
    {
        "join": {
            "selectors": [
                {"kind": "css", "value": "#renamed-long-ago"},
                {"kind": "role", "value": "button", "name": "Join the call"},
                {"kind": "css", "value": "button"},
            ]
        },
        "waiting": {"selectors": [{"kind": "text", "value": "You can’t join yet"}]},
        "hidden": {"selectors": [{"kind": "text", "value": "Hidden"}]},
        "hidden_but_there": {
            "selectors": [{"kind": "text", "value": "Hidden"}],
            "state": "attached",
        },
        "late": {"selectors": [{"kind": "css", "value": "#late"}]},
    }
)


@pytest.fixture
async def lobby(
    browser: Browser, site: PageSite, events: KeepingCallEvents, request_for: Any
) -> AsyncIterator[BotPage]:
    site.add("/lobby", LOBBY)
    async with open_page(request_for(secrets=(PASSCODE,)), events, browser=browser) as page:
        await page.goto(site.url("/lobby?pwd=s3cr3t%26word#tok3n-of-the-day"))
        yield page


async def test_controls_are_found_by_their_best_selector_and_in_the_order_asked(
    lobby: BotPage,
) -> None:
    hit = await lobby.find(PACK["join"])
    assert (hit.rank, hit.describe()) == (1, "join by role=button 'Join the call' (rank 1)")
    assert (await lobby.first_of([PACK["late"], PACK["waiting"], PACK["join"]])).control.name == (
        "waiting"
    )
    assert (await lobby.first_of([PACK["join"], PACK["waiting"]])).control.name == "join"
    assert (await lobby.find(PACK["hidden_but_there"])).rank == 0
    with pytest.raises(SelectorMissed, match=r"'hidden' within 0 s; tried.*text=Hidden"):
        await lobby.find(PACK["hidden"], timeout_s=0)

    await lobby.evaluate(
        "() => { setTimeout(() => document.body.append(Object.assign("
        "document.createElement('b'), {id: 'late', innerText: 'here'})), 300) }"
    )
    assert (await lobby.find(PACK["late"], timeout_s=5)).rank == 0

    await lobby.click(hit)
    assert await lobby.call(lobby.raw.title) == "joined"
    pack = SelectorPack.parse({"code": {"selectors": [{"kind": "css", "value": "#code"}]}})
    await lobby.fill(await lobby.find(pack["code"]), "Notes")
    assert await lobby.evaluate("() => document.querySelector('#code').value") == "Notes"


CORNERS = """<!doctype html><title>Corners</title>
<style>button { position: fixed; width: 90px; height: 40px } #b { right: 0; bottom: 0 }</style>
<button id="a" onclick="this.dataset.n = 1 + +(this.dataset.n || 0)">A</button>
<button id="b" onclick="this.dataset.n = 1 + +(this.dataset.n || 0)">B</button>
<input id="text" style="margin: 120px">"""


async def test_two_who_click_at_the_same_time_both_do(lobby: BotPage, site: PageSite) -> None:
    await lobby.goto(site.add("/corners", CORNERS))
    names = ("a", "b", "text")
    pack = SelectorPack.parse(
        {name: {"selectors": [{"kind": "css", "value": f"#{name}"}]} for name in names}
    )
    times = 25

    async def click(name: str) -> None:
        for _ in range(times):
            await lobby.click(await lobby.find(pack[name], timeout_s=0))

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(click, name)
        assert await lobby.evaluate("() => [a, b].map((button) => Number(button.dataset.n))") == [
            times,
            times,
        ]


async def test_what_was_tried_is_told_of_the_search_that_missed(lobby: BotPage) -> None:
    async def look_elsewhere() -> None:
        await trio.sleep(0.05)
        await lobby.find(PACK["join"])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(look_elsewhere)
        with pytest.raises(SelectorMissed, match=r"'late' within 0.3 s; tried.*: late: css=#late"):
            await lobby.find(PACK["late"], timeout_s=0.3)


async def test_a_page_that_goes_on_to_another_document_while_it_is_asked_is_asked_again(
    lobby: BotPage, site: PageSite
) -> None:
    restless = """<script>
      const seen = Number(sessionStorage.seen ?? 0) + 1;
      sessionStorage.seen = seen;
      if (seen < 15) setTimeout(() => location.reload(), 5);
      else document.write("<b id=late>here</b>");
    </script>"""
    await lobby.goto(site.add("/restless", restless))
    assert (await lobby.find(PACK["late"], timeout_s=10)).rank == 0


async def test_a_step_that_works_is_told_with_what_matched(
    lobby: BotPage, events: KeepingCallEvents
) -> None:
    async with lobby.step("press join") as step:
        hit = await lobby.find(PACK["join"])
        step.note(f"rank {hit.rank}")
    assert events.signals == [StepWorked("press join", "rank 1")]


async def test_a_failed_step_leaves_a_bundle_without_a_secret(
    lobby: BotPage, events: KeepingCallEvents, tmp_path: Path
) -> None:
    with pytest.raises(SelectorMissed) as caught:
        async with lobby.step("press join"):
            await lobby.find(PACK["late"], timeout_s=0.3)

    folder = tmp_path / "bot" / "diagnostics" / "01-press-join"
    assert events.signals == [
        DiagnosticsWritten("press join", "diagnostics/01-press-join", "SelectorMissed")
    ]
    assert any("diagnostics/01-press-join" in note for note in caught.value.__notes__)
    assert sorted(path.name for path in folder.iterdir()) == [
        "page.html",
        "report.json",
        "screenshot.png",
    ]
    assert (folder / "screenshot.png").read_bytes()[:4] == b"\x89PNG"

    report = json.loads((folder / "report.json").read_text())
    assert report["url"].endswith("/lobby")
    assert report["title"] == "Lobby"
    assert (report["lang"], report["navigator_language"]) == ("en", "en-US")
    assert report["visible_buttons"] == ["Ask to join", "Join the call"]
    assert report["selectors_tried"] == ["late: css=#late"]
    assert [record["text"] for record in report["steps"]] == [
        "press join: begun",
        "press join: SelectorMissed",
    ]
    assert report["chromium"]["version"] == lobby.browser.version
    assert set(report["parts"].values()) == {"ok"}
    assert report["console"][0] == "log: joining with [redacted]"
    assert report["console"][1].startswith("error: failed: https://api.example/join?[redacted]")
    assert report["console"][2].startswith("uncaught: Error: boom [redacted]")

    html = (folder / "page.html").read_text()
    assert "You can't join yet" in html
    for path in folder.iterdir():
        content = path.read_bytes()
        for secret in (b"s3cr3t", b"tok3n", b"abcdef0123"):
            assert secret not in content, path.name


async def test_what_stands_in_frames_is_in_the_bundle_too(
    lobby: BotPage, site: PageSite, tmp_path: Path
) -> None:
    site.add("/inner", "<p>inside s3cr3t&amp;word</p>")
    await lobby.goto(site.add("/outer", "<iframe src='/inner'></iframe><iframe></iframe>"))
    assert await lobby.write_diagnostics("look") == "diagnostics/01-look"
    folder = tmp_path / "bot/diagnostics/01-look"
    assert "inside [redacted]" in (folder / "frame-1.html").read_text()
    assert not (folder / "frame-2.html").exists()


async def test_what_holds_a_secret_is_masked_in_the_picture(lobby: BotPage, tmp_path: Path) -> None:
    before = await lobby.call(lobby.raw.screenshot)
    await lobby.write_diagnostics("a look")
    picture = (tmp_path / "bot/diagnostics/01-a-look/screenshot.png").read_bytes()
    assert picture != before
    count = await lobby.evaluate(COUNT_MASK, list(picture))
    assert count > 1000
    assert await lobby.evaluate(COUNT_MASK, list(before)) == 0


COUNT_MASK = """async (bytes) => {
  const bitmap = await createImageBitmap(new Blob([new Uint8Array(bytes)]));
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const painter = canvas.getContext("2d");
  painter.drawImage(bitmap, 0, 0);
  const { data } = painter.getImageData(0, 0, bitmap.width, bitmap.height);
  let count = 0;
  for (let i = 0; i < data.length; i += 4)
    if (data[i] === 255 && data[i + 1] === 0 && data[i + 2] === 255) count++;
  return count;
}"""


async def test_a_step_that_takes_too_long_is_told_and_leaves_a_bundle(
    lobby: BotPage, events: KeepingCallEvents
) -> None:
    with pytest.raises(StepTimedOut, match=r"'wait for Ada' took longer than 0\.2 s") as caught:
        async with lobby.step("wait for Ada", timeout_s=0.2):
            await trio.sleep_forever()
    assert caught.value.diagnostics == "diagnostics/01-wait-for-ada"
    assert len(events.of_type(DiagnosticsWritten)) == 1


async def test_errors_that_are_not_ours_become_a_failed_step_and_ours_pass_as_they_are(
    lobby: BotPage,
) -> None:
    with pytest.raises(StepFailed, match="'divide' failed: division by zero") as caught:
        async with lobby.step("divide"):
            _ = 1 / 0
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(MeetcoreError) as ours:
        async with lobby.step("knock"):
            raise MeetcoreError("denied")
    assert str(ours.value) == "denied"


async def test_a_cancelled_step_ends_at_once_without_a_bundle(
    lobby: BotPage, events: KeepingCallEvents
) -> None:
    with trio.move_on_after(0.1) as scope:
        async with lobby.step("wait"):
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert events.signals == []


@pytest.mark.law(7)
async def test_a_page_that_hangs_still_gives_a_bundle_in_time(
    lobby: BotPage, tmp_path: Path
) -> None:
    await lobby.evaluate("() => { setTimeout(() => { for (;;); }, 0) }")
    began = trio.current_time()
    assert await lobby.write_diagnostics("hung") == "diagnostics/01-hung"
    assert trio.current_time() - began < 12
    report = json.loads((tmp_path / "bot/diagnostics/01-hung/report.json").read_text())
    assert "did not return" in report["parts"]["page"]
    assert "ok" not in report["parts"].values()
    assert len(report["console"]) == 3
    assert report["url"].endswith("/lobby")


async def test_a_disk_that_refuses_costs_the_bundle_and_not_the_error(
    lobby: BotPage, tmp_path: Path, events: KeepingCallEvents
) -> None:
    (tmp_path / "bot").write_text("a file where the folder should be")
    with pytest.raises(SelectorMissed):
        async with lobby.step("press join"):
            await lobby.find(PACK["late"], timeout_s=0)
    assert events.signals == []


async def test_a_lost_browser_still_leaves_a_report(
    site: PageSite, events: KeepingCallEvents, request_for: Any, tmp_path: Path
) -> None:
    import os
    import signal

    from meetcore_browser.errors import BrowserCrashed

    site.add("/lobby", LOBBY)
    async with open_page(request_for(), events) as page:
        await page.goto(site.url("/lobby"))
        with pytest.raises(BrowserCrashed):
            async with page.step("press join"):
                assert page.browser.pid is not None
                os.kill(page.browser.pid, signal.SIGKILL)
                await page.find(PACK["late"], timeout_s=5)
    [folder] = (tmp_path / "bot/diagnostics").iterdir()
    assert [path.name for path in folder.iterdir()] == ["report.json"]


async def test_a_joiners_page_script_tells_the_host_and_shows_the_page_nothing(
    browser: Browser, site: PageSite, events: KeepingCallEvents, request_for: Any, tmp_path: Path
) -> None:
    site.add(
        "/meeting",
        "<script>window.seen = Object.keys(window).filter((k) => k.startsWith('__'));"
        "window.meetcoreSeen = typeof meetcore;</script>",
    )
    script = tmp_path / "observer.js"
    script.write_text("const roster = ['Ada', 'Bob']; meetcore.tell('roster', roster);")
    other = tmp_path / "other.js"
    other.write_text("const roster = 'a name of its own'; meetcore.tell('unheard');")
    told: list[Any] = []
    async with open_page(
        request_for(),
        events,
        browser=browser,
        capture=None,
        scripts=[script, other],
        on_message={"roster": told.append},
    ) as page:
        await page.goto(site.url("/meeting"))
        await until(lambda: told == [["Ada", "Bob"]])
        assert await page.evaluate("() => [window.seen, window.meetcoreSeen]") == [[], "undefined"]


async def test_a_handler_that_raises_ends_the_watch_with_its_error(
    browser: Browser, site: PageSite, events: KeepingCallEvents, request_for: Any, tmp_path: Path
) -> None:
    script = tmp_path / "observer.js"
    script.write_text("meetcore.tell('roster', 1);")

    def on_roster(data: Any) -> None:
        raise ValueError(f"not a roster: {data}")

    async with open_page(
        request_for(), events, browser=browser, scripts=[script], on_message={"roster": on_roster}
    ) as page:
        await page.goto(site.url("/bot"))
        with trio.fail_after(90), pytest.raises(ValueError, match="not a roster: 1"):
            await page.watch()


async def test_a_page_without_capture_keeps_its_own_webrtc(
    browser: Browser, site: PageSite, events: KeepingCallEvents, request_for: Any
) -> None:
    native = "() => RTCPeerConnection.prototype.setRemoteDescription.toString()"
    async with open_page(request_for(), events, browser=browser, capture=None) as page:
        await page.goto(site.url("/bot"))
        assert "[native code]" in await page.evaluate(native)
    async with open_page(request_for(), events, browser=browser, capture=CaptureOptions()) as page:
        await page.goto(site.url("/bot"))
        assert "[native code]" not in await page.evaluate(native)


FRAMED = """<!doctype html><title>Framed</title>
<iframe id="own" src="/inner"></iframe>
<div id="host"></div>
<script>
  host.attachShadow({ mode: "open" }).innerHTML = "<button>In the shadow</button>";
  const frame = document.createElement("iframe");
  frame.id = "other";
  frame.src = location.href.replace("127.0.0.1", "localhost").replace("/framed", "/other");
  document.body.append(frame);
  window.told = [];
</script>"""


def button(text: str, **more: Any) -> dict[str, Any]:
    return {"selectors": [{"kind": "role", "value": "button", "name": text}], **more}


async def test_controls_are_found_in_frames_and_open_shadow_roots(
    lobby: BotPage, site: PageSite
) -> None:
    site.add("/inner", "<button onclick=\"parent.told.push('inner')\">Inner</button>")
    site.add("/other", "<button>Elsewhere</button>")
    await lobby.goto(site.add("/framed", FRAMED))
    pack = SelectorPack.parse(
        {
            "inner": button("Inner"),
            "named": button("Inner", frame="#own"),
            "shadow": button("In the shadow"),
            "elsewhere": button("Elsewhere"),
            "elsewhere named": button("Elsewhere", frame="#other"),
        }
    )
    await lobby.click(await lobby.find(pack["inner"]))
    await lobby.click(await lobby.find(pack["named"]))
    assert await lobby.evaluate("told") == ["inner", "inner"]
    await lobby.find(pack["shadow"])
    await lobby.find(pack["elsewhere named"])
    with pytest.raises(SelectorMissed):
        await lobby.find(pack["elsewhere"], timeout_s=0)


async def test_a_dialog_is_answered_and_told_and_a_topic_of_ours_is_nobody_elses(
    browser: Browser, site: PageSite, events: KeepingCallEvents, request_for: Any, tmp_path: Path
) -> None:
    """A joiner may call its topics what it likes, and a page may ask what it likes."""
    script = tmp_path / "joiner.js"
    script.write_text(
        """for (const topic of ["gone", "track", "clock", "health", "trouble"])
             meetcore.tell(topic, { track: 1, by: "the joiner" });
           meetcore.tell("closed", [meetcore.tellHost, meetcore.tellAudio].map((f) => typeof f));
        """
    )
    told: dict[str, Any] = {}
    topics = ("gone", "track", "clock", "health", "trouble", "closed")
    site.add(
        "/asks",
        "<script>alert('hello');"
        "document.title = [confirm('sure?'), prompt('name')].join()</script>",
    )
    settings = PageSettings(locale="de-DE", timezone="Asia/Tokyo", width=800, height=500)
    async with open_page(
        request_for(),
        events,
        browser=browser,
        scripts=[script],
        on_message={topic: partial(told.__setitem__, topic) for topic in topics},
        settings=settings,
    ) as page:
        await page.goto(site.url("/asks"))
        await until(lambda: len(told) == len(topics))
        await page.evaluate("localStorage.setItem('kept', 'yes')")
        seen = await page.evaluate(
            """[document.title, navigator.language, innerWidth, innerHeight,
                Intl.DateTimeFormat().resolvedOptions().timeZone, navigator.webdriver]"""
        )
        state = await page.storage_state()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(page.watch)
            await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    assert seen[:5] == ["false,", "de-DE", 800, 500, "Asia/Tokyo"]
    assert told["gone"] == {"track": 1, "by": "the joiner"}
    assert told["closed"] == ["undefined", "undefined"]
    steps = [s.detail for s in events.signals if isinstance(s, StepWorked) and s.name == "dialog"]
    assert steps == [
        "alert: hello (accepted)",
        "confirm: sure? (dismissed)",
        "prompt: name (dismissed)",
    ]
    kept = [item for origin in state["origins"] for item in origin["localStorage"]]
    assert kept == [{"name": "kept", "value": "yes"}]
    async with open_page(
        request_for(), events, browser=browser, settings=PageSettings(storage_state=state)
    ) as page:
        await page.goto(site.url("/asks"))
        assert await page.evaluate("localStorage.getItem('kept')") == "yes"

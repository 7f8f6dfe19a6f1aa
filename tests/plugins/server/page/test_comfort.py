"""The page for everybody: keyboard, screen reader, phone, dark, long meetings."""

from __future__ import annotations

from pathlib import Path

import pytest

from meetcore_server import Server

from .conftest import House, Visitor
from .meetings import LONG_NAME

pytestmark = pytest.mark.browser

STAY = "https://meet.google.com/stay-abc"
BUSY = "https://meet.google.com/busy-abc"

FOCUSED = """() => {
  const at = document.activeElement;
  const style = getComputedStyle(at);
  const name = at.getAttribute("aria-label") ?? at.labels?.[0]?.textContent ?? at.textContent;
  return [at.tagName, name.trim(), style.outlineStyle !== "none" || style.boxShadow !== "none"];
}"""

PAINTED = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"

MANY = """async (count) => {
  const { Transcript } = await import("/static/transcript.js");
  const made = (window.made = new Transcript("none"));
  document.querySelector(".transcript").replaceWith(made.element);
  const segments = Array.from({ length: count }, (_, at) => ({
    id: `s${at}`, speaker: ["Ada", "Ben", "Cy"][at % 7 % 3], start_s: at * 3, end_s: at * 3 + 2.5,
    text: `Sentence ${at}, which is about as long as sentences in meetings are wont to be.`,
  }));
  made.load(segments);
  made.scroller.scrollTop = made.scroller.scrollHeight;
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  const changes = new MutationObserver(() => {});
  changes.observe(made.element, { childList: true, subtree: true, characterData: true });
  for (let at = 0; at < 50; at += 1) {
    made.final({ id: `t${at}`, speaker: "Dee", start_s: count * 3 + at, end_s: count * 3 + at + 1,
      text: "And one more that is said while one looks." });
  }
  const changed = changes.takeRecords().length;
  changes.disconnect();
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  const lines = [...document.querySelectorAll(".line")];
  const drawn = lines.filter((each) => each.checkVisibility({ contentVisibilityAuto: true }));
  return { lines: lines.length, drawn: drawn.length, changed };
}"""


async def tab(visitor: Visitor, wanted: str, most: int = 40) -> list[str]:
    """Press Tab until something with that name has the focus; return the names on the way."""
    names = []
    for _ in range(most):
        await visitor.press("Tab")
        tag, name, visible = await visitor.run(FOCUSED)
        names.append(name)
        assert visible, f"{tag} {name!r} has the focus, but nobody sees it"
        if wanted in name:
            return names
    raise AssertionError(f"{wanted!r} is not reached: {names}")


async def test_with_the_keyboard_alone_one_sends_writes_stops_and_deletes(
    house: House, server: Server
) -> None:
    visitor = await house.visit(server)
    await visitor.see("form.order")
    names = await tab(visitor, "Link of the meeting")
    assert names[0] == "Skip to the content"
    await visitor.browser.call(visitor.page.keyboard.type, STAY)
    await tab(visitor, "Name it shows")
    await visitor.browser.call(visitor.page.keyboard.type, "Keys")
    await visitor.press("Enter")
    await visitor.see(".badge >> text=Recording")
    assert await visitor.run("() => document.activeElement.tagName") == "H1"
    await tab(visitor, "Message to everybody")
    await visitor.browser.call(visitor.page.keyboard.type, "typed")
    await visitor.press("Enter")
    await visitor.see(".messages .ours >> text=typed")
    await visitor.see(".finals .line >> nth=1")
    await visitor.run("() => document.querySelector('h1').focus()")
    await tab(visitor, "Stop Keys")
    await visitor.press("Enter")
    await visitor.see(".badge >> text=Completed")
    await visitor.see(".seekable")
    await tab(visitor, "Recording of the meeting")
    for _ in range(16):
        await visitor.press("Tab")
        if await visitor.run("() => document.activeElement.matches('button.at')"):
            break
    await visitor.press("ArrowDown")
    where = "() => document.activeElement.closest('li').querySelector('.speaker').textContent"
    assert await visitor.run(where) == "Ben"
    await visitor.run("() => document.querySelector('h1').focus()")
    await tab(visitor, "Delete data")
    await visitor.press("Enter", "Shift+Tab", "Enter")
    await visitor.see("text=Its data was deleted")


async def test_a_screen_reader_finds_landmarks_names_and_what_is_live(
    house: House, server: Server
) -> None:
    visitor = await house.visit(server)
    bot = await visitor.order(BUSY, name="Notes")
    await visitor.open(f"/#/bots/{bot}")
    await visitor.see(".finals .line")
    await visitor.see(".line.draft")
    told = str(await visitor.browser.call(visitor.page.locator("body").aria_snapshot))
    for part in (
        "- banner:",
        '- navigation "Bots":',
        '- navigation "Site":',
        "- main:",
        '- heading "Notes" [level=1]',
        '- region "Transcript":',
        '- log "What was said":',
        '- list "Being said now":',
        '- region "People (4)":',
        '- region "Chat":',
        '- textbox "Message to everybody"',
        '- button "Send the message"',
        '- region "History":',
        '- button "Stop Notes"',
        '- button "Download the transcript as SRT"',
    ):
        assert part in told, part
    live = "(what) => document.querySelector(what).closest('[aria-live]')?.ariaLive"
    assert await visitor.run(live, ".finals .line") == "polite"
    assert await visitor.run(live, ".drafts") == "off"
    await visitor.click(".actions >> text=Stop")
    await visitor.see("#announcer >> text=Notes: Completed", state="attached")
    unnamed = await visitor.run(
        """() => [...document.querySelectorAll("button, a, input, select, textarea")].filter(
          (each) => !(each.ariaLabel || each.textContent.trim() || each.labels?.length)
        ).map((each) => each.outerHTML)"""
    )
    assert unnamed == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_on_a_phone_nothing_is_wider_than_the_screen(
    house: House, server: Server, scheme: str, tmp_path: Path
) -> None:
    visitor = await house.visit(server, width=360, height=740, scheme=scheme)
    await visitor.see("form.order")
    assert await visitor.fits()
    bot = await visitor.order(BUSY, name="A name that is much too long for a phone" * 3)
    await visitor.see(".row", state="attached")
    await visitor.open("/#/")
    await visitor.see(".row")
    assert await visitor.fits()
    await visitor.click(".row a")
    await visitor.see(".finals .line")
    assert bot in await visitor.run("() => location.hash")
    assert await visitor.do("is_visible", "#list") is False
    assert await visitor.fits()
    await visitor.do("screenshot", path=tmp_path / "phone.png", full_page=True)
    dark = await visitor.run(
        "() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g)[0] < 60"
    )
    assert dark is (scheme == "dark")
    small = await visitor.run(
        """() => [...document.querySelectorAll("main button, main a.back, header.bar a")].filter(
          (each) => each.checkVisibility() && each.getBoundingClientRect().height < 24
            && !each.matches(".at"))
          .map((each) => each.outerHTML)"""
    )
    assert small == []
    await visitor.click(".back")
    await visitor.see(".row")


CONTRAST = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const light = (colour) => {
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((v) => {
      v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const get = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
  const pairs = [["ink", "paper"], ["ink", "card"], ["ink-soft", "paper"], ["ink-soft", "card"],
    ["ink-soft", "sunken"], ["ink-soft", "accent-soft"], ["accent", "card"], ["accent", "paper"],
    ["accent", "accent-soft"], ["accent-ink", "accent"], ["live", "live-soft"], ["live", "card"],
    ["live", "sunken"], ["live", "accent-soft"], ["warn", "warn-soft"], ["warn", "card"],
    ["ask", "ask-soft"], ["ask", "card"], ["ask", "accent-soft"], ["warn", "accent-soft"]];
  return pairs.map(([one, other]) => {
    const [a, b] = [light(get(`--${one}`)), light(get(`--${other}`))];
    return [`${one} on ${other}`, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
  });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_stands_out_from_its_ground(house: House, server: Server, scheme: str) -> None:
    visitor = await house.visit(server, scheme=scheme)
    pairs = await visitor.run(CONTRAST)
    assert {name: ratio for name, ratio in pairs if ratio < 4.5} == {}


async def test_of_five_thousand_segments_those_in_sight_are_drawn_and_one_more_adds_one(
    house: House, server: Server
) -> None:
    visitor = await house.visit(server)
    bot = await visitor.order("https://meet.google.com/wait-abc")
    await visitor.open(f"/#/bots/{bot}")
    await visitor.see(".transcript")
    shown = await visitor.run(MANY, 5000)
    assert shown["lines"] == 5050
    assert 50 < shown["drawn"] <= 400, shown
    assert 50 <= shown["changed"] <= 60, shown


async def test_the_transcript_follows_only_who_looks_at_its_end_and_does_not_jump(
    house: House, server: Server
) -> None:
    visitor = await house.visit(server)
    bot = await visitor.order("https://meet.google.com/wait-abc")
    await visitor.open(f"/#/bots/{bot}")
    await visitor.see(".transcript")
    await visitor.see(
        ".badge >> text=Waiting to be let in"
    )  # what it says above the transcript is there
    await visitor.run(MANY, 300)
    at_end = """() => {
      const { scrollHeight, scrollTop, clientHeight } = made.scroller;
      return scrollHeight - scrollTop - clientHeight < 3;
    }"""
    await visitor.until(at_end)
    await visitor.run("() => { made.scroller.scrollTop = 2000; }")
    await visitor.see(".jump")
    where = """() => {
      const box = made.scroller.getBoundingClientRect();
      for (let y = box.top + box.height / 2; y < box.bottom; y += 4) {
        const line = document.elementFromPoint(box.left + box.width / 2, y)?.closest("li");
        if (!line) continue; // between two lines
        const text = line.querySelector(".text").textContent;
        return [text, line.getBoundingClientRect().top - box.top];
      }
      return null;
    }"""
    await visitor.run(PAINTED)
    before = await visitor.run(where)
    await visitor.run(
        """() => { for (let at = 0; at < 30; at += 1) {
          const said = { speaker: "Dee", start_s: 9e4 + at, end_s: 9e4 + at };
          made.draft({ id: "x", text: "more ".repeat(at), ...said });
          made.final({ id: `y${at}`, text: "more", ...said });
        } }"""
    )
    await visitor.run(PAINTED)
    assert before is not None
    assert await visitor.run(where) == before
    await visitor.click(".jump")
    await visitor.until(at_end)
    await visitor.see(".jump", state="hidden")


async def test_a_segment_is_put_where_it_belongs_and_a_later_revision_replaces_it(
    house: House, server: Server
) -> None:
    visitor = await house.visit(server)
    bot = await visitor.order("https://meet.google.com/wait-abc")
    await visitor.open(f"/#/bots/{bot}")
    await visitor.see(".transcript")
    shown = await visitor.run(
        """async () => {
          const { Transcript } = await import("/static/transcript.js");
          const made = new Transcript("none");
          const say = (id, start_s, text, speaker = "Ada") =>
            ({ id, start_s, end_s: start_s + 1, text, speaker });
          const texts = () => [...made.finals.querySelectorAll(".text")].map((e) => e.textContent);
          made.load([say("b", 5, "two"), say("a", 1, "one")]);
          made.draft(say("c", 9, "thr"));
          made.final(say("d", 12, "four", "Ben"));
          const drafts = made.drafts.size;
          made.final(say("c", 9, "three"));
          made.final(say("b", 5, "TWO"));
          made.final(say("a", 10, "moved"));
          made.draft(say("a", 10, "late"));
          made.final(say("e", 11, "withdrawn", "Ben"));
          made.final(say("e", 11, ""));
          made.final(say("never shown", 11, ""));
          const same = [...made.finals.querySelectorAll("li")].map((e) => e.className);
          return { texts: texts(), drafts, left: made.drafts.size, same };
        }"""
    )
    assert shown["texts"] == ["TWO", "three", "moved", "four"]
    assert (shown["drafts"], shown["left"]) == (1, 0)
    assert shown["same"] == ["line", "line same", "line same", "line"]


async def test_who_wants_no_motion_sees_none(house: House, server: Server) -> None:
    visitor = await house.visit(server, None)
    await visitor.do("emulate_media", reduced_motion="reduce")
    await visitor.open()
    await visitor.order("https://meet.google.com/wait-abc")
    await visitor.see(".row .dot")
    moving = "() => document.getAnimations().filter((each) => each.playState === 'running').length"
    assert await visitor.run(moving) == 0


STARTS = """(selector) => [...document.querySelectorAll(selector)].map((each) => {
  const range = document.createRange();
  const text = each.firstChild;
  range.setStart(text, 0);
  range.setEnd(text, 1);
  const [first, box] = [range.getBoundingClientRect(), each.getBoundingClientRect()];
  const style = getComputedStyle(each);
  return {
    seen: first.left >= box.left - 1 && first.right <= box.right + 1 && box.right <= innerWidth,
    cut: each.scrollWidth > each.clientWidth,
    way: style.direction,
    tip: each.title,
  };
})"""


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)], ids=["desktop", "phone"])
async def test_names_of_every_script_are_cut_at_their_end_and_the_chat_has_a_height(
    house: House, server: Server, width: int, height: int
) -> None:
    visitor = await house.visit(server, width=width, height=height)
    await visitor.order("https://meet.google.com/names-abc", name=LONG_NAME)
    await visitor.open("/")
    await visitor.do("reload")
    await visitor.see("h1")
    await visitor.until("() => document.querySelectorAll('.messages li').length === 40")
    for selector in (".people strong", ".messages strong", ".finals .speaker"):
        await visitor.see(selector)
        for name in await visitor.run(STARTS, selector):
            assert name == {"seen": True, "cut": True, "way": "rtl", "tip": LONG_NAME}, selector
    assert await visitor.fits()
    chat = await visitor.run(
        "() => document.querySelector('.messages').getBoundingClientRect().height"
    )
    assert 150 <= chat <= 0.6 * height


async def test_the_one_bot_that_is_out_is_opened_and_one_that_ended_tells_why(
    house: House, server: Server
) -> None:
    visitor = await house.visit(server)
    await visitor.see("#order-meeting_url")
    assert (
        await visitor.run("() => document.querySelector('#order-meeting_url').placeholder")
        == "https://meet.google.com/stay-abc"
    )
    bot = await visitor.order("https://meet.google.com/stay-abc", name="Notes")
    await visitor.open("/")
    await visitor.do("reload")
    await visitor.see("h1 >> text=Notes")
    assert (await visitor.run("() => location.hash")).endswith(bot)
    await visitor.click(".actions >> text=/Stop|Cancel/")
    await visitor.see(".row .todo >> text=It was told to leave.")
    await visitor.open("/")
    await visitor.do("reload")
    await visitor.see("form.order")

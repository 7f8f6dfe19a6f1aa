"""The reader in a real page: every kind of selector, and what must not be read or clicked."""
# ruff: noqa: E501 (tables of markup)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meetcore_browser.browser import Browser
from meetcore_browser.guest.page_scripts import snapshot_script
from meetcore_browser.selectors import SelectorPack

pytestmark = pytest.mark.browser


async def read(browser: Browser, html: str, pack: dict[str, Any]) -> dict[str, Any]:
    whole = {"pack": {"format": 1, "platform": "toy", "version": "2026-11-28"}, **pack}
    script = snapshot_script(SelectorPack.parse(whole), [])
    page = await browser.call(browser.raw.new_page)
    await browser.call(page.set_content, html)
    return dict(await browser.call(page.evaluate, script))


Parse = Callable[[str], dict[str, Any]]


def control(*selectors: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"controls": {"it": {"selectors": list(selectors), **more}}}


@pytest.mark.parametrize(
    ("html", "selector", "says"),
    [
        ("<p>Please wait</p>", {"kind": "words", "value": "please WAIT"}, "Please wait"),
        ("<p>You&rsquo;re in</p>", {"kind": "text", "value": "You're in"}, "You're in"),
        ("<p>You're in</p>", {"kind": "text", "value": "You’re in"}, "You're in"),
        ("<p>Joining&hellip;</p>", {"kind": "text", "value": "Joining..."}, "Joining..."),
        ("<p>Ask <b>to</b>\n join</p>", {"kind": "text", "value": "Ask to join"}, "Ask to join"),
        ("<p><i>Ask</i> <i>to join</i></p>", {"kind": "text", "value": "Ask to join"}, "Ask to join"),
        ("<p>re&shy;moved\u200b</p>", {"kind": "text", "value": "removed"}, "removed"),
        ("<button aria-label='Leave call'>x</button>", {"kind": "role", "value": "button", "name": "Leave call"}, "Leave call"),
        ("<span id=n>People</span><div role=button aria-labelledby=n>3</div>", {"kind": "role", "value": "button", "name": "People"}, "3"),
        ("<input placeholder='Your name'>", {"kind": "role", "value": "textbox", "name": "Your name"}, ""),
        ("<input type=submit value=Join>", {"kind": "text", "value": "Join"}, "Join"),
        ("<b class=x>deep</b>", {"kind": "css", "value": ".x"}, "deep"),
    ],
)  # fmt: skip
async def test_every_kind_of_selector(
    browser: Browser, html: str, selector: dict[str, Any], says: str
) -> None:
    found = (await read(browser, html, control(selector)))["hits"]
    assert found == {"it": [0, says]}


@pytest.mark.parametrize(
    ("html", "selector"),
    [
        ("<p hidden>Please wait</p>", {"kind": "words", "value": "please wait"}),
        ("<p style='visibility:hidden'>wait</p>", {"kind": "words", "value": "wait"}),
        ("<script>'wait'</script><template><p>wait</p></template>", {"kind": "words", "value": "wait"}),
        ("<p>Ask to join now</p>", {"kind": "text", "value": "Ask to join"}),
        ("<div role=button aria-label='Leave'></div>", {"kind": "role", "value": "button", "name": "leave"}),
        ("<a role=button>Join</a>", {"kind": "role", "value": "link", "name": "Join"}),
        ("<p>wait</p>", {"kind": "words", "value": "wait", "within": "dialog"}),
        ("<div id=chat><p>wait</p></div>", {"kind": "words", "value": "wait", "outside": "#chat"}),
        ("<i class=c style='display:block;width:9px;height:9px'></i>", {"kind": "css", "value": ".c", "min_size": [120, 40]}),
    ],
)  # fmt: skip
async def test_what_does_not_match(browser: Browser, html: str, selector: dict[str, Any]) -> None:
    assert (await read(browser, html, control(selector)))["hits"] == {}


async def test_open_shadow_roots_are_read_and_their_hosts_scope_counts(browser: Browser) -> None:
    html = """<div id=chat></div><div id=app></div><script>
      for (const id of ["chat", "app"]) {
        const root = document.getElementById(id).attachShadow({ mode: "open" });
        root.innerHTML = `<button class=b>Leave ${id}</button>`;
      }</script>"""
    picked = {"kind": "css", "value": ".b", "outside": "#chat"}
    assert (await read(browser, html, control(picked)))["hits"] == {"it": [0, "Leave app"]}


async def test_a_better_selector_wins_wherever_it_stands(browser: Browser) -> None:
    html = "<button>Join</button><button id=best>Best</button>"
    pack = control(
        {"kind": "css", "value": "#gone"},
        {"kind": "css", "value": "#best"},
        {"kind": "text", "value": "Join"},
    )
    assert (await read(browser, html, pack))["hits"] == {"it": [1, "Best"]}


async def test_no_words_are_read_where_anybody_may_write(browser: Browser) -> None:
    html = "<div class=chat><p>You have been removed</p></div>"
    pack = control({"kind": "words", "value": "you have been removed"})
    about = {"format": 1, "platform": "toy", "version": "2026-11-28", "never_read": [".chat"]}
    assert (await read(browser, html, {**pack, "pack": about}))["hits"] == {}
    assert (await read(browser, html, pack))["hits"]

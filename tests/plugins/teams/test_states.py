"""The pack and the readers over small pages of our own: what each shows, in several languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meetcore_browser.browser import Browser
from meetcore_browser.guest.look import PageLook, look_of, read_state
from meetcore_browser.guest.page_scripts import snapshot_script
from meetcore_browser.page_state import PageState
from meetcore_browser.selectors import SelectorPack
from meetcore_teams.joiner import PACK, TeamsJoiner

PAGES = Path(__file__).parents[2] / "standins" / "teams" / "snapshots"

TOOLBAR = (
    '<div data-tid="ubar-toolbar-wrapper" data-has-loaded="true">'
    '<span data-tid="call-duration">00:10</span><button id="chat-button">c</button>'
    '<button id="roster-button">p</button><button id="raisehands-button">h</button>'
    '<button id="hangup-button" data-tid="hangup-main-btn" aria-label="Leave">x</button></div>'
)
BARE = (
    '<button id="roster-button">p</button><button id="chat-button">c</button>'
    '<button id="hangup-button">x</button>'
)
RETRY = '<div data-tid="calling-retry-screen"><p id="calling-retry-screen-description">{}</p></div>'
LOBBY = (
    '<div data-tid="calling-lobby-screen"><h1>{}</h1>'
    '<button data-tid="prejoin-join-button" disabled>Join now</button></div>'
)
PRE_JOIN = (
    '<div data-tid="calling-prejoin-screen"><input data-tid="prejoin-display-name-input">'
    '<button data-tid="prejoin-join-button">Join now</button></div>'
)
CHAT = '<div data-tid="message-pane-list-runway"><p>{}</p></div>'

STATES: list[tuple[str, str]] = [
    ("launcher", '<button data-tid="joinOnWeb">Continue on this browser</button>'),
    ("launcher", "<button>In diesem Browser fortfahren</button>"),
    ("launcher", '<a aria-label="Join meeting from this browser" role="button">Join</a>'),
    ("loading", '<div id="loading-screen">…</div>'),
    ("unknown", "<main><h1>Hello</h1></main>"),
    ("pre_join", PRE_JOIN),
    ("pre_join", '<input placeholder="Type your name"><button>Join now</button>'),
    ("pre_join", "<button>Jetzt teilnehmen</button>"),
    ("pre_join", PRE_JOIN + BARE),
    ("pre_join", PRE_JOIN + TOOLBAR),
    ("passcode_asked", '<input placeholder="Type a meeting passcode"><button>Retry</button>'),
    ("connecting", '<div data-tid="calling-connecting-screen">…</div>'),
    ("waiting", LOBBY.format("Someone will let you in shortly")),
    ("waiting", LOBBY.format("Alguien le permitirá entrar pronto")),
    ("waiting", LOBBY.format("…") + BARE),
    ("waiting", "<p>We’ve let the organiser know that you’re waiting.</p>" + BARE),
    ("waiting", "<p>You’re in the lobby</p>"),
    ("waiting", "<p>Warten auf die Zulassung</p>"),
    ("waiting", "<p>Esperando a ser admitido</p>" + BARE),
    ("waiting", "<p>承認待機中</p>" + BARE),
    ("waiting", PRE_JOIN.replace("join-button", 'join-button" disabled="')),
    ("waiting_for_host", "<p>Someone will let you in when the meeting starts</p>"),
    ("in_call", TOOLBAR),
    ("in_call", TOOLBAR + CHAT.format("You’ve been removed from this meeting")),
    ("in_call", TOOLBAR + CHAT.format("Someone will let you in shortly")),
    ("in_call", TOOLBAR + CHAT.format("<button>Join now</button>")),
    ("in_call", TOOLBAR + CHAT.format("<button>Jetzt teilnehmen</button>")),
    ("in_call", TOOLBAR + '<div data-tid="app-notification-toast"><button>Join now</button></div>'),
    ("unknown", CHAT.format("<button>Join now</button> <button>Continue on this browser</button>")),
    ("in_call", TOOLBAR + '<div data-stream-type="Video" data-tid="x">Meeting ended</div>'),
    ("in_call", TOOLBAR.replace("data-has-loaded", "data-x")),
    ("in_call", TOOLBAR.replace("call-duration", "x")),
    ("in_call", TOOLBAR.replace(' id="', ' data-id="')),
    ("in_call", TOOLBAR.replace("<div ", '<div style="display:none" ', 1)),
    (
        "in_call",
        BARE
        + '<div role="tree"><div data-cid="roster-participant" aria-label="Ada">Ada</div></div>',
    ),
    ("unknown", BARE),
    ("unknown", BARE.replace("<button", '<button style="display:none"')),
    ("unknown", '<button aria-label="Leave">x</button>'),
    ("denied", RETRY.format("Sorry, but you were denied access to the meeting.")),
    ("denied", RETRY.format("Your request to join was declined")),
    ("denied", RETRY.format("Ihnen wurde der Zugriff auf die Besprechung verweigert.")),
    ("denied", RETRY.format("Rechazado de la sala de espera")),
    ("denied", RETRY.format("ロビーから消去しました")),
    ("removed", "<h1>Fuiste eliminado</h1>"),
    ("removed", "<h1>削除されました</h1>"),
    ("in_call", TOOLBAR + CHAT.format("削除されました")),
    ("removed", "<h1>You’ve been removed from this meeting</h1>"),
    ("removed", "<h1>You've been  removed from\nthis meeting</h1>"),
    ("removed", "<h1>Sie wurden aus dieser Besprechung entfernt</h1>"),
    (
        "removed",
        '<h1>You’ve been removed from this meeting</h1><div style="display:none">'
        + TOOLBAR
        + "</div>",
    ),
    ("ended", "<h1>Enjoy your call? Join Teams today for free</h1>"),
    ("ended", '<button data-tid="anon-meeting-end-screen-rejoin-button">Rejoindre</button>'),
    ("ended", "<h1>You’ve left the meeting</h1>"),
    ("ended", "<h1>Die Besprechung wurde beendet</h1>"),
    ("unknown", "<p>The meeting ended well, said Ada</p>"),
    ("not_found", RETRY.format("We couldn’t find a meeting matching this ID and passcode.")),
    ("not_found", "<p>Looks like the meeting URL is incorrect. Please check the URL.</p>"),
    ("unknown", RETRY.format("¡Vaya!")),
    ("connection_lost", RETRY.format("Sorry, we couldn’t connect you.")),
    ("sign_in", '<input name="loginfmt">'),
    ("sign_in", "<p>You need to be signed in to Teams to access this meeting.</p>"),
    ("pre_join", PRE_JOIN + "<p>To join, sign in or use Teams on the web</p>"),
    ("captcha", "<h1>Verify you’re a real person</h1>"),
    ("captcha", '<img data-tid="HIP-Captcha-Image" style="width:200px;height:60px">'),
    ("pre_join", PRE_JOIN + '<img data-tid="HIP-Captcha-Image" style="width:1px;height:1px">'),
    (
        "not_started",
        "<p>External participants are not permitted to join before the event begins.</p>",
    ),
    ("encrypted", '<div data-tid="calling-e2ee-end-screen">…</div>'),
]


@pytest.fixture
async def read(browser: Browser) -> Any:
    """Return a function that reads a page's text as a saved page is read."""
    pack = SelectorPack.load(PACK)
    script = snapshot_script(pack, [TeamsJoiner.readers])
    page = await browser.call(browser.raw.new_page)

    async def read_page(html: str) -> tuple[PageLook, dict[str, Any]]:
        await browser.call(page.set_content, html, wait_until="domcontentloaded")
        raw = await browser.call(page.evaluate, script)
        return look_of(raw), raw["read"]

    return read_page


@pytest.mark.browser
async def test_each_page_shows_its_state(read: Any) -> None:
    pack = SelectorPack.load(PACK)
    wrong = []
    for expected, html in STATES:
        look, _ = await read(html)
        seen = read_state(pack, look)
        if seen.state.value != expected:
            wrong.append((expected, seen.state.value, html))
    assert wrong == []


@pytest.mark.browser
async def test_a_saved_call_is_read_as_a_whole(read: Any) -> None:
    look, seen = await read((PAGES / "call.html").read_text("utf-8"))
    assert read_state(SelectorPack.load(PACK), look).state is PageState.IN_CALL
    people = [(p["name"], p["host"], p["self"], p["muted"]) for p in seen["people"]]
    assert people == [
        ("Doe, Ada", True, False, None),
        ("D’Angelo (Sales)", False, False, True),
        ("Notes", False, True, None),
    ]
    assert next(p["id"] for p in seen["people"]) == "8:orgid:1f2e-ada"
    assert seen["speakers"] == ["8:orgid:1f2e-ada"]
    assert [(c["name"], c["text"], c["own"]) for c in seen["chat"]] == [
        ("Doe, Ada", "Good morning\nhere is 🙂", False),
        ("", "Thank you", True),
    ]
    assert [(c["name"], c["text"]) for c in seen["captions"]] == [("Doe, Ada", "Let us begin.")]


@pytest.mark.parametrize(
    ("url", "state"),
    [
        ("https://login.microsoftonline.com/common/oauth2/authorize?x=1", "sign_in"),
        ("https://login.microsoftonline.us/common/oauth2/authorize", "sign_in"),
        ("https://login.live.com/login.srf", "sign_in"),
        ("https://teams.microsoft.com/v2/?to=https://login.live.com/", "unknown"),
        ("https://login.live.com.evil.example/", "unknown"),
    ],
)
def test_a_page_for_signing_in_is_known_by_its_host(url: str, state: str) -> None:
    assert read_state(SelectorPack.load(PACK), PageLook(url)).state.value == state


def test_the_pack_says_of_each_selector_where_it_is_known_from() -> None:
    pack = SelectorPack.load(PACK)
    silent = [(c.name, s.value) for c, _, s in pack.selectors() if not s.source or not s.since]
    assert silent == []
    localised = [s for _, _, s in pack.selectors() if "ä" in s.value or "ü" in s.value]
    assert localised
    assert all(s.locale == "de" for s in localised)
    assert {"Don't use audio", "Join on the Teams app"} <= set(pack.never_click.texts)


@pytest.mark.browser
async def test_a_badge_in_an_unknown_language_is_learned_from_the_bots_own_row(
    browser: Browser,
) -> None:
    rows = "".join(
        f'<div data-tid="participantsInCall-{n}"><div data-cid="roster-participant"'
        f' aria-label="{name}, x"><span>{name}</span></div></div>'
        for n, name in enumerate(["Notes (Convidado)", "Rui (Convidado)", "Ana (Vendas)", "Eva"])
    )
    page = await browser.call(browser.raw.new_page)
    await browser.call(page.set_content, rows)
    script = snapshot_script(SelectorPack.load(PACK), [TeamsJoiner.readers])
    own = 'meetcore = { wire: { self: "Notes", people: new Map(), sources: new Map() }, pack:'
    seen = await browser.call(page.evaluate, script.replace("meetcore = { pack:", own))
    people = [(p["name"], p["self"]) for p in seen["read"]["people"]]
    assert people == [("Notes", True), ("Rui", False), ("Ana (Vendas)", False), ("Eva", False)]


@pytest.mark.browser
async def test_where_there_is_no_list_those_who_are_shown_are_the_people(read: Any) -> None:
    tile = (
        '<div data-stream-type="Video" data-tid="{}"><b class="{}">'
        '<i data-tid="voice-level-stream-outline">.</i></b></div>'
    )
    _, seen = await read(tile.format("Ada", "vdi-frame-occlusion") + tile.format("Bob (Guest)", ""))
    assert [p["name"] for p in seen["people"]] == ["Ada", "Bob"]
    assert seen["speakers"] == ["name:Ada"]


@pytest.mark.browser
async def test_a_row_is_read_in_each_form_that_is_known(read: Any) -> None:
    rows = (
        '<div data-tid="participantsInCall-Doe, Ada" aria-label="Doe, Ada, Organizer">x</div>',
        '<div data-tid="participantsInCall-Doe, Ada"><p>DA</p></div>',
        '<div data-cid="roster-participant" aria-label="Doe, Ada, muted"><b>D</b>'
        "<p>Doe, Ada</p></div>",
        '<div data-cid="roster-participant"><p>Doe, Ada</p></div>',
        '<div role="tree" aria-label="Attendees"><p role="treeitem" aria-expanded="true"'
        ' aria-label="In this meeting (1)">x</p>'
        '<p role="treeitem" aria-label="Doe, Ada">Doe, Ada</p></div>',
    )
    for row in rows:
        _, seen = await read(row)
        assert [p["name"] for p in seen["people"]] == ["Doe, Ada"], row


@pytest.mark.browser
async def test_badges_in_spanish_and_japanese_are_no_part_of_a_name(read: Any) -> None:
    shown = ("Ada (No verificado)", "健（未確認）", "Notes (Tú)", "Eva (Ventas)")
    rows = "".join(
        f'<div data-tid="participantsInCall-{n}"><div data-cid="roster-participant"'
        f' aria-label="{name}, x"><span>{name}</span></div></div>'
        for n, name in enumerate(shown)
    )
    _, seen = await read(rows)
    people = [(p["name"], p["self"]) for p in seen["people"]]
    assert people == [("Ada", False), ("健", False), ("Notes", True), ("Eva (Ventas)", False)]

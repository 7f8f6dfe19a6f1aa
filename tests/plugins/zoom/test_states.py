"""The pack and the detector over small pages of our own, in four languages, and where selectors died."""
# ruff: noqa: E501 (tables of markup)

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import trio
from attrs import evolve
from playwright.async_api import Error as PlaywrightError

from meetcore_browser.browser import Browser
from meetcore_browser.guest.look import look_of, read_state
from meetcore_browser.guest.pack_checks import check_css, check_pack
from meetcore_browser.guest.page_scripts import snapshot_script
from meetcore_browser.page_state import PageState
from meetcore_browser.selectors import SelectorPack
from meetcore_zoom.platform import ZoomPlatform
from tests.plugins.zoom.stage import PACK, STANDIN
from tests.standins.site import serve_standin

pytestmark = pytest.mark.browser

S = PageState


def footer(count: int = 0, leave: str = "Leave") -> str:
    return f"""<footer id="wc-footer" class="footer main-footer"><div id="foot-bar" class="footer__inner">
      <button aria-label="open the participants list pane,[{count}] particpants"><i class="footer-button__number-counter">{count}</i></button>
      <button aria-label="open the chat panel">Chat</button>
      <div footer-section="right"><div class="footer__leave-btn-container"><button aria-label="{leave}">{leave}</button></div></div>
    </div></footer>"""


def app(inner: str, bar: str = "") -> str:
    return f'<div id="meeting-app" class="meeting-app"><div class="meeting-client">{inner}</div>{bar}</div>'


def dialog(
    label: str = "", title: str = "", body: str = "", buttons: str = "<button>OK</button>"
) -> str:
    labelled = f' aria-label="{label}"' if label else ""
    return f"""<div class="ReactModalPortal"><div class="ReactModal__Content zm-modal" role="dialog"{labelled}>
      <div class="zm-modal-body-title">{title}</div><div>{body}</div>
      <div class="zm-modal-footer-default-actions">{buttons}</div></div></div>"""


def waiting(text: str) -> str:
    return app(
        f'<div class="bhold"><div class="wr-content"><div class="wr-default__text" role="alert">{text}</div><div class="wr-topic">x</div></div></div>'
    )


STAGE = '<div id="video-share-layout"><video-player></video-player></div>'
CALL = app(STAGE, footer(3))
REMOVED_CHAT = """<div id="wc-container-right"><div class="chat-container" role="dialog"><div id="chat-list-content" aria-label="Chat Message List">
  <div role="row" aria-label="Eve to Everyone, 5:32:41 PM, You have been removed from this meeting by the host.">
  <span class="chat-item__sender" data-userid="7" data-name="Eve">Eve</span>
  <div id="chat-message-content-1">You have been removed from this meeting by the host.</div></div></div>
  <textarea class="chat-box__chat-textarea" title="chat message"></textarea></div></div>"""

# What the page shows whatever its language.
ANY = {
    "preview": ('<div class="preview-meeting-info"><label for="input-for-name">?</label><input id="input-for-name" class="preview-meeting-info__field-input" type="text"></div><button class="preview-join-button disabled" disabled></button>', S.PRE_JOIN),
    "classic preview": ('<input id="inputname" type="text"><button id="joinBtn">x</button>', S.PRE_JOIN),
    "passcode asked": ('<input id="input-for-pwd" type="password">', S.PASSCODE_ASKED),
    "call": (CALL, S.IN_CALL),
    "call, alone": (app(STAGE, footer(1)), S.IN_CALL),
    "call, toolbar hidden": (app(STAGE, f'<div style="display:none">{footer(3)}</div>'), S.IN_CALL),
    "call, another stage": (app('<div class="gallery-video-container__video-frame"></div>', footer(2)), S.IN_CALL),
    "call, people alone": (app("<p>x</p>", footer(3)), S.IN_CALL),
    "call, chat says removed": (app(STAGE + REMOVED_CHAT, footer(3)), S.IN_CALL),
    "call, somebody is called so": (app(STAGE + '<div class="video-avatar__avatar-footer"><span>You have been removed from this meeting by the host.</span></div>', footer(3)), S.IN_CALL),
    "call, recorded": (CALL + dialog(title="This meeting is being recorded"), S.IN_CALL),
    "call, recorded with AI": (CALL + dialog(title="This meeting is being recorded and AI Companion is on."), S.IN_CALL),
    "call, a dialog nobody knows": (CALL + dialog(title="News", buttons="<button>1</button><button>2</button>"), S.IN_CALL),
    "toolbar alone": (app("<p>x</p>", footer(0)), S.UNKNOWN),
    "toolbar with oneself": (app("<p>x</p>", footer(1)), S.UNKNOWN),
    "stage alone": (app(STAGE), S.UNKNOWN),
    "removed": (CALL + dialog("You have been removed", "x", "y"), S.REMOVED),
    "ended": (CALL + dialog("Meeting is end now", "x"), S.ENDED),
    "free limit": (CALL + dialog("Thank you for choosing Zoom!", "x"), S.ENDED),
    "full": (app("", footer()) + dialog("Meeting is full", "x"), S.FULL),
    "no way to join": (app("", footer()) + dialog("Reconnect server dialog", "x", "Error Code:1"), S.CONNECTION_LOST),
    "rtms": ("<p>We detected you may be a bot. Automated bots aren’t allowed to join this meeting or webinar and must use Zoom RTMS.</p>", S.OFFICIAL_API),
    "human": ("<p>If this was a mistake and you are a human, sign in to join the meeting.</p>", S.BOT_WALL),
    "captcha": ('<input id="input-for-name"><div class="CaptchaContainer" style="width:200px;height:80px">x</div>', S.CAPTCHA),
    "no captcha to be seen": ('<input id="input-for-name"><div class="component_smart_captcha" style="width:0;height:0"></div>', S.PRE_JOIN),
    "no browsers": ("<p>Your network connection has timed out or your organization has disabled access to Zoom from the browser</p>", S.BROWSER_UNWANTED),
    "authenticated only": ("<p>The host requires authentication on the commercial Zoom platform to join.</p>", S.SIGN_IN),
    "a link to sign in": ('<input id="input-for-name"><a href="/signin">Sign In</a><a>Sign in to join this meeting</a>', S.PRE_JOIN),
    "elsewhere": (dialog(title="You've already joined this meeting on another device."), S.MOVED),
    "new waiting room": (app('<div class="waiting-room-container"><div class="wr-information">?</div></div>'), S.WAITING),
    "waiting room, toolbar": (waiting("?") + footer(3), S.WAITING),
    "sent back": (waiting("?") + f'<div hidden>{STAGE}</div>' + footer(3), S.WAITING),
    "somebody else waits": (app(STAGE + "<p>Eve has entered the waiting room</p>", footer(3)), S.IN_CALL),
    "launcher": ('<div role="button">Launch Meeting</div>', S.LAUNCHER),
    "blank": ("", S.UNKNOWN),
}  # fmt: skip

# What it says, in the words of English, German, Spanish and Japanese; `app` and footer are behind it.
WORDS: list[tuple[PageState, str, tuple[str, ...]]] = [
    (S.WAITING, "wr", (
        "Please wait, the meeting host will let you in soon.", "Bitte warten, der Meeting-Host lässt Sie in Kürze eintreten.",
        "Por favor, espere, el anfitrión le permitirá ingresar pronto.",
        "ミーティングのホストが間もなくミーティングへの参加を許可します。もうしばらくお待ちください。")),
    (S.WAITING, "wr", (
        "Please wait, the host lost connection", "Bitte warten Sie, der Host hat die Verbindung verloren",
        "Espere, el anfitrión perdió la conexión", "お待ちください。ホストの接続が切れました")),
    (S.WAITING_FOR_HOST, "page", (
        "Waiting for the host to start the meeting.", "Bitte warten Sie, bis der Host das Meeting beginnt.",
        "Esperando a que el anfitrión inicie la reunión.", "ホストがミーティングを開始するのを待機しています。")),
    (S.CONNECTING, "page", ("Joining Meeting…", "Am Meeting teilnehmen...", "Uniéndose a la reunión...", "ミーティングに参加しています…")),
    (S.ENDED, "dialog", (
        "This meeting has been ended by host", "Das Meeting wurde vom Host beendet", "El anfitrión ha finalizado esta reunión",
        "このミーティングはホストによって終了されました")),
    (S.ENDED, "dialog", ("The meeting has been ended", "Das Meeting wurde beendet", "La reunión ha finalizado", "ミーティングは終了しました")),
    (S.ENDED, "dialog", (
        "This meeting has been ended by your admin", "Dieses Meeting wurde von Ihrem Administrator beendet",
        "Su administrador ha finalizado esta reunión", "このミーティングは管理者によって終了しました")),
    (S.ENDED, "dialog", (
        "This meeting has ended as someone has started a new meeting with this account",
        "Das Meeting wurde beendet, da jemand mit diesem Konto ein neues Meeting gestartet hat",
        "Esta reunión ha finalizado, ya que otra persona ha inicado una nueva reunión con esta cuenta",
        "誰かがこのアカウントを使用して新しいミーティングを開始したため、このミーティングは終了しました")),
    (S.REMOVED, "dialog", (
        "You have been removed from this meeting by the host.", "Sie wurden vom Host von diesem Meeting entfernt.",
        "El anfitrión lo ha retirado de esta reunión.", "ホストによってこのミーティングから削除されました。")),
    (S.REMOVED, "dialog", ("You have been removed", "Sie wurden entfernt.", "Ha sido retirado", "削除されました")),
    (S.LOCKED, "dialog", (
        "Host has locked this meeting.", "Der Host hat dieses Meeting gesperrt.",
        "Esta reunión ha sido bloqueada por el anfitrión.", "このミーティングはホストによってロックされています。")),
    (S.FULL, "dialog", (
        "The meeting is at the host’s allowed capacity", "Dieses Meeting hat die zulässige Kapazität des Hosts erreicht",
        "La reunión ha alcanzado la capacidad máxima permitida del anfitrión", "このミーティングは、ホストが許可した定員に達しています")),
    (S.NOT_FOUND, "page", (
        "This meeting link is invalid (3,001)", "Der Link zu diesem Meeting ist ungültig (3.001)",
        "Este enlace de reunión no es válido. (3,001)", "このミーティングリンクは無効です。 (3,001)")),
    (S.NOT_FOUND, "dialog", ("Meeting does not exist.", "Meeting ist nicht vorhanden.", "Reunión no existe.", "会議は存在しません。")),
    (S.NOT_STARTED, "page", (
        "The meeting has not started", "Das Meeting hat noch nicht begonnen.", "La reunión no ha comenzado",
        "そのミーティングはまだ開始されていません")),
    (S.WRONG_PASSCODE, "page", ("Passcode wrong", "Falsches Passwort", "Contraseña incorrecta", "パスワードが間違っています。")),
    (S.WRONG_PASSCODE, "page", ("Incorrect passcode", "Falscher Kenncode", "Código de acceso incorrecto", "パスコードが正しくありません")),
    (S.BOT_WALL, "page", (
        "Automated bots aren’t allowed to join this meeting.", "Automatisierte Bots dürfen nicht an diesem Meeting teilnehmen.",
        "Los bots automatizados no pueden unirse a esta reunión.", "自動化ボットは、このミーティングに参加できません。")),
    (S.SIGN_IN, "page", (
        "Sign in to join this meeting", "Melden Sie sich an, um diesem Meeting beizutreten", "Iniciar sesión para unirse a esta reunión",
        "サインインしてこのミーティングに参加する")),
    (S.CAPTCHA, "page", ("Verify to continue", "Zum Fortfahren überprüfen", "Verificar para continuar", "認証して続行する")),
    (S.CONNECTION_LOST, "dialog", (
        "Joining Meeting Timeout or Browser restriction", "Zeitüberschreitung Meeting-Beitritt oder Browser-Einschränkung",
        "Restricción del explorador o tiempo de espera de unión a la reunión", "ミーティングへの参加のタイムアウトまたはブラウザの制限")),
    (S.RECONNECTING, "call", ("Trying to reconnect", "Der Versuch, wieder zu verbinden", "Intentando reconectar", "再接続しようとすると")),
]  # fmt: skip

# Words that a page has all right, while the call goes on.
HARMLESS = [
    "Eve was removed from the waiting room", "The host has ended the poll", "Sign in", "Recording has ended",
    "You have been made co-host", "The meeting will end in 10 minutes", "Meeting locked icon",
]  # fmt: skip


def spoken(how: str, text: str) -> str:
    if how == "wr":
        return app(f'<div class="renamed"><p>{text}</p></div>')
    if how == "dialog":
        return app("", footer()) + dialog(title=text)
    if how == "call":
        return CALL + dialog(title=text)
    return app(f"<p>{text}</p>", footer())


class Reader:
    """Reads pages by a pack, all in one tab."""

    def __init__(self, browser: Browser, page: Any, pack: SelectorPack) -> None:
        self.browser, self.page, self.pack = browser, page, pack
        self.script = snapshot_script(pack, [ZoomPlatform.readers])

    async def raw(self, html: str) -> dict[str, Any]:
        await self.browser.call(self.page.set_content, f"<!doctype html><body>{html}")
        return dict(await self.browser.call(self.page.evaluate, self.script))

    async def state(self, html: str) -> PageState:
        return read_state(self.pack, look_of(await self.raw(html))).state

    async def now(self) -> PageState:
        """Return the state of the page that is open."""
        raw = await self.browser.call(self.page.evaluate, self.script)
        return read_state(self.pack, look_of(raw)).state

    async def wrong(self, rows: dict[str, tuple[str, PageState]]) -> dict[str, tuple[str, str]]:
        """Return the rows that are read as another state, with what they are and should be."""
        found = {name: (await self.state(html), wanted) for name, (html, wanted) in rows.items()}
        return {
            name: (is_.value, was.value) for name, (is_, was) in found.items() if is_ is not was
        }


async def reader(browser: Browser, pack: SelectorPack = PACK) -> Reader:
    return Reader(browser, await browser.call(browser.raw.new_page), pack)


def worded(language: int | None = None) -> dict[str, tuple[str, PageState]]:
    return {
        text: (spoken(how, text), state)
        for state, how, texts in WORDS
        for n, text in enumerate(texts)
        if language is None or n == language
    }


def test_the_pack_has_nothing_grave_against_it() -> None:
    assert [finding for finding in check_pack(PACK) if finding.grave] == []


async def test_chromium_takes_its_css(browser: Browser) -> None:
    assert await check_css(browser, PACK) == []


async def test_pages_in_any_language(browser: Browser) -> None:
    assert await (await reader(browser)).wrong(ANY) == {}


async def test_what_pages_say_in_four_languages(browser: Browser) -> None:
    assert await (await reader(browser)).wrong(worded()) == {}


async def test_what_is_said_in_a_call_and_ends_nothing(browser: Browser) -> None:
    rows = {text: (app(f"{STAGE}<p>{text}</p>", footer(3)), S.IN_CALL) for text in HARMLESS}
    in_chat = {
        f"chat: {text}": (app(STAGE + REMOVED_CHAT.replace("You have been removed from this meeting by the host.", text), footer(3)), S.IN_CALL)
        for text in worded()
    }  # fmt: skip
    assert await (await reader(browser)).wrong({**rows, **in_chat}) == {}


def without_the_best(pack: SelectorPack) -> SelectorPack:
    """Return a pack in which the best selector of each control finds nothing any more."""
    controls = dict(pack.controls)
    for name, control in controls.items():
        first, *rest = control.selectors
        if any(selector.locale is first.locale for selector in rest):
            controls[name] = evolve(control, selectors=tuple(rest))
    return evolve(pack, controls=controls)


async def test_where_the_best_selector_of_every_control_is_gone(browser: Browser) -> None:
    """The call, the waiting room and the ends are still known; what is not is unknown."""
    rows = {**ANY, **worded(0)}
    wrong = await (await reader(browser, without_the_best(PACK))).wrong(rows)
    assert {read for read, _ in wrong.values()} <= {"unknown"}
    firm = {"in_call", "waiting", "removed", "ended", "locked", "bot_wall", "official_api"}
    assert {name for name, (_, wanted) in wrong.items() if wanted in firm} == set()


async def test_where_the_two_best_are_gone_no_call_is_made_up(browser: Browser) -> None:
    over = (S.REMOVED, S.ENDED)  # with the call still behind it
    rows = {name: row for name, row in {**ANY, **worded(0)}.items() if row[1] not in over}
    wrong = await (await reader(browser, without_the_best(without_the_best(PACK)))).wrong(rows)
    assert {read for read, _ in wrong.values()} <= {"unknown"}


async def test_a_language_that_nobody_wrote_wording_for(browser: Browser) -> None:
    """English labels and ids are there whatever the language; the rest is unknown, and no call."""
    rows = {
        "removed": (CALL + dialog("You have been removed", "Vous avez été exclu", "x"), S.REMOVED),
        "ended": (CALL + dialog("Meeting is end now", "La réunion est terminée"), S.ENDED),
        "waiting": (waiting("Veuillez patienter"), S.WAITING),
        "call": (app(STAGE, footer(3, "Quitter")), S.IN_CALL),
        "preview": ('<input id="input-for-name" placeholder="Votre nom">', S.PRE_JOIN),
        "locked": (app("", footer(0, "Quitter")) + dialog(title="Verrouillée"), S.UNKNOWN),
    }
    assert await (await reader(browser)).wrong(rows) == {}


REFUSALS: dict[str, tuple[dict[str, Any], PageState]] = {
    "locked": ({"locked": True}, S.LOCKED),
    "full": ({"full": True}, S.FULL),
    "not there": ({"not_exist": True}, S.NOT_FOUND),
    "an error": ({"error": 2}, S.CONNECTION_LOST),
    "over": ({"over": True}, S.ENDED),
    "bots": ({"wall": "bots"}, S.BOT_WALL),
    "official": ({"wall": "rtms"}, S.OFFICIAL_API),
    "human": ({"wall": "human"}, S.BOT_WALL),
    "captcha": ({"captcha": True}, S.CAPTCHA),
    "accounts only": ({"sign_in": "text"}, S.SIGN_IN),
    "sent to sign in": ({"sign_in": "page"}, S.SIGN_IN),
    "no browsers": ({"browser_disabled": True}, S.BROWSER_UNWANTED),
    "joining": ({"joining_ms": -1}, S.CONNECTING),
    "waiting": ({}, S.WAITING),
    "waiting, new": ({"waiting_room": "new"}, S.WAITING),
    "host awaited": ({"wait_for_host": True}, S.WAITING_FOR_HOST),
    "inside": ({"waiting_room": False}, S.IN_CALL),
    "invalid": ({"invalid": True}, S.NOT_FOUND),
    "not started": ({"not_started": True}, S.NOT_STARTED),
    "passcode": ({"passcode": "1"}, S.WRONG_PASSCODE),
    "landing": ({"landing": True}, S.LAUNCHER),
    "endless": ({"endless": True}, S.UNKNOWN),
}

_PRESS = """() => {
  const field = document.querySelector('#input-for-name');
  if (!field || window.pressed) return;
  window.pressed = true;
  field.value = 'Notes';
  field.dispatchEvent(new Event('input', { bubbles: true }));
  document.querySelector('.preview-join-button').click();
}"""


@pytest.mark.parametrize("locale", ["en-US", "de-DE"])
async def test_each_page_of_the_standin_is_known_in_either_language(
    browser: Browser, locale: str
) -> None:
    context = await browser.call(browser.raw.new_context, locale=locale)
    page = await browser.call(context.new_page)
    reads = Reader(browser, page, PACK)
    wrong = {}
    with serve_standin(STANDIN) as site:
        for number, (name, (switches, wanted)) in enumerate(REFUSALS.items()):
            meeting = str(85001833000 + number)
            site.room(meeting, any_input=True, **{"joining_ms": 20, **switches})
            await browser.call(page.goto, f"{site.origin}/wc/{meeting}/join?pwd=0")
            state = S.UNKNOWN
            with trio.move_on_after(3 if wanted is not S.UNKNOWN else 0.5):
                while state is not wanted or wanted is S.UNKNOWN:
                    with suppress(PlaywrightError):  # it navigates
                        await browser.call(page.evaluate, _PRESS)
                        state = await reads.now()
                    await trio.sleep(0.03)
            if state is not wanted:
                wrong[name] = (state.value, wanted.value)
    assert wrong == {}


ROWS = """<div id="participants-ul" role="list" aria-label="Participants list">
  <div id="participants-list-0" class="participants-li" role="application" aria-label="Notes (Mich),no audio connected,video off">
    <span class="participants-item__display-name">Notes</span><span class="participants-item__name-label"> (Mich)</span></div>
  <div id="participants-list-1" class="participants-li" role="application" aria-label="Ada, Countess (Host),computer audio unmuted,video off">
    <span class="participants-item__display-name">Ada, Countess</span><span class="participants-item__name-label"> (Host)</span></div>
  <div id="participants-list-2" class="participants-li" role="application" aria-label="Ben (Sales),computer audio muted,video on"></div></div>"""


async def test_the_readers_of_a_saved_call(browser: Browser) -> None:
    speaker = '<div class="speaker-active-container__video-frame"><div class="video-avatar__avatar-footer"><span>Ben (Sales)</span></div></div>'
    captions = '<div id="live-transcription-subtitle"><div class="live-transcription-subtitle__item">Good morning</div></div>'
    html = app(STAGE + speaker + ROWS + REMOVED_CHAT + captions, footer(3))
    read = (await (await reader(browser)).raw(html))["read"]
    assert [(p["name"], p["self"], p["host"], p["muted"]) for p in read["people"]] == [
        ("Notes", True, False, None),
        ("Ada, Countess", False, True, False),
        ("Ben (Sales)", False, False, True),
    ]
    assert read["speakers"] == ["name:Ben (Sales)"]
    assert [(m["name"], m["text"], m["own"]) for m in read["chat"]] == [
        ("Eve", "You have been removed from this meeting by the host.", False)
    ]
    assert [line["text"] for line in read["captions"]] == ["Good morning"]


async def test_two_of_one_name_are_nobody_who_speaks(browser: Browser) -> None:
    two = ROWS.replace("Ada, Countess", "Ben (Sales)")
    speaker = '<div class="speaker-active-container__video-frame"><div class="video-avatar__avatar-footer"><span>Ben (Sales)</span></div></div>'
    read = (await (await reader(browser)).raw(app(STAGE + speaker + two, footer(3))))["read"]
    assert len(read["people"]) == 3
    assert read["speakers"] == []


async def test_readers_of_a_page_that_shows_none_of_it_say_nothing(browser: Browser) -> None:
    read = (await (await reader(browser)).raw(CALL))["read"]
    assert read == {"people": None, "speakers": [], "chat": None, "captions": []}

"""Signed-in accounts: encrypted, one bot at a time, written back, and never in clear anywhere."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from attrs import evolve
from click.testing import CliRunner

from meetcore import Admitted, CallEnded, CallRequest, ConfigError, EndReason, Knocked, MeetingLink
from meetcore.cli import main
from meetcore_browser.browser import Browser
from meetcore_browser.errors import SelectorPackInvalid
from meetcore_browser.guest import attempt, identities
from meetcore_browser.guest.guest_call import open_guest_call
from meetcore_browser.guest.identities import (
    Identity,
    IdentityInUse,
    IdentityLost,
    IdentityStore,
    UnknownIdentity,
)
from meetcore_browser.guest.joiner import Guest
from meetcore_browser.guest.look import PageLook, StateSeen
from meetcore_browser.guest.options import GuestOptions
from meetcore_browser.login_command import sign_in
from meetcore_browser.page_state import PageState
from meetcore_browser.selectors import StateRule
from meetcore_browser.testing import KeepingCallEvents, serve_pages, until
from meetcore_janus.platform import JanusPlatform
from tests.plugins.browser.guest.test_guest_call import visit
from tests.plugins.browser.guest.toy import HERE, ToyJoiner

SECRET = "tok3n-of-the-account"


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEETCORE_IDENTITIES", str(tmp_path / "identities"))
    monkeypatch.setitem(sys.modules, "keyring", None)  # a machine without one


@pytest.fixture
def store() -> IdentityStore:
    return IdentityStore()


def account(name: str = "notes-1", platform: str = "toy", value: str = SECRET) -> Identity:
    cookie = {"name": "sid", "value": value, "domain": "127.0.0.1", "path": "/"}
    return Identity(name, platform, {"cookies": [cookie], "origins": []})


def test_an_account_is_kept_encrypted_and_for_its_owner_alone(store: IdentityStore) -> None:
    store.save(account())
    kept = store.load("notes-1")
    assert (kept.name, kept.platform, kept.state) == ("notes-1", "toy", account().state)
    for path in store.folder.iterdir():
        assert SECRET.encode() not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0
    assert SECRET not in repr(store.load("notes-1"))
    assert store.names() == store.names("toy") == ["notes-1"]
    assert store.names("other") == []


def test_with_another_key_or_a_damaged_file_it_is_lost_and_says_so(
    store: IdentityStore, tmp_path: Path
) -> None:
    store.save(account())
    with pytest.raises(IdentityLost, match="key of the accounts is not there"):
        IdentityStore(key_file=tmp_path / "none").load("notes-1")
    other = IdentityStore(tmp_path / "elsewhere")
    other.save(account())
    with pytest.raises(IdentityLost, match="another key, or the file is damaged"):
        IdentityStore(key_file=other.folder / "key").load("notes-1")
    path = store.folder / "notes-1.identity"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(IdentityLost, match="damaged"):
        store.load("notes-1")


@pytest.mark.parametrize("name", ["", "../x", "A", "a/b", ".hidden", "x" * 65])
def test_a_name_leads_out_of_no_folder(store: IdentityStore, name: str) -> None:
    for act in (store.load, store.remove):
        with pytest.raises(UnknownIdentity, match="cannot be the name"):
            act(name)


def test_the_key_lies_in_the_systems_keyring_where_there_is_one(
    store: IdentityStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "keyring")
    import keyring
    import keyring.backend

    class Memory(keyring.backend.KeyringBackend):
        priority = 1  # type: ignore[assignment]
        kept: dict[tuple[str, str], str] = {}  # noqa: RUF012

        def get_password(self, service: str, username: str) -> str | None:
            return self.kept.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            self.kept[service, username] = password

    before = keyring.get_keyring()
    keyring.set_keyring(Memory())
    try:
        store.save(account())
        assert store.load("notes-1").state == account().state
        assert not (store.folder / "key").exists()
        assert len(Memory.kept) == 1
    finally:
        keyring.set_keyring(before)


def test_one_bot_at_a_time_and_the_first_that_is_free(store: IdentityStore) -> None:
    store.save(account("notes-1"))
    store.save(account("notes-2"))
    store.save(account("other", platform="zoo"))
    store.write_back(account("old"), None)
    names = ["none", "other", "old", "notes-1", "notes-2"]
    with store.lend(names, "toy") as first:
        assert first.identity.name == "notes-1"
        assert first.passed_over["old"] == "expired"
        assert first.passed_over["other"] == "is for zoo"
        assert "No account is signed in as 'none'" in first.passed_over["none"]
        with IdentityStore().lend(names, "toy") as second:
            assert second.identity.name == "notes-2"
            both = IdentityStore().lend(["notes-1", "notes-2"], "toy")
            with pytest.raises(IdentityInUse, match="notes-1: in use; notes-2: in use"), both:
                pass
    with store.lend(["notes-1"], "toy") as again:
        assert again.identity.name == "notes-1"
    with pytest.raises(UnknownIdentity, match="old: expired"), store.lend(["old"], "toy"):
        pass


@pytest.mark.browser
async def test_a_bot_goes_with_its_account_and_gives_back_what_became_of_it(
    browser: Browser, tmp_path: Path, store: IdentityStore
) -> None:
    store.save(account())
    async with visit(browser, tmp_path / "bot", identity="none, notes-1") as at:
        await at.until(Knocked)
        assert await at.script("document.cookie") == f"sid={SECRET}"
        assert "identity: notes-1 taken; none: No account" in at.steps()
        with pytest.raises(IdentityInUse), store.lend(["notes-1"], "toy"):
            pass
        await at.script("document.cookie = 'sid=fresh; max-age=999'")
        await at.inside()
        await at.script("removed()")
        await at.until(CallEnded)
        assert "identity: notes-1 kept as it is now" in at.steps()
    (cookie,) = store.load("notes-1").state["cookies"]
    assert cookie["value"] == "fresh"
    for path in (tmp_path / "bot").rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes()


@pytest.mark.browser
async def test_a_bot_that_is_asked_to_sign_in_again_says_that_its_account_expired(
    browser: Browser, tmp_path: Path, store: IdentityStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "LOGIN_STANDS_S", 0.5)
    store.save(account())
    async with visit(browser, tmp_path / "bot", identity="notes-1") as at:
        await at.until(Knocked)
        await at.script("history.replaceState(0, '', '/accounts/signin')")
        ended = await at.until(CallEnded)
        assert ended.reason is EndReason.SIGN_IN_REQUIRED
        assert ended.evidence.signal == "session_expired"
        assert ended.evidence.hint == "Sign in again: `meetcore login toy --identity notes-1`."
        assert "identity: notes-1 expired: sign in again" in at.steps()
    assert store.load("notes-1").expired


@pytest.mark.browser
async def test_a_form_to_sign_in_that_an_account_passes_through_ends_nothing(
    browser: Browser, tmp_path: Path, store: IdentityStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "LOGIN_STANDS_S", 30.0)
    store.save(account())
    async with visit(browser, tmp_path / "bot", identity="notes-1") as at:
        await at.until(Knocked)
        await at.script("history.replaceState(0, '', '/accounts/signin')")
        await until(lambda: "page: getting_ready" in at.steps())
        await at.script("history.replaceState(0, '', '/m')")
        await at.script("inside()")
        await at.until(Admitted)
        assert not at.events.of_type(CallEnded)
    assert not store.load("notes-1").expired


@pytest.mark.browser
async def test_a_page_of_somebody_else_where_one_signs_in_ends_it_and_keeps_the_account(
    browser: Browser, tmp_path: Path, store: IdentityStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "LOGIN_STANDS_S", 0.5)

    def conclude(joiner: ToyJoiner, guest: Guest, seen: StateSeen, look: PageLook) -> StateSeen:
        away = look.url.endswith("/sso")
        return StateSeen(PageState.SIGN_IN, detail="elsewhere") if away else seen

    monkeypatch.setattr(ToyJoiner, "conclude", conclude)
    store.save(account())
    async with visit(browser, tmp_path / "bot", identity="notes-1") as at:
        await at.until(Knocked)
        await at.script("history.replaceState(0, '', '/sso')")
        ended = await at.until(CallEnded)
        assert (ended.evidence.signal, ended.evidence.detail) == ("sign_in", "elsewhere")
        assert "page: getting_ready" in at.steps(), "one look at it is not believed"
    assert not store.load("notes-1").expired


@pytest.mark.browser
async def test_a_wall_of_words_says_nothing_of_the_session_and_the_next_account_is_tried(
    browser: Browser, tmp_path: Path, store: IdentityStore
) -> None:
    for name in ("notes-1", "notes-2"):
        store.save(account(name))
    async with visit(browser, tmp_path / "bot", identity="notes-1, notes-2") as at:
        await at.until(Knocked)
        joiner = at.call._joiner
        wall = StateRule(PageState.SIGN_IN, any_of=("waiting",))
        joiner.pack = evolve(joiner.pack, states=(wall, *joiner.pack.states))
        ended = await at.until(CallEnded)
        assert ended.reason is EndReason.SIGN_IN_REQUIRED
        assert ended.evidence.signal == "sign_in"
        assert "Sign in again" not in (ended.evidence.hint or "")
        assert "identity: notes-2 taken" in at.steps()
        assert "expired" not in at.steps()
    assert [store.load(name).expired for name in ("notes-1", "notes-2")] == [False, False]


@pytest.mark.browser
async def test_where_a_session_has_expired_the_next_account_is_taken(
    browser: Browser, tmp_path: Path, store: IdentityStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "LOGIN_STANDS_S", 0.5)
    for name in ("old", "notes-1"):
        store.save(account(name))
    async with visit(browser, tmp_path / "bot", identity="old, notes-1") as at:
        await at.until(Knocked)
        await at.script("history.replaceState(0, '', '/accounts/signin')")
        await at.until(Knocked, 2)
        assert "identity: old expired: sign in again" in at.steps()
        assert "identity: notes-1 taken" in at.steps()
        await at.inside()
        assert not at.events.of_type(CallEnded)
    assert store.load("old").expired


@pytest.mark.browser
async def test_an_account_that_is_taken_for_a_guest_is_kept_and_the_next_one_is_tried(
    browser: Browser, tmp_path: Path, store: IdentityStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "SIGNING_IN_S", 0.5)
    monkeypatch.setattr(ToyJoiner, "guest_field", "name_field")
    for name in ("old", "notes-1"):
        store.save(account(name))
    async with visit(browser, tmp_path / "bot", identity="old, none, notes-1") as at:
        ended = await at.until(CallEnded)
        assert ended.reason is EndReason.SIGN_IN_REQUIRED
        assert ended.evidence.signal == "sign_in"
        assert "takes the account for a guest" in ended.evidence.detail
        assert "`meetcore login toy --identity notes-1`" in ended.evidence.hint
        assert at.steps().count("load again: ") == 2, "once for each account"
        assert [store.load(name).expired for name in ("old", "notes-1")] == [False, False]
        assert not at.events.of_type(Knocked)


@pytest.mark.browser
async def test_where_the_platform_may_do_so_an_account_goes_in_as_a_guest(
    browser: Browser, tmp_path: Path, store: IdentityStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "SIGNING_IN_S", 0.5)
    monkeypatch.setattr(ToyJoiner, "guest_field", "name_field")
    monkeypatch.setattr(ToyJoiner, "account_as_guest", True)
    store.save(account())
    async with visit(browser, tmp_path / "bot", identity="notes-1") as at:
        await at.inside()
        assert at.steps().count("load again: ") == 1
        assert "identity: the page takes notes-1 for a guest" in at.steps()
        assert not at.events.of_type(CallEnded)
    assert not store.load("notes-1").expired


@pytest.mark.browser
async def test_without_an_account_that_can_be_used_no_page_is_opened(
    browser: Browser, tmp_path: Path, store: IdentityStore
) -> None:
    store.write_back(account("old"), None)
    events = KeepingCallEvents()
    request = CallRequest(bot_id="bot", display_name="Notes", folder=tmp_path / "bot")
    link = MeetingLink(platform="toy", native_id="m", url="http://127.0.0.1:9/")
    joiner = ToyJoiner(GuestOptions(identity="old"))
    async with open_guest_call(joiner, link, request, events, frozenset(), browser=browser):
        await until(lambda: bool(events.of_type(CallEnded)))
    (ended,) = events.of_type(CallEnded)
    assert ended.reason is EndReason.SIGN_IN_REQUIRED  # type: ignore[attr-defined]
    assert "old: expired" in ended.evidence.detail  # type: ignore[attr-defined]
    assert "meetcore login toy" in ended.evidence.hint  # type: ignore[attr-defined]


def command(*arguments: str | Path):
    main.__dict__.pop("_with_plugins", None)  # plugins may be others than those of another test
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def _toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEETCORE_PLUGIN_FILES", str(HERE / "toy_plugin.py"))


@pytest.mark.usefixtures("_toy")
def test_an_account_is_signed_in_listed_and_forgotten_on_the_command_line(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text(json.dumps(account().state), encoding="utf-8")
    assert "No account is signed in" in command("login", "--list").output
    kept = command("login", "toy", "--identity", "notes-1", "--from", state)
    assert "Kept as 'notes-1' (1 cookies), encrypted" in kept.output
    assert '[plugins.toy] identity = "notes-1"' in kept.output
    assert SECRET not in kept.output
    assert "--shown-as NAME" in kept.output
    assert IdentityStore().load("notes-1").shown_as == ""
    again = ("login", "toy", "--identity", "notes-1", "--from", state)
    assert "--shown-as" not in command(*again, "--shown-as", "Notes  (Contoso)").output
    command(*again)
    assert IdentityStore().load("notes-1").shown_as == "Notes (Contoso)", "signed in anew, it stays"
    assert "notes-1  toy, signed in" in command("login", "--list").output
    assert "is forgotten" in command("logout", "notes-1").output
    assert "No account is signed in as 'notes-1'" in command("logout", "notes-1").output


@pytest.mark.usefixtures("_toy")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("login", "rehearsal"), "No account can be signed in for 'rehearsal'"),
        (("login", "toy", "--identity", "A B"), "cannot be the name"),
        (("login", "toy", "--from", HERE / "toy.html"), "cannot be read"),
        (("logout", "../x"), "cannot be the name"),
    ],
)
def test_wrong_use_is_said_in_words(arguments: tuple[str | Path, ...], said: str) -> None:
    result = command(*arguments)
    assert result.exit_code != 0
    assert said in " ".join(result.output.split())


@pytest.mark.usefixtures("_toy")
def test_without_a_display_there_is_no_window_and_an_empty_session_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    assert "bring the session: --from FILE" in command("login", "toy").output
    empty = tmp_path / "empty.json"
    empty.write_text('{"cookies": [], "origins": []}')
    assert "nobody was signed in" in command("login", "toy", "--from", empty).output
    old = tmp_path / "old.json"
    cookie = {"name": "a", "expires": 1.0, "domain": "127.0.0.1"}
    old.write_text(json.dumps({"cookies": [cookie], "origins": []}))
    assert (
        "All 1 cookies of the session have expired" in command("login", "toy", "--from", old).output
    )


@pytest.mark.usefixtures("_toy")
def test_of_a_session_that_is_brought_only_the_platforms_hosts_are_kept(tmp_path: Path) -> None:
    state = account().state
    mixed = {
        "cookies": [*state["cookies"], {"name": "a", "value": SECRET, "domain": ".bank.example"}],
        "origins": [{"origin": "https://shop.example", "localStorage": []}],
    }
    file = tmp_path / "state.json"
    file.write_text(json.dumps(mixed), encoding="utf-8")
    said = " ".join(command("login", "toy", "--identity", "mixed-1", "--from", file).output.split())
    assert "Left out, since toy has no use for it: bank.example, shop.example." in said
    assert "(1 cookies)" in said
    kept = IdentityStore().load("mixed-1").state
    assert kept == {"cookies": state["cookies"], "origins": []}
    mixed["cookies"] = [{"name": "a", "value": "b", "domain": "evil127.0.0.1"}]
    file.write_text(json.dumps(mixed), encoding="utf-8")
    result = command("login", "toy", "--from", file)
    assert result.exit_code != 0
    assert "nobody was signed in" in " ".join(result.output.split())


@pytest.mark.browser
async def test_what_a_person_did_in_the_window_is_what_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("builtins.input", lambda prompt: "")
    with serve_pages() as site:
        url = site.add("/signin", "<script>document.cookie = 'sid=x'</script>")
        state = await sign_in(url, headed=False)
    assert [cookie["name"] for cookie in state["cookies"]] == ["sid"]


def test_where_accounts_are_kept() -> None:
    env = {"HOME": "/home/ada"}
    assert identities.identities_folder(env, "linux") == Path(
        "/home/ada/.local/share/meetcore/identities"
    )
    assert "Application Support" in str(identities.identities_folder(env, "darwin"))


def test_an_identity_where_none_can_be_signed_in_is_refused_before_a_bot_goes() -> None:
    with pytest.raises(ConfigError, match="no account can be signed in there"):
        JanusPlatform(GuestOptions(identity="notes-1"))
    with pytest.raises(SelectorPackInvalid, match="cannot be read"):
        JanusPlatform(GuestOptions(selectors="/none.toml"))

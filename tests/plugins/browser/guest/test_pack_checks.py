"""Selector packs: the whole format, and the traps that a check finds before a bot does."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from meetcore_browser.browser import Browser
from meetcore_browser.errors import SelectorPackInvalid
from meetcore_browser.guest.look import pack_data
from meetcore_browser.guest.pack_checks import check_css, check_pack, difference
from meetcore_browser.guest.packs import choose_pack, install_pack, version_of
from meetcore_browser.selectors import SelectorPack
from tests.plugins.browser.guest.toy import PACK

TOY = tomllib.loads(PACK.read_text(encoding="utf-8"))


def changed(path: str, value: Any) -> SelectorPack:
    """Return the toy's pack with one value changed; a path is keys and numbers with dots."""
    raw: Any = copy.deepcopy(TOY)
    at = raw
    *way, last = path.split(".")
    for key in way:
        at = at[int(key)] if key.isdecimal() else at.setdefault(key, {})
    if isinstance(at, list):
        at[int(last)] = value
    else:
        at[last] = value
    return SelectorPack.parse(raw, "toy.toml")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("pack.format", 2, "has the format 2; this version of meetcore reads 1"),
        ("pack.version", "new", "Write its date"),
        ("pack.platfrom", "toy", "'platfrom', which nobody reads"),
        ("pack.never_read", "#chat", "Write a list of texts"),
        ("contrls", {}, "'contrls', which nobody reads"),
        ("states.0.state", "gone", "'gone' is no state"),
        ("states.0.any_of", ["nothing"], "there is no control 'nothing'"),
        ("states.0.needs", 2, "`needs` is 2, of 1 controls"),
        ("states.4.url", "(", "is no pattern"),
        ("states.0.any_of", [], "has neither `any_of`, nor `url`, nor `title`"),
        ("dialogs.0.click", "nothing", "there is no control 'nothing'"),
        ("dialogs.0.states", ["gone"], "'gone' is no state"),
        ("dialogs.0.at_most", 0, "`at_most` is 0"),
        ("controls.denied.selectors.0.min_size", [1], r"Write \[width, height\]"),
        ("controls.denied.selectors.0.within", ">> x", "is not plain CSS"),
        ("controls.name_field.selectors.1.value", "text box", "is no ARIA role"),
    ],
)
def test_what_does_not_follow_the_format_is_refused_with_its_place(
    path: str, value: Any, said: str
) -> None:
    with pytest.raises(SelectorPackInvalid, match=said) as caught:
        changed(path, value)
    assert "toy.toml" in str(caught.value)


def grave(pack: SelectorPack) -> list[str]:
    return [f"{found.where}: {found.text}" for found in check_pack(pack) if found.grave]


def css(value: str) -> list[dict[str, str]]:
    return [{"kind": "css", "value": value}]


def words(value: str) -> list[dict[str, str]]:
    return [{"kind": "words", "value": value}]


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("controls.join_button.selectors", css("button"), "matches nearly everything"),
        ("controls.denied.selectors", css("[role=alert] h1"), "takes any alert for 'denied'"),
        ("controls.removed.selectors", words("Retry"), "on pages of every kind"),
        ("controls.waiting.selectors", words("wait"), "a single word"),
        ("controls.join_button.selectors", [{"kind": "text", "value": "switch  here"}], "never cl"),
        ("pack.never_read", [], "would be read as the page's own word"),
        ("states.6.needs", 1, "believed on one control"),
    ],
)
def test_a_trap_is_found(path: str, value: Any, said: str) -> None:
    findings = grave(changed(path, value))
    assert any(said.replace("\\", "") in found for found in findings), findings


def test_the_call_is_asked_for_last() -> None:
    raw = copy.deepcopy(TOY)
    raw["states"].insert(0, raw["states"].pop(6))
    found = grave(SelectorPack.parse(raw))
    assert any(finding.startswith("waiting: is asked for after `in_call`") for finding in found)
    assert any(finding.startswith("removed: is asked for after `in_call`") for finding in found)


def test_what_is_never_clicked_may_be_looked_at() -> None:
    looked_at = {"kind": "text", "value": "Switch here", "proves": "it is elsewhere; never pressed"}
    assert grave(changed("controls.join_button.selectors", [looked_at])) == []
    pressed = {"kind": "text", "value": "Switch here"}
    (finding,) = grave(changed("controls.join_button.selectors", [pressed]))
    assert "never clicked" in finding


@pytest.mark.browser
async def test_css_that_a_browser_does_not_take_is_found(browser: Browser) -> None:
    pack = changed("controls.chat_field.selectors", css("#chat input[name=]"))
    (finding,) = await check_css(browser, pack)
    assert finding.where == "chat_field"
    assert "is no CSS" in finding.text
    assert await check_css(browser, SelectorPack.parse(TOY)) == []


def test_a_difference_is_told_line_by_line() -> None:
    old = SelectorPack.parse(TOY)
    assert difference(old, old) == []
    new = changed(
        "controls.join_button.selectors",
        list(reversed(TOY["controls"]["join_button"]["selectors"])),
    )
    assert difference(old, new) == ["~ join_button: another order"]
    new = changed("controls.bye", {"selectors": css("#bye")})
    assert difference(old, new) == ["+ control bye", "+ bye: css=#bye (rank 0)"]
    assert difference(new, old) == ["- control bye", "- bye: css=#bye"]
    new = changed("never_click.texts", ["Use a phone"])
    assert difference(old, new) == ["- never click: 'Switch here'", "+ never click: 'Use a phone'"]


def test_selectors_of_another_language_are_not_asked_for() -> None:
    pack = SelectorPack.parse(TOY)
    kinds = {
        locale: [s["rank"] for s in pack_data(pack, locale)["controls"]["denied"]["selectors"]]
        for locale in ("en-US", "de-AT", None)
    }
    assert kinds == {"en-US": [0], "de-AT": [0, 1], None: [0, 1]}


def newer(tmp_path: Path, version: str, name: str = "toy") -> Path:
    text = PACK.read_text(encoding="utf-8").replace("2026-11-28", version)
    path = tmp_path / f"{version}.toml"
    path.write_text(text.replace('platform = "toy"', f'platform = "{name}"'), encoding="utf-8")
    return path


def test_the_newest_of_the_installed_and_the_built_in_pack_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEETCORE_SELECTORS", str(tmp_path / "installed"))
    assert choose_pack("toy", PACK).why == "built in"
    install_pack(newer(tmp_path, "2026-11-27"), "toy")
    assert choose_pack("toy", PACK).why == "built in"
    target = install_pack(newer(tmp_path, "2026-11-28.2"), "toy")
    chosen = choose_pack("toy", PACK)
    assert (chosen.why, chosen.path, version_of(chosen.pack)) == (
        "installed",
        target,
        ("2026-11-28", 2),
    )
    assert target.stat().st_mode & 0o077 == 0
    named = newer(tmp_path, "2020-01-01")
    assert choose_pack("toy", PACK, str(named)).why == "option"


def test_an_installed_pack_that_is_broken_is_passed_over_and_one_that_was_named_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MEETCORE_SELECTORS", str(tmp_path))
    (tmp_path / "toy.toml").write_text("[pack")
    assert choose_pack("toy", PACK).why == "built in"
    assert "is passed over" in caplog.text
    with pytest.raises(SelectorPackInvalid, match="cannot be read"):
        choose_pack("toy", PACK, str(tmp_path / "toy.toml"))
    with pytest.raises(SelectorPackInvalid, match="for the platform 'other', not for 'toy'"):
        choose_pack("toy", PACK, str(newer(tmp_path, "2026-12-01", "other")))


def test_a_state_that_no_rule_shows_is_noted() -> None:
    found = check_pack(changed("states.6.state", "connecting"))
    assert any(f.where == "in_call" and "no rule" in f.text and not f.grave for f in found)

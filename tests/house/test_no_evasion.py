"""An honest bot: nothing in the product hides from a platform what it is.

No changed fingerprints, no made-up movements of a mouse, no look-alike letters, no hidden proxies,
no solving of CAPTCHAs. The words of those who do such things are looked for in all that is shipped.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(
    path
    for folder in ("meetcore", "plugins")
    for ending in ("py", "js", "toml")
    for path in ROOT.joinpath(folder).rglob(f"*.{ending}")
    if "node_modules" not in path.parts
)
EVASION = {
    "a hidden automation mark": r"navigator\.webdriver|AutomationControlled|enable-automation",
    "a library that hides automation": r"\bstealth\b|undetected|rebrowser|patchright|camoufox",
    "a changed fingerprint": r"fingerprint(?!s? of the)|hardwareConcurrency|WEBGL_debug_renderer",
    "another browser's name": r"Emulation\.setUserAgentOverride|user_agent\s*=\s*[\"']",
    "a solved CAPTCHA": r"2captcha|anti-?captcha|capsolver|solve_?captcha|recaptcha.{0,20}token",
    "a hidden proxy": r"residential|rotating.{0,12}prox",
    "a made-up hand": r"bezier|human_?like|jitter_mouse|mouse_?path",
}
LOOK_ALIKES = re.compile(r"[Ѐ-ӿͰ-Ͽ]")
"""Cyrillic and Greek: letters that look like Latin ones. No wording that we know is written so."""


def evasions(text: str) -> list[str]:
    return [name for name, words in EVASION.items() if re.search(words, text, re.IGNORECASE)]


def test_the_words_are_found():
    assert evasions("launch(args=['--disable-blink-features=AutomationControlled'])")
    assert evasions("from playwright_stealth import stealth")
    assert LOOK_ALIKES.search("nоtetaker")
    assert not evasions("the host's fingerprint of the key")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_that_is_shipped_hides_what_the_bot_is(path):
    text = path.read_text(encoding="utf-8")
    assert evasions(text) == []
    if path.parts[-3].startswith("meetcore_") or path.parent.name.startswith("meetcore_"):
        assert not LOOK_ALIKES.search(text), "letters that only look like Latin ones"

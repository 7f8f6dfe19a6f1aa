"""Selector packs are data, and data that does not follow the format is refused with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meetcore_browser.errors import SelectorPackInvalid
from meetcore_browser.selectors import Selector, SelectorPack


def test_a_pack_is_read_from_toml_in_order(tmp_path: Path) -> None:
    path = tmp_path / "controls.toml"
    path.write_text(
        """
        [join]
        selectors = [
          { kind = "role", value = "button", name = "Join now" },
          { kind = "text", value = "Join now" },
          { kind = "css", value = "button[data-action=join]" },
        ]
        [toolbar]
        state = "attached"
        selectors = [{ kind = "css", value = ".toolbar" }]
        """
    )
    pack = SelectorPack.load(path)
    assert pack["join"].selectors[0] == Selector("role", "button", "Join now")
    assert pack["join"].tried == (
        "role=button 'Join now'",
        "text=Join now",
        "css=button[data-action=join]",
    )
    assert (pack["join"].presence, pack["toolbar"].presence) == ("visible", "attached")


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({}, "no selectors"),
        ({"selectors": []}, "no selectors"),
        ({"selectors": ["button"]}, "kind, value and name"),
        ({"selectors": [{"kind": "xpath", "value": "//b"}]}, "'xpath' is no kind"),
        ({"selectors": [{"kind": "css", "value": " "}]}, "without a value"),
        ({"selectors": [{"kind": "css", "value": "b", "name": "x"}]}, "goes with kind = 'role'"),
        ({"selectors": [{"kind": "css", "value": "text=Join"}]}, "not plain CSS"),
        ({"selectors": [{"kind": "css", "value": "b:has-text('x')"}]}, "not plain CSS"),
        ({"selectors": [{"kind": "css", "value": "b"}], "state": "gone"}, "'gone'"),
        ({"selectors": [{"kind": "css", "value": "b"}], "stat": "visible"}, "may have"),
        ("button", "may have"),
    ],
)
def test_a_wrong_entry_is_refused_and_its_place_named(body: Any, complaint: str) -> None:
    with pytest.raises(SelectorPackInvalid, match=complaint) as caught:
        SelectorPack.parse({"join": body}, "controls.toml")
    assert "[join] of controls.toml" in str(caught.value)


def test_a_file_that_is_no_toml_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("[join")
    with pytest.raises(SelectorPackInvalid, match=r"broken\.toml cannot be read"):
        SelectorPack.load(path)
    with pytest.raises(SelectorPackInvalid, match=r"none\.toml cannot be read"):
        SelectorPack.load(tmp_path / "none.toml")

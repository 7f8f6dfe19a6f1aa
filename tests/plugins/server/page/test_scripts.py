"""The page's scripts: valid, small, no markup made of data, and nothing from elsewhere."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
from pathlib import Path

import playwright
import pytest

from meetcore_server.native.app import PAGE

NODE = Path(os.path.dirname(inspect.getfile(playwright))) / "driver" / "node"
SCRIPTS = sorted(path.name for path in PAGE.glob("*.js"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_a_valid_module(name: str, tmp_path: Path) -> None:
    module = tmp_path / f"{Path(name).stem}.mjs"
    module.write_text((PAGE / name).read_text("utf-8"), "utf-8")
    done = subprocess.run([NODE, "--check", module], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_says_first_what_it_does_and_is_no_longer_than_400_lines(name: str) -> None:
    lines = (PAGE / name).read_text("utf-8").splitlines()
    assert lines[0].startswith("// ")
    assert len(lines) <= 400


@pytest.mark.parametrize("name", SCRIPTS)
def test_data_never_becomes_markup(name: str) -> None:
    text = (PAGE / name).read_text("utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text)


@pytest.mark.parametrize("name", sorted(p.name for p in PAGE.iterdir() if p.suffix != ".js"))
def test_nothing_is_loaded_from_elsewhere_and_nothing_is_inline(name: str) -> None:
    text = (PAGE / name).read_text("utf-8")
    assert not re.search(r"(src|href)=\"(?:https?:)?//|url\(|@import", text)
    if name.endswith(".html"):
        assert not re.search(r"<style|style=|<script(?![^>]*\ssrc=)|\son\w+=", text)


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_import_is_there(name: str) -> None:
    for other in re.findall(r'from "\./([\w.]+)"', (PAGE / name).read_text("utf-8")):
        assert (PAGE / other).is_file()

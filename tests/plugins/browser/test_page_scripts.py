"""The page's scripts: each file is valid JavaScript by itself, and so is what becomes of them."""

from __future__ import annotations

import inspect
import os
import subprocess
from pathlib import Path

import playwright
import pytest

from meetcore.model.secrets import Redactor
from meetcore_browser.capture import CaptureOptions
from meetcore_browser.diagnostics import redacted, redacted_html
from meetcore_browser.page_script import PAGE_FOLDER, page_script

NODE = Path(os.path.dirname(inspect.getfile(playwright))) / "driver" / "node"


def check(path: Path) -> None:
    done = subprocess.run([NODE, "--check", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", sorted(path.name for path in PAGE_FOLDER.glob("*.js")))
def test_a_script_is_valid_javascript(name: str) -> None:
    check(PAGE_FOLDER / name)


@pytest.mark.parametrize("capture", [None, CaptureOptions()])
def test_the_scripts_put_together_are_valid_javascript(
    capture: CaptureOptions | None, tmp_path: Path
) -> None:
    own = tmp_path / "own.js"
    own.write_text("// ends in a comment")
    whole = tmp_path / "whole.js"
    whole.write_text(
        page_script("__binding", capture=capture, incoming_video=False, scripts=[own, own])
    )
    check(whole)


def test_a_secret_that_is_written_in_html_is_found() -> None:
    redactor = Redactor(["a&b<c>"])
    assert "a&amp;b" not in redacted_html("<p>a&amp;b&lt;c&gt;</p>", redactor)
    assert redacted_html("<p>R&amp;D</p>", redactor) == "<p>R&amp;D</p>"


def test_the_queries_of_relative_links_are_taken_out_of_html() -> None:
    html = """<a href="/wc/99?tk=abc">x</a><img src='a.png#t=def'><form action="?pwd=ghi">"""
    assert redacted_html(html, Redactor()) == (
        """<a href="/wc/99?">x</a><img src='a.png?'><form action="?">"""
    )


def test_plain_data_is_redacted_all_the_way_down() -> None:
    redactor = Redactor(["s3cr3t"])
    assert redacted({"s3cr3t": [{"a": ("s3cr3t", 1, None)}]}, redactor) == {
        "[redacted]": [{"a": ["[redacted]", 1, None]}]
    }

"""`meetcore doctor PLATFORM --snapshot` and `meetcore selectors`, as a person runs them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from meetcore.cli import main
from tests.plugins.browser.guest.test_pack_checks import newer
from tests.plugins.browser.guest.test_saved_pages import MHTML
from tests.plugins.browser.guest.toy import HERE, PACK

pytestmark = pytest.mark.browser

INSIDE = """<!-- saved from url=(0019)https://toy.example/m --><html lang="en"><title>Weekly</title>
<ul id="people"><li data-id="me" data-self>Notes</li>
<li data-id="a" class="speaks">Ada Lovelace</li></ul>
<div id="chat"><p id="m1" data-name="Ada Lovelace">call me at ada@example.com</p><input></div>
<div id="captions"><p id="c1" data-name="Ada Lovelace">hello</p></div>
<p>Ask Grace Hopper 555 1234</p><style>p::after { content: "Grace" }</style>
<template>Hopper</template><input name="grace">
<button id="leave" aria-label="Leave meeting of Ada">Leave</button>
<script>document.title = "executed"</script></html>"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("MEETCORE_PLUGIN_FILES", str(HERE / "toy_plugin.py"))
    monkeypatch.setenv("MEETCORE_SELECTORS", str(tmp_path / "installed"))
    monkeypatch.setenv("COLUMNS", "200")

    def command(*arguments: str | Path) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return command


def test_a_saved_page_is_read_as_a_live_one_is(run, tmp_path: Path) -> None:
    page = tmp_path / "p.html"
    page.write_text(INSIDE, encoding="utf-8")
    result = run("doctor", "toy", "--snapshot", page, "--redact", tmp_path / "r.html")
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert "ok page https://toy.example/m, 'Weekly', in en" in lines
    assert any(line.startswith("ok state in_call, by self_tile by css=") for line in lines)
    assert "ok people Notes (self)" in lines
    assert "ok people Ada Lovelace" in lines
    assert "ok speakers a" in lines
    assert "ok chat Ada Lovelace: call me at ada@example.com" in lines
    assert "ok captions Ada Lovelace: hello" in lines
    assert any(line.startswith("ok not found challenge, ") for line in lines)
    redacted = (tmp_path / "r.html").read_text(encoding="utf-8")
    for personal in ("Ada", "Lovelace", "Grace", "Hopper", "555", "1234", "example.com/m", "grace"):
        assert personal not in redacted
    assert 'id="leave" aria-label="Leave meeting of xxx">Leave<' in redacted
    again = run("doctor", "toy", "--snapshot", tmp_path / "r.html")
    said = " ".join(again.output.split())
    assert "in_call, by self_tile" in said
    assert "people 2" in said


def test_a_platform_in_one_file_is_named_where_it_is_needed(
    run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MEETCORE_PLUGIN_FILES")
    page = tmp_path / "p.html"
    page.write_text(INSIDE, encoding="utf-8")
    assert run("doctor", "toy", "--snapshot", page).exit_code == 1
    file = HERE / "toy_plugin.py"
    result = run("doctor", "toy", "--snapshot", page, "--plugin", file)
    assert result.exit_code == 0, result.output
    assert "toy  " not in run("selectors", "list").output
    assert "toy  2026-11-28" in run("selectors", "list", "--plugin", file).output
    assert "The same but" in run("selectors", "diff", PACK, "--plugin", file).output


def test_a_single_file_page_hides_what_its_styles_hide_and_its_frames_are_read(
    run, tmp_path: Path
) -> None:
    page = tmp_path / "p.mhtml"
    page.write_text(MHTML, encoding="utf-8")
    result = run("doctor", "toy", "--snapshot", page)
    said = " ".join(result.output.split())
    assert "state removed, the end: removed, by removed by words=you've been removed" in said
    assert "control waiting" not in said


def test_a_page_that_nobody_knows_is_trouble_with_a_remedy(run, tmp_path: Path) -> None:
    page = tmp_path / "p.html"
    page.write_text('<link rel="stylesheet" href="/a.css"><p>What is this?', encoding="utf-8")
    result = run("doctor", "toy", "--snapshot", page)
    assert result.exit_code == 1
    said = " ".join(result.output.split())
    assert "unknown: none of the pack's states holds" in said
    assert "1 style sheets are not in the file" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("doctor", "toy"), "A platform and --snapshot FILE go together"),
        (("doctor", "--redact", "x"), "--redact goes with --snapshot"),
        (("doctor", "nobody", "--snapshot", PACK), "nobody"),
        (("doctor", "rehearsal", "--snapshot", PACK), "cannot read saved pages"),
        (("doctor", "toy", "--snapshot", PACK), "There is no page in"),
        (("selectors", "check", HERE / "toy.html"), "cannot be read"),
    ],
)
def test_wrong_use_is_said_in_words(run, arguments: tuple[str | Path, ...], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code != 0
    assert said in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_a_newer_pack_is_looked_at_compared_taken_and_given_back(run, tmp_path: Path) -> None:
    pack = newer(tmp_path, "2027-01-01")
    assert f"built in: {PACK}" in run("selectors", "list").output
    assert "0 wrong" in run("selectors", "check", pack).output
    assert (
        "The same but for the version (2027-01-01, 2026-11-28"
        in run("selectors", "diff", pack).output
    )
    taken = run("selectors", "update", pack)
    assert "toy uses 2027-01-01 from now on" in taken.output
    assert "2027-01-01" in run("selectors", "list").output
    again = run("selectors", "update", newer(tmp_path, "2026-12-24"))
    assert again.exit_code != 0
    assert "is not newer than the pack in use (2027-01-01, installed)" in again.output
    assert "is gone" in run("selectors", "reset", "toy").output
    assert "No pack for 'toy'" in run("selectors", "reset", "toy").output
    assert "built in" in run("selectors", "list").output


def test_a_pack_with_a_trap_in_it_is_not_taken(run, tmp_path: Path) -> None:
    pack = newer(tmp_path, "2027-01-01")
    text = pack.read_text(encoding="utf-8").replace("needs = 2", "needs = 1")
    pack.write_text(text, encoding="utf-8")
    checked = run("selectors", "check", pack)
    assert checked.exit_code == 1
    assert "is believed on one control" in checked.output
    taken = run("selectors", "update", pack)
    assert taken.exit_code != 0
    assert "is not taken" in taken.output
    assert not (tmp_path / "installed").exists()


def test_a_redacted_page_is_written_over_nothing_and_nowhere(run, tmp_path: Path) -> None:
    page = tmp_path / "p.html"
    page.write_text(INSIDE, encoding="utf-8")
    over = run("doctor", "toy", "--snapshot", page, "--redact", page)
    assert over.exit_code != 0
    assert "would write over the page itself" in over.output
    nowhere = run("doctor", "toy", "--snapshot", page, "--redact", tmp_path / "none" / "r.html")
    assert "there is no such folder" in nowhere.output
    assert page.read_text(encoding="utf-8") == INSIDE


def test_a_trace_of_a_page_that_never_came_is_read_all_the_same(run, tmp_path: Path) -> None:
    entry = {
        "frameId": "f",
        "frameUrl": "chrome-error://chromewebdata/",
        "html": ["HTML", {}, "no"],
    }
    with zipfile.ZipFile(tmp_path / "trace.zip", "w") as archive:
        line = json.dumps({"type": "frame-snapshot", "snapshot": entry})
        archive.writestr("0.trace", line)
    result = run("doctor", "toy", "--snapshot", tmp_path / "trace.zip")
    assert "unknown: none of the pack's states holds" in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_of_a_trace_each_state_is_told_and_what_stands_in_frames(run, tmp_path: Path) -> None:
    lobby = ["HTML", {}, ["BODY", {}, ["P", {}, "Somebody will let you in"]]]
    call = ["HTML", {}, ["BODY", {}, ["IFRAME", {"src": "/snapshot/frame@2"}]]]
    inner = ["HTML", {}, ["BODY", {}, ["UL", {"id": "people"},
             ["LI", {"data-id": "me", "data-self": ""}, "Notes"],
             ["LI", {"data-id": "a"}, "Ada Lovelace"]],
             ["BUTTON", {"id": "leave", "aria-label": "Leave meeting"}, "Leave"]]]  # fmt: skip
    snapshots = [
        {"frameId": "frame@1", "html": lobby},
        {"frameId": "frame@1", "html": lobby},
        {"frameId": "frame@1", "html": call},
        {"frameId": "frame@2", "html": inner, "isMainFrame": False},
    ]
    every = {"pageId": "page@1", "frameUrl": "https://toy.example/m"}
    lines = [{"type": "frame-snapshot", "snapshot": {**every, **each}} for each in snapshots]
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("trace.trace", "\n".join(map(json.dumps, lines)))
    result = run("doctor", "toy", "--snapshot", tmp_path / "t.zip", "--redact", tmp_path / "r")
    assert result.exit_code == 0, result.output
    said = [" ".join(line.split()) for line in result.output.splitlines()]
    states = [line.partition(",")[2].split(",")[0] for line in said if " state " in line]
    assert states == [" 2 of 3: state waiting", " 3 of 3: state in_call"]
    assert "ok page 1, 3 of 3: people Ada Lovelace" in said
    assert any(line.startswith(f"ok redacted {tmp_path / 'r'}: page 1, 3 of 3;") for line in said)

"""What stands in the way before there is a meeting: at the command line, as a person meets it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import end_of, journal_below

LINK = "http://127.0.0.1:9/r/mc-blue-door"


def command(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DISPLAY", "WAYLAND_DISPLAY") and not name.startswith("MEETCORE_")
    }
    return subprocess.run(
        [sys.executable, "-m", "meetcore", *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=60, env={**inherited, **environment},
    )  # fmt: skip


def told(done: subprocess.CompletedProcess[str], words: str) -> list[str]:
    """Return the lines of both outputs that tell something; there must be no traceback."""
    assert "Traceback" not in done.stdout + done.stderr
    return [line for line in (done.stdout + done.stderr).splitlines() if words in line]


def test_no_chromium_ends_the_bot_with_the_remedy(tmp_path):
    done = command(
        "join", LINK, "--plain", "--out", tmp_path, MEETCORE_CHROMIUM="/nowhere/chromium"
    )
    assert done.returncode == 1
    while_it_ran, at_the_end = told(done, "/nowhere/chromium")
    assert "apt-get install chromium" in while_it_ran
    assert at_the_end.startswith("failed: client never loaded (")
    end = end_of(journal_below(tmp_path))
    assert (end.reason, end.evidence.signal) == ("client_never_loaded", "open_call")


def test_a_visible_browser_without_a_display_ends_the_bot_with_the_remedy(tmp_path):
    done = command("join", LINK, "--plain", "--headed", "--out", tmp_path)
    assert done.returncode == 1
    assert len(told(done, "there is no display")) == 2
    assert told(done, "xvfb-run")
    assert end_of(journal_below(tmp_path)).reason == "client_never_loaded"


def test_a_port_that_is_taken_is_said_with_a_way_out():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = command("rehearse", "--port", port)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"Error: The rehearsal site cannot listen on 127.0.0.1:{port}: Address already in use.",
        "Choose another port, or 0 for any free one.",
    ]


@pytest.mark.parametrize("where", ["/proc/meetcore", "file/below"])
def test_a_folder_that_cannot_be_written_is_named_and_nothing_was_started(tmp_path, where):
    (tmp_path / "file").write_text("in the way")
    folder = tmp_path / where
    done = command("join", LINK, "--out", folder)
    assert done.returncode == 1
    (line,) = told(done, "Error: ")
    assert line.startswith(f"Error: The folder {folder}")
    assert told(done, "Choose another with --out")


RIVAL = '''
"""Claims the links of the rehearsal site, too."""
import meetcore

class Rival(meetcore.Platform):
    name = "rival"
    def parse(self, url):
        return meetcore.MeetingLink(platform="rival", native_id="x", url=url)
    def open_call(self, link, request, events):
        raise NotImplementedError

@meetcore.hookimpl
def meetcore_register_platforms(register):
    register(Rival)
'''


def test_two_plugins_for_one_link_are_named_with_the_way_to_choose(tmp_path):
    plugin = tmp_path / "rival.py"
    plugin.write_text(RIVAL)
    done = command("join", LINK, "--plugin", plugin, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"Error: The meeting link {LINK!r} is claimed by rehearsal and rival.",
        "Switch one of them off, for instance with --without rival.",
    ]
    assert not Path(tmp_path / "out").exists()

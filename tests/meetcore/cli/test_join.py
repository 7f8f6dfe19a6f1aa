"""`meetcore join`: what a person reads when it works, and when it cannot."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import meetcore
from tests.meetcore.conftest import check_journal, end_of


def journal_in(folder: Path) -> list[meetcore.Event]:
    (bot,) = folder.iterdir()
    return list(meetcore.read_journal(bot / "journal.jsonl"))


def test_a_meeting_is_attended_and_told_in_plain_lines(meetcore_command, write_plugin, tmp_path):
    result = meetcore_command(
        "join", "sim:cli", "--plugin", write_plugin(), "--out", tmp_path / "out", "--name", "Notes"
    )
    assert result.exit_code == 0, result.output
    assert "awaiting admission: ask the host to admit Notes" in result.output
    assert "Ada joined" in result.output
    assert "completed: meeting ended (the host ended the meeting)" in result.output
    (folder,) = (tmp_path / "out").iterdir()
    assert result.output.count(str(folder)) == 1, "the folder is named once"
    assert result.output.endswith("journal  journal.jsonl\n")
    check_journal(journal_in(tmp_path / "out"))


def test_json_is_nothing_but_events_on_standard_output(meetcore_command, write_plugin, tmp_path):
    result = meetcore_command(
        "join", "sim:cli", "--plugin", write_plugin(), "--out", tmp_path / "out", "--json"
    )
    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert lines[-1]["data"]["state"] == "completed"


def test_options_reach_the_bot(meetcore_command, write_plugin, tmp_path):
    config = tmp_path / "m.toml"
    config.write_text('name = "From the file"\n[automatic_leave]\nsilence_s = 7\n')
    result = meetcore_command(
        "join", "sim:cli", "--plugin", write_plugin(more=""), "--out", tmp_path / "out",
        "--config", config, "--leave-max-duration", "0.3", "--leave-silence", "never",
        "--set", "metadata.team=blue", "--set", "audio.vad_mode=2", "--metadata", "case=a=7",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    events = journal_in(tmp_path / "out")
    assert end_of(events).reason == "max_duration"
    assert (events[0].display_name, events[0].metadata) == (
        "From the file",
        {"team": "blue", "case": "a=7"},
    )


def test_a_denied_bot_says_so_and_exits_with_1(meetcore_command, write_plugin, tmp_path):
    plugin = write_plugin(more="")
    plugin.write_text(
        plugin.read_text().replace("after_s = 0.05", 'after_s = 0.05\ndecision = "deny"')
    )
    result = meetcore_command("join", "sim:cli", "--plugin", plugin, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "failed: denied (the script denies)" in result.output


def test_an_unknown_link_names_the_platforms_and_their_links(meetcore_command, write_plugin):
    result = meetcore_command("join", "https://x.example/?pwd=s3cret", "--plugin", write_plugin())
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "Error: No installed platform recognises the meeting link 'https://x.example/?…'.",
        "Links of the installed platforms look like this:",
        "  sim: sim:NAME",
    ]
    assert not list(Path().iterdir()), "nothing was made for it"


@pytest.mark.parametrize(
    ("link", "whose"),
    [
        ("https://meet.google.com/abc-defg-hij", "Google Meet"),
        ("https://us05web.zoom.us/j/98765432101?pwd=s3cret", "Zoom"),
        ("zoom.us/j/98765432101", "Zoom"),
        ("https://teams.microsoft.com/l/meetup-join/19%3ameeting_x%40thread.v2/0", "Teams"),
        ("https://teams.live.com/meet/9876543210123", "Teams"),
    ],
)
def test_a_link_of_a_platform_that_is_not_installed_names_it_and_the_rehearsal(
    meetcore_command, write_plugin, link, whose
):
    result = meetcore_command("join", link, "--plugin", write_plugin())
    assert result.exit_code == 1
    assert f"A platform plugin for {'Microsoft ' if whose == 'Teams' else ''}{whose} " in (
        result.stderr
    )
    assert "`meetcore serve --rehearsal`" in result.stderr
    assert "s3cret" not in result.stderr


@pytest.mark.parametrize("link", ["https://meet.google.com.evil.example/x", "https://my-zoom.us/"])
def test_a_host_that_only_looks_like_one_is_not_taken_for_it(meetcore_command, write_plugin, link):
    result = meetcore_command("join", link, "--plugin", write_plugin())
    assert "rehearsal" not in result.stderr


def test_without_any_platform_it_says_so(meetcore_command):
    result = meetcore_command("join", "https://x.example/")
    assert result.exit_code == 1
    assert "no platform plugin is installed" in result.stderr


BAD = [
    (["--config", "nowhere.toml"], "Error: The configuration file nowhere.toml cannot be read"),
    (["--set", "trancriber=x"], "Did you mean 'transcriber'?"),
    (["--set", "automatic_leave.silence=5"], "Did you mean 'silence_s'?"),
    (["--leave-silence", "soon"], "silence_s in automatic_leave"),
    (["--leave-silence", "-3"], "greater than 0"),
    (["--set", "plugins.sinn.a=b"], "Unknown option 'sinn' in [plugins]"),
    (["--transcriber", "whispr"], "There is no transcriber named 'whispr'."),
    (["--sink", "webhok"], "There is no sink named 'webhok'."),
    (["--plugin", "nowhere.py"], "There is no plugin file nowhere.py."),
]


@pytest.mark.parametrize(("options", "said"), BAD, ids=lambda o: " ".join(o) if o else "")
def test_what_cannot_be_used_is_one_line_and_a_remedy_never_a_traceback(
    meetcore_command, write_plugin, tmp_path, options, said
):
    result = meetcore_command(
        "join", "sim:cli", "--plugin", write_plugin(), "--out", tmp_path / "out", *options
    )
    assert result.exit_code == 1
    assert said in result.stderr
    assert len(result.stderr.splitlines()) <= 3
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--set", "--metadata"])
def test_an_assignment_without_a_value_is_a_wrong_use(meetcore_command, option):
    result = meetcore_command("join", "sim:cli", option, "name")
    assert result.exit_code == 2
    assert "'name' is not KEY=VALUE" in result.stderr
    assert option in result.stderr


GUARDED = """
import meetcore
from contextlib import asynccontextmanager


class Guarded(meetcore.Platform):
    name = "guarded"
    link_examples = ("guarded:NAME",)

    def parse(self, url):
        if not url.startswith("guarded:"):
            return None
        return meetcore.MeetingLink(platform="guarded", native_id="x", url=url, passcode="old")

    @asynccontextmanager
    async def open_call(self, link, request, events):
        raise meetcore.MeetingRefused("wrong_passcode", f"it is {len(link.passcode)} letters long")
        yield

@meetcore.hookimpl
def meetcore_register_platforms(register):
    register(Guarded)
"""


def test_a_wrong_passcode_is_told_with_a_remedy_and_one_can_be_given(
    meetcore_command, write_plugin, tmp_path
):
    result = meetcore_command(
        "join", "guarded:x", "--plugin", write_plugin("guarded_plugin", GUARDED),
        "--out", tmp_path / "out", "--passcode", "hunter22",
    )  # fmt: skip
    assert result.exit_code == 1
    assert "failed: wrong passcode (it is 8 letters long" in result.output
    assert "Give the right one with --passcode" in result.output
    assert "hunter22" not in result.output
    (folder,) = (tmp_path / "out").iterdir()
    assert b"hunter22" not in (folder / "journal.jsonl").read_bytes()


def test_a_bot_that_is_cut_short_says_so_and_exits_with_3(meetcore_command, write_plugin, tmp_path):
    lost = """
[[lines]]
who = "ada"
at_s = 0.2
text = "good morning"
[[faults]]
kind = "connection_lost"
at_s = 1.5
"""
    result = meetcore_command(
        "join", "sim:cli", "--plugin", write_plugin(more=lost), "--out", tmp_path / "out"
    )
    assert result.exit_code == 3, result.output
    assert "completed, cut short (connection lost)" in result.output
    assert "cut short: connection lost" in result.output
    assert "Check the network" in result.output


def test_a_folder_that_cannot_be_written_is_named_with_a_way_out(
    meetcore_command, write_plugin, tmp_path
):
    (tmp_path / "file").write_text("in the way")
    result = meetcore_command(
        "join", "sim:cli", "--plugin", write_plugin(), "--out", tmp_path / "file"
    )
    assert result.exit_code == 1
    assert f"The folder {tmp_path / 'file'}" in result.stderr
    assert "--out" in result.stderr
    assert "Traceback" not in result.output


class Running:
    """`meetcore join` in a process of its own, to be interrupted."""

    def __init__(self, tmp_path: Path, plugin: Path, *options: str) -> None:
        self.out = tmp_path / "out"
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "meetcore", "join", "sim:cli", "--plugin", str(plugin),
                "--out", str(self.out), "--plain", *options,
            ],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "MEETCORE_LOAD": "files", "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip

    def read_until(self, words: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if words in line:
                return
        raise AssertionError(f"it ended without {words!r}: {self.process.communicate()}")

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_the_meeting_properly(write_plugin, tmp_path, stop):
    running = Running(tmp_path, write_plugin(more=""))
    running.read_until("Ada joined")
    running.process.send_signal(stop)
    code, out, err = running.end()
    assert code == 0, err
    assert "Leaving the meeting. Once more to leave at once." in err
    assert "completed: stop requested" in out
    assert "Traceback" not in err
    events = journal_in(running.out)
    check_journal(events)
    assert end_of(events).evidence.signal == "signal"


def test_a_second_ctrl_c_leaves_at_once(write_plugin, tmp_path):
    hanging = '[[faults]]\nkind = "hanging_call"\nwhat = "leave"\n'
    running = Running(tmp_path, write_plugin(more=hanging), "--set", "leave_timeout_s=15")
    running.read_until("Ada joined")
    running.interrupt()
    running.read_until("leaving")
    running.interrupt()
    code, out, err = running.end()
    assert code == 130, err
    assert "Traceback" not in err
    (folder,) = running.out.iterdir()
    assert f"Left at once. `meetcore recover {folder}` finishes what it left." in out
    events = journal_in(running.out)
    check_journal(events, cut_short=True)
    assert end_of(events).reason == "stop_requested"


def test_a_reader_that_goes_away_ends_it_quietly_and_the_meeting_is_left(write_plugin, tmp_path):
    running = Running(tmp_path, write_plugin(more="[end]\nat_s = 5\n"))
    running.read_until("Ada joined")
    assert running.process.stdout is not None
    running.process.stdout.close()
    running.process.stdout = None
    code, _, err = running.end()
    assert (code, err) == (141, "")
    assert end_of(journal_in(running.out)).reason in ("meeting_ended", "stop_requested")

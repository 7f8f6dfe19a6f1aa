"""What is left out of a transcript, as it is written and as it is said."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from meetcore import (
    BotConfig,
    ConfigError,
    HealthReport,
    Plugins,
    SegmentFinalized,
    build_options,
)
from meetcore.testing import ScriptedTranscriber, SimMeeting, run_simulated
from meetcore_redact import plugin
from meetcore_redact.finder import found_in, redacted
from meetcore_redact.options import RedactOptions

OPTIONS = RedactOptions(names=("Ada Lovelace", "Project Falcon"))


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Write to ada@example.org, please.", "Write to [email], please."),
        ("Write to ada.berg+x@mail.example.co.uk.", "Write to [email]."),
        ("It is ada at example dot com, or so.", "It is [email], or so."),
        ("Ada dot Berg at mail dot example dot org.", "[email]."),
        ("My card is 4111 1111 1111 1111.", "My card is [card number]."),
        ("It's 4111-1111-1111-1111, until 09/27.", "It's [card number], until 09/27."),
        ("Call 212-555-0123 today.", "Call [phone number] today."),
        ("Call +49 30 901820 today.", "Call [phone number] today."),
        ("Call me: two one two, five five five, oh one two three.", "Call me: [phone number]."),
        ("five five five oh one double oh", "[number]"),
        ("one twenty three, forty five, sixty seven", "[number]"),
        ("My SSN is 536-90-4399.", "My SSN is [id number]."),
        ("Her card says 943 476 5919.", "Her card says [id number]."),
        ("IBAN DE89 3704 0044 0532 0130 00, thanks", "IBAN [id number], thanks"),
        ("Order 12345678 has shipped.", "Order [number] has shipped."),
        ("ada  lovelace, and Ada Lovelace's notes", "[name], and [name]'s notes"),
        ("My email is john, dot, smith, at, example, dot, com", "My email is [email]"),
        ("ada @ example . com, or ada (at) example (dot) org", "[email], or [email]"),
        ("ada at sign example dot com", "[email]"),
        ("It is john underscore doe at g mail dot com.", "It is [email]."),
        ("Call plus four nine thirty nine zero one eight two zero.", "Call [phone number]."),
        ("eight hundred five five five one two one two", "[phone number]"),
        ("one two three, uh, four five six, um, seven eight", "[number]"),
        ("two one two. five five five. zero one two three.", "[phone number]."),
        ("my social is five three six nine zero four three nine nine", "my social is [id number]"),
        ("On project falcon we agree.", "On [name] we agree."),
    ],
)
def test_what_is_not_to_be_in_a_transcript_is_left_out(said: str, shown: str) -> None:
    assert redacted(said, OPTIONS) == shown


@pytest.mark.parametrize(
    "said",
    [
        "",
        "We met on November 30, 2026, at 10:30.",
        "There were twenty five people, and one or two left.",
        "Look at the dot on page 12.",
        "I looked at node.js and at main.py yesterday.",
        "Ada is good at that.Then we left.",
        "Adamant lovelaces are no Ada.",
        "Version 3.11.7 costs 1,250 euros.",
        "oh one more thing",
        "Chapter 4, verse 12 to 17.",
    ],
)
def test_what_people_say_otherwise_stays(said: str) -> None:
    assert redacted(said, OPTIONS) == said


def test_what_is_left_out_is_for_the_options_to_say() -> None:
    said = "Order 12345678 of ada@example.org"
    assert redacted(said, RedactOptions(long_numbers=None)) == "Order 12345678 of [email]"
    assert redacted(said, RedactOptions(emails=False)) == "Order [number] of ada@example.org"
    assert redacted("room 4711", RedactOptions(long_numbers=4)) == "room [number]"
    german = RedactOptions(region="DE", long_numbers=None, id_numbers=())
    assert redacted("030 901820", german) == "[phone number]"
    swiss = RedactOptions(id_numbers=("ch.ssn",), long_numbers=None)
    assert redacted("It is 756.9217.0769.85.", swiss) == "It is [id number]."


WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@given(
    digits=st.text("0123456789", min_size=14, max_size=14),
    groups=st.lists(st.integers(1, 5), min_size=15, max_size=15),
    between=st.sampled_from([" ", "-", ". ", ", "]),
    as_words=st.booleans(),
)
def test_a_card_is_left_out_however_it_is_grouped_or_said(
    digits: str, groups: list[int], between: str, *, as_words: bool
) -> None:
    number = digits + luhn.calc_check_digit(digits)
    parts: list[str] = []
    for size in groups:
        parts, number = [*parts, number[:size]], number[size:]
    if as_words:
        parts = [" ".join(WORDS[int(digit)] for digit in part) for part in parts]
    shown = redacted(f"it is {between.join(filter(None, parts))} and no other", OPTIONS)
    assert shown in ("it is [card number] and no other", "it is [id number] and no other")


@given(st.text(max_size=200))
def test_whatever_is_said_is_read_and_what_was_found_is_apart(text: str) -> None:
    found = found_in(text, OPTIONS)
    for one, following in pairwise(found):
        assert one.start < one.end <= following.start
    assert all(0 <= each.start < each.end <= len(text) for each in found)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"id_numbers": ["us.snn"]}, "us.snn"),
        ({"region": "Germany"}, "two capital letters"),
        ({"long_numbers": 0}, "1 or more"),
        ({"names": [" "]}, "without a letter"),
        ({"names": ['["Ada Lovelace"]']}, "part names with commas"),
        ({"email": True}, "emails"),
    ],
)
def test_options_that_cannot_be_are_refused_with_words(
    settings: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        build_options(RedactOptions, settings, "[plugins.redact]")
    assert said in f"{caught.value.message} {caught.value.remedy}"


def test_doctor_says_by_which_rules() -> None:
    report = HealthReport({"redact": {"names": ["Ada"]}})
    plugin.meetcore_check_health(report)
    (found,) = report.findings
    assert found.ok
    assert "1 names" in found.detail
    silent = HealthReport()
    plugin.meetcore_check_health(silent)
    assert "not set" in silent.findings[0].detail


CAST = """
title = "Numbers"
seed = 3
[admission]
after_s = 0.2
[[people]]
id = "ada"
name = "Ada"
[[lines]]
who = "ada"
at_s = 0.5
text = "my number is 212 555 0123 and my mail is ada at example dot com"
[end]
at_s = 8
"""


@pytest.mark.parametrize("asked_for", [True, False])
def test_in_a_meeting_nothing_of_it_is_in_a_journal_a_draft_or_a_file(
    tmp_path: Path, *, asked_for: bool
) -> None:
    meeting = SimMeeting(CAST)
    events = run_simulated(
        meeting,
        out_dir=tmp_path,
        plugins=meeting.plugins(redact=plugin),
        transcriber=ScriptedTranscriber(meeting.script),
        **({"config": BotConfig(out_dir=tmp_path, plugins={"redact": {}})} if asked_for else {}),
    )
    said = " ".join(e.segment.text for e in events if isinstance(e, SegmentFinalized))
    kept = b"".join(each.read_bytes() for each in tmp_path.rglob("*") if each.is_file())
    assert ("[phone number]" in said) is asked_for
    assert ("[email]" in said) is asked_for
    assert (b"555" in kept) is not asked_for
    assert (b"example" in kept) is not asked_for


def test_the_plugin_is_loaded_by_its_name() -> None:
    plugins = Plugins(only=["redact"])
    assert plugins.implementations("meetcore_revise_segment")

"""What is left out of a transcript, as it is written and as it is said."""

from __future__ import annotations

import time
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
        ("It is ada at yahoo.co.uk.", "It is [email]."),
        ("ada at proton.me, or ada at startup.io", "[email], or [email]"),
        ("ada at firma.ch", "[email]"),
        ("Write to ada at startup.berlin please", "Write to [email] please"),
        ("ada [at] example.com", "[email]"),
        ("ada(at)example.com", "[email]"),
        ("ada[at]example[dot]com and ada<at>example.com", "[email] and [email]"),
        ("ada@ example.com", "[email]"),
        ("ada @example.com", "[email]"),
        ("ada at-sign gmail dot com", "[email]"),
        ("j o h n dot smith at gmail dot com", "[email]"),
        ("A D A at gmail.com", "[email]"),
        ("It is J-O-H-N at g m a i l dot com.", "It is [email]."),
        ("ada period lovelace at example.com", "[email]"),
        ("ada point lovelace hyphen b at mail hyphen box point com", "[email]"),
        ("reach me at john dot smith at gmail dot com", "reach me at [email]"),
        ("john 42 at gmail dot com", "[email]"),
        ("ada at example dot com, or ben at example dot co dot uk", "[email], or [email]"),
        ("info at example.com", "[email]"),
        ("ada at my.com and ada @ this.com", "[email] and [email]"),
        ("ada at my company dot com", "[email]"),
        ("ada (at) the company dot com", "[email]"),
        ("ada at the.company.com", "[email]"),
        ("john.smith [at] uni-wien [dot] ac [dot] at", "[email]"),
        (
            "four one one one, one one one one, and one one one one, one one one one",
            "[card number]",
        ),
        ("four one five, five five five, and two six seven one", "[phone number]"),
        ("It's 4111 1111 and 1111 1111.", "It's [card number]."),
        ("415 555 and then 2671", "[phone number]"),
        ("one two three and then, uh, four five six seven eight", "[number]"),
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
        "Meet me at home.",
        "I am at home.then we go on",
        "We stay at work.it is late",
        "Look at example.com for the details.",
        "We looked at example dot com and were happy.",
        "You can find me at example.org.",
        "It is available at docs.example.io, at least for now.",
        "He stopped.Look at example.com now.",
        "We are strong at sales.we grow.",
        "We began in the library at index.html and went on at main.py.",
        "Ben was at lunch, connect the dot with the line.",
        "Look at this. Then we meet at noon. We are at point four.",
        "She is at the office. Period.",
        "Ada arrived at 9. Ben at ten.",
        "At the end of the day we were at peace and at ease.",
        "I shouted at him. He laughed at it.",
        "In 2024 and 2025 we had 4,155 and 5,552 visitors.",
        "It costs 12,500 and then 13,400 euros.",
        "Three hundred and two hundred and four hundred people came.",
        "One and two, then three and four.",
        "Press one and then two, and two thousand and five more times.",
        "Twenty five and thirty five and forty five and fifty five.",
        "A B C and D E F",
        "@ you later",
        "That is a plus, and a minus, and a dash of salt at best.",
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


MAILBOXES = ["ada", "ada lovelace", "a d a", "ada l 7"]
SIGNS = [" dot ", ".", " underscore ", " period ", " hyphen "]
ATS = [" at ", "@", " @ ", "@ ", " (at) ", "[at]", " at sign ", " at-sign "]
DOMAINS = ["example", "mail.example", "mail dot example", "g mail"]
ENDINGS = [".com", " dot com", ".co.uk", " dot io", " dot de", "(dot)org"]


@given(
    mailbox=st.sampled_from(MAILBOXES),
    sign=st.sampled_from(SIGNS),
    at=st.sampled_from(ATS),
    domain=st.sampled_from(DOMAINS),
    ending=st.sampled_from(ENDINGS),
)
def test_an_address_is_left_out_however_it_is_said(
    mailbox: str, sign: str, at: str, domain: str, ending: str
) -> None:
    said = sign.join(mailbox.split()) if len(mailbox.split()[0]) > 1 else mailbox
    shown = redacted(f"please write, {said}{at}{domain}{ending}, thank you", OPTIONS)
    assert shown == "please write, [email], thank you"


COMMON_WORDS = """
we you they look looked meet arrived stayed at home noon work the this example dash and then or is
was good Monday people plus minus lunch best all to in it no me us here there at and
"""
PLAIN = COMMON_WORDS.split()


@given(st.lists(st.sampled_from(PLAIN), max_size=25), st.sampled_from([" ", ", ", ". "]))
def test_words_without_a_domain_stay(words: list[str], between: str) -> None:
    said = between.join(words)
    assert redacted(said, OPTIONS) == said


@pytest.mark.parametrize(
    "text",
    ["a " * 20_000 + "at x.com", " " * 50_000 + "@", "at " * 20_000, "x." * 20_000 + "@",
     "four and " * 8_000, "at x " * 9_000, ", " * 20_000 + "@" * 2_000],
)  # fmt: skip
def test_what_is_made_to_take_long_does_not(text: str) -> None:
    begun = time.process_time()
    redacted(text, OPTIONS)
    assert time.process_time() - begun < 4


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

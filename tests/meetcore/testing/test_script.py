"""The meeting script: what is read, what is refused and how clearly, what follows from it."""

from __future__ import annotations

import itertools
import math
import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore.testing.script import (
    Decision,
    EndHow,
    FaultKind,
    Line,
    Mute,
    Person,
    Script,
    ScriptError,
    check_script,
    words_of,
)
from meetcore.testing.script_toml import load_script, parse_script

PEOPLE = """
[[people]]
id = "ada"
name = "Ada"
host = true

[[people]]
id = "ben"
name = "Ben"
joins_s = 5
leaves_s = 20
"""


def write_wav(
    path: Path, seconds: float = 1.0, rate: int = 16_000, channels: int = 1, width: int = 2
) -> None:
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(channels)
        wav.setsampwidth(width)
        wav.setframerate(rate)
        wav.writeframes(bytes(int(seconds * rate) * channels * width))


def refused(text: str, folder: Path | None = None) -> ScriptError:
    with pytest.raises(ScriptError) as caught:
        parse_script(text, source="demo.toml", folder=folder)
    assert caught.value.source == "demo.toml"
    return caught.value


def test_everything_a_script_can_say_is_read(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", 1.5)
    script = parse_script(
        f"""
        title = "Planning"
        seed = 7
        [room]
        waiting_room = false
        [admission]
        decision = "deny"
        after_s = 2
        by = "ada"
        {PEOPLE}
        [[lines]]
        who = "ada"
        at_s = 1
        text = "Good morning."
        audio = "a.wav"
        [[lines]]
        who = "ben"
        at_s = 6.5
        text = "Hello there all of you."
        [[chat]]
        who = "ada"
        at_s = 2
        text = "Hi"
        [[mutes]]
        who = "ben"
        at_s = 10
        until_s = 12
        [[kicks]]
        who = "ben"
        at_s = 15
        [[faults]]
        kind = "dropped_audio"
        who = "ada"
        at_s = 1
        for_s = 0.5
        [[faults]]
        kind = "hanging_call"
        what = "send_chat"
        [end]
        at_s = 30
        how = "everyone_leaves"
        """,
        folder=tmp_path,
    )
    assert (script.title, script.seed, script.waiting_room) == ("Planning", 7, False)
    assert script.admission.decision is Decision.DENY
    assert script.host is not None
    assert script.host.id == "ada"
    assert script.person("ben").visits[0].end_s == 20
    assert [script.line_duration_s(line) for line in script.lines] == [1.5, pytest.approx(1.8)]
    assert [fault.kind for fault in script.faults] == [
        FaultKind.DROPPED_AUDIO,
        FaultKind.HANGING_CALL,
    ]
    assert script.end is not None
    assert script.end.how is EndHow.EVERYONE_LEAVES
    assert script.duration_s == 30


def test_an_empty_script_is_a_meeting_of_nobody() -> None:
    script = parse_script("")
    assert script == Script()
    assert script.duration_s == 0
    assert script.host is None


@pytest.mark.parametrize(
    ("text", "entry", "words"),
    [
        ("title = ", "", ["not TOML"]),
        ("titel = 'x'", "", ["'titel'", "'title'"]),
        (PEOPLE + "[[lines]]\nwho='ada'\nat=1\ntext='x'", "lines[0]", ["'at'", "'at_s'"]),
        ("[room]\nwaiting_rom = true", "room", ["'waiting_rom'", "'waiting_room'"]),
        (PEOPLE + "[[chat]]\nwho='aada'\nat_s=1\ntext='x'", "chat[0]", ["'aada'", "'ada'"]),
        (PEOPLE + "[[lines]]\nwho='ada'\ntext='x'", "lines[0]", ["'at_s'", "missing"]),
        (PEOPLE + "[[lines]]\nwho='ada'\nat_s=true\ntext='x'", "lines[0]", ["True"]),
        (PEOPLE + "[[lines]]\nwho='ada'\nat_s=-1\ntext='x'", "lines[0]", ["-1"]),
        (PEOPLE + "[[lines]]\nwho='ada'\nat_s=nan\ntext='x'", "lines[0]", ["nan"]),
        (PEOPLE + "[[lines]]\nwho='ada'\nat_s=1\ntext='...'", "lines[0]", ["no words"]),
        (PEOPLE + "[[lines]]\nwho='ben'\nat_s=1\ntext='x'", "lines[0]", ["5 s", "20 s"]),
        (PEOPLE + "[end]\nat_s=1\n[[chat]]\nwho='ada'\nat_s=2\ntext='x'", "chat[0]", ["end"]),
        (PEOPLE + "[end]\nat_s=1\nhow='host_end'", "end", ["'host_end'", "'host_ends'"]),
        (PEOPLE + "[admission]\nby='ben'", "admission", ["'ben'", "host = true"]),
        (PEOPLE + "[[faults]]\nkind='dropped_audio'\nat_s=1", "faults[0]", ["'who'"]),
        (PEOPLE + "[[faults]]\nkind='hanging_call'\nwhat='fly'", "faults[0]", ["'fly'", "join"]),
        (PEOPLE + "[[mutes]]\nwho='ada'\nat_s=3\nuntil_s=3", "mutes[0]", ["over before"]),
        ("[[people]]\nid='Ada'\nname='x'", "people[0]", ["'Ada'", "lower-case"]),
        (PEOPLE + "[[people]]\nid='ada'\nname='x'", "people[2]", ["twice"]),
        ("people = 3", "people", ["[[people]]"]),
        ("room = 3", "room", ["[room]"]),
    ],
)
def test_a_wrong_script_is_refused_with_its_place_and_the_way_out(
    text: str, entry: str, words: list[str]
) -> None:
    error = refused(text)
    assert error.entry == entry
    for word in words:
        assert word in str(error)


def test_two_lines_of_one_person_at_once_are_refused() -> None:
    say = "[[lines]]\nwho='ada'\nat_s={}\ntext='one two three four five'\n"
    error = refused(PEOPLE + say.format(1) + say.format(2))
    assert "lines[0]" in str(error)
    assert error.entry == "lines[1]"


def test_a_line_that_is_muted_half_way_is_refused_and_a_wholly_muted_one_is_not_heard() -> None:
    line = "[[lines]]\nwho='ada'\nat_s=1\ntext='one two three'\n"
    error = refused(PEOPLE + line + "[[mutes]]\nwho='ada'\nat_s=1.5\nuntil_s=4")
    assert "muted for a part" in str(error)
    script = parse_script(PEOPLE + line + "[[mutes]]\nwho='ada'\nat_s=0.5\nuntil_s=4")
    assert script.reference_words() == ()


def test_audio_is_looked_up_beside_the_script_and_has_to_fit(tmp_path: Path) -> None:
    line = PEOPLE + "[[lines]]\nwho='ada'\nat_s=1\ntext='hello'\naudio='{}'\n"
    write_wav(tmp_path / "fast.wav", rate=48_000)
    write_wav(tmp_path / "stereo.wav", channels=2)
    write_wav(tmp_path / "empty.wav", 0)
    (tmp_path / "noise.wav").write_bytes(b"nonsense")
    assert "does not exist" in str(refused(line.format("none.wav"), tmp_path))
    assert "48000 Hz" in str(refused(line.format("fast.wav"), tmp_path))
    assert "2 channel" in str(refused(line.format("stereo.wav"), tmp_path))
    assert "0 frames" in str(refused(line.format("empty.wav"), tmp_path))
    assert "no readable WAV" in str(refused(line.format("noise.wav"), tmp_path))
    assert "outside" in str(refused(line.format("../x.wav"), tmp_path))
    assert "no folder" in str(refused(line.format("a.wav")))
    both = line.format("a.wav") + "duration_s = 2\n"
    write_wav(tmp_path / "a.wav")
    assert "both" in str(refused(both, tmp_path))


def test_a_script_that_cannot_be_read_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match=r"none\.toml"):
        load_script(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"title = '\xff'")
    with pytest.raises(ScriptError, match=r"latin\.toml"):
        load_script(tmp_path / "latin.toml")


def test_who_left_and_came_back_is_there_twice() -> None:
    script = parse_script(
        "[[people]]\nid='ada'\nname='Ada'\nleaves_s=5\nrejoins_s=9\n"
        "[[lines]]\nwho='ada'\nat_s=10\ntext='back again'"
    )
    assert script.person("ada").present(1, 4)
    assert not script.person("ada").present(4, 10)
    assert "not there" in str(
        refused(
            "[[people]]\nid='ada'\nname='Ada'\nleaves_s=5\nrejoins_s=9\n"
            "[[chat]]\nwho='ada'\nat_s=7\ntext='x'"
        )
    )


def test_words_that_are_said_at_once_are_marked() -> None:
    script = check_script(
        Script(
            people=(Person(id="a", name="A"), Person(id="b", name="B")),
            lines=(
                Line(who="a", at_s=0, text="one two three four", duration_s=4),
                Line(who="b", at_s=3.2, text="and so on", duration_s=3),
            ),
        )
    )
    (overlap,) = script.overlaps()
    assert (overlap.start_s, overlap.end_s) == (3.2, 4)
    assert overlap.people == {"a", "b"}
    marked = [(word.who, word.text) for word in script.reference_words() if word.overlapped]
    assert marked == [("a", "four"), ("b", "and")]


PERSON_IDS = st.sampled_from(["a", "b", "c"])
SAID = st.lists(st.sampled_from(["yes", "no", "it's", "maybe"]), min_size=1, max_size=6)


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    free_from = {"a": 0.0, "b": 0.0, "c": 0.0}
    lines = []
    for _ in range(draw(st.integers(0, 8))):
        who = draw(PERSON_IDS)
        at_s = free_from[who] + draw(st.floats(0, 5))
        line = Line(
            who=who, at_s=at_s, text=" ".join(draw(SAID)), duration_s=draw(st.floats(0.1, 6))
        )
        free_from[who] = line.end_s
        lines.append(line)
    mutes = draw(st.lists(st.builds(Mute, who=PERSON_IDS, at_s=st.just(1e6)), max_size=1))
    people = tuple(Person(id=who, name=who.upper()) for who in free_from)
    return Script(people=people, lines=tuple(lines), mutes=tuple(mutes))


@given(scripts())
def test_overlaps_are_disjoint_in_order_and_are_what_the_lines_say(script: Script) -> None:
    check_script(script)
    overlaps = script.overlaps()
    for before, after in itertools.pairwise(overlaps):
        assert before.end_s <= after.start_s
    for overlap in overlaps:
        middle = (overlap.start_s + overlap.end_s) / 2
        speaking = {line.who for line in script.lines if line.at_s <= middle < line.end_s}
        assert speaking == overlap.people
        assert len(speaking) > 1


def test_a_line_that_begins_as_another_ends_overlaps_with_nothing() -> None:
    first = Line(who="a", at_s=0.1, text="yes", duration_s=0.7)
    assert first.end_s != 0.8, "as decimal fractions are added"
    for border in (first.end_s, math.nextafter(first.end_s, 0.0)):
        lines = (first, Line(who="b", at_s=border, text="no", duration_s=1.0))
        people = tuple(Person(id=who, name=who) for who in "ab")
        script = Script(people=people, lines=lines)
        assert script.overlaps() == ()
        assert not any(word.overlapped for word in script.reference_words())


@given(scripts())
def test_every_word_of_every_audible_line_is_a_reference_word(script: Script) -> None:
    words = script.reference_words()
    assert len(words) == sum(len(words_of(line.text)) for line in script.lines)
    assert all(a.start_s <= b.start_s for a, b in itertools.pairwise(words))
    for word in words:
        line = script.lines[word.line]
        assert line.who == word.who
        assert line.at_s - 1e-6 <= word.start_s < word.end_s <= line.end_s + 1e-6


@given(st.text())
def test_no_text_breaks_the_reader_but_by_a_script_error(text: str) -> None:
    try:
        script = parse_script(text)
    except ScriptError:
        return
    assert isinstance(script, Script)

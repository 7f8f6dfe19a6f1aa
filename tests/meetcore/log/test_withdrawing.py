"""What was said by somebody excluded is written over in place: nothing else moves or changes."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from meetcore import (
    BotRequested,
    ChatReceived,
    Event,
    Journal,
    NameSource,
    ParticipantExcluded,
    Segment,
    SegmentFinalized,
    Word,
    read_journal,
)
from meetcore.log.log_reader import walk
from meetcore.log.withdrawing import blank_lines, excluded_in, withdraw_excluded
from meetcore.model import ExcludedTimes


def segment(
    name: str, who: str | None, text: str, *, revision: int = 1, start_s: float = 1.0
) -> SegmentFinalized:
    words = tuple(
        Word(each, start_s + n / 10, start_s + (n + 1) / 10) for n, each in enumerate(text.split())
    )
    return SegmentFinalized(
        segment=Segment(
            id=name,
            revision=revision,
            finalized=True,
            track_id="t",
            participant_id=who,
            speaker_name=who,
            speaker_source=NameSource.TRACK,
            speaker_confidence=1.0,
            text=text,
            words=words,
            start_s=start_s,
            end_s=start_s + 1,
        )
    )


def requested() -> BotRequested:
    return BotRequested(platform="sim", native_id="r", public_url="sim:r", display_name="Bot")


def journal_of(folder: Path, *events: Event) -> Journal:
    journal = Journal(folder / "journal.jsonl", "b", fsync=False)
    for event in (requested(), *events):
        journal.append(event)
    return journal


def test_who_reads_meanwhile_finds_no_damage(tmp_path: Path) -> None:
    """What was read ahead of a line ends within it: its beginning is old, and its end is new."""
    said = [segment(f"t-{number:04}", "ben", "aardvark " * 20) for number in range(300)]
    journal = journal_of(tmp_path, *said)
    reader = walk(journal.path)
    first = [next(reader), next(reader)]
    excluded = ParticipantExcluded(participant_id="ben", name="Ben")
    journal.append(excluded)
    withdraw_excluded(journal)
    journal.close()
    events = [*first, *reader]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert {event.type for event in events} == {
        BotRequested.type,
        SegmentFinalized.type,
        ParticipantExcluded.type,
    }


def test_lines_keep_their_length_and_readers_their_place(tmp_path: Path) -> None:
    journal = journal_of(
        tmp_path,
        segment("t-0001", "ben", "aardvark secrét"),
        segment("t-0002", "ada", "good morning"),
        ChatReceived(message_id="1", sender_id="ben", sender_name="Ben", text="walrus"),
        ParticipantExcluded(participant_id="ben", name="Ben"),
    )
    before = journal.path.read_bytes().splitlines(keepends=True)
    reader = journal.read()
    next(reader)
    assert withdraw_excluded(journal) == 1
    after = journal.path.read_bytes().splitlines(keepends=True)
    assert [len(line) for line in after[:5]] == [len(line) for line in before]
    assert after[0] == before[0]
    assert after[2] == before[2]
    whole = b"".join(after)
    assert b"aardvark" not in whole
    assert b"walrus" not in whole
    shown = "".join(event.to_json() for event in (*reader, *journal.read()))
    assert "aardvark" not in shown
    assert "good morning" in shown
    journal.close()
    events = list(read_journal(journal.path))
    assert [event.seq for event in events] == list(range(1, 7))
    again = Journal(journal.path, "b", fsync=False)
    assert again.last_seq == 6
    assert withdraw_excluded(again) == 0
    again.close()


def test_words_that_were_another_parts_before_go_too(tmp_path: Path) -> None:
    journal = journal_of(
        tmp_path,
        segment("t-0001", "ada", "good morning aardvark"),
        segment("t-0001", "ada", "good morning", revision=2),
        segment("t-0001.1", "ben", "aardvark"),
        segment("t-0002", "ben", "somebody else's after all"),
        segment("t-0002", "ada", "somebody else's after all", revision=2),
        ParticipantExcluded(participant_id="ben", name="Ben"),
    )
    withdraw_excluded(journal)
    journal.close()
    text = journal.path.read_text()
    assert "aardvark" not in text
    assert '"good morning"' in text
    assert "after all" in text


def test_from_a_time_on_only_what_came_after_goes(tmp_path: Path) -> None:
    journal = journal_of(
        tmp_path,
        segment("t-0001", "ben", "before"),
        segment("t-0002", "ben", "behind", start_s=11.0),
        ParticipantExcluded(participant_id="ben", name="Ben", since_s=10.0),
    )
    found = excluded_in(journal.path)
    assert [each.id for each in found.shown()] == ["t-0002"]
    assert blank_lines(journal.path, found.change()) == 1
    journal.close()
    assert "behind" not in journal.path.read_text()
    assert "before" in journal.path.read_text()


TIMES = st.floats(0, 100).map(lambda value: round(value, 1))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.booleans(), TIMES), max_size=8), TIMES)
def test_excluded_or_not_is_what_was_said_last(steps: list[tuple[bool, float]], at: float) -> None:
    times, told = ExcludedTimes(), sorted(steps, key=lambda step: step[1])
    for out, when in told:
        (times.exclude if out else times.include)("p", when)
    state = next((out for out, when in reversed(told) if when <= at), False)
    assert times.during("p", at, at) is state
    assert times.now("p") is (bool(told) and told[-1][0])
    assert not times.ever("q")


def test_a_blanked_entry_reads_back_as_what_it_is(tmp_path: Path) -> None:
    first = segment("t-0001", "ben", "a")
    bare = evolve(first, segment=evolve(first.segment, words=()))
    journal = journal_of(tmp_path, bare, ParticipantExcluded(participant_id="ben", name="Ben"))
    withdraw_excluded(journal)
    journal.close()
    events = [e for e in read_journal(journal.path) if isinstance(e, SegmentFinalized)]
    assert all(event.segment.withdrawn for event in events)
    assert [event.segment.revision for event in events] == [1, 2]

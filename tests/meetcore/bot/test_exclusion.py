"""What an excluded participant says goes nowhere, on every kind of track."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import trio
from hypothesis import example, given, settings
from hypothesis import strategies as st

from meetcore import (
    SAMPLE_RATE_HZ,
    Bot,
    BotConfig,
    ChatReceived,
    Chunk,
    CommandAnswered,
    CommandRefused,
    Event,
    ExcludeParticipant,
    ExclusionConfig,
    ExclusionRequest,
    ExclusionRules,
    IncludeParticipant,
    LedgerClosed,
    MediaFragment,
    Participant,
    ParticipantExcluded,
    ParticipantIncluded,
    PluginFailed,
    SegmentDraft,
    SegmentFinalized,
    Sink,
    StateChanged,
    Transcript,
    hookimpl,
)
from meetcore.bot.bot_runner import bot_runner_of
from meetcore.testing import (
    LateOwners,
    MixedTrack,
    RosterListing,
    ScriptedTranscriber,
    SharedSlots,
    SimMeeting,
    SimTracks,
    run_simulated,
)

MEETING = """
title = "Left out"
seed = 7
[admission]
after_s = 0.2
[[people]]
id = "ada"
name = "Ada"
[[people]]
id = "mole"
name = "Dr. Möle"
joins_s = 2
[[people]]
id = "ben"
name = "Ben"
[[lines]]
who = "ada"
at_s = 5
text = "good morning everybody"
[[lines]]
who = "mole"
at_s = 8
text = "aardvark secret plans"
[[lines]]
who = "ben"
at_s = 12
text = "shall we begin"
[[lines]]
who = "mole"
at_s = 16
text = "zebra hidden numbers"
[[lines]]
who = "ada"
at_s = 20
text = "that is all then"
[[chat]]
who = "mole"
at_s = 18
text = "walrus in writing"
[[chat]]
who = "ada"
at_s = 19
text = "hello in writing"
CHAT
[end]
at_s = 40
"""
PRIVATE = ("aardvark", "secret", "plans", "zebra", "hidden", "numbers", "walrus")
PUBLIC = ("morning", "begin", "all")
TRACKS = [SimTracks(), LateOwners(late_s=(1.0, 5.0)), SharedSlots(), MixedTrack()]


class Named(ExclusionRules):
    def __init__(self, *names: str) -> None:
        self.names = names

    def excludes(self, participant: Participant) -> bool:
        return participant.name in self.names


class Words(ExclusionRules):
    judges_people: ClassVar[bool] = False

    def requested(self, text: str) -> ExclusionRequest | None:
        known = {"!out": "exclude", "!forget": "exclude_since_start", "!in": "include"}
        return ExclusionRequest(known[text]) if text in known else None


def plugin_with(rules: Callable[[], ExclusionRules]) -> object:
    class Plugin:
        @hookimpl
        def meetcore_exclusion_rules(self, config: BotConfig) -> ExclusionRules:
            return rules()

    return Plugin()


class Everything(Sink):
    """A sink that keeps what it is given."""

    name = "everything"
    wants_audio = True
    wants_drafts = True

    def __init__(self) -> None:
        super().__init__()
        self.sound: dict[str, list[Chunk]] = {}
        self.gaps: list[tuple[str, int, int, str]] = []
        self.text: list[str] = []
        self.transcript = Transcript()

    async def on_audio(self, chunk: Chunk) -> None:
        self.sound.setdefault(chunk.track_id, []).append(chunk)

    async def on_gap(self, track_id: str, start_sample: int, samples: int, cause: str) -> None:
        self.gaps.append((track_id, start_sample, samples, cause))

    async def deliver(self, event: Event) -> None:
        self.text.append(event.to_json())
        if isinstance(event, SegmentFinalized):
            self.transcript.finalized(event.segment)

    async def deliver_draft(self, draft: Any) -> None:
        if isinstance(draft, SegmentDraft):
            self.text.append(draft.to_json())

    def loud(self) -> Iterator[tuple[str, float, float]]:
        """Yield where there is sound: track, from, until, in seconds on the call's clock."""
        for track_id, chunks in self.sound.items():
            for chunk in chunks:
                for at in range(0, chunk.samples, 320):
                    if np.abs(chunk.pcm[at : at + 320]).max(initial=0) > 200:
                        start = (chunk.start_sample + at) / SAMPLE_RATE_HZ
                        yield track_id, start, start + 0.02


def attend(
    folder: Path,
    rules: Callable[[], ExclusionRules],
    *,
    tracks: SimTracks | None = None,
    chat: str = "",
    script: str = MEETING,
    over_a_mix: str = "pause",
    during: Any = None,
    lists: RosterListing | None = None,
    **more: Any,
) -> tuple[list[Event], Everything, SimMeeting]:
    meeting = SimMeeting(script.replace("CHAT", chat), tracks=tracks, lists=lists)
    sink = Everything()
    config = BotConfig(out_dir=folder, exclusion=ExclusionConfig(over_a_mix=over_a_mix))
    events = run_simulated(
        meeting,
        out_dir=folder,
        config=config,
        plugins=meeting.plugins(rules=plugin_with(rules)),
        transcriber=ScriptedTranscriber(meeting.script, tracks=tracks),
        sinks=[sink],
        during=during,
        **more,
    )
    return events, sink, meeting


def bytes_below(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def heard_of(sink: Everything, meeting: SimMeeting, who: str) -> list[tuple[str, float, float]]:
    """Return the sound that a sink got within the lines of somebody, but for overlaps."""
    lines = [line for line in meeting.script.lines if line.who == who]
    return [
        (track_id, start, end)
        for track_id, start, end in sink.loud()
        if any(line.at_s - 0.02 < start and end < line.end_s + 0.02 for line in lines)
    ]


def balanced(events: list[Event]) -> bool:
    closed = next(event for event in events if isinstance(event, LedgerClosed))
    return closed.balanced


def chat(who: str, at_s: float, text: str) -> str:
    return f'[[chat]]\nwho = "{who}"\nat_s = {at_s}\ntext = "{text}"\n'


@pytest.mark.parametrize("tracks", TRACKS, ids=lambda tracks: type(tracks).__name__)
def test_nothing_of_somebody_excluded_goes_anywhere(tmp_path: Path, tracks: SimTracks) -> None:
    events, sink, meeting = attend(tmp_path, lambda: Named("Dr. Möle"), tracks=tracks)
    written = bytes_below(tmp_path).decode(errors="replace") + "".join(sink.text)
    assert not [word for word in PRIVATE if word in written]
    assert heard_of(sink, meeting, "mole") == []
    said = sink.transcript.text
    assert all(word in said for word in PUBLIC)
    assert "hello in writing" in written
    assert balanced(events)
    excluded = [e for e in events if isinstance(e, ParticipantExcluded)]
    assert [(e.participant_id, e.since_s, e.remains, e.by) for e in excluded] == [
        ("mole", None, (), "rules")
    ]


def test_their_track_is_withheld_and_sinks_learn_of_it(tmp_path: Path) -> None:
    events, sink, _ = attend(tmp_path, lambda: Named("Dr. Möle"))
    closed = next(event for event in events if isinstance(event, LedgerClosed))
    of_mole = [entry for entry in closed.entries if entry.track_id == "mole"]
    assert of_mole
    for entry in of_mole:
        assert entry.delivered == entry.lost == 0
        assert entry.withheld == entry.captured > 0
    assert {cause for track, _, _, cause in sink.gaps if track == "mole"} == {"excluded"}


def test_from_then_on_means_what_was_said_before_stays(tmp_path: Path) -> None:
    events, sink, meeting = attend(tmp_path, Words, chat=chat("mole", 14, "!out"))
    said = sink.transcript.text
    assert "aardvark" in said
    assert "zebra" not in said
    written = bytes_below(tmp_path).decode(errors="replace")
    assert "zebra" not in written
    assert "walrus" not in written
    assert "!out" not in written
    heard = heard_of(sink, meeting, "mole")
    assert heard
    assert max(end for _, _, end in heard) < 14
    excluded = next(e for e in events if isinstance(e, ParticipantExcluded))
    assert excluded.since_s is not None
    assert 13.9 < excluded.since_s < 14.5


def test_back_to_the_start_withdraws_and_blanks_what_was_said(tmp_path: Path) -> None:
    early = chat("mole", 9, "otter wrote this") + chat("mole", 14, "!forget")
    events, sink, _ = attend(tmp_path, Words, chat=early)
    assert not [word for word in PRIVATE if word in sink.transcript.text]
    assert all(word in sink.transcript.text for word in PUBLIC)
    written = bytes_below(tmp_path).decode(errors="replace")
    assert not [word for word in (*PRIVATE, "otter") if word in written]
    assert "".join(sink.text).count("aardvark") > 0  # it was delivered, and the event says so
    excluded = next(e for e in events if isinstance(e, ParticipantExcluded))
    assert excluded.since_s is None
    assert set(excluded.remains) == {"words", "sound"}
    assert [e.text for e in events if isinstance(e, ChatReceived) and e.sender_id == "mole"] == [""]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert isinstance(events[-1], StateChanged)


def test_they_are_recorded_again_from_where_they_say_so(tmp_path: Path) -> None:
    talk = chat("mole", 6, "!out") + chat("mole", 14, "!in")
    events, sink, _ = attend(tmp_path, Words, chat=talk)
    said = sink.transcript.text
    assert "aardvark" not in said
    assert "zebra" in said
    assert [e.text for e in events if isinstance(e, ChatReceived) and e.sender_id == "mole"] == [
        "!in",
        "walrus in writing",
    ]
    assert sum(isinstance(e, ParticipantIncluded) for e in events) == 1


def test_whoever_comes_back_under_another_id_is_still_excluded(tmp_path: Path) -> None:
    script = MEETING.replace(
        'name = "Dr. Möle"\njoins_s = 2', 'name = "Dr. Möle"\njoins_s = 2\nleaves_s = 12'
    ).replace("CHAT", chat("mole", 6, "!out") + '[[people]]\nid = "again"\nname = "dr.  mole"\n'
              'joins_s = 13\n[[lines]]\nwho = "again"\nat_s = 24\ntext = "yak returns"\n'
              ).replace('who = "mole"\nat_s = 16', 'who = "again"\nat_s = 16'
              ).replace('who = "mole"\nat_s = 18', 'who = "again"\nat_s = 18')  # fmt: skip
    events, sink, _ = attend(tmp_path, Words, script=script)
    written = bytes_below(tmp_path).decode(errors="replace")
    assert not [word for word in ("zebra", "yak", "walrus") if word in written]
    assert [e.participant_id for e in events if isinstance(e, ParticipantExcluded)] == [
        "mole",
        "again",
    ]
    assert "morning" in sink.transcript.text


def test_by_command_and_only_of_somebody_who_is_there(tmp_path: Path) -> None:
    async def during(bot: Bot) -> None:
        await trio.sleep(6)
        with pytest.raises(CommandRefused, match="no other participant 'nobody'"):
            await bot.perform(ExcludeParticipant("nobody"))
        with pytest.raises(CommandRefused, match="is not excluded"):
            await bot.perform(IncludeParticipant("ada"))
        await bot.perform(ExcludeParticipant("mole", by="api"))
        await bot.wait_ended()

    events, sink, _ = attend(tmp_path, Words, during=during)
    assert not [word for word in PRIVATE if word in sink.transcript.text]
    assert [e.by for e in events if isinstance(e, ParticipantExcluded)] == ["api"]
    answers = [e.ok for e in events if isinstance(e, CommandAnswered)]
    assert answers == [False, False, True]


@pytest.mark.parametrize(("policy", "expected"), [("pause", [0, 2]), ("keep", [0, 1, 2])])
def test_pictures_are_kept_back_while_they_are_there(
    tmp_path: Path, policy: str, expected: list[int]
) -> None:
    class Pictures(Sink):
        name = "pictures"
        wants_events = False
        wants_media = True

        def __init__(self) -> None:
            super().__init__()
            self.got: list[int] = []
            self.gaps: list[tuple[int, str]] = []

        async def on_media(self, fragment: MediaFragment) -> None:
            self.got.append(fragment.number)

        async def on_media_gap(self, track_id: str, first: int, count: int, cause: str) -> None:
            self.gaps.append((first, cause))

    sink = Pictures()

    async def during(bot: Bot) -> None:
        async def show() -> None:
            at = bot.meeting_now() or 0.0
            bot_runner_of(bot).call_events.media(
                "tab", kind="video", container="x", data=b"p", at_s=at, duration_s=0.1
            )

        await trio.sleep(6)
        await show()
        await bot.perform(ExcludeParticipant("mole"))
        await show()
        await bot.perform(IncludeParticipant("mole"))
        await show()

    meeting = SimMeeting(MEETING.replace("CHAT", ""))
    events = run_simulated(
        meeting,
        out_dir=tmp_path,
        config=BotConfig(out_dir=tmp_path, exclusion=ExclusionConfig(over_a_mix=policy)),
        sinks=[sink],
        during=during,
    )
    assert sink.got == expected
    assert sink.gaps == ([(1, "excluded")] if policy == "pause" else [])
    assert balanced(events)


class Broken(ExclusionRules):
    def excludes(self, participant: Participant) -> bool:
        raise ValueError("secret words")

    def requested(self, text: str) -> ExclusionRequest | None:
        raise ValueError("secret words")


def test_rules_that_fail_exclude(tmp_path: Path) -> None:
    events, sink, _ = attend(tmp_path, Broken, allow_failures=True)
    assert sink.transcript.text == ""
    assert list(sink.loud()) == []
    failed = [e for e in events if isinstance(e, PluginFailed)]
    assert failed
    assert all("secret" not in e.error for e in failed)
    assert {e.participant_id for e in events if isinstance(e, ParticipantExcluded)} == {
        "ada", "ben", "mole"
    }  # fmt: skip


@pytest.mark.parametrize("policy", ["drop_words", "keep"])
def test_over_a_mix_the_sound_may_stay_and_the_words_go(tmp_path: Path, policy: str) -> None:
    _, sink, meeting = attend(
        tmp_path, lambda: Named("Dr. Möle"), tracks=MixedTrack(), over_a_mix=policy
    )
    assert heard_of(sink, meeting, "mole")
    written = bytes_below(tmp_path).decode(errors="replace")
    assert not [word for word in PRIVATE if word in written]
    assert all(word in sink.transcript.text for word in PUBLIC)


@pytest.mark.parametrize("tracks", TRACKS, ids=lambda tracks: type(tracks).__name__)
def test_where_nobody_is_excluded_nothing_is_missing(tmp_path: Path, tracks: SimTracks) -> None:
    events, sink, _ = attend(tmp_path, lambda: Named("Nobody"), tracks=tracks)
    said = sink.transcript.text
    assert all(word in said for word in (*PUBLIC, "aardvark", "zebra"))
    closed = next(event for event in events if isinstance(event, LedgerClosed))
    assert all(entry.withheld == 0 for entry in closed.entries if entry.consumer == "everything")
    assert balanced(events)


SOMEBODY = st.sampled_from(["ada", "ben", "mole"])


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.tuples(SOMEBODY, st.floats(0.5, 6.0)), min_size=2, max_size=6),
    st.sampled_from(TRACKS),
    st.integers(0, 1000),
)
def test_whoever_speaks_when_and_over_whom(
    tmp_path_factory: pytest.TempPathFactory,
    turns: list[tuple[str, float]],
    tracks: SimTracks,
    seed: int,
) -> None:
    lines, at_s, busy_until = [], 4.0, dict.fromkeys(("ada", "ben", "mole"), 0.0)
    for number, (who, pause_s) in enumerate(turns):
        at_s = max(at_s, busy_until[who] + 0.1)
        busy_until[who] = at_s + 2.0
        text = f"private{number} word" if who == "mole" else f"public{number} word"
        lines.append(f'[[lines]]\nwho = "{who}"\nat_s = {at_s:.2f}\ntext = "{text}"\n')
        at_s += pause_s
    head = MEETING.partition("[[lines]]")[0].replace("seed = 7", f"seed = {seed}")
    script = head + "".join(lines) + f"[end]\nat_s = {at_s + 20:.2f}\n"
    folder = tmp_path_factory.mktemp("turns")
    events, sink, meeting = attend(folder, lambda: Named("Dr. Möle"), tracks=tracks, script=script)
    assert b"private" not in bytes_below(folder)
    assert "private" not in "".join(sink.text)
    alone = [
        (track, start, end)
        for track, start, end in heard_of(sink, meeting, "mole")
        if not any(
            line.who != "mole" and line.at_s - 0.3 < end and start < line.end_s + 0.3
            for line in meeting.script.lines
        )
    ]
    assert alone == []
    assert balanced(events)


@settings(max_examples=15, deadline=None)
@example(  # whose their words are is learned after they were shown, and after they asked
    [("mole", 1.0), ("ada", 1.0), ("ada", 1.0), ("ada", 6.0), ("ada", 6.0)], TRACKS[1], 0, 0.125
)
@given(
    st.lists(st.tuples(SOMEBODY, st.floats(0.5, 6.0)), min_size=2, max_size=6),
    st.sampled_from(TRACKS),
    st.integers(0, 1000),
    st.floats(0.1, 1.0),
)
def test_whenever_they_ask_nothing_of_before_is_left(
    tmp_path_factory: pytest.TempPathFactory,
    turns: list[tuple[str, float]],
    tracks: SimTracks,
    seed: int,
    share: float,
) -> None:
    lines, at_s, busy_until = [], 4.0, dict.fromkeys(("ada", "ben", "mole"), 0.0)
    for number, (who, pause_s) in enumerate(turns):
        at_s = max(at_s, busy_until[who] + 0.1)
        busy_until[who] = at_s + 2.0
        text = f"private{number} word" if who == "mole" else f"public{number} word"
        lines.append(f'[[lines]]\nwho = "{who}"\nat_s = {at_s:.2f}\ntext = "{text}"\n')
        at_s += pause_s
    asked = chat("mole", round(3 + share * (at_s - 2), 2), "!forget")
    head = MEETING.partition("[[lines]]")[0].replace("seed = 7", f"seed = {seed}")
    script = head + "".join(lines) + asked + f"[end]\nat_s = {at_s + 20:.2f}\n"
    folder = tmp_path_factory.mktemp("turns")
    events, sink, _ = attend(folder, Words, tracks=tracks, script=script)
    assert b"private" not in bytes_below(folder)
    assert "private" not in sink.transcript.text
    assert balanced(events)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))

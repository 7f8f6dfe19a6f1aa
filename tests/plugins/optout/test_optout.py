"""Whoever writes the word is in no file from then on, or since the beginning; killed bots too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import trio
from trio.testing import MockClock

import meetcore_consent.plugin
from meetcore import (
    SAMPLE_RATE_HZ,
    Bot,
    BotConfig,
    ChatReceived,
    Command,
    ConfigError,
    Event,
    HealthReport,
    MeetcoreError,
    ParticipantExcluded,
    ParticipantIncluded,
    Plugins,
    SegmentFinalized,
    SendChat,
    State,
    StateChanged,
    Transcript,
    build_options,
    read_journal,
    recover,
)
from meetcore.testing import (
    LateOwners,
    MixedTrack,
    ScriptedTranscriber,
    SharedSlots,
    SimMeeting,
    SimTracks,
    run_simulated,
)
from meetcore_files.media import sound_of
from meetcore_files.options import FilesOptions
from meetcore_files.sink import FilesSink
from meetcore_optout import plugin
from meetcore_optout.options import OptoutOptions

MEETING = """
title = "Opted out"
seed = 11
[admission]
after_s = 0.2
[[people]]
id = "ada"
name = "Ada"
[[people]]
id = "ben"
name = "Ben"
[[lines]]
who = "ada"
at_s = 6
text = "good morning everybody"
[[lines]]
who = "ben"
at_s = 10
text = "aardvark secret plans"
[[lines]]
who = "ada"
at_s = 14
text = "shall we begin"
[[lines]]
who = "ben"
at_s = 24
text = "zebra hidden numbers"
[[lines]]
who = "ada"
at_s = 30
text = "that is all then"
CHAT
[end]
at_s = 40
"""
FIRST, SECOND = ("aardvark", "secret", "plans"), ("zebra", "hidden", "numbers")
TRACKS = [SimTracks(), LateOwners(late_s=(1.0, 5.0)), SharedSlots(), MixedTrack()]


def chat(at_s: float, text: str, who: str = "ben", *, alone: bool = False) -> str:
    to_bot = "to_bot = true\n" if alone else ""
    return f'[[chat]]\nwho = "{who}"\nat_s = {at_s}\ntext = "{text}"\n{to_bot}'


def attend(
    folder: Path,
    said: str,
    *,
    tracks: SimTracks | None = None,
    files: FilesOptions | None = None,
    during: Any = None,
    plugins: dict[str, dict[str, Any]] | None = None,
    **settings: Any,
) -> list[Event]:
    """Return the journal; an encoder's thread needs a clock that does not jump."""
    meeting = SimMeeting(MEETING.replace("CHAT", said), tracks=tracks)
    tables = {"optout": settings} if plugins is None else plugins
    options: dict[str, Any] = {
        "config": BotConfig(out_dir=folder, plugins=tables),
        "plugins": meeting.plugins(optout=plugin, consent=meetcore_consent.plugin),
        "transcriber": ScriptedTranscriber(meeting.script, tracks=tracks),
    }
    if files is None:
        return run_simulated(meeting, out_dir=folder, **options)

    async def main() -> list[Event]:
        sinks = [FilesSink(files)]
        async with meeting.open_bot(folder, sinks=sinks, **options) as bot:
            await (during(bot) if during is not None else bot.wait_ended())
            path = bot.journal.path
        return list(read_journal(path))

    return trio.run(main, clock=MockClock(rate=16))


def transcript_of(events: list[Event]) -> str:
    return Transcript.of([e.segment for e in events if isinstance(e, SegmentFinalized)]).text


def written(folder: Path) -> str:
    return "\n".join(
        path.read_bytes().decode(errors="replace") for path in folder.rglob("*") if path.is_file()
    )


def loud(path: Path, start_s: float, end_s: float) -> bool:
    """Whether a recording has sound between two times, but for what an encoder leaves around."""
    pcm = np.concatenate([*sound_of(str(path)), np.zeros(1, np.int16)])
    piece = pcm[int(start_s * SAMPLE_RATE_HZ) : int(end_s * SAMPLE_RATE_HZ)]
    return bool(np.abs(piece).max(initial=0) > 300)


def recordings(folder: Path) -> list[Path]:
    return sorted([*folder.rglob("*.opus"), *folder.rglob("*.flac")])


@pytest.mark.parametrize(
    ("tracks", "form"),
    [(tracks, "opus") for tracks in TRACKS] + [(SimTracks(), "flac")],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_since_the_beginning_no_word_and_no_sound_of_theirs_is_left(
    tmp_path: Path, tracks: SimTracks, form: str
) -> None:
    events = attend(
        tmp_path, chat(18, " !Forget  ME "), tracks=tracks, files=FilesOptions(format=form)
    )
    text = written(tmp_path)
    assert not [word for word in (*FIRST, *SECOND) if word in text]
    assert "morning" in transcript_of(events)
    assert "all then" in transcript_of(events)
    files = recordings(tmp_path)
    assert files
    for path in files:
        assert not loud(path, 10.05, 11.2), path.name
        assert not loud(path, 24.05, 25.2), path.name
    mix = next(path for path in files if path.stem == "mix")
    assert loud(mix, 6, 7.5)
    assert loud(mix, 30, 31.5)
    manifest = json.loads((mix.parent / "manifest.json").read_text())
    assert manifest["complete"]


def test_from_then_on_what_came_before_stays_until_they_say_otherwise(tmp_path: Path) -> None:
    said = chat(18, "!OPTOUT") + chat(27, "I still write") + chat(28, "!optin")
    events = attend(tmp_path, said, files=FilesOptions())
    text = transcript_of(events)
    assert "aardvark" in text
    assert "zebra" not in text
    assert "I still write" not in written(tmp_path)
    of_ben = next(path for path in recordings(tmp_path) if "ben" in path.name)
    assert loud(of_ben, 10, 11.2)
    assert not loud(of_ben, 24, 25.5)
    assert [e.by for e in events if isinstance(e, ParticipantIncluded)] == ["optout"]
    answers = [(e.text, e.to_name) for e in events if isinstance(e, ChatReceived) and e.by_bot]
    said = "Ben is not recorded any more. Write !optin to be recorded again."
    assert answers == [(said, "Ben")], "the answer is theirs alone"


def test_a_word_that_only_the_bot_sees_counts_as_well(tmp_path: Path) -> None:
    said = chat(18, "!OPTOUT", alone=True) + chat(27, "I still write", alone=True)
    events = attend(tmp_path, said)
    assert [e.by for e in events if isinstance(e, ParticipantExcluded)] == ["optout"]
    assert "I still write" not in written(tmp_path)


def test_what_they_wrote_to_the_bot_alone_goes_with_the_rest(tmp_path: Path) -> None:
    attend(tmp_path, chat(8, "my own secret", alone=True) + chat(18, "!forget me", alone=True))
    assert "my own secret" not in written(tmp_path)


def test_the_words_can_mean_since_the_beginning_and_be_of_any_language(tmp_path: Path) -> None:
    said = chat(18, "NICHT  AUFZEICHNEN")
    events = attend(tmp_path, said, words=["nicht aufzeichnen"], back_to_start=True, confirm="")
    assert "aardvark" not in written(tmp_path)
    excluded = next(e for e in events if isinstance(e, ParticipantExcluded))
    assert excluded.since_s is None
    assert not any(isinstance(e, ChatReceived) and e.by_bot for e in events)


@pytest.mark.parametrize("text", ["please !optout", "optout", "!optouts"])
def test_what_is_not_the_whole_message_means_nothing(tmp_path: Path, text: str) -> None:
    events = attend(tmp_path, chat(18, text))
    assert not any(isinstance(e, ParticipantExcluded) for e in events)
    assert "zebra" in transcript_of(events)


def test_nobody_is_left_out_where_it_is_not_asked_for(tmp_path: Path) -> None:
    events = attend(tmp_path, chat(18, "!optout"), plugins={})
    assert not any(isinstance(e, ParticipantExcluded) for e in events)


@pytest.mark.parametrize("tracks", [True, False])
def test_a_bot_that_is_killed_afterwards_is_recovered_without_them(
    tmp_path: Path, tracks: bool
) -> None:
    async def during(bot: Bot) -> None:
        await trio.sleep(34)
        bot.abandon()
        await bot.wait_ended()

    options = FilesOptions(tracks=tracks)
    attend(tmp_path, chat(18, "!forget me"), during=during, files=options)
    journal = next(tmp_path.rglob("journal.jsonl"))
    lines = journal.read_bytes().splitlines(keepends=True)
    last = next(n for n, line in enumerate(lines) if b'"participant.excluded"' in line)
    journal.write_bytes(b"".join(lines[: last + 1]))  # as if killed in that very moment
    (journal.parent / "files" / "manifest.json").unlink(missing_ok=True)

    async def again() -> None:
        tables = {"files": {"tracks": tracks}}
        config = BotConfig(out_dir=tmp_path, sinks=("files",), plugins=tables)
        await recover(tmp_path, plugins=Plugins(only=["files"]), config=config)

    trio.run(again)
    text = written(tmp_path)
    assert not [word for word in FIRST if word in text]
    assert "morning" in text
    for path in recordings(tmp_path):
        assert not loud(path, 10.05, 11.2), path.name


def test_a_refused_consent_leaves_out_who_refuses(tmp_path: Path) -> None:
    events = attend(
        tmp_path,
        chat(18, "no recording please"),
        plugins={"consent": {"on_refusal": "exclude"}},
    )
    assert [e.by for e in events if isinstance(e, ParticipantExcluded)] == ["consent"]
    assert not [word for word in (*FIRST, *SECOND) if word in transcript_of(events)]
    assert "all then" in transcript_of(events)
    assert State.PAUSED not in [e.state for e in events if isinstance(e, StateChanged)]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"words": [" "]}, "without a letter"),
        ({"words": [], "forget": []}, "no words"),
        ({"words": ["!x"], "undo": ["!X"]}, "two things"),
        ({"confirm": "{who} is out"}, "filled in"),
        ({"word": "!x"}, "word"),
    ],
)
def test_options_that_cannot_be_are_refused_with_words(
    settings: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        build_options(OptoutOptions, settings, "[plugins.optout]")
    assert said in f"{caught.value.message} {caught.value.remedy}"


def test_a_bot_does_not_start_with_them(tmp_path: Path) -> None:
    with pytest.raises(MeetcoreError, match="no words"):
        attend(tmp_path, "", words=[], forget=[])
    assert list(tmp_path.iterdir()) == []


def test_doctor_says_what_people_can_write() -> None:
    for config, words in (({}, "not set"), ({"optout": {}}, "!optout, !forget me")):
        report = HealthReport(config)
        plugin.meetcore_check_health(report)
        assert words in report.findings[0].detail


def test_the_plugin_is_loaded_by_its_name() -> None:
    assert Plugins(only=["optout"]).implementations("meetcore_exclusion_rules")


async def test_who_is_known_by_name_alone_is_answered_before_everybody() -> None:
    class View:
        id = "b"
        config = BotConfig(plugins={"optout": {}})
        done: ClassVar[list[Command]] = []

        async def perform(self, command: Command) -> None:
            self.done.append(command)

    gone = ParticipantExcluded(participant_id="", name="Ben", since_s=1.0, by="optout")
    await plugin.meetcore_on_event(View(), gone)  # type: ignore[arg-type]
    (answer,) = View.done
    assert isinstance(answer, SendChat)
    assert answer.to is None
    assert answer.text.startswith("Ben")

"""Whoever is listed is in no file and no stream, from the first sample on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trio
from trio.testing import MockClock

from meetcore import (
    SAMPLE_RATE_HZ,
    BotConfig,
    ConfigError,
    HealthReport,
    MeetcoreError,
    Participant,
    Plugins,
    build_options,
)
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
from meetcore_exclude import plugin
from meetcore_exclude.options import ExcludeOptions
from meetcore_files.media import sound_of
from meetcore_files.sink import FilesSink

MEETING = """
title = "Left out"
seed = 5
[admission]
after_s = 0.2
[[people]]
id = "ada"
name = "Ada"
[[people]]
id = "doc"
name = "DR.  Josephine   Müller"
joins_s = 2
[[lines]]
who = "ada"
at_s = 6
text = "good morning everybody"
[[lines]]
who = "doc"
at_s = 10
text = "aardvark secret plans"
[[lines]]
who = "ada"
at_s = 14
text = "shall we begin"
[[chat]]
who = "doc"
at_s = 15
text = "walrus in writing"
[end]
at_s = 22
"""


@pytest.mark.parametrize(
    ("tracks", "lists"),
    [
        (SimTracks(), None),
        (SimTracks(), RosterListing(renames=(("doc", 16.0, "Somebody"),))),
        (LateOwners(late_s=(1.0, 4.0)), None),
        (SharedSlots(), None),
        (MixedTrack(), None),
    ],
    ids=["own", "lists", "late", "slots", "mix"],
)
def test_no_word_and_no_sample_of_theirs_is_in_any_file(
    tmp_path: Path, tracks: SimTracks, lists: RosterListing | None
) -> None:
    meeting = SimMeeting(MEETING, tracks=tracks, lists=lists)

    async def main() -> None:
        async with meeting.open_bot(
            tmp_path,
            sinks=[FilesSink()],
            config=BotConfig(plugins={"exclude": {"names": ["dr. * muller"]}}, out_dir=tmp_path),
            plugins=meeting.plugins(exclude=plugin),
            transcriber=ScriptedTranscriber(meeting.script, tracks=tracks),
        ) as bot:
            await bot.wait_ended()
            assert "good morning" in bot.transcript.text

    trio.run(main, clock=MockClock(rate=16))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    written = b"".join(path.read_bytes() for path in files)
    for word in ("aardvark", "secret", "plans", "walrus"):
        assert word.encode() not in written
    sounds = [path for path in files if path.suffix == ".opus"]
    assert sounds
    for path in sounds:
        pcm = np.concatenate([*sound_of(str(path)), np.zeros(1, np.int16)])
        said = pcm[int(10.05 * SAMPLE_RATE_HZ) : int(11.3 * SAMPLE_RATE_HZ)]
        assert np.abs(said).max(initial=0) < 300, path.name
    assert not [path.name for path in sounds if "doc" in path.name]


@pytest.mark.parametrize(
    ("patterns", "name", "found"),
    [
        (["Dr. *"], "dr. möller", True),
        (["Dr. *"], "Ada, Dr. med.", False),
        (["zoë"], "ZOE", True),
        (["a?a"], "Ada", True),
        (["a?a"], "Aa", False),
        (["Ada Lovelace"], " ada   lovelace ", True),
        (["Ada"], "Ada Lovelace", False),
        (["[x].*"], "[X].y", True),
        (["[x].*"], "xay", False),
        (["Strasse"], "STRAßE", True),
    ],
)
def test_a_name_is_found_whatever_its_case_accents_and_spaces(
    patterns: list[str], name: str, found: bool
) -> None:
    options = build_options(ExcludeOptions, {"names": patterns}, "x")
    person = Participant(id="p", name=name)
    assert plugin.ListedPeople(options).excludes(person) is found


def test_hosts_and_bots_can_be_left_out() -> None:
    rules = plugin.ListedPeople(ExcludeOptions(hosts=True, bots=True))
    assert rules.excludes(Participant(id="p", name="A", is_host=True))
    assert rules.excludes(Participant(id="p", name="A", is_bot=True))
    assert not rules.excludes(Participant(id="p", name="A"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "names nobody"),
        ({"names": [" "]}, "without a letter"),
        ({"names": ["*"]}, "everybody"),
        ({"name": ["x"]}, "names"),
    ],
)
def test_options_that_cannot_be_are_refused_with_words(
    settings: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        build_options(ExcludeOptions, settings, "[plugins.exclude]")
    assert said in f"{caught.value.message} {caught.value.remedy}"


def test_a_bot_does_not_start_with_them(tmp_path: Path) -> None:
    meeting = SimMeeting(MEETING)
    config = BotConfig(plugins={"exclude": {}}, out_dir=tmp_path)
    with pytest.raises(MeetcoreError, match="names nobody"):
        run_simulated(
            meeting, out_dir=tmp_path, config=config, plugins=meeting.plugins(exclude=plugin)
        )
    assert list(tmp_path.iterdir()) == []


async def test_a_bot_does_not_start_without_the_plugin(tmp_path: Path) -> None:
    meeting = SimMeeting(MEETING)
    config = BotConfig(plugins={"exclude": {"names": ["x"]}}, out_dir=tmp_path)
    with pytest.raises(MeetcoreError, match="exclude"):
        async with meeting.open_bot(tmp_path, config=config, plugins=meeting.plugins()):
            pass


def test_doctor_says_who_is_left_out() -> None:
    config = {"exclude": {"names": ["a", "b"], "hosts": True}}
    for settings, words in (({}, "not set"), (config, "2 names, hosts")):
        report = HealthReport(settings)
        plugin.meetcore_check_health(report)
        assert words in report.findings[0].detail


def test_the_plugin_is_loaded_by_its_name() -> None:
    assert Plugins(only=["exclude"]).implementations("meetcore_exclusion_rules")

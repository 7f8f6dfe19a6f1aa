"""Opening a bot: everything is resolved and checked before anything is started."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from random import Random

import pytest

import meetcore
from meetcore.bot.factory import new_bot_id, open_bot
from meetcore.model.errors import MeetcoreError, StorageUnavailable, UnknownOption, UnknownPlugin
from meetcore.testing import SimMeeting
from tests.laws.conftest import MEETING, WitnessSink


def test_ids_sort_by_time_and_differ():
    now = datetime(2026, 11, 20, 12, 3, 1, tzinfo=UTC)
    assert re.fullmatch(r"20261120-120301-[0-9a-f]{6}", new_bot_id(now))
    assert new_bot_id(now, Random(1)) == new_bot_id(now, Random(1)) != new_bot_id(now, Random(2))


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"nmae": "x"}, UnknownOption, "Did you mean 'name'"),
        ({"automatic_leave": {"silnce_s": 3}}, UnknownOption, "silence_s"),
        ({"transcriber": "nobody"}, UnknownPlugin, "no transcriber named 'nobody'"),
        ({"sinks": ["nowhere"]}, UnknownPlugin, "no sink named 'nowhere'"),
        ({"plugins_": {}}, UnknownOption, "plugins"),
    ],
)
@pytest.mark.parametrize("with_config", [False, True])
async def test_what_cannot_be_used_is_refused_before_anything_is_made(
    tmp_path, autojump_clock, settings, error, said, with_config
):
    meeting = SimMeeting(MEETING)
    if with_config:
        settings = {**settings, "config": meetcore.BotConfig(out_dir=tmp_path / "out")}
    else:
        settings = {**settings, "out_dir": tmp_path / "out"}
    with pytest.raises(error, match=said):
        async with open_bot(meeting.link, plugins=meeting.plugins(), **settings):
            pytest.fail("it opened")
    assert not (tmp_path / "out").exists()


async def test_one_sink_named_twice_is_refused_and_a_second_of_a_kind_has_its_own_name(
    tmp_path, autojump_clock
):
    meeting = SimMeeting(MEETING)
    with pytest.raises(MeetcoreError, match="'witness' is named twice"):
        async with meeting.open_bot(tmp_path, sinks=[WitnessSink(), WitnessSink()]):
            pytest.fail("it opened")


async def test_a_sink_without_a_name_is_refused(tmp_path, autojump_clock):
    class Nameless(meetcore.Sink):
        pass

    with pytest.raises(MeetcoreError, match="Nameless has no name"):
        async with SimMeeting(MEETING).open_bot(tmp_path, sinks=[Nameless()]):
            pytest.fail("it opened")


async def test_a_folder_that_cannot_be_written_is_refused(tmp_path, autojump_clock):
    (tmp_path / "file").write_text("")
    config = meetcore.BotConfig(out_dir=tmp_path / "file", fsync=False)
    with pytest.raises(StorageUnavailable, match="cannot be written: Not a directory"):
        async with SimMeeting(MEETING).open_bot(tmp_path, config=config):
            pytest.fail("it opened")


async def test_a_plugin_may_change_the_configuration_first(tmp_path, autojump_clock):
    from attrs import evolve

    class Renamer:
        @meetcore.hookimpl
        def meetcore_configure_bot(self, config):
            return evolve(config, name=f"{config.name} (recording)")

    meeting = SimMeeting(MEETING)
    plugins = meeting.plugins(renamer=Renamer())
    async with meeting.open_bot(tmp_path, plugins=plugins, name="Notes") as bot:
        assert bot.config.name == "Notes (recording)"


async def test_a_configuration_file_may_be_given(tmp_path, autojump_clock):
    file = tmp_path / "m.toml"
    file.write_text(f'name = "F"\nout_dir = "{tmp_path}"\n[metadata]\nteam = "blue"\n')
    meeting = SimMeeting(MEETING)
    async with meeting.open_bot(tmp_path, config=file, name="Code") as bot:
        assert (bot.config.name, bot.config.metadata) == ("Code", {"team": "blue"})

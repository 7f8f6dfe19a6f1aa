"""What code may give a bot: typed for the editor, checked when it runs, refused with a remedy."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path
from typing import Any, get_type_hints

import attrs
import pytest

import meetcore
from meetcore import blocking, from_asyncio
from meetcore.model.config import changed
from meetcore.model.errors import (
    ConfigError,
    NotInAsyncio,
    NotInTrio,
    UnknownMeetingUrl,
    UnknownOption,
)
from meetcore.model.settings import (
    AudioSettings,
    AutomaticLeaveSettings,
    BotSettings,
    SpeechSettings,
    TranscriptionSettings,
)
from meetcore.testing import SimMeeting
from tests.meetcore.test_from_asyncio import meeting


def fields(cls: type[attrs.AttrsInstance]) -> set[str]:
    return {each.name for each in attrs.fields(cls)}


def test_the_typed_settings_are_the_fields_of_the_configuration() -> None:
    arguments = {"transcriber", "sinks", "plugins"}
    assert set(get_type_hints(BotSettings)) == fields(meetcore.BotConfig) - arguments
    assert set(get_type_hints(AutomaticLeaveSettings)) == fields(meetcore.AutomaticLeave)
    assert set(get_type_hints(AudioSettings)) == fields(meetcore.AudioConfig)
    assert set(get_type_hints(TranscriptionSettings)) == fields(meetcore.TranscriptionConfig)
    assert set(get_type_hints(SpeechSettings)) == fields(meetcore.SpeechConfig)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sinks": "files"}, "must be a list"),
        ({"sinks": {"files": {}}}, "must be a list"),
        ({"sinks": [3]}, "must be text"),
        ({"name": 3}, "must be text"),
        ({"record": "yes"}, "must be True or False"),
        ({"leave_timeout_s": "10"}, "must be a number"),
        ({"leave_timeout_s": True}, "must be a number"),
        ({"metadata": [("a", "b")]}, "must be a table"),
        ({"automatic_leave": {"silence_s": -1}}, "greater than 0"),
        ({"automatic_leave": 30}, "table of options"),
        ({"plugins": ["files"]}, "must be a table"),
    ],
)
def test_a_configuration_refuses_what_is_of_another_kind(
    given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        meetcore.BotConfig(**given)


def test_a_table_in_a_configuration_becomes_what_it_stands_for() -> None:
    config = meetcore.BotConfig(
        automatic_leave={"silence_s": 5}, audio={"levels": True}, sinks=["files"]
    )  # type: ignore[arg-type]
    assert config.automatic_leave == meetcore.AutomaticLeave(silence_s=5)
    assert config.audio.levels
    assert config.sinks == ("files",)
    with pytest.raises(UnknownOption, match="silense_s"):
        meetcore.BotConfig(automatic_leave={"silense_s": 5})  # type: ignore[arg-type]


def test_what_is_laid_over_a_configuration_leaves_the_rest_of_its_tables() -> None:
    config = meetcore.BotConfig(
        automatic_leave=meetcore.AutomaticLeave(silence_s=5),
        plugins={"files": {"audio_format": "flac"}, "webhook": {"url": "https://a.example"}},
    )
    over = changed(config, {"automatic_leave": {"join_s": 9}, "plugins": {"files": {"mix": False}}})
    assert over.automatic_leave == meetcore.AutomaticLeave(silence_s=5, join_s=9)
    assert over.plugins["files"] == {"audio_format": "flac", "mix": False}
    assert over.plugins["webhook"] == {"url": "https://a.example"}


async def test_options_of_a_plugin_are_given_by_its_name(tmp_path: Path) -> None:
    config = meetcore.BotConfig(out_dir=tmp_path)
    with pytest.raises(UnknownOption, match="audio_fromat"):
        async with meetcore.open_bot(
            "http://127.0.0.1:9/r/mc-a",
            config=config,
            plugins={"files": {"audio_fromat": "flac"}},
            sinks=["files"],
        ):
            pytest.fail("it opened")


@pytest.mark.parametrize("sinks", ["files", "files,webhook"])
async def test_a_text_is_no_list_of_sinks(tmp_path: Path, sinks: str) -> None:
    played: SimMeeting = meeting()
    config = meetcore.BotConfig(out_dir=tmp_path)
    opening = meetcore.open_bot(played.link, config=config, plugins=played.plugins(), sinks=sinks)
    with pytest.raises(ConfigError, match="list of sinks"):
        async with opening:
            pytest.fail("it opened")


@pytest.mark.parametrize("face", [meetcore.open_bot, meetcore.open_fleet])
def test_under_asyncio_the_call_that_fits_is_named(face: Any) -> None:
    async def main() -> None:
        async with face() if face is meetcore.open_fleet else face("sim:sim"):
            pytest.fail("it opened")

    with pytest.raises(NotInTrio, match=rf"from_asyncio\.{face.__name__}"):
        asyncio.run(main())


def _asynchronous() -> list[tuple[str, Any]]:
    """Every public function that is awaited, or entered with `async with`."""
    found = []
    for name in meetcore.__all__:
        it = inspect.unwrap(getattr(meetcore, name))
        if inspect.iscoroutinefunction(it) or inspect.isasyncgenfunction(it):
            found.append((name, getattr(meetcore, name)))
    return found


def test_what_is_asynchronous_is_found() -> None:
    names = {name for name, _ in _asynchronous()}
    assert {"open_bot", "open_fleet", "recover", "recover_bot", "have_it_leave"} <= names


@pytest.mark.parametrize(("name", "it"), _asynchronous())
def test_whatever_is_asynchronous_says_under_asyncio_what_to_do(name: str, it: Any) -> None:
    parameters = inspect.signature(it).parameters.values()
    needed = [each for each in parameters if each.default is each.empty]
    named = {each.name: None for each in needed if each.kind is each.KEYWORD_ONLY}
    placed = [None for each in needed if each.kind is each.POSITIONAL_OR_KEYWORD]

    async def main() -> None:
        called = it(*placed, **named)
        if inspect.isawaitable(called):
            await called
        else:
            async with called:
                pytest.fail("it opened")

    with pytest.raises(NotInTrio, match=rf"^meetcore\.{name} ") as raised:
        asyncio.run(main())
    faces = (from_asyncio, blocking)
    assert ("meetcore.from_asyncio" in raised.value.remedy) is all(
        hasattr(face, name) for face in faces
    )
    assert "trio.run" in raised.value.remedy or f"from_asyncio.{name}" in raised.value.remedy


@pytest.mark.parametrize(
    ("name", "given"),
    [("open_bot", ["sim:sim"]), ("open_fleet", []), ("transcribe_recording", [[], None])],
)
async def test_the_face_for_asyncio_says_under_trio_what_to_do(name: str, given: list[Any]) -> None:
    remedy = rf"asyncio.* In a Trio program use meetcore\.{name}"
    called = getattr(from_asyncio, name)(*given)
    with pytest.raises(NotInAsyncio, match=remedy):
        if inspect.isawaitable(called):
            await called
        else:
            async with called:
                pytest.fail("it opened")


async def test_what_is_awaited_runs_under_trio(tmp_path: Path) -> None:
    assert await meetcore.recover(tmp_path, plugins=meetcore.Plugins(entry_points=False)) == []


def test_paths_may_be_text(tmp_path: Path) -> None:
    file = tmp_path / "meetcore.toml"
    file.write_text('name = "Notes"\n')
    assert meetcore.load_config(str(file), environ={}).name == "Notes"
    with pytest.raises(FileNotFoundError):
        list(meetcore.read_journal(str(tmp_path / "none")))


def test_a_platform_without_an_example_is_no_empty_line_of_the_refusal() -> None:
    error = UnknownMeetingUrl("x", [("hidden", []), ("shown", ["https://a.example/b"])])
    assert "hidden" not in str(error)
    assert "shown: https://a.example/b" in str(error)


def test_a_wrong_link_on_a_known_host_is_answered_with_that_platforms_links() -> None:
    known = [("meet", ["https://meet.google.com/abc-mnop-xyz"]), ("zoom", ["https://zoom.us/j/1"])]
    error = str(UnknownMeetingUrl("https://meet.google.com/landing", known))
    assert "no meeting's link" in error
    assert "meet.google.com/abc-mnop-xyz" in error
    assert "zoom.us" not in error
    error = str(UnknownMeetingUrl("https://teams.microsoft.com/x", known))
    assert "has to be installed" in error
    assert "zoom.us/j/1" in error


def test_an_event_is_plain_data_and_json_by_its_own_methods() -> None:
    event = meetcore.StateChanged(state=meetcore.State.JOINING, bot_id="b", seq=2)
    assert event.to_dict()["data"]["state"] == "joining"
    assert event.to_json().startswith('{"type":"state.changed","seq":2,')
    draft = meetcore.LevelDraft(track_id="t1", participant_id=None, dbfs=-20.5, bot_id="b")
    assert '"type":"level.draft"' in draft.to_json()

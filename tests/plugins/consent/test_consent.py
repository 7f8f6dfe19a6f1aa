"""A bot tells people that it records, once each, and heeds who does not want it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meetcore import (
    BotConfig,
    Capability,
    ChatReceived,
    ConfigError,
    Event,
    HealthReport,
    MeetcoreError,
    PluginEvent,
    Plugins,
    State,
    StateChanged,
    build_options,
)
from meetcore.testing import ScriptedTranscriber, SimMeeting, run_simulated
from meetcore_consent import plugin
from meetcore_consent.options import ConsentOptions

MEETING = """
title = "Asked"
seed = 7
[admission]
after_s = 0.2
[[people]]
id = "ada"
name = "Ada"
[[people]]
id = "ben"
name = "Ben"
joins_s = 5
leaves_s = 60
[[people]]
id = "cem"
name = "Cem"
joins_s = 8
[[people]]
id = "dan"
name = "Dan"
joins_s = 50
[[lines]]
who = "ada"
at_s = 1
text = "good morning"
[[lines]]
who = "ada"
at_s = 30
text = "shall we begin"
[[lines]]
who = "ada"
at_s = 70
text = "so we go on"
CHAT
[end]
at_s = 80
"""


class WithoutChat(SimMeeting):
    """Guests may write nothing here."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability.READ_CHAT})


BACK = """
[[people]]
id = "ben-2"
name = "BEN"
joins_s = 62
leaves_s = 70
"""


def attend(
    folder: Path, chat: str = "", *, kind: type[SimMeeting] = SimMeeting, **settings: Any
) -> list[Event]:
    meeting = kind(MEETING.replace("CHAT", chat))
    config = BotConfig(out_dir=folder, name="Notes", plugins={"consent": settings})
    return run_simulated(
        meeting,
        out_dir=folder,
        config=config,
        plugins=meeting.plugins(consent=plugin),
        transcriber=ScriptedTranscriber(meeting.script),
    )


def told(events: list[Event]) -> list[float]:
    """Return when the bot told people, in seconds of meeting time."""
    return [
        event.meeting_s or 0.0
        for event in events
        if isinstance(event, ChatReceived) and event.by_bot and "records" in event.text
    ]


def states(events: list[Event]) -> list[State]:
    return [event.state for event in events if isinstance(event, StateChanged)]


def no(who: str, at_s: int, text: str = "Please: NO  recording!") -> str:
    return f'[[chat]]\nwho = "{who}"\nat_s = {at_s}\ntext = "{text}"'


def test_everybody_is_told_once_and_who_comes_later_with_others(tmp_path: Path) -> None:
    events = attend(tmp_path)
    times = told(events)
    assert len(times) == 3
    assert times[0] < 2  # Ada, at once
    assert 20 <= times[1] < 35  # Ben and Cem, together
    assert 50 <= times[2] <= 61  # Dan, at the latest when something else happens
    texts = [e.text for e in events if isinstance(e, ChatReceived) and e.by_bot]
    assert texts[0].startswith("Notes records and transcribes this meeting.")
    assert states(events)[-1] is State.COMPLETED


def test_nobody_is_told_anything_where_it_is_not_asked_for(tmp_path: Path) -> None:
    meeting = SimMeeting(MEETING.replace("CHAT", no("ben", 10)))
    events = run_simulated(
        meeting,
        out_dir=tmp_path,
        plugins=meeting.plugins(consent=plugin),
        transcriber=ScriptedTranscriber(meeting.script),
    )
    assert told(events) == []
    assert State.PAUSED not in states(events)


def test_nothing_is_recorded_while_somebody_is_there_who_does_not_agree(tmp_path: Path) -> None:
    events = attend(tmp_path, no("ben", 10))
    changes = [e for e in events if isinstance(e, StateChanged)]
    paused = next(e for e in changes if e.state is State.PAUSED)
    resumed = next(e for e in changes if e.state is State.RECORDING and e.seq > paused.seq)
    assert 10 <= (paused.meeting_s or 0) < 11
    assert 65 <= (resumed.meeting_s or 0) < 67  # Ben has left, and does not come back at once
    said = " ".join(e.segment.text for e in events if e.type == "segment.finalized")  # type: ignore[attr-defined]
    assert "morning" in said
    assert "begin" not in said
    assert "go on" in said


def test_who_comes_back_under_another_id_has_not_changed_their_mind(tmp_path: Path) -> None:
    events = attend(tmp_path, no("ben", 10) + BACK)
    changes = [e for e in events if isinstance(e, StateChanged)]
    paused = next(e for e in changes if e.state is State.PAUSED)
    resumed = next(e for e in changes if e.state is State.RECORDING and e.seq > paused.seq)
    assert 75 <= (resumed.meeting_s or 0) < 77


def test_who_comes_back_later_stops_it_again(tmp_path: Path) -> None:
    events = attend(tmp_path, no("ben", 10) + BACK.replace("62", "68").replace("70", "79"))
    changes = [e for e in events if isinstance(e, StateChanged)]
    pauses = [e.meeting_s or 0 for e in changes if e.state is State.PAUSED]
    assert len(pauses) == 2
    assert 68 <= pauses[1] < 69


def test_the_journal_says_who_was_told_who_agreed_and_who_did_not(tmp_path: Path) -> None:
    yes = no("ben", 40, "I agree to the recording.")
    events = attend(tmp_path, f"{no('ben', 10)}\n{yes}")
    found = [e for e in events if isinstance(e, PluginEvent) and e.plugin == "consent"]
    told_of = [e.data["participant_id"] for e in found if e.name == "told"]
    assert sorted(told_of) == ["ada", "ben", "cem", "dan"]
    assert [(e.name, e.data["name"]) for e in found if e.name != "told"] == [
        *(("refused", "Ben"), ("agreed", "Ben")),
    ]
    changes = [e for e in events if isinstance(e, StateChanged)]
    paused = next(e for e in changes if e.state is State.PAUSED)
    resumed = next(e for e in changes if e.state is State.RECORDING and e.seq > paused.seq)
    assert 40 <= (resumed.meeting_s or 0) < 42


def test_it_leaves_on_a_refusal_where_that_is_wanted(tmp_path: Path) -> None:
    events = attend(tmp_path, no("ben", 10, "i don’t agree"), on_refusal="leave",
                    refuse=["I don't agree"])  # fmt: skip
    end = [e for e in events if isinstance(e, StateChanged)][-1]
    assert end.reason == "recording_permission_denied"
    texts = [e.text for e in events if isinstance(e, ChatReceived) and e.by_bot]
    assert 'Write "I don\'t agree" here' in texts[0]
    assert end.evidence is not None
    assert "somebody does not agree" in end.evidence.detail
    assert (end.meeting_s or 0) < 30


@pytest.mark.parametrize("text", ["no recordings needed", "I know recording", "fine by me"])
def test_what_says_something_else_is_no_refusal(tmp_path: Path, text: str) -> None:
    assert State.PAUSED not in states(attend(tmp_path, no("ben", 10, text)))


@pytest.mark.parametrize(("unheard", "reason"), [("leave", "recording_permission_denied"),
                                                 ("go_on", "meeting_ended")])  # fmt: skip
def test_where_nobody_can_be_told_it_leaves_unless_it_is_to_go_on(
    tmp_path: Path, unheard: str, reason: str
) -> None:
    events = attend(tmp_path, kind=WithoutChat, unheard=unheard)
    end = [e for e in events if isinstance(e, StateChanged)][-1]
    assert end.reason == reason


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"message": "{who} records"}, "bot"),
        ({"message": " "}, "empty"),
        ({"refuse": []}, "without a word"),
        ({"agree": [" "]}, "agree in"),
        ({"on_refusal": "shout"}, "on_refusal"),
        ({"again_every_s": -1}, "again_every_s"),
        ({"mesage": "x"}, "message"),
    ],
)
def test_options_that_cannot_be_are_refused_with_words(
    settings: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        build_options(ConsentOptions, settings, "[plugins.consent]")
    assert said in f"{caught.value.message} {caught.value.remedy}"


def test_a_bot_does_not_start_with_them(tmp_path: Path) -> None:
    with pytest.raises(MeetcoreError, match="without a word"):
        attend(tmp_path, refuse=[])
    assert list(tmp_path.iterdir()) == []


def test_doctor_says_what_people_are_told() -> None:
    for config, words in (({}, "not set"), ({"consent": {}}, "On a refusal: pause")):
        report = HealthReport(config)
        plugin.meetcore_check_health(report)
        assert words in report.findings[0].detail


def test_the_plugin_is_loaded_by_its_name() -> None:
    assert Plugins(only=["consent"]).implementations("meetcore_on_event")

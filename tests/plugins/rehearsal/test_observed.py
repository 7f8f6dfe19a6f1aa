"""What the observer script tells becomes signals, each once, in an order that makes sense."""

from __future__ import annotations

from typing import Any

from meetcore.model.lifecycle import EndReason
from meetcore.model.roster import NameSource
from meetcore.model.signals import (
    Admitted,
    CallEnded,
    ParticipantAppeared,
    ParticipantGone,
    RosterHealth,
    Signal,
    SpeakingIndicated,
)
from meetcore_rehearsal.observed import RoomObserver


def person(person_id: str, **changes: Any) -> dict[str, Any]:
    entry = {"id": person_id, "name": person_id, "host": False, "bot": False, "muted": False}
    return {**entry, "self": False, "speaking": False, **changes}


def watching() -> tuple[RoomObserver, list[Signal]]:
    signals: list[Signal] = []
    return RoomObserver(signals.append), signals


ME = person("me", self=True)


def test_who_goes_while_speaking_stops_speaking_first() -> None:
    observer, signals = watching()
    observer.on_roster([ME, person("a", speaking=True)])
    observer.on_roster([ME])
    assert signals[-3:] == [
        SpeakingIndicated("a", True),
        SpeakingIndicated("a", False),
        ParticipantGone("a"),
    ]


def test_the_same_list_twice_tells_nothing_new() -> None:
    observer, signals = watching()
    for _ in range(2):
        observer.on_roster([ME, person("a")])
    assert [type(signal) for signal in signals] == [ParticipantAppeared, ParticipantAppeared]


def test_a_list_without_the_bot_is_unhealthy_and_empties_nothing() -> None:
    observer, signals = watching()
    observer.on_roster([ME, person("a")])
    observer.on_roster([])
    observer.on_roster([ME, person("a")])
    assert [s.healthy for s in signals if isinstance(s, RosterHealth)] == [False, True]
    assert not [s for s in signals if isinstance(s, ParticipantGone)]


def test_the_first_end_counts_and_carries_its_selector() -> None:
    observer, signals = watching()
    observer.on_state({"name": "in_call", "selector": "#people", "text": ""})
    observer.on_state({"name": "removed", "selector": "#finish", "text": "You were removed"})
    observer.on_state({"name": "lost", "selector": "#finish", "text": "lost"})
    admitted, ended = signals
    assert isinstance(admitted, Admitted)
    assert isinstance(ended, CallEnded)
    assert ended.reason is EndReason.REMOVED
    assert (ended.evidence.signal, ended.evidence.selector) == ("removed", "#finish")


def test_an_ending_nobody_knows_is_still_an_end() -> None:
    observer, signals = watching()
    observer.on_state({"name": "unknown_ending", "selector": "#finish", "text": "Bye!"})
    (ended,) = signals
    assert isinstance(ended, CallEnded)
    assert ended.evidence.detail == "Bye!"


def test_what_comes_of_our_own_leaving_is_no_end_of_the_call() -> None:
    observer, signals = watching()
    observer.leaving = True
    observer.on_state({"name": "lost", "selector": "#finish", "text": ""})
    assert signals == []


def test_a_track_of_nobody_known_is_nobodys() -> None:
    observer, _ = watching()
    observer.on_roster([ME, person("a")])
    assert observer.track_of("t1", ("a",)).participant_id == "a"
    assert observer.track_of("t1", ("a",)).name_source is NameSource.TRACK
    for streams in ((), ("x",)):
        track = observer.track_of("t2", streams)
        assert track.participant_id is None
        assert track.name_source is NameSource.UNKNOWN

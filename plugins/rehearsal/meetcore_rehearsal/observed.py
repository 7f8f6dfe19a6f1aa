"""What the observer script told, turned into signals: states, roster, speaking, chat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio
from attrs import frozen

from meetcore import (
    Admitted,
    CallEnded,
    ChatArrived,
    EndReason,
    Evidence,
    Knocked,
    NameSource,
    Participant,
    ParticipantAppeared,
    ParticipantChanged,
    ParticipantGone,
    RosterHealth,
    ShareSeen,
    Signal,
    SpeakingIndicated,
    TrackAppeared,
)

__all__ = ["RoomObserver", "RoomView"]

END_REASONS = {
    "missing": EndReason.MEETING_NOT_FOUND,
    "denied": EndReason.DENIED,
    "removed": EndReason.REMOVED,
    "ended": EndReason.MEETING_ENDED,
    "lost": EndReason.CONNECTION_LOST,
    "full": EndReason.DENIED,
    "wrong_passcode": EndReason.WRONG_PASSCODE,
    "unknown_ending": EndReason.CONNECTION_LOST,
}


@frozen
class RoomView:
    """What the page shows: the name of the state, and what it was recognised by."""

    name: str = "before"
    selector: str = ""
    text: str = ""


class RoomObserver:
    """Follows one page. All methods run on the Trio thread and return at once.

    Args:
        observe: Takes signals.
        entered: Called when the bot is in the call.

    Attributes:
        state: What the page shows.
        over: The end, once there is one.
        leaving: Whether the bot takes its leave.
        own_texts: What the bot wrote as it appeared, each with whose id it is for alone.
    """

    def __init__(
        self, observe: Callable[[Signal], None], entered: Callable[[], None] = lambda: None
    ) -> None:
        self._observe = observe
        self._entered = entered
        self.state = RoomView()
        self.over: CallEnded | None = None
        self.leaving = False
        self.own_texts: list[tuple[str, str | None]] = []
        self._changed = trio.Event()
        self._people: dict[str, Participant] = {}
        self._speaking: set[str] = set()
        self._shares: dict[str, str] = {}
        self._healthy = True

    @property
    def inside(self) -> bool:
        """Whether the page shows the call."""
        return self.state.name == "in_call"

    async def changed(self) -> None:
        """Return when the page's state or our own chat messages have changed."""
        await self._changed.wait()

    def on_state(self, data: Any) -> None:
        """Take a new state of the page."""
        self.state = RoomView(str(data["name"]), str(data["selector"]), str(data["text"]))
        if self.state.name == "waiting":
            self._observe(Knocked(self.state.text))
        elif self.inside:
            self._observe(Admitted(self.state.selector))
            self._entered()
        elif reason := END_REASONS.get(self.state.name):
            self.end(reason, self.state.name)
        self._notify()

    def end(self, reason: EndReason, signal: str, detail: str = "") -> None:
        """Note that there is no call any more; the first reason counts."""
        if self.over is not None or self.leaving:
            return
        evidence = Evidence(
            signal=signal,
            detail=detail or self.state.text,
            selector=self.state.selector or None,
        )
        self.over = CallEnded(reason, evidence)
        self._observe(self.over)

    def on_roster(self, data: Any) -> None:
        """Take the whole list of people as it stands on the page."""
        people = {str(entry["id"]): _participant(entry) for entry in data}
        if not any(person.is_self for person in people.values()):
            self._healthy = False
            self._observe(RosterHealth(False, "the list of people does not name the bot itself"))
            return
        if not self._healthy:
            self._healthy = True
            self._observe(RosterHealth(True))
        for gone in [known for known in self._people if known not in people]:
            if gone in self._speaking:
                self._speaking.discard(gone)
                self._observe(SpeakingIndicated(gone, False))
            self._observe(ParticipantGone(gone))
        for person in people.values():
            before = self._people.get(person.id)
            if before is None:
                self._observe(ParticipantAppeared(person))
            elif before != person:
                self._observe(ParticipantChanged(person))
        self._people = people
        speaking = {str(entry["id"]) for entry in data if entry["speaking"] and not entry["self"]}
        for person_id in sorted(speaking ^ self._speaking):
            self._observe(SpeakingIndicated(person_id, person_id in speaking))
        self._speaking = speaking

    def on_chat(self, data: Any) -> None:
        """Take a chat message."""
        own, to = bool(data["own"]), data.get("to")
        to_id = None if to is None else str(to["id"])
        if own:
            self.own_texts.append((str(data["text"]), to_id))
        self._observe(
            ChatArrived(
                message_id=str(data["id"]),
                sender_id=str(data["sender"]),
                sender_name=str(data["name"]),
                text=str(data["text"]),
                by_bot=own,
                direct=to is not None,
                to_id=to_id,
                to_name="" if to is None else str(to["name"]),
            )
        )
        self._notify()

    def on_shares(self, data: Any) -> None:
        """Take the screens that are shared now."""
        shares = {str(entry["share"]): str(entry["by"]) for entry in data}
        for share_id in [known for known in self._shares if known not in shares]:
            self._observe(ShareSeen(share_id, self._shares[share_id], False))
        for share_id, who in shares.items():
            if share_id not in self._shares:
                self._observe(ShareSeen(share_id, who, True))
        self._shares = shares

    def track_of(self, track_id: str, stream_ids: tuple[str, ...]) -> TrackAppeared:
        """Say whose voice a remote track is: its stream carries the participant's id."""
        if stream_ids and stream_ids[0] in self._people:
            return TrackAppeared(track_id, stream_ids[0], "participant", NameSource.TRACK)
        return TrackAppeared(track_id, None, "participant", NameSource.UNKNOWN)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


def _participant(entry: Any) -> Participant:
    return Participant(
        id=str(entry["id"]),
        name=str(entry["name"]),
        is_bot=bool(entry["bot"]),
        is_self=bool(entry["self"]),
        is_host=bool(entry["host"]),
        muted=bool(entry["muted"]),
    )

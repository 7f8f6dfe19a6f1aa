"""Skribby's frames: events to messages, and messages to commands. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from attrs import field, frozen

from meetcore import (
    TERMINAL,
    ChatReceived,
    Command,
    CommandRefused,
    Dialect,
    Draft,
    EndReason,
    Event,
    SegmentFinalized,
    SendChat,
    State,
    StateChanged,
    Stop,
    to_json,
)
from meetcore import TranscriptionStopped as Stopped
from meetcore.gateway import is_web_address
from meetcore_skribby.people import People
from meetcore_skribby.statuses import StatusTrack
from meetcore_skribby.transcripts import SpeakerNumbers, live_segment

__all__ = ["ChangeAvatar", "SkribbyDialect", "action_of", "chat_data", "frame"]


_LONGEST_URL = 2048


@frozen
class ChangeAvatar:
    """Show the picture at a URL as the bot's camera."""

    url: str = field(repr=False)


def frame(kind: str, data: object = None) -> str:
    """Return a frame as text; without data it has no key `data`."""
    return to_json({"type": kind} if data is None else {"type": kind, "data": data})


def chat_data(event: ChatReceived) -> dict[str, str | None]:
    """Return a chat message as in frames."""
    return {
        "id": event.message_id,
        "parent_id": None,
        "username": event.sender_name,
        "content": event.text,
        "user_avatar": None,
    }


class SkribbyDialect(Dialect):
    """What a subscriber of `websocket_url` is told after `connected`.

    Only what is final: drafts are not told, and of a segment that is revised afterwards only the
    first form, because clients append. `ping` belongs to the connection, not to the bot.

    Args:
        batch: Whether the model transcribes afterwards, as the client sees it.
    """

    name: ClassVar[str] = "skribby"

    def __init__(self, *, batch: bool = False) -> None:
        self._statuses = StatusTrack(batch)
        self._people = People()
        self._speakers = SpeakerNumbers()
        self._told: set[str] = set()
        self._started = False
        self._failed = False

    def messages(self, item: Event | Draft) -> Sequence[str]:
        """Return the frames for an event; none for a draft."""
        if isinstance(item, StateChanged):
            return self._state(item)
        if isinstance(item, SegmentFinalized):
            return self._segment(item)
        if isinstance(item, ChatReceived):
            return (frame("chat-message", chat_data(item)),)
        if isinstance(item, Stopped):
            return self._transcription_failed(item.detail)
        if isinstance(item, Event):
            return [frame(told.type, told.data) for told in self._people.take(item)]
        return ()

    def command(self, message: str) -> Command:
        """Return the command in a frame.

        Raises:
            CommandRefused: It is none that can be carried out.
        """
        command = action_of(message)
        if isinstance(command, ChangeAvatar):
            raise CommandRefused("A picture is fetched by the server, not by whoever reads this.")
        if command is None:
            raise CommandRefused("That is no action of a Skribby socket that works here.")
        return command

    def _state(self, event: StateChanged) -> list[str]:
        frames = [
            frame("status-update", transition.data) for transition in self._statuses.take(event)
        ]
        if event.state is State.RECORDING and not self._started:
            self._started = True
            frames.append(frame("start"))
        if event.state in TERMINAL:
            if event.reason is EndReason.TRANSCRIPTION_FAILED:
                frames += self._transcription_failed("The transcription has failed.")
            frames.append(frame("stop"))
        return frames

    def _segment(self, event: SegmentFinalized) -> Sequence[str]:
        speaker = self._speakers.number(event.segment)
        if event.segment.id in self._told or event.segment.correction:
            return ()
        self._told.add(event.segment.id)
        return (frame("ts", live_segment(event.segment, speaker)),)

    def _transcription_failed(self, detail: str) -> Sequence[str]:
        if self._failed:
            return ()
        self._failed = True
        return (frame("error", {"message": detail}),)


def action_of(message: str | bytes) -> SendChat | Stop | ChangeAvatar | None:
    """Return what a client's frame asks for, None for what is to be ignored."""
    if not isinstance(message, str):
        return None
    try:
        asked: Any = json.loads(message)
    except (ValueError, RecursionError):
        return None
    if not isinstance(asked, dict):
        return None
    if asked.get("action") == "stop":
        return Stop()
    data = asked.get("data")
    if asked.get("action") == "chat-message" and isinstance(data, Mapping):
        content = data.get("content")
        if isinstance(content, str) and content.strip() and _can_be_written(content):
            return SendChat(content)
    if asked.get("action") == "change-avatar" and isinstance(data, Mapping):
        url = data.get("avatar_url")
        if isinstance(url, str) and len(url) <= _LONGEST_URL and is_web_address(url):
            return ChangeAvatar(url)
    return None


def _can_be_written(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in text

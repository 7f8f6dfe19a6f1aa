"""What goes over the streaming socket: the handshake, sound in pieces, who speaks. Pure."""

from __future__ import annotations

import json

from attrs import define, field

from meetcore import (
    BareResampler,
    Event,
    Participant,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
    SpeakingStarted,
    SpeakingStopped,
)

__all__ = ["SAMPLES", "Pieces", "SpeakerChanges", "handshake"]

SAMPLES = 256
"""Samples in one binary message: 512 bytes, at either rate."""

_PIECE_BYTES = 2 * SAMPLES


def handshake(bot_id: str) -> str:
    """Return the first message of a connection."""
    return json.dumps({"protocol_version": 1, "bot_id": bot_id, "offset": 0.0})


class Pieces:
    """Cuts a stream of samples into messages: s16le, mono, without a header.

    Args:
        sample_rate_hz: The rate to send; what comes in has 16 kHz.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._resampler = BareResampler(sample_rate_hz)
        self._rest = b""

    def cut(self, sound: bytes, *, last: bool = False) -> list[bytes]:
        """Take sound; return the messages that are full, and at the end what is left."""
        sound = self._rest + self._resampler.feed(sound, last=last)
        whole = len(sound) if last else len(sound) - len(sound) % _PIECE_BYTES
        self._rest = sound[whole:]
        return [sound[at : min(at + _PIECE_BYTES, whole)] for at in range(0, whole, _PIECE_BYTES)]


@define
class SpeakerChanges:
    """Tells who began and who stopped to speak. A reducer; speakers are numbered from 1."""

    _names: dict[str, str] = field(factory=dict)
    _numbers: dict[str, int] = field(factory=dict)
    _speaking: dict[str, int] = field(factory=dict)

    def take(self, event: Event) -> str | None:
        """Take the next event; return the message about it, None for none."""
        at_ms = round(event.at.timestamp() * 1000)
        if isinstance(event, (ParticipantJoined, ParticipantUpdated)):
            self._know(event.participant)
        elif isinstance(event, SpeakingStarted):
            return self._change(event.participant_id, at_ms, speaking=True)
        elif isinstance(event, (SpeakingStopped, ParticipantLeft)):
            return self._change(event.participant_id, at_ms, speaking=False)
        return None

    @property
    def now(self) -> str | None:
        """Who speaks now, for a connection that was just made; None for nobody."""
        told = [self._entry(who, at_ms) for who, at_ms in self._speaking.items()]
        return json.dumps(told, ensure_ascii=False) if told else None

    def _know(self, participant: Participant) -> None:
        if not participant.is_self:
            self._names[participant.id] = participant.name
            self._numbers.setdefault(participant.id, len(self._numbers) + 1)

    def _change(self, who: str, at_ms: int, *, speaking: bool) -> str | None:
        if who not in self._names or (who in self._speaking) is speaking:
            return None
        if speaking:
            self._speaking[who] = at_ms
        else:
            del self._speaking[who]
        return json.dumps([self._entry(who, at_ms)], ensure_ascii=False)

    def _entry(self, who: str, at_ms: int) -> dict[str, str | int | bool]:
        return {
            "name": self._names[who],
            "id": self._numbers[who],
            "timestamp": at_ms,
            "isSpeaking": who in self._speaking,
        }

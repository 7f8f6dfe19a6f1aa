"""What goes over the live audio socket: 48 kHz in frames that say who speaks. Pure."""

from __future__ import annotations

import base64
import json
import struct

import numpy as np
from attrs import define, field

from meetcore import (
    Chunk,
    Event,
    ParticipantJoined,
    ParticipantUpdated,
    SpeakingStarted,
    SpeakingStopped,
    TrackOpened,
    TrackOwnerIdentified,
)

__all__ = ["NOBODY", "RATE_HZ", "LoudestSpeaker", "binary_frame", "json_frame"]

RATE_HZ = 48_000
NOBODY = ("", "NoSpeaker")
"""Id and name for sound that is nobody's."""

_PCM_CHUNK = 1
_LONGEST_NAME_BYTES = 65_535
_AUDIBLE = 100.0


def _name_bytes(name: str) -> bytes:
    raw = name.encode("utf-8", "replace")
    if len(raw) > _LONGEST_NAME_BYTES:
        raw = raw[:_LONGEST_NAME_BYTES].decode("utf-8", "ignore").encode()
    return raw


def binary_frame(speaker_id: str, speaker_name: str, pcm: bytes) -> bytes:
    """Return a binary frame: type, id and name with their lengths, then s16le mono at 48 kHz."""
    who, name = _name_bytes(speaker_id), _name_bytes(speaker_name)
    head = struct.pack("<BH", _PCM_CHUNK, len(who)) + who
    return head + struct.pack("<H", len(name)) + name + pcm


def json_frame(speaker_name: str, pcm: bytes) -> str:
    """Return the same as the first API's text frame."""
    sound = base64.b64encode(pcm).decode()
    frame = {"type": "PCMChunk", "speakerName": speaker_name, "audioData": sound}
    return json.dumps(frame, ensure_ascii=False)


@define
class LoudestSpeaker:
    """Says who speaks loudest in what was heard since it was last asked. A reducer.

    A track that belongs to somebody is judged by its sound. In a mix of several people, those who
    are told to be speaking are believed, the last who began first.
    """

    _names: dict[str, str] = field(factory=dict)
    _owners: dict[str, str | None] = field(factory=dict)
    _speaking: dict[str, None] = field(factory=dict)
    _loudness: dict[str, float] = field(factory=dict)
    _last: tuple[str, str] = NOBODY

    def take(self, event: Event) -> None:
        """Take the next event."""
        if isinstance(event, (ParticipantJoined, ParticipantUpdated)):
            self._names[event.participant.id] = event.participant.name
        elif isinstance(event, TrackOpened | TrackOwnerIdentified):
            self._owners[event.track_id] = event.participant_id
        elif isinstance(event, SpeakingStarted):
            self._names.setdefault(event.participant_id, event.name or "Unknown")
            self._speaking.pop(event.participant_id, None)
            self._speaking[event.participant_id] = None
        elif isinstance(event, SpeakingStopped):
            self._speaking.pop(event.participant_id, None)

    def hear(self, chunk: Chunk) -> None:
        """Take sound of a track."""
        if not chunk.samples:
            return
        level = float(np.sqrt(np.mean(np.square(chunk.pcm.astype(np.float64)))))
        known = self._loudness.get(chunk.track_id, 0.0)
        self._loudness[chunk.track_id] = max(known, level)

    def loudest(self) -> tuple[str, str]:
        """Return id and name of who spoke, and begin anew; `NOBODY` for nobody one could name.

        Where nothing was heard since the last time, it is still the same.
        """
        if self._loudness:
            self._last = self._judged()
        return self._last

    def _judged(self) -> tuple[str, str]:
        heard, self._loudness = self._loudness, {}
        audible = [track for track, level in heard.items() if level >= _AUDIBLE]
        audible.sort(key=lambda track: -heard[track])
        for track in audible:
            who = self._owners.get(track) or next(reversed(self._speaking), None)
            if who is not None:
                return who, self._names.get(who, who)
        return NOBODY

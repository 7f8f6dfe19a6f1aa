"""A stand-in for AssemblyAI, to test an app with: its wire as publicly documented, and its faults.

    from meetcore_assemblyai.testing import AssemblyAIStandIn

    stand_in = AssemblyAIStandIn.of(words, sound)
    async with stand_in.serving() as url:
        options = AssemblyAIOptions(url=url, files_url=url, key=Secret(stand_in.key))

It is not AssemblyAI and recognises no speech: it hears scripted words in a known recording.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import trio

from meetcore_speech_api.testing.faults import FaultKind, StandInFault
from meetcore_speech_api.testing.known_sound import ArrivedWord, ScriptedWord, SoundEar
from meetcore_speech_api.testing.server import (
    HttpAnswer,
    HttpQuestion,
    StandInServer,
    StandInSession,
)

__all__ = ["AssemblyAIStandIn", "FaultKind", "ScriptedWord", "StandInFault"]

PARTIAL_S = 0.5
BURST_S = 1.0
HEARTBEAT_S = 5.0
_SESSION_ID = "3207b601-2054-48df-ba77-8784dfcf9fb8"
_TRANSCRIPT_ID = "9ea68fd3-f953-42c1-9742-976c447fb463"


class AssemblyAIStandIn(StandInServer):
    """Speaks `/v3/ws`, `/v3/token`, `/v2/upload` and `/v2/transcript`."""

    def refusal(self, headers: Mapping[str, str]) -> HttpAnswer | None:
        """Refuse nobody's handshake: a WebSocket is closed with 1008 instead."""
        if headers.get("authorization") == self.key or "upgrade" in headers:
            return None
        words = "Authentication error, API token missing/invalid"
        return HttpAnswer(status=401, body={"error": words})

    # --- live ---------------------------------------------------------------------------------

    async def converse(self, session: StandInSession) -> None:
        """Answer with turns until the client terminates."""
        if session.headers.get("authorization") != self.key:
            session.close(1008, "Unauthorized Connection: Missing Authorization header")
            await trio.sleep_forever()
        session.say(_begin(session))
        turns = _ScriptedTurns(session)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(turns.beat)
            while True:
                message = await session.receive()
                if isinstance(message, bytes):
                    turns.heard(len(message) / 32)
                else:
                    turns.told(message)

    # --- files --------------------------------------------------------------------------------

    async def answer(self, question: HttpQuestion) -> HttpAnswer:
        """Hand out tokens; take a WAV file of the known recording, and transcribe it."""
        await trio.lowlevel.checkpoint()
        if question.path == "/v3/token":
            return HttpAnswer(body={"token": "fe4145dd1e7a2e149488dcd2d553a8018a89833f"})
        if question.path == "/v2/upload":
            return HttpAnswer(body={"upload_url": f"{self.url}/upload/1"})
        uploads = [each.body for each in self.questions if each.path == "/v2/upload"]
        if question.path == "/v2/transcript" and "universal-3-pro" in question.body.decode():
            return HttpAnswer(status=400, body={"error": "universal-3-pro is no longer available"})
        if question.path == "/v2/transcript":
            return HttpAnswer(body={"id": _TRANSCRIPT_ID, "status": "queued", "words": None})
        if question.path != f"/v2/transcript/{_TRANSCRIPT_ID}" or not uploads:
            return HttpAnswer(status=404, body={"error": "Not found"})
        asked = sum(each.path == question.path for each in self.questions)
        if asked < 2:
            return HttpAnswer(body={"id": _TRANSCRIPT_ID, "status": "processing", "words": None})
        if not uploads[-1].startswith(b"RIFF"):
            words = "File does not appear to contain audio."
            return HttpAnswer(body={"id": _TRANSCRIPT_ID, "status": "error", "error": words})
        return HttpAnswer(body=self._transcript(uploads[-1]))

    def _transcript(self, wav: bytes) -> dict[str, Any]:
        ear = SoundEar(self.known)
        ear.hear(wav[44:])
        body = next(each.body for each in self.questions if each.path == "/v2/transcript")
        labels = b'"speaker_labels"' in body
        words = [_word(word, final=True, labels=labels) for word in ear.words]
        for word in words:
            del word["word_is_final"]
        text = " ".join(word["text"] for word in words)
        return {
            "id": _TRANSCRIPT_ID,
            "status": "completed",
            "language_code": "en_us",
            "text": text,
            "words": words,
            "utterances": [
                {"start": words[0]["start"], "end": words[-1]["end"], "text": text, "words": words}
            ]
            if labels and words
            else None,
            "audio_duration": round(ear.audio_s),
        }


def _begin(session: StandInSession) -> dict[str, Any]:
    """Confirm what is known; `u3-rt-pro` leads to another model since 2026-09-02."""
    model = session.wish("speech_model")
    return {
        "type": "Begin",
        "id": _SESSION_ID,
        "expires_at": 1_772_570_132,
        "configuration": {
            "model": "universal-3-5-pro" if model == "u3-rt-pro" else model,
            "mode": session.wish("mode", "balanced"),
            "api_version": "2025-05-12",
            "speaker_labels": session.wish("speaker_labels") == "true",
            "redact_pii": session.wish("redact_pii") == "true",
            "filter_profanity": session.wish("filter_profanity") == "true",
            "voice_focus": session.wish("voice_focus") or None,
        },
    }


def _word(word: ArrivedWord, *, final: bool, labels: bool) -> dict[str, Any]:
    told: dict[str, Any] = {
        "text": word.text,
        "start": round(word.start_s * 1000),
        "end": round(word.end_s * 1000),
        "confidence": 0.97,
        "word_is_final": final,
    }
    if labels and word.speaker is not None:
        told["speaker"] = "ABCDEFGHIJ"[word.speaker]
    return told


class _ScriptedTurns:
    """The state of one session."""

    def __init__(self, session: StandInSession) -> None:
        self._session = session
        self._ear = session.ear
        self._universal_3 = session.wish("speech_model").startswith(("universal-3", "u3"))
        self._formats = session.wish("format_turns") == "true"
        self._labels = session.wish("speaker_labels") == "true"
        self._silence_s = float(session.wish("min_turn_silence", "400")) / 1000
        self._order = 0
        self._ended_words = 0
        self._partial_at_s = 0.0
        self._beaten_words = 0
        self._last: dict[str, Any] | None = None
        self._revised: dict[str, Any] | None = None
        self._free_s = BURST_S
        self._paced_at = trio.current_time()

    @property
    def _words(self) -> list[ArrivedWord]:
        return self._ear.words[self._ended_words :]

    # --- what comes ---------------------------------------------------------------------------

    def heard(self, frame_ms: float) -> None:
        """Audio came: of a length that is taken, no faster than real time."""
        if not 50 <= frame_ms <= 1000:
            words = f"Input duration violation: {frame_ms:g} ms. Expected between 50 and 1000 ms"
            self._fail(3007, words)
            return
        now = trio.current_time()
        self._free_s = min(BURST_S, self._free_s + now - self._paced_at) - frame_ms / 1000
        self._paced_at = now
        if self._free_s < -1e-6:
            audio_s, open_s = self._ear.audio_s, now - self._session.opened_at
            words = f"Audio Transmission Rate Exceeded: Received {audio_s:g} sec. audio in"
            self._fail(3007, f"{words} {open_s:g} sec")
            return
        audio_s = self._ear.audio_s
        if self._words and audio_s - self._words[-1].end_s >= self._silence_s:
            self._end_turn()
        elif self._words and audio_s - self._partial_at_s >= PARTIAL_S:
            self._partial()

    def told(self, message: Mapping[str, Any]) -> None:
        """A message came."""
        kind = message.get("type")
        if kind == "ForceEndpoint":
            if self._words:
                self._end_turn()
        elif kind == "Terminate":
            if self._words:
                self._end_turn()
            self._terminate()
        elif kind not in ("KeepAlive", "UpdateConfiguration"):
            self._fail(3006, f"Invalid Message Type: {kind}")

    def _terminate(self) -> None:
        self._revise()
        session_s = round(trio.current_time() - self._session.opened_at)
        self._session.say(
            {
                "type": "Termination",
                "audio_duration_seconds": round(self._ear.audio_s),
                "session_duration_seconds": session_s,
            }
        )
        if not self._session.fault("stall"):
            self._session.close(1000, "")

    def _fail(self, code: int, words: str) -> None:
        self._session.say({"type": "Error", "error_code": code, "error": words})
        self._session.close(code, words)

    # --- what is said -------------------------------------------------------------------------

    async def beat(self) -> None:
        """Say every five seconds what was received, and whether it may be speech."""
        while self._session.wish("session_heartbeat") == "true":
            await trio.sleep(HEARTBEAT_S)
            spoke = len(self._ear.words) > self._beaten_words
            self._beaten_words = len(self._ear.words)
            open_ms = round((trio.current_time() - self._session.opened_at) * 1000)
            self._session.say(
                {
                    "type": "Heartbeat",
                    "total_audio_received_ms": round(self._ear.audio_s * 1000),
                    "total_duration_ms": open_ms,
                    "realtime_factor": 0.99,
                    "max_speech_probability": 0.93 if spoke else 0.04,
                }
            )
        await trio.sleep_forever()

    def _partial(self) -> None:
        self._partial_at_s = self._ear.audio_s
        message = self._turn(ended=False, formatted=False)
        self._session.say(message)
        if self._session.fault("older_drafts") and self._last is not None:
            self._session.say(self._last)
        self._last = message

    def _end_turn(self) -> None:
        session = self._session
        if self._formats and not self._universal_3:
            session.say(self._turn(ended=True, formatted=False))
        message = self._turn(ended=True, formatted=self._formats or self._universal_3)
        session.say(message)
        if session.fault("repeat_finals"):
            session.say(message)
        if session.fault("elsewhere"):
            who = _word(ArrivedWord("who", 9000.0, 9001.0), final=True, labels=False)
            session.say(
                {
                    **message,
                    "turn_order": self._order + 1,
                    "words": [who],
                    "transcript": "who",
                    "end_of_turn": False,
                }
            )
        self._revise()
        if session.fault("revise_speakers"):
            self._revised = self._revision(message)
        self._order += 1
        self._ended_words = len(self._ear.words)
        self._last = None

    def _revise(self) -> None:
        """Say what was learned about the voices of the turn before."""
        if self._revised is not None:
            self._session.say(self._revised)
        self._revised = None

    def _revision(self, turn: Mapping[str, Any]) -> dict[str, Any]:
        words = [
            {"text": word["text"], "start": word["start"], "end": word["end"], "speaker": "J"}
            for word in turn["words"]
        ]
        return {
            "type": "SpeakerRevision",
            "revisions": [{"turn_order": turn["turn_order"], "speaker_label": "J", "words": words}],
        }

    def _turn(self, *, ended: bool, formatted: bool) -> dict[str, Any]:
        words = self._words
        count = len(words)
        told = [
            _word(
                word,
                final=ended or (not self._universal_3 and place < count - 1),
                labels=self._labels,
            )
            for place, word in enumerate(words)
        ]
        if not formatted:
            for word in told:
                word["text"] = word["text"].lower()
        shown: Sequence[dict[str, Any]] = told
        if not self._universal_3:
            shown = [word for word in told if word["word_is_final"]]
        message = {
            "type": "Turn",
            "turn_order": self._order,
            "turn_is_formatted": formatted,
            "end_of_turn": ended,
            "transcript": " ".join(word["text"] for word in shown),
            "end_of_turn_confidence": 1 if ended else 0,
            "words": told,
            "utterance": "",
        }
        if self._labels and told and "speaker" in told[0]:
            message["speaker_label"] = told[0]["speaker"]
        return message

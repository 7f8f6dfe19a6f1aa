"""A stand-in for Deepgram, to test an app with: its wire as publicly documented, and its faults.

    from meetcore_deepgram.testing import DeepgramStandIn

    stand_in = DeepgramStandIn.of(words, sound)
    async with stand_in.serving() as url:
        transcriber = DeepgramTranscriber(DeepgramOptions(url=url, key=Secret(stand_in.key)))

It is not Deepgram and recognises no speech: it hears scripted words in a known recording.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import trio

from meetcore_deepgram.keyterms import MOST_TOKENS, tokens_of
from meetcore_speech_api.testing.faults import FaultKind, StandInFault
from meetcore_speech_api.testing.known_sound import ArrivedWord, ScriptedWord, SoundEar
from meetcore_speech_api.testing.server import (
    HttpAnswer,
    HttpQuestion,
    StandInServer,
    StandInSession,
)

__all__ = ["DeepgramStandIn", "FaultKind", "ScriptedWord", "StandInFault"]

IDLE_S = 10.0
INTERIM_S = 0.5
RANGE_S = 3.0
TOO_MANY_TERMS_S = 30.0
_REQUEST_ID = "8c8ebea9-dbec-45fa-a035-e4632cb05b5f"
_NET_0001 = (
    "Deepgram did not receive audio data or a text message within the timeout window. "
    "See https://dpgr.am/net0001"
)


class DeepgramStandIn(StandInServer):
    """Speaks `/v1/listen`, live and for files."""

    def refusal(self, headers: Mapping[str, str]) -> HttpAnswer | None:
        """Answer 401 to who has another key, as Deepgram does before the handshake."""
        if headers.get("authorization") == f"Token {self.key}":
            return None
        return HttpAnswer(
            status=401,
            body={"err_code": "INVALID_AUTH", "err_msg": "Invalid credentials."},
            headers=(("dg-error", "Invalid credentials."), ("dg-request-id", _REQUEST_ID)),
        )

    # --- live ---------------------------------------------------------------------------------

    async def converse(self, session: StandInSession) -> None:
        """Answer about ranges of the audio until the client closes."""
        live = _ScriptedRanges(session)
        while True:
            limit_s = (
                IDLE_S
                if live.heard_audio
                else max(0.0, session.opened_at + IDLE_S - trio.current_time())
            )
            with trio.move_on_after(limit_s) as idle:
                message = await session.receive()
            if idle.cancelled_caught:
                session.close(1011, _NET_0001)
                await trio.sleep_forever()
            if live.broken_at is not None and trio.current_time() > live.broken_at:
                session.close(1011, "NET-0000")
                await trio.sleep_forever()
            if isinstance(message, bytes):
                if not message:
                    live.end()
                live.heard()
            else:
                live.told(message)

    # --- files --------------------------------------------------------------------------------

    async def answer(self, question: HttpQuestion) -> HttpAnswer:
        """Transcribe a WAV file of the known recording."""
        await trio.lowlevel.checkpoint()
        if question.path != "/v1/listen" or question.method != "POST":
            return HttpAnswer(status=404, body={"err_code": "NOT_FOUND", "err_msg": "Not found"})
        if not question.body.startswith(b"RIFF"):
            why = "Bad Request: failed to process audio: corrupt or unsupported data"
            return HttpAnswer(
                status=400,
                body={"err_code": "Bad Request", "err_msg": why, "request_id": _REQUEST_ID},
            )
        sound = question.body[44:]
        ear = SoundEar(self.known)
        ear.hear(sound)
        wishes = dict(question.query)
        words = [
            _word(each, speakers="diarize_model" in wishes, confident=True) for each in ear.words
        ]
        text = " ".join(word["word"] for word in words)
        alternative = {"transcript": text, "confidence": 0.9, "words": words}
        utterances = []
        if wishes.get("utterances") == "true" and words:
            utterances = [
                {
                    "start": words[0]["start"],
                    "end": words[-1]["end"],
                    "confidence": 0.9,
                    "channel": 0,
                    "transcript": text,
                    "words": words,
                    "id": "2b3a7f0a-0000-4000-8000-000000000002",
                }
            ]
        return HttpAnswer(
            body={
                "metadata": {"request_id": _REQUEST_ID, "duration": ear.audio_s, "channels": 1},
                "results": {
                    "channels": [{"alternatives": [alternative]}],
                    "utterances": utterances,
                },
            }
        )


def _word(word: ArrivedWord, *, speakers: bool, confident: bool = False) -> dict[str, Any]:
    told: dict[str, Any] = {
        "word": word.text.lower(),
        "start": round(word.start_s, 3),
        "end": round(word.end_s, 3),
        "confidence": 0.98,
        "punctuated_word": word.text,
    }
    if speakers and word.speaker is not None:
        told["speaker"] = word.speaker
        if confident:
            told["speaker_confidence"] = 0.7
    return told


class _ScriptedRanges:
    """The state of one live stream."""

    def __init__(self, session: StandInSession) -> None:
        self._session = session
        self._ear = session.ear
        self._speakers = bool(session.wish("diarize_model"))
        self._final_to_s = 0.0
        self._interim_at_s = 0.0
        self._final_words = 0
        self._last: dict[str, Any] | None = None
        self.heard_audio = False
        self.broken_at: float | None = None
        self._count_terms(session.wishes("keyterm"))

    def _count_terms(self, terms: Sequence[str]) -> None:
        if sum(tokens_of(term) for term in terms) > MOST_TOKENS:
            self.broken_at = trio.current_time() + TOO_MANY_TERMS_S

    def heard(self) -> None:
        """Audio came: an interim result now and then, a final one every three seconds."""
        self.heard_audio = True
        audio_s = self._ear.audio_s
        if self.broken_at is not None:
            return
        if audio_s - self._final_to_s >= RANGE_S:
            self._range(is_final=True)
        elif audio_s - self._interim_at_s >= INTERIM_S:
            self._range(is_final=False)

    def told(self, message: Mapping[str, Any]) -> None:
        """A message came."""
        kind = message.get("type")
        if kind == "Finalize":
            self._finalize()
        elif kind == "CloseStream":
            self.end()
        elif kind == "Configure":
            terms = [str(term) for term in message.get("keyterms") or ()]
            self._count_terms(terms)
            configured = {"type": "ConfigureSuccess", "request_id": _REQUEST_ID}
            self._session.say({**configured, "keyterms": terms})
        elif kind != "KeepAlive":
            self._session.close(1008, f"unknown message type {kind!r}")

    def _finalize(self) -> None:
        left = self._ear.audio_s - self._final_to_s
        if left > 0.01 and self.broken_at is None:
            self._range(is_final=True, from_finalize=True)
            if self._session.wish("utterance_end_ms") and self._ear.words:
                end_s = round(self._ear.words[-1].end_s, 3)
                self._session.say(
                    {"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": end_s}
                )

    def end(self) -> None:
        """Finish: what is left, then `Metadata`, then the close."""
        if self._ear.audio_s - self._final_to_s > 0.01 and self.broken_at is None:
            self._range(is_final=True)
        self._session.say(
            {
                "type": "Metadata",
                "transaction_key": "deprecated",
                "request_id": _REQUEST_ID,
                "sha256": "0" * 64,
                "created": "2026-01-02T18:57:31.151Z",
                "duration": self._ear.audio_s,
                "channels": 1,
            }
        )
        if not self._session.fault("stall"):
            self._session.close(1000, "")

    def _range(self, *, is_final: bool, from_finalize: bool = False) -> None:
        session, audio_s = self._session, self._ear.audio_s
        words = self._ear.words[self._final_words :]
        message = self._results(words, self._final_to_s, audio_s, is_final=is_final)
        message["from_finalize"] = from_finalize
        if from_finalize and session.fault("no_answer") and not words:
            return
        session.say(message)
        if session.fault("elsewhere"):
            who = [ArrivedWord("who", 9000.0, 9001.0)]
            session.say(self._results(who, 9000.0, 9001.0, is_final=is_final))
        if not is_final and session.fault("older_drafts") and self._last is not None:
            session.say(self._last)
        self._last = message
        self._interim_at_s = audio_s
        if is_final:
            if session.fault("repeat_finals"):
                session.say(message)
            self._final_to_s, self._final_words = audio_s, len(self._ear.words)
            self._last = None

    def _results(
        self, words: Sequence[ArrivedWord], start_s: float, end_s: float, *, is_final: bool
    ) -> dict[str, Any]:
        text = " ".join(word.text for word in words)
        alternative: dict[str, Any] = {
            "transcript": text,
            "confidence": 0.98 if words else 0.0,
            "words": [_word(word, speakers=self._speakers) for word in words],
        }
        if self._session.wish("language") == "multi" and words:
            alternative["languages"] = ["en"]
        arch = "-".join(self._session.wish("model", "nova-3").split("-")[:2])
        return {
            "type": "Results",
            "channel_index": [0, 1],
            "start": round(start_s, 4),
            "duration": round(end_s - start_s, 4),
            "is_final": is_final,
            "speech_final": False,
            "channel": {"alternatives": [alternative]},
            "metadata": {
                "request_id": _REQUEST_ID,
                "model_info": {"name": f"general-{arch}", "version": "2025-01-01.0", "arch": arch},
                "model_uuid": "96a295ec-6336-43d5-b1cb-1e48b5e6d9a4",
            },
            "from_finalize": False,
        }

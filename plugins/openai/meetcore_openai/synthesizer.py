"""The synthesizer `openai`: any endpoint that speaks OpenAI's speech API, `POST /audio/speech`.

The sound is passed on while it comes. A text is asked for a few sentences at a time: an answer that
is read as slowly as it is played is then short enough to wait on the line.
"""

from __future__ import annotations

import math
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, ClassVar

import h11
import trio

from meetcore import MeetcoreError, Redactor, Secret, SynthesisRequest, Synthesizer
from meetcore_openai.options import OpenAIOptions
from meetcore_openai.speech_connection import SpeechAnswer, asked
from meetcore_openai.wav import WavStream

__all__ = ["LONGEST_PIECE", "OpenAISynthesizer", "SpeechRefused", "pieces_of"]

LONGEST_PIECE = 300
_LONGEST_ERROR_BYTES = 64 * 1024
_LONGEST_S = 180.0
_REMEDY = "Check speech_url (or base_url) in [plugins.openai], and that the server runs."


class SpeechRefused(MeetcoreError):
    """An endpoint that did not say a text.

    Attributes:
        kind: `auth`, `quota`, `rate`, `bad_request`, `server`, `network` or `protocol`.
        retry_after_s: The pause that it asks for, in seconds, None for none.
    """

    def __init__(
        self, kind: str, message: str, remedy: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, remedy)
        self.kind = kind
        self.retry_after_s = retry_after_s


def pieces_of(text: str) -> Iterator[str]:
    """Yield a text in pieces to be asked for: sentences, as many as fit, the first by itself."""
    waiting, first = "", True
    for sentence in re.split(r"(?<=[.!?…。！？])\s+", " ".join(text.split())):
        rest = sentence
        while len(rest) > LONGEST_PIECE:
            cut = rest.rfind(" ", 1, LONGEST_PIECE)
            cut = cut if cut > 0 else LONGEST_PIECE
            if waiting:
                yield waiting
                waiting = ""
            yield rest[:cut]
            rest, first = rest[cut:].lstrip(), False
        if waiting and (first or len(waiting) + 1 + len(rest) > LONGEST_PIECE):
            yield waiting
            waiting, first = "", False
        waiting = f"{waiting} {rest}".strip()
    if re.search(r"\w", waiting):
        yield waiting


class OpenAISynthesizer(Synthesizer[OpenAIOptions]):
    """Any endpoint that speaks OpenAI's speech API: OpenAI itself, or a server of your own."""

    name: ClassVar[str] = "openai"

    def __init__(self, options: OpenAIOptions | None = None) -> None:
        super().__init__(options)
        self.sample_rate_hz = self.options.speech_rate_hz
        self._held_until_s = -math.inf

    async def synthesize(self, request: SynthesisRequest) -> AsyncIterator[bytes | str]:
        """Yield the speech as it comes, each few sentences after their text.

        Raises:
            SpeechRefused: The endpoint did not say it; with what to do about it.
        """
        options, key = self.options, self.options.speech_key()
        if key is None and options.speech_is_openai:
            raise SpeechRefused(
                "auth",
                "There is no key for OpenAI's voices.",
                "Set OPENAI_API_KEY, or api_key in [plugins.openai]; or name a server of your own "
                "as speech_url.",
            )
        request.redactor.add(key)
        for piece in pieces_of(request.text):
            yield piece
            async with aclosing(self._ask(piece, key, request.redactor)) as sounds:
                async for sound in sounds:
                    yield sound

    async def _ask(
        self, text: str, key: Secret | None, redactor: Redactor
    ) -> AsyncGenerator[bytes]:
        options, wait_s = self.options, self._held_until_s - trio.current_time()
        if wait_s > 0:
            raise SpeechRefused(
                "rate",
                f"{options.speech_host} asked for a pause, {wait_s:.1f} s more.",
                "Wait for it, or say less.",
                wait_s,
            )
        made = 0
        try:
            async with asked(
                f"{options.speech_address}/audio/speech",
                self._body(text),
                None if key is None else key.reveal(),
                connect_timeout_s=options.connect_timeout_s,
                timeout_s=options.request_timeout_s,
            ) as answer:
                if not 200 <= answer.status < 300:
                    raise await self._refused(answer, redactor)
                form = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
                if form.startswith("text/") or form.endswith("json"):
                    raise SpeechRefused(
                        "protocol",
                        f"{options.speech_host} answered with {form}, not with sound.",
                        _REMEDY,
                    )
                wav = WavStream() if options.speech_format == "wav" else None
                while data := await answer.receive():
                    sound = data if wav is None else self._within(wav, data)
                    made += len(sound)
                    if made > 2 * self.sample_rate_hz * _LONGEST_S:
                        raise SpeechRefused(
                            "protocol",
                            f"{options.speech_host} speaks for more than {_LONGEST_S:g} s of a few "
                            "sentences.",
                            _REMEDY,
                        )
                    if sound:
                        yield sound
                if made % 2:
                    yield b"\0"  # half a sample, and what follows is another answer
        except (OSError, h11.RemoteProtocolError, trio.BrokenResourceError, trio.TooSlowError) as e:
            what = f"was silent for {options.request_timeout_s:g} s"
            if not isinstance(e, trio.TooSlowError):
                what = f"cannot be reached, or broke off ({type(e).__name__})"
            where = f" after {made / 2 / self.sample_rate_hz:.1f} s of sound" if made else ""
            raise SpeechRefused("network", f"{options.speech_host} {what}{where}.", _REMEDY) from e
        if made < 2:
            raise SpeechRefused(
                "protocol",
                f"{options.speech_host} answered without any sound.",
                "Check voice and speech_model in [plugins.openai].",
            )

    def _body(self, text: str) -> dict[str, Any]:
        options = self.options
        body: dict[str, Any] = {
            "model": options.speech_model,
            "input": text,
            "voice": options.voice,
            "response_format": options.speech_format,
        }
        if options.speed is not None:
            body["speed"] = options.speed
        if options.instructions:
            body["instructions"] = options.instructions
        return body

    def _within(self, wav: WavStream, data: bytes) -> bytes:
        try:
            sound = wav.feed(data)
        except ValueError as error:
            raise SpeechRefused(
                "protocol",
                f"{self.options.speech_host} sent no WAV file of 16 bits and one channel: {error}.",
                "Set speech_format = 'pcm', if it has that.",
            ) from error
        if wav.rate_hz not in (None, self.sample_rate_hz):
            raise SpeechRefused(
                "protocol",
                f"{self.options.speech_host} speaks at {wav.rate_hz} Hz, not at "
                f"{self.sample_rate_hz}.",
                f"Set speech_rate_hz = {wav.rate_hz} in [plugins.openai].",
            )
        return sound

    async def _refused(self, answer: SpeechAnswer, redactor: Redactor) -> SpeechRefused:
        from meetcore_openai.refusals import ErrorBody, read_error, retry_after_s, trouble_of

        body = b""
        while len(body) < _LONGEST_ERROR_BYTES and (data := await answer.receive()):
            body += data
        said = read_error(body)
        options = self.options
        trouble = trouble_of(
            answer.status,
            ErrorBody(redactor.redact(said.message), said.code),
            host=options.speech_host,
            model=options.speech_model,
            wait_s=retry_after_s(answer.headers, datetime.now(UTC)),
        )
        remedy = trouble.remedy
        if trouble.kind == "bad_request":
            remedy = "Check speech_model, voice, speed and speech_format in [plugins.openai]."
        elif trouble.kind in ("rate", "server") and not remedy:
            remedy = "Try again later; a local voice (flite) has no limits."
        if trouble.retry_after_s:
            self._held_until_s = trio.current_time() + trouble.retry_after_s
        return SpeechRefused(trouble.kind, trouble.message, remedy, trouble.retry_after_s)

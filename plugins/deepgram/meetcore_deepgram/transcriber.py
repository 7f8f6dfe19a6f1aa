"""The transcriber `deepgram`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import urlencode

from meetcore import (
    FileRequest,
    Hypothesis,
    StreamRequest,
    TranscriberCapabilities,
)
from meetcore_deepgram.faults import DeepgramFaults
from meetcore_deepgram.keyterms import MOST_TOKENS, fitting_keyterms
from meetcore_deepgram.options import DeepgramOptions
from meetcore_deepgram.results import file_hypotheses
from meetcore_deepgram.stream import DeepgramStream
from meetcore_speech_api.connection import ProviderSocket
from meetcore_speech_api.transcriber import ProviderTranscriber

__all__ = ["DeepgramTranscriber"]


class DeepgramTranscriber(ProviderTranscriber[DeepgramOptions]):
    """Deepgram's Nova models: live, and whole files."""

    name: ClassVar[str] = "deepgram"
    provider: ClassVar[str] = "Deepgram"
    key_variable: ClassVar[str] = "DEEPGRAM_API_KEY"
    capabilities: ClassVar[TranscriberCapabilities] = TranscriberCapabilities(files=True)

    def faults(self) -> DeepgramFaults:
        """Return what Deepgram's trouble means."""
        return DeepgramFaults(
            provider=self.provider, key_variable=self.key_variable, redactor=self._redactor
        )

    def key_headers(self, key: str) -> Mapping[str, str]:
        """Return the headers that carry the key."""
        return {"Authorization": f"Token {key}"}

    def billed_model(self) -> str:
        """Return the model."""
        return self.options.model

    def _wishes(self, language: str | None, *, diarize: bool) -> list[tuple[str, str]]:
        options = self.options
        query = [("model", options.model), ("language", language or options.language)]
        switches = ("smart_format", "punctuate", "numerals", "profanity_filter", "mip_opt_out")
        query += [(name, "true") for name in switches if getattr(options, name)]
        query += [("redact", each) for each in options.redact]
        query += [("tag", each) for each in options.tags]
        if diarize:
            query.append(("diarize_model", options.diarize_model))
        return query

    def _terms(self, request: StreamRequest | FileRequest) -> tuple[str, ...]:
        terms, left_out = fitting_keyterms(request.vocabulary)
        if left_out:
            words = f"Deepgram takes {MOST_TOKENS} tokens of vocabulary; left out"
            request.notice("ignored", f"{words}: {', '.join(left_out)}.")
        return terms

    def _terms_in_query(self, terms: tuple[str, ...]) -> list[tuple[str, str]]:
        name = "keyterm" if self.options.takes_keyterms else "keywords"
        return [(name, term) for term in terms]

    def stream_url(self, request: StreamRequest) -> str:
        """Return the URL of a stream, with all that is wished for but the terms of `Configure`."""
        query = [
            *self._wishes(request.language, diarize=request.diarize),
            ("encoding", "linear16"),
            ("sample_rate", "16000"),
            ("channels", "1"),
            ("interim_results", "true"),
            ("endpointing", str(self.options.endpointing_ms)),
            ("utterance_end_ms", "1000"),
        ]
        if not self.options.takes_configure:
            query += self._terms_in_query(fitting_keyterms(request.vocabulary)[0])
        return f"{self.options.url.rstrip('/')}/v1/listen?{urlencode(query)}"

    def make_stream(self, socket: ProviderSocket, request: StreamRequest) -> DeepgramStream:
        """Return the stream over an open connection."""
        terms = self._terms(request)
        configured = terms if self.options.takes_configure else ()
        return DeepgramStream(socket, request, self.options, self.faults(), configured)

    async def transcribe_file(self, request: FileRequest) -> tuple[Hypothesis, ...]:
        """Transcribe a whole file, an utterance each.

        Raises:
            TranscriberError: There is no key, or Deepgram refuses or cannot be reached.
        """
        query = [
            *self._wishes(request.language, diarize=request.diarize),
            *self._terms_in_query(self._terms(request)),
            ("utterances", "true"),
        ]
        from meetcore_speech_api.requests import open_requests  # imports an HTTP client

        async with open_requests(
            self.options.url,
            self.key_headers(self.require_key()),
            self.faults(),
            timeout_s=self.options.request_timeout_s,
        ) as requests:
            answer = await requests.post(
                "/v1/listen", query, file=request.path, media_type=request.media_type
            )
        try:
            return file_hypotheses(answer)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            words = f"the answer about the file cannot be understood ({type(error).__name__})"
            raise self.faults().trouble("protocol", words, retryable=True) from error

    async def check(self) -> str:
        """Send a second of silence to be transcribed; return what was done, in words.

        Raises:
            TranscriberError: The key is not taken, or Deepgram cannot be reached.
        """
        import io
        import wave

        sound = io.BytesIO()
        with wave.open(sound, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(bytes(32_000))
        from meetcore_speech_api.requests import open_requests  # imports an HTTP client

        async with open_requests(
            self.options.url, self.key_headers(self.require_key()), self.faults(), timeout_s=30.0
        ) as requests:
            query = [("model", self.options.model)]
            await requests.post(
                "/v1/listen", query, content=sound.getvalue(), media_type="audio/wav"
            )
        return f"a second of silence was transcribed with {self.options.model}"

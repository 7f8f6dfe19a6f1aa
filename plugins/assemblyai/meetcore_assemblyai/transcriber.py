"""The transcriber `assemblyai`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

import trio

from meetcore import FileRequest, Hypothesis, StreamRequest, TranscriberCapabilities
from meetcore_assemblyai.faults import AssemblyAIFaults
from meetcore_assemblyai.options import AssemblyAIOptions
from meetcore_assemblyai.stream import AssemblyAIStream
from meetcore_assemblyai.turns import file_hypotheses
from meetcore_speech_api.connection import ProviderSocket
from meetcore_speech_api.transcriber import ProviderTranscriber

if TYPE_CHECKING:
    from meetcore_speech_api.requests import ProviderRequests

__all__ = ["AssemblyAITranscriber"]

API_VERSION = "2025-05-12"
MOST_TERMS = 100
LONGEST_TERM = 50
ASK_EVERY_S = 3.0


def _fitting(vocabulary: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the terms that are taken, and those that are not: a hundred, of 50 characters."""
    terms = list(dict.fromkeys(term for each in vocabulary if (term := " ".join(each.split()))))
    short = [term for term in terms if len(term) <= LONGEST_TERM]
    taken = short[:MOST_TERMS]
    return taken, [term for term in terms if term not in taken]


class AssemblyAITranscriber(ProviderTranscriber[AssemblyAIOptions]):
    """AssemblyAI's Universal models: live, and whole files."""

    name: ClassVar[str] = "assemblyai"
    provider: ClassVar[str] = "AssemblyAI"
    key_variable: ClassVar[str] = "ASSEMBLYAI_API_KEY"
    capabilities: ClassVar[TranscriberCapabilities] = TranscriberCapabilities(files=True)

    def faults(self) -> AssemblyAIFaults:
        """Return what AssemblyAI's trouble means."""
        return AssemblyAIFaults(
            provider=self.provider, key_variable=self.key_variable, redactor=self._redactor
        )

    def key_headers(self, key: str) -> Mapping[str, str]:
        """Return the headers that carry the key: it stands there by itself."""
        return {"Authorization": key, "AssemblyAI-Version": API_VERSION}

    def billed_model(self) -> str:
        """Return the model for streams."""
        return self.options.model

    def _terms(self, request: StreamRequest | FileRequest) -> list[str]:
        terms, left_out = _fitting(request.vocabulary)
        if left_out:
            words = f"AssemblyAI takes {MOST_TERMS} terms of {LONGEST_TERM} characters; left out"
            request.notice("ignored", f"{words}: {', '.join(left_out)}.")
        return terms

    def stream_url(self, request: StreamRequest) -> str:
        """Return the URL of a stream, with all that is wished for."""
        model = self.options.model
        query = [
            *self.options.query(),
            ("sample_rate", "16000"),
            ("encoding", "pcm_s16le"),
            ("session_heartbeat", "true"),
        ]
        universal_3 = model.startswith(("universal-3", "u3"))
        if universal_3:
            query.append(("continuous_partials", "true"))
        if request.diarize:
            query.append(("speaker_labels", "true"))
            if self.options.max_speakers is not None:
                query.append(("max_speakers", str(self.options.max_speakers)))
        terms = self._terms(request)
        if terms:
            query.append(("keyterms_prompt", json.dumps(terms, separators=(",", ":"))))
        query += self._language_query(request, universal_3=universal_3)
        return f"{self.options.url.rstrip('/')}/v3/ws?{urlencode(query)}"

    def _language_query(
        self, request: StreamRequest, *, universal_3: bool
    ) -> list[tuple[str, str]]:
        language = (request.language or "").partition("-")[0].lower()
        if not language:
            return (
                [] if self.options.model.endswith("english") else [("language_detection", "true")]
            )
        if universal_3:
            return [("language_codes", json.dumps([language]))]
        if language != "en" or not self.options.model.endswith("english"):
            words = f"The model {self.options.model} cannot be told to expect {request.language}."
            request.notice("ignored", words)
        return []

    def make_stream(self, socket: ProviderSocket, request: StreamRequest) -> AssemblyAIStream:
        """Return the stream over an open connection."""
        return AssemblyAIStream(socket, request, self.options, self.faults())

    # --- whole files --------------------------------------------------------------------------

    async def transcribe_file(self, request: FileRequest) -> tuple[Hypothesis, ...]:
        """Transcribe a whole file: it is uploaded, queued there, and asked for every three seconds.

        Raises:
            TranscriberError: There is no key, or AssemblyAI refuses or cannot be reached.
        """
        wishes: dict[str, Any] = {"speech_models": list(self.options.files_models)}
        if request.language:
            wishes["language_code"] = request.language.partition("-")[0].lower()
        else:
            wishes["language_detection"] = True
        if request.diarize:
            wishes["speaker_labels"] = True
        for name in ("filter_profanity", "redact_pii"):
            if getattr(self.options, name):
                wishes[name] = True
        terms = self._terms(request)
        if terms:
            wishes["keyterms_prompt"] = terms
        from meetcore_speech_api.requests import open_requests  # imports an HTTP client

        async with open_requests(
            self.options.files_url,
            self.key_headers(self.require_key()),
            self.faults(),
            timeout_s=self.options.request_timeout_s,
        ) as requests:
            try:
                answer = await self._transcribed(requests, request, wishes)
                return file_hypotheses(answer)
            except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
                words = f"an answer about the file cannot be understood ({type(error).__name__})"
                raise self.faults().trouble("protocol", words, retryable=True) from error

    async def _transcribed(
        self, requests: ProviderRequests, request: FileRequest, wishes: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        uploaded = await requests.post("/v2/upload", file=request.path)
        wanted = {"audio_url": str(uploaded["upload_url"]), **wishes}
        answer = await requests.post("/v2/transcript", json=wanted)
        path = f"/v2/transcript/{answer['id']}"
        while answer["status"] not in ("completed", "error"):
            await trio.sleep(ASK_EVERY_S)
            answer = await requests.get(path)
        if answer["status"] == "error":
            words = f"it could not transcribe {request.path.name}: {answer.get('error')}"
            raise self.faults().trouble("bad_request", words, retryable=False)
        return answer

    async def check(self) -> str:
        """Ask for a token of a minute that is not used; return what was done, in words.

        Raises:
            TranscriberError: The key is not taken, or AssemblyAI cannot be reached.
        """
        from meetcore_speech_api.requests import open_requests  # imports an HTTP client

        async with open_requests(
            self.options.url, self.key_headers(self.require_key()), self.faults(), timeout_s=30.0
        ) as requests:
            await requests.get("/v3/token", [("expires_in_seconds", "60")])
        return "it gave a token for one minute, which is thrown away; nothing was charged for"

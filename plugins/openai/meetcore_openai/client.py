"""One utterance to the endpoint and back: a multipart POST of a WAV file."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import httpx2
import trio
from attrs import evolve

from meetcore import (
    Redactor,
    Secret,
    TranscriberError,
    UtteranceAudio,
    UtteranceText,
)
from meetcore_openai.answers import read_answer
from meetcore_openai.cost import CostLimit
from meetcore_openai.options import OpenAIOptions
from meetcore_openai.refusals import (
    ErrorBody,
    read_error,
    refuses_format,
    retry_after_s,
    trouble_of,
)
from meetcore_openai.wav import SHORTEST_S, wav_file

__all__ = ["TranscriptionClient", "prompt_of"]

_LONGEST_PROMPT = 600
"""Whisper heeds the last 224 tokens of a prompt, which is about so many characters of names."""


def prompt_of(before: str, vocabulary: tuple[str, ...]) -> str:
    """Return the prompt: what is set, then as many terms as the model heeds."""
    terms: list[str] = []
    room = _LONGEST_PROMPT - len(before)
    for term in vocabulary:
        room -= len(term) + 2
        if room < 0:
            break
        terms.append(term)
    names = f"{', '.join(terms)}." if terms else ""
    return " ".join(part for part in (before.strip(), names) if part)


class TranscriptionClient:
    """Asks an endpoint. Follows no redirect, asks no proxy: a key goes to one host.

    Args:
        options: Where, and how.
        key: What is sent as bearer token, None for none.
        redactor: Takes secrets out of what the server says.
        http: The connections.
    """

    def __init__(
        self,
        options: OpenAIOptions,
        key: Secret | None,
        redactor: Redactor,
        http: httpx2.AsyncClient,
    ) -> None:
        self._options = options
        self._key = key
        self.redactor = redactor
        self._http = http
        self._verbose = options.response_format != "json"
        self._held_until_s = -math.inf
        self.cost = CostLimit(options.price_per_minute, options.currency, options.max_cost)

    async def transcribe(self, utterance: UtteranceAudio) -> UtteranceText:
        """Return what an utterance says, and what that cost.

        Raises:
            TranscriberError: Of the kind that says whether to try again.
        """
        wait_s = self._held_until_s - trio.current_time()
        if wait_s > 0:
            raise TranscriberError(
                "rate",
                f"{self._options.host} asked for a pause.",
                retryable=True,
                retry_after_s=wait_s,
            )
        seconds = max(SHORTEST_S, utterance.duration_s)
        self.cost.reserve(seconds)
        charged = False
        try:
            response = await self._ask(utterance)
            charged = True
        finally:
            if not charged:
                self.cost.release(seconds)
        answer = read_answer(response.content, guard=self._options.guard)
        usage = self.cost.charge(seconds, seconds if answer.billed_s is None else answer.billed_s)
        return evolve(answer.text, usage=usage)

    async def _ask(self, utterance: UtteranceAudio) -> httpx2.Response:
        """Return a successful answer; ask in the plain form if the verbose one is refused."""
        body = wav_file(utterance.pcm)
        verbose = self._verbose
        response = await self._post(utterance, body, verbose=verbose)
        if response.is_success:
            return response
        error = self._said(response)
        may_ask_again = verbose and self._options.response_format == "auto"
        if may_ask_again and refuses_format(response.status_code, error):
            self._verbose = False
            response = await self._post(utterance, body, verbose=False)
            if response.is_success:
                return response
            error = self._said(response)
        trouble = trouble_of(
            response.status_code,
            error,
            host=self._options.host,
            model=self._options.model,
            wait_s=retry_after_s(response.headers, datetime.now(UTC)),
        )
        if trouble.retry_after_s:
            # Every track of the bot keeps to it, not only the one that was told.
            self._held_until_s = trio.current_time() + trouble.retry_after_s
        raise trouble

    def _said(self, response: httpx2.Response) -> ErrorBody:
        error = read_error(response.content)
        return ErrorBody(self.redactor.redact(error.message), error.code)

    async def _post(
        self, utterance: UtteranceAudio, body: bytes, *, verbose: bool
    ) -> httpx2.Response:
        options = self._options
        fields: dict[str, str | list[str]] = {
            "model": options.model,
            "response_format": "verbose_json" if verbose else "json",
        }
        if verbose:
            fields["timestamp_granularities[]"] = ["word", "segment"]
        if options.temperature is not None:
            fields["temperature"] = f"{options.temperature:g}"
        if utterance.language is not None:
            fields["language"] = utterance.language.partition("-")[0]
        if prompt := prompt_of(options.prompt, utterance.vocabulary):
            fields["prompt"] = prompt
        headers = {} if self._key is None else {"authorization": f"Bearer {self._key.reveal()}"}
        try:
            return await self._http.post(
                f"{options.base_url.rstrip('/')}/audio/transcriptions",
                data=fields,
                files={"file": ("utterance.wav", body, "audio/wav")},
                headers=headers,
            )
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise TranscriberError(
                "network",
                f"{options.host} cannot be reached, or broke off: {type(error).__name__}.",
                retryable=True,
                remedy="Check base_url in [plugins.openai], and that the server runs.",
            ) from error

"""Requests about whole files: deadlines, pauses that the provider asks for, typed trouble."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import trio

from meetcore import TranscriberError
from meetcore_speech_api.faults import ProviderFaults

__all__ = ["ProviderRequests", "open_requests"]

TRIES = 4
FIRST_PAUSE_S = 1.0
_PIECE = 256 * 1024


class ProviderRequests:
    """Sends requests to one provider.

    Args:
        client: With the provider's URL and the headers that carry the key.
        faults: What its refusals mean.
    """

    def __init__(self, client: httpx2.AsyncClient, faults: ProviderFaults) -> None:
        self._client = client
        self._faults = faults

    async def get(self, path: str, params: Sequence[tuple[str, str]] = ()) -> Mapping[str, Any]:
        """Return the JSON object that a GET answers; see `post`."""
        return await self._tried("GET", path, params)

    async def post(
        self,
        path: str,
        params: Sequence[tuple[str, str]] = (),
        *,
        json: Mapping[str, Any] | None = None,
        file: Path | None = None,
        content: bytes | None = None,
        media_type: str = "application/octet-stream",
    ) -> Mapping[str, Any]:
        """Return the JSON object that a POST answers.

        What may pass (429, 5xx, a broken connection) is tried again three times, after the pause
        that the provider asks for, else after one that doubles from a second.

        Args:
            path: Behind the provider's URL.
            params: The query.
            json: The body, as JSON.
            file: Or a file to send, never whole in memory.
            content: Or the bytes to send.
            media_type: What the file or the bytes are.

        Raises:
            TranscriberError: It was refused, cannot be understood, or failed to the last.
        """
        return await self._tried("POST", path, params, json, file, content, media_type)

    async def _tried(self, method: str, path: str, *more: Any) -> Mapping[str, Any]:
        for attempt in range(1, TRIES + 1):
            try:
                return await self._once(method, path, *more)
            except TranscriberError as error:
                if not error.retryable or attempt == TRIES:
                    raise
                pause_s = error.retry_after_s
            await trio.sleep(FIRST_PAUSE_S * 2 ** (attempt - 1) if pause_s is None else pause_s)
        raise AssertionError("the last try returns or raises")

    async def _once(
        self,
        method: str,
        path: str,
        params: Sequence[tuple[str, str]],
        json: Mapping[str, Any] | None = None,
        file: Path | None = None,
        content: bytes | None = None,
        media_type: str = "",
    ) -> Mapping[str, Any]:
        headers: dict[str, str] = {}
        body: bytes | AsyncIterator[bytes] | None = content
        try:
            if file is not None:
                headers["Content-Length"] = str((await trio.Path(file).stat()).st_size)
                body = _pieces(file)
        except OSError as error:
            raise self._unreadable(file, error) from error
        if body is not None:
            headers["Content-Type"] = media_type
        try:
            answer = await self._client.request(
                method, path, params=list(params), json=json, content=body, headers=headers
            )
        except OSError as error:
            raise self._unreadable(file, error) from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self._faults.unreachable(error) from error
        if answer.status_code >= 300:
            told = {name.lower(): value for name, value in answer.headers.items()}
            raise self._faults.of_status(answer.status_code, told, answer.content)
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self._faults.trouble(
                "protocol", f"{method} {path} answered no JSON object", retryable=True
            )
        return found

    def _unreadable(self, file: Path | None, error: OSError) -> TranscriberError:
        words = f"the file {file} cannot be read: {error.strerror or error}"
        return self._faults.trouble("bad_request", words, retryable=False)


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    async with await trio.open_file(file, "rb") as opened:
        while piece := await opened.read(_PIECE):
            yield piece


@asynccontextmanager
async def open_requests(
    url: str, headers: Mapping[str, str], faults: ProviderFaults, *, timeout_s: float
) -> AsyncIterator[ProviderRequests]:
    """Hold a client for a provider's requests.

    Args:
        url: The provider's URL.
        headers: Those that carry the key.
        faults: What its refusals mean.
        timeout_s: How long a request may go on without a byte in either direction.
    """
    async with httpx2.AsyncClient(
        base_url=url,
        headers=dict(headers),
        timeout=httpx2.Timeout(timeout_s, connect=min(timeout_s, 30.0)),
        follow_redirects=False,
        trust_env=False,
    ) as client:
        yield ProviderRequests(client, faults)

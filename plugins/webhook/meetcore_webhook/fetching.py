"""What lies at a URL that somebody named over an API: bounded, from public addresses alone."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import httpcore2
import httpx2
import trio

from meetcore import NotFetched, PrivateTargets
from meetcore.model import url_trouble
from meetcore_webhook.pinned import AddressRefused, PinnedBackend, PinnedClient, pinned_client

__all__ = ["FETCH_WITHIN_S", "fetch"]

FETCH_WITHIN_S = 15.0
"""How long a fetch may take, all its redirections included."""

_CONNECT_S = 5.0
_STEP_S = 10.0
_HEAD_BYTES = 64 * 1024
_REDIRECTIONS = 3
_LEADS_ON = frozenset({301, 302, 303, 307, 308})
_HEADERS = {"accept-encoding": "identity", "user-agent": "meetcore"}


async def fetch(
    url: str,
    private: PrivateTargets,
    *,
    most_bytes: int,
    within_s: float = FETCH_WITHIN_S,
    inner: httpcore2.AsyncNetworkBackend | None = None,
) -> bytes:
    """Return what lies at a URL.

    The address that was checked is the one that is dialled, at each redirection anew. What comes
    is taken as it is: nothing compressed is unpacked, so that a small answer stays one.

    Args:
        url: An http or https URL.
        private: Which targets are fine that are not public.
        most_bytes: How long it may be.
        within_s: How long it may take.
        inner: What dials.

    Raises:
        NotFetched: It cannot be had. The URL is not in its words: it may hold a key.
    """
    backend = PinnedBackend(private, inner=inner, longest_answer_bytes=most_bytes + _HEAD_BYTES)
    try:
        with trio.fail_after(within_s):
            async with pinned_client(backend, _CONNECT_S, _STEP_S) as client:
                for _ in range(_REDIRECTIONS + 1):
                    found = await _asked_once(client, url, most_bytes)
                    if isinstance(found, bytes):
                        return found
                    url = found
    except trio.TooSlowError as error:
        raise NotFetched(f"What lies there did not come within {within_s:g} s.") from error
    except (httpx2.HTTPError, httpx2.InvalidURL, httpcore2.ConnectError) as error:
        raise NotFetched(_why(error)) from error
    raise NotFetched(f"The address leads on more than {_REDIRECTIONS} times.")


async def _asked_once(client: PinnedClient, url: str, most_bytes: int) -> bytes | str:
    """Return what lies at a URL, or where it leads on."""
    _check(url)
    async with client.get(url, _HEADERS) as response:
        if response.status_code in _LEADS_ON and "location" in response.headers:
            return urljoin(url, response.headers["location"])
        if response.status_code != 200:
            raise NotFetched(f"The server there answers {response.status_code}.")
        data = bytearray()
        async for piece in response.aiter_raw():
            data += piece
    if len(data) > most_bytes:
        raise _too_long(most_bytes)
    return bytes(data)


def _check(url: str) -> None:
    trouble = url_trouble(url)
    if trouble is not None:
        raise NotFetched(f"The address {trouble}.")
    parts = urlsplit(url)
    if parts.scheme.lower() not in ("http", "https") or parts.username is not None:
        raise NotFetched("The address is no http or https address without a user.")


def _too_long(most_bytes: int) -> NotFetched:
    return NotFetched(f"What lies there is longer than {most_bytes} bytes.")


def _why(error: BaseException) -> str:
    """Return in words why there is no answer; nothing of the URL."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AddressRefused):
            return "The address is not public."
        if "too long" in str(cause):
            return "What lies there is too long."
        cause = cause.__cause__ or cause.__context__
    return f"Nothing can be had there: {type(error).__name__}."

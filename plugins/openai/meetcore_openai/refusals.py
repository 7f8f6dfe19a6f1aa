"""What an answer that is none means: statuses and error bodies, sorted for the supervisor. Pure.

Bodies of errors differ: OpenAI and most others have `{"error": {"message", "type", "code"}}`,
FastAPI servers `{"detail": …}`, older vLLM `{"message": …}`. What is quoted of them is short and
went through the redactor.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from attrs import frozen

from meetcore import TranscriberError

__all__ = ["ErrorBody", "read_error", "refuses_format", "retry_after_s", "trouble_of"]

_LONGEST_WAIT_S = 3600.0
_LONGEST_QUOTE = 300
_OUT_OF_MONEY = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
_FORMAT_WORDS = ("response_format", "verbose_json", "timestamp_granularities")
_KEY_REMEDY = "Check api_key in [plugins.openai], or OPENAI_API_KEY for OpenAI itself."


@frozen
class ErrorBody:
    """What a server says is wrong: its words, and its code if it has one."""

    message: str = ""
    code: str = ""


def read_error(body: bytes) -> ErrorBody:
    """Return what an error's body says, as far as it is of a known form."""
    try:
        said: Any = json.loads(body)
    except (ValueError, RecursionError):
        return ErrorBody(_short(body[:1000].decode("utf-8", "replace")))
    if isinstance(said, Mapping):
        inner = said.get("error", said)
        detail = said.get("detail")
        if isinstance(detail, Mapping) and isinstance(detail.get("error"), Mapping):
            inner = detail["error"]
        if isinstance(inner, Mapping):
            message = inner.get("message", inner.get("detail", ""))
            codes = [str(inner[key]) for key in ("code", "type") if inner.get(key) is not None]
            return ErrorBody(_short(message), " ".join(codes))
        return ErrorBody(_short(inner))
    return ErrorBody(_short(said))


def _short(said: object) -> str:
    text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=True, default=str)
    return "".join(c if c.isprintable() else " " for c in text).strip()[:_LONGEST_QUOTE]


def refuses_format(status: int, body: ErrorBody) -> bool:
    """Return whether a server does not have the form of answer that it was asked for."""
    said = f"{body.message} {body.code}".lower()
    return status in (400, 415, 422, 501) and any(word in said for word in _FORMAT_WORDS)


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the pause that a server asks for, in seconds, None for none.

    `Retry-After` is a number or a date (RFC 9110, 10.2.3); OpenAI has `retry-after-ms` beside it.
    """
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        try:
            seconds = float(text) * unit_s
        except ValueError:
            continue
        if seconds >= 0:
            return min(seconds, _LONGEST_WAIT_S)
    try:
        at = parsedate_to_datetime(headers.get("retry-after", ""))
    except (TypeError, ValueError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return min(max(0.0, (at - now).total_seconds()), _LONGEST_WAIT_S)


def trouble_of(
    status: int, body: ErrorBody, *, host: str, model: str, wait_s: float | None
) -> TranscriberError:
    """Return what a status that is no success means.

    Args:
        status: The HTTP status.
        body: What the server said.
        host: Who answered.
        model: Which model was asked for.
        wait_s: The pause that it asks for.
    """
    said = f": {body.message}" if body.message else ""
    kind, retryable, remedy = "protocol", False, ""
    if status in (401, 403):
        # What it says of a key may repeat the key.
        kind, said, remedy = "auth", "", _KEY_REMEDY
    elif status == 402 or any(code in body.code for code in _OUT_OF_MONEY):
        kind, remedy = "quota", f"Look at the account at {host}."
    elif status == 429:
        kind, retryable = "rate", True
    elif status == 404:
        kind = "bad_request"
        remedy = f"Check base_url and model ({model!r}) in [plugins.openai]."
    elif status == 413:
        kind, retryable = "bad_request", True
        remedy = "Utterances are too long for it: lower max_utterance_s in [audio]."
    elif status == 408 or status >= 500:
        kind, retryable = "server", True
    elif 400 <= status < 500:
        # It may be this utterance that it does not take: the next one is tried.
        kind, retryable = "bad_request", "model" not in body.code
        remedy = f"Check model ({model!r}) and language."
    elif 300 <= status < 400:
        said, remedy = "", "It points elsewhere; write the address it stands at into base_url."
    return TranscriberError(
        kind,
        f"{host} answered {status}{said}",
        retryable=retryable,
        retry_after_s=wait_s if retryable else None,
        remedy=remedy,
    )

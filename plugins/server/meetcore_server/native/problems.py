"""Errors of the native API: problem+json (RFC 9457) with a stable `code`."""

from __future__ import annotations

import logging
import math
from http import HTTPStatus
from typing import Any, Literal

import trio
from attrs import frozen
from litestar import Request, Response
from litestar.exceptions import HTTPException, SerializationException, ValidationException
from litestar.openapi.datastructures import ResponseSpec

from meetcore.gateway.http import BadBody, BodyTooLong, NotFound, Reply, TooManyRequests
from meetcore.gateway.records import (
    AlreadyThere,
    BotGone,
    KeyReused,
    LimitReached,
    LinkRefused,
    NoSuchBot,
    NotNow,
)
from meetcore.model.errors import (
    CapabilityMissing,
    CommandFailed,
    CommandRefused,
    ConfigError,
    FleetFull,
    MeetcoreError,
    StorageUnavailable,
    UnknownPlugin,
)
from meetcore.model.languages import LanguageRefused

__all__ = [
    "PROBLEMS",
    "PROBLEM_TYPE",
    "Forbidden",
    "KeyMissing",
    "NoSuch",
    "problem",
    "problem_of",
    "problem_reply",
]

_LOG = logging.getLogger("meetcore.server")
PROBLEM_TYPE = "application/problem+json"


@frozen(kw_only=True)
class FieldTrouble:
    """What is wrong with one field of a request."""

    field: str
    message: str


@frozen(kw_only=True)
class Problem:
    """An error, as RFC 9457 has it. `code` is stable; `detail` and `remedy` are for people.

    With `limit_reached` come how many bots there may be, and whose were counted: those ordered
    with the key, the user's, or all.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    remedy: str | None = None
    bot_id: str | None = None
    limit: int | None = None
    limit_of: Literal["key", "user", "all"] | None = None
    errors: list[FieldTrouble] | None = None


_STATUSES = {
    400: "The request is not what it should be.",
    401: "No valid key.",
    403: "The key may not do that.",
    404: "There is no such thing.",
    409: "Not in this state.",
    410: "It was deleted.",
    413: "The body is too long.",
    422: "Something that was asked for cannot be.",
    429: "There are as many bots as allowed, or too many requests.",
    502: "It was tried and did not work.",
    503: "Not now.",
}
PROBLEMS = {
    status: ResponseSpec(
        data_container=Problem,
        generate_examples=False,
        description=words,
        media_type=PROBLEM_TYPE,
    )
    for status, words in _STATUSES.items()
}
"""How each operation may fail, for the description of the API."""


class KeyMissing(MeetcoreError):
    """No valid key came with the request."""


class Forbidden(MeetcoreError):
    """The key may not do that."""


class NoSuch(MeetcoreError):
    """There is no such key, endpoint or delivery."""


_CODES: list[tuple[type[Exception], int, str]] = [
    (KeyMissing, 401, "unauthorized"),
    (Forbidden, 403, "forbidden"),
    (NotFound, 404, "not_found"),
    (NoSuch, 404, "not_found"),
    (NoSuchBot, 404, "bot_not_found"),
    (BotGone, 410, "data_deleted"),
    (AlreadyThere, 409, "already_there"),
    (KeyReused, 409, "idempotency_key_reused"),
    (NotNow, 409, "wrong_state"),
    (CapabilityMissing, 422, "not_supported"),
    (CommandRefused, 409, "command_refused"),
    (CommandFailed, 502, "command_failed"),
    (TooManyRequests, 429, "too_many_requests"),
    (LimitReached, 429, "limit_reached"),
    (FleetFull, 503, "no_room"),
    (LinkRefused, 422, "link_refused"),
    (LanguageRefused, 422, "language_refused"),
    (UnknownPlugin, 422, "not_installed"),
    (BodyTooLong, 413, "body_too_long"),
    (BadBody, 400, "bad_body"),
    (ConfigError, 422, "invalid"),
    (StorageUnavailable, 503, "storage_unavailable"),
]


def problem_of(error: Exception) -> tuple[int, dict[str, Any]]:
    """Return status and body for an error."""
    if isinstance(error, ValidationException):
        details = [item for item in (error.extra or ()) if isinstance(item, dict)]
        found = [
            {"field": str(item.get("key", "")), "message": str(item.get("message", ""))}
            for item in details
        ]
        return 400, _body(400, "invalid", "The request is not what it should be.", errors=found)
    if isinstance(error, HTTPException):
        status = error.status_code
        codes = {404: "not_found", 405: "method_not_allowed", 413: "body_too_long"}
        code = codes.get(status, "bad_request" if status < 500 else "internal")
        return status, _body(status, code, str(error.detail))
    if isinstance(error, SerializationException):
        return 400, _body(400, "bad_body", "The body is not JSON.")
    if isinstance(error, trio.TooSlowError):
        return 503, _body(503, "too_slow", "That took too long; try again.")
    for kind, status, code in _CODES:
        if isinstance(error, kind):
            return status, _body(status, code, str(getattr(error, "message", error)), error)
    if isinstance(error, MeetcoreError):
        return 400, _body(400, "refused", error.message, error)
    return 500, _body(500, "internal", "Something went wrong in the server; its log says what.")


def _body(
    status: int, code: str, detail: str, error: Exception | None = None, **more: Any
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": f"urn:meetcore:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        **more,
    }
    remedy = getattr(error, "remedy", "")
    if remedy:
        body["remedy"] = remedy
    if isinstance(error, (AlreadyThere, KeyReused)):
        body["bot_id"] = error.row.bot_id
    if isinstance(error, LimitReached):
        body |= {"limit": error.limit, "limit_of": error.of.value}
    return body


def problem_reply(error: Exception) -> Reply:
    """Return the answer for an error outside of any operation."""
    status, body = problem_of(error)
    headers = {"content-type": PROBLEM_TYPE, **_headers(status, error)}
    return Reply(status=status, json=body, headers=headers)


def _headers(status: int, error: Exception) -> dict[str, str]:
    if status == 401:
        return {"www-authenticate": "Bearer"}
    if isinstance(error, TooManyRequests):
        return {"retry-after": str(math.ceil(error.retry_after_s))}
    return {"retry-after": "5"} if status in (429, 503) else {}


def problem(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    """Answer a request with an error."""
    status, body = problem_of(error)
    if status >= 500 and not isinstance(error, (MeetcoreError, trio.TooSlowError)):
        _LOG.error("%s %s", request.method, request.url.path, exc_info=error)
    headers = _headers(status, error)
    allow = getattr(error, "headers", None) or {}
    headers |= {name: value for name, value in allow.items() if name.lower() == "allow"}
    return Response(body, status_code=status, media_type=PROBLEM_TYPE, headers=headers)

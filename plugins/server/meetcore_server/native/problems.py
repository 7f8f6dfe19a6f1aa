"""Errors of the native API: problem+json (RFC 9457) with a stable `code`."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from enum import Enum
from http import HTTPStatus
from typing import Any, Literal, get_args, get_origin, get_type_hints

import attrs
import trio
from attrs import frozen
from litestar import Request, Response
from litestar.exceptions import HTTPException, SerializationException, ValidationException
from litestar.openapi.datastructures import ResponseSpec

from meetcore import MeetcoreError
from meetcore.gateway import AlreadyThere, KeyReused, LimitReached, Reply, TooManyRequests

__all__ = [
    "PROBLEMS",
    "PROBLEM_TYPE",
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


class NoSuch(MeetcoreError):
    """There is no such key, endpoint or delivery."""

    code = "not_found"


_STATUS_OF = {
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "bot_not_found": 404,
    "user_not_found": 404,
    "data_deleted": 410,
    "already_there": 409,
    "idempotency_key_reused": 409,
    "wrong_state": 409,
    "no_recording": 409,
    "transcription_under_way": 409,
    "no_such_transcript": 404,
    "not_supported": 422,
    "command_refused": 409,
    "command_invalid": 422,
    "recipient_refused": 409,
    "command_failed": 502,
    "too_many_requests": 429,
    "limit_reached": 429,
    "no_room": 503,
    "link_refused": 422,
    "language_refused": 422,
    "not_installed": 422,
    "body_too_long": 413,
    "media_refused": 422,
    "not_fetched": 422,
    "bad_body": 400,
    "invalid": 422,
    "storage_unavailable": 503,
    "draining": 503,
    "refused": 400,
}
"""The status for each code of an error that a client may meet."""


def _code_of(error: MeetcoreError) -> str:
    """Return the code of an error, or of the nearest class above it that a client may meet."""
    return next(code for code in error.codes() if code in _STATUS_OF)


def _fault(item: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with a field, by the name that the client sent it under."""
    key, message = str(item.get("key", "")), str(item.get("message", ""))
    known = parameters.get(key) if item.get("source") == "query" else None
    if known is None:
        body = parameters.get("data")
        choices = _choices(_field_of(body.annotation, key)) if body is not None else []
        if choices and message.startswith("Invalid enum value"):
            message = f"It is one of {', '.join(choices)}."
        return {"field": key, "message": message}
    choices = _choices(known.annotation)
    if choices:
        message = f"It is one of {', '.join(choices)}."
    elif message.startswith(("Expected `float", "Expected `int")):
        message = _a_number(known.kwarg_definition)
    return {"field": str(getattr(known.kwarg_definition, "name", None) or key), "message": message}


def _field_of(kind: Any, key: str) -> Any:
    """Return the type of a body's field, by a path such as `webhooks[0].url`; None if unknown."""
    for name in re.findall(r"[^.\[\]]+", key):
        args = [arg for arg in get_args(kind) if arg is not type(None)]
        if name.isdigit():
            kind = args[0] if args else None
            continue
        known = next((each for each in (kind, *args) if attrs.has(each)), None)
        kind = get_type_hints(known).get(name) if known is not None else None
    return kind


def _a_number(definition: Any) -> str:
    low, high = getattr(definition, "ge", None), getattr(definition, "le", None)
    if low is not None and high is not None:
        return f"It must be a number from {low:g} to {high:g}."
    return "It must be a number." if low is None else f"It must be a number of at least {low:g}."


def _choices(annotation: Any) -> list[str]:
    """Return the values that a parameter may have, none where it may have any of a kind."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(each.value) for each in annotation]
    args = get_args(annotation)
    if get_origin(annotation) is Literal:
        return [str(each) for each in args]
    return [choice for each in args for choice in _choices(each)]


def problem_of(
    error: Exception, parameters: Mapping[str, Any] | None = None
) -> tuple[int, dict[str, Any]]:
    """Return status and body for an error.

    Args:
        error: The error.
        parameters: Those of the operation it happened in, by their names in the code.
    """
    if isinstance(error, ValidationException):
        details = [item for item in (error.extra or ()) if isinstance(item, dict)]
        found = [_fault(item, parameters or {}) for item in details]
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
    if isinstance(error, MeetcoreError):
        code = _code_of(error)
        return _STATUS_OF[code], _body(_STATUS_OF[code], code, error.message, error)
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
    handler = request.scope.get("route_handler")
    signature = getattr(handler, "parsed_fn_signature", None)
    status, body = problem_of(error, getattr(signature, "parameters", None))
    if status >= 500 and not isinstance(error, (MeetcoreError, trio.TooSlowError)):
        _LOG.error("%s %s", request.method, request.url.path, exc_info=error)
    headers = _headers(status, error)
    allow = getattr(error, "headers", None) or {}
    headers |= {name: value for name, value in allow.items() if name.lower() == "allow"}
    return Response(body, status_code=status, media_type=PROBLEM_TYPE, headers=headers)

"""Errors as Vexa writes them: a status and `{"detail": …}`, as FastAPI does. Pure."""

from __future__ import annotations

from typing import Any

from meetcore import MeetcoreError
from meetcore.gateway import BadField, ErrorAnswer, ErrorTable, Refusal

__all__ = ["REFUSE", "invalid"]

_TYPES = {
    "body": "model_attributes_type",
    "body_missing": "missing",
    "required": "missing",
    "text": "string_type",
    "long": "string_too_long",
    "flag": "bool_type",
    "time": "datetime_from_date_parsing",
}
"""The vendor's types of mistakes, by ours."""

_LATER = {"Retry-After": "2"}


def _trouble(loc: list[str | int], msg: str, kind: str) -> dict[str, Any]:
    return {"type": kind, "loc": loc, "msg": msg}


def invalid(loc: list[str | int], msg: str, kind: str = "value_error") -> Refusal:
    """Return the refusal of one field, as the vendor's schema validation words it."""
    return Refusal(422, msg, [_trouble(loc, msg, kind)])


def _fields(error: MeetcoreError) -> list[dict[str, Any]]:
    assert isinstance(error, BadField)
    return [
        _trouble(["body", *problem.path], problem.text, _TYPES[problem.kind])
        for problem in error.problems
    ]


REFUSE = ErrorTable(
    {
        "unauthorized": ErrorAnswer(401, "Invalid API key"),
        "forbidden": ErrorAnswer(403, "This key lacks the scope '{error.scope.value}'."),
        "not_found": ErrorAnswer(404, "Not Found"),
        "method_not_allowed": ErrorAnswer(
            405, "Method Not Allowed", headers={"Allow": "{error.methods}"}
        ),
        "bot_not_found": ErrorAnswer(404),
        "data_deleted": ErrorAnswer(404),
        "bad_field": ErrorAnswer(422, detail=_fields),
        "bad_body": ErrorAnswer(
            422, detail=lambda error: [_trouble(["body"], str(error), "json_invalid")]
        ),
        "language_refused": ErrorAnswer(
            422, detail=lambda error: [_trouble(["body", "language"], str(error), "value_error")]
        ),
        "body_too_long": ErrorAnswer(413),
        "media_refused": ErrorAnswer(400),
        "not_fetched": ErrorAnswer(400),
        "no_synthesizer": ErrorAnswer(503),
        "link_refused": ErrorAnswer(422),
        "invalid": ErrorAnswer(422),
        "too_many_requests": ErrorAnswer(429, "Too many requests"),
        "storage_unavailable": ErrorAnswer(
            503, "Service temporarily unavailable, try again later", headers=_LATER
        ),
        "limit_reached": ErrorAnswer(
            403, "User has reached the maximum concurrent bot limit ({error.limit})."
        ),
        "already_there": ErrorAnswer(409),
        "wrong_state": ErrorAnswer(409),
        "command_refused": ErrorAnswer(409),
        "not_supported": ErrorAnswer(404),
        "draining": ErrorAnswer(503),
        "refused": ErrorAnswer(503, headers=_LATER),
    },
    body=lambda text, detail: {"detail": text if detail is None else detail},
)
"""What Vexa answers to each of our errors."""

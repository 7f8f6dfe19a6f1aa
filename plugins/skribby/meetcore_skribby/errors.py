"""Errors in Skribby's words: `{"message"}`, and `errors` where a body was wrong. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meetcore import MeetcoreError
from meetcore.gateway import BadField, ErrorAnswer, ErrorTable

__all__ = ["REFUSE"]

_MODEL = "The selected transcription model is invalid. {error}"


def _by_field(error: MeetcoreError) -> dict[str, list[str]]:
    """Return what is wrong with each field."""
    assert isinstance(error, BadField)
    found: dict[str, list[str]] = {}
    for problem in error.problems:
        found.setdefault(problem.dotted, []).append(problem.text)
    return found


def _body(text: str, detail: Any) -> dict[str, Any]:
    """Return a body: a field's name as detail makes `errors` of the sentence, None none."""
    if detail is None:
        return {"message": text}
    errors: Mapping[str, list[str]] = {detail: [text]} if isinstance(detail, str) else detail
    more = sum(map(len, errors.values())) - 1
    if more > 0:
        text = f"{text} (and {more} more error{'s' if more > 1 else ''})"
    return {"message": text, "errors": errors}


REFUSE = ErrorTable(
    {
        "unauthorized": ErrorAnswer(401, "Unauthenticated."),
        "forbidden": ErrorAnswer(403, "This action is unauthorized."),
        "not_found": ErrorAnswer(404, "Not found."),
        "bot_not_found": ErrorAnswer(404, "Not found."),
        "data_deleted": ErrorAnswer(404, "Not found."),
        "method_not_allowed": ErrorAnswer(
            405,
            "The {request.method} method is not supported for this route. "
            "Supported methods: {error.methods}.",
        ),
        "limit_reached": ErrorAnswer(
            403, "You have reached the limit of concurrent meeting bots for your plan."
        ),
        "too_many_requests": ErrorAnswer(429, "Too Many Attempts."),
        "bad_field": ErrorAnswer(422, detail=_by_field),
        "link_refused": ErrorAnswer(
            422, "The meeting url field is invalid. {error}", detail="meeting_url"
        ),
        "language_refused": ErrorAnswer(
            422, "The selected lang is invalid. {error}", detail="lang"
        ),
        "not_installed": ErrorAnswer(422, _MODEL, detail="transcription_model"),
        "invalid": ErrorAnswer(422, detail={}),
        "bad_body": ErrorAnswer(400),
        "wrong_state": ErrorAnswer(400),
        "already_there": ErrorAnswer(400),
        "command_refused": ErrorAnswer(400),
        "command_failed": ErrorAnswer(400),
        "media_refused": ErrorAnswer(422, detail={}),
        "not_fetched": ErrorAnswer(422, detail={}),
        "storage_unavailable": ErrorAnswer(503, "Service Unavailable"),
        "draining": ErrorAnswer(503),
        "refused": ErrorAnswer(500, "Server Error"),
    },
    body=_body,
)
"""What Skribby answers to each of our errors."""

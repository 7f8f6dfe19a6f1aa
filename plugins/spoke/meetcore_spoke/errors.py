"""Errors as Spoke answers them: `{"error"}`, a word where it has one, and a sentence. Pure."""

from __future__ import annotations

from meetcore import MeetcoreError
from meetcore.gateway import BadField, ErrorAnswer, ErrorTable

__all__ = ["KEY_HEADERS", "REFUSE"]

KEY_HEADERS = ("x-spoke-api-key", "x-meeting-baas-api-key")
"""The names of the header that carries the key; the first is the seed's."""


def _word(error: MeetcoreError) -> str:
    """Return the word for a body that is wrong: for a link it has one, else the sentence is it."""
    assert isinstance(error, BadField)
    return "InvalidMeetingUrl" if error.problems[0].kind == "link" else error.message


_WRONG = ErrorAnswer(400, detail="InvalidRequest")

REFUSE = ErrorTable(
    {
        "unauthorized": ErrorAnswer(
            401, f"Send a valid key as {' or '.join(KEY_HEADERS)}.", "InvalidApiKey"
        ),
        "forbidden": ErrorAnswer(403, "This key may not do that.", "Forbidden"),
        "not_found": ErrorAnswer(404, "There is nothing at {request.path} here.", "NotFound"),
        "method_not_allowed": ErrorAnswer(405, detail="MethodNotAllowed"),
        "bot_not_found": ErrorAnswer(404, "There is no such bot.", "BotNotFound"),
        "data_deleted": ErrorAnswer(404, "There is no such bot.", "BotNotFound"),
        "limit_reached": ErrorAnswer(429, detail="TooManyRequests"),
        "too_many_requests": ErrorAnswer(
            429, "Too many requests; try again later.", "TooManyRequests"
        ),
        "already_there": ErrorAnswer(409, detail="BotAlreadyExists"),
        "link_refused": ErrorAnswer(400, detail="InvalidMeetingUrl"),
        "wrong_state": ErrorAnswer(403, detail="Forbidden"),
        "bad_field": ErrorAnswer(400, detail=_word),
        "bad_body": _WRONG,
        "not_installed": _WRONG,
        "media_refused": _WRONG,
        "not_fetched": _WRONG,
        "invalid": _WRONG,
        "command_refused": _WRONG,
        "command_failed": _WRONG,
        "storage_unavailable": ErrorAnswer(503, "Not now; try again later.", "ServiceUnavailable"),
        "draining": ErrorAnswer(503, detail="ServiceUnavailable"),
        "refused": ErrorAnswer(500, "Something went wrong here.", "InternalError"),
    },
    body=lambda text, word: {"error": word, "message": text},
)
"""What Spoke answers to each of our errors."""

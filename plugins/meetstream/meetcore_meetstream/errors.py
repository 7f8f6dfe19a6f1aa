"""Errors as MeetStream answers them: a status and `{"message"}`. Pure."""

from __future__ import annotations

from meetcore.gateway import ErrorAnswer, ErrorTable, Refusal

__all__ = ["REFUSE", "wrong"]

REFUSE = ErrorTable(
    {
        "unauthorized": ErrorAnswer(401, "Authentication credentials were not provided"),
        "invalid_key": ErrorAnswer(403, "The API key is invalid or inactive"),
        "forbidden": ErrorAnswer(403, "This API key may not do that"),
        "not_found": ErrorAnswer(404, "There is nothing at {request.path} here"),
        "method_not_allowed": ErrorAnswer(405),
        "bot_not_found": ErrorAnswer(404, "Bot not found"),
        "data_deleted": ErrorAnswer(404, "The data of this bot has been deleted"),
        "limit_reached": ErrorAnswer(429),
        "too_many_requests": ErrorAnswer(429, "Too many requests, please try again later"),
        "body_too_long": ErrorAnswer(413),
        "bad_body": ErrorAnswer(400),
        "not_installed": ErrorAnswer(400),
        "media_refused": ErrorAnswer(400),
        "not_fetched": ErrorAnswer(400),
        "invalid": ErrorAnswer(400),
        "not_supported": ErrorAnswer(400),
        "link_refused": ErrorAnswer(400),
        "no_recording": ErrorAnswer(404, "No audio is available for this bot"),
        "already_there": ErrorAnswer(409),
        "wrong_state": ErrorAnswer(409),
        "command_refused": ErrorAnswer(409),
        "command_failed": ErrorAnswer(503),
        "storage_unavailable": ErrorAnswer(503, "Service unavailable, please try again later"),
        "draining": ErrorAnswer(503),
        "refused": ErrorAnswer(500, "Internal server error"),
    },
    body=lambda text, _: {"message": text},
)
"""What MeetStream answers to each of our errors."""


def wrong(text: str) -> Refusal:
    """Return the refusal of a body or a query with a sentence of its own."""
    return Refusal(400, text)

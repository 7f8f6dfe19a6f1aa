"""Errors in Skribby's words: `{"message"}`, and `errors` where a body was wrong. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from meetcore.gateway.http import BadBody, NotFound, Reply, Request
from meetcore.gateway.records import (
    AlreadyThere,
    BotGone,
    LimitReached,
    LinkRefused,
    NoSuchBot,
    NotNow,
)
from meetcore.model.errors import (
    CommandFailed,
    CommandRefused,
    ConfigError,
    MeetcoreError,
    StorageUnavailable,
    UnknownPlugin,
)
from meetcore.model.languages import LanguageRefused

__all__ = ["Refusal", "invalid", "refuse"]

_LIMIT = "You have reached the limit of concurrent meeting bots for your plan."


class Refusal(MeetcoreError):
    """An answer that ends the request.

    Args:
        status: The HTTP status.
        message: What the client is told.
        errors: What is wrong, by field.
    """

    def __init__(
        self, status: int, message: str, errors: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.errors = status, errors

    @property
    def reply(self) -> Reply:
        """The answer."""
        body: dict[str, object] = {"message": self.message}
        if self.errors is not None:
            body["errors"] = self.errors
        return Reply(status=self.status, json=body)


def invalid(errors: Mapping[str, Sequence[str]]) -> Refusal:
    """Return the refusal of a body: its message is the first sentence, and how many more."""
    sentences = [sentence for of_field in errors.values() for sentence in of_field]
    more = len(sentences) - 1
    counted = f" (and {more} more error{'s' if more > 1 else ''})" if more else ""
    return Refusal(422, f"{sentences[0]}{counted}", errors)


def refuse(request: Request, error: MeetcoreError) -> Reply:
    """Return the answer for an error."""
    return _refusal(request, error).reply


def _refusal(request: Request, error: MeetcoreError) -> Refusal:
    if isinstance(error, Refusal):
        return error
    if isinstance(error, NotFound) and error.allowed:
        known = ", ".join(error.allowed)
        what = f"The {request.method} method is not supported for this route."
        return Refusal(405, f"{what} Supported methods: {known}.")
    if isinstance(error, (NoSuchBot, NotFound, BotGone)):
        return Refusal(404, "Not found.")
    if isinstance(error, LimitReached):
        return Refusal(403, _LIMIT)
    if isinstance(error, LinkRefused):
        return invalid({"meeting_url": [f"The meeting url field is invalid. {error}"]})
    if isinstance(error, LanguageRefused):
        return invalid({"lang": [f"The selected lang is invalid. {error}"]})
    if isinstance(error, UnknownPlugin):
        return invalid(
            {"transcription_model": [f"The selected transcription model is invalid. {error}"]}
        )
    if isinstance(error, ConfigError):
        return Refusal(422, str(error), {})
    known_trouble = (BadBody, NotNow, AlreadyThere, CommandRefused, CommandFailed)
    if isinstance(error, known_trouble):
        return Refusal(400, str(error))
    if isinstance(error, StorageUnavailable):
        return Refusal(503, "Service Unavailable")
    return Refusal(500, "Server Error")

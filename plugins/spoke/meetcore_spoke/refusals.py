"""Errors as Spoke answers them: `{"error"}`, a word where it has one, and a sentence. Pure."""

from __future__ import annotations

from meetcore.gateway.http import BadBody, MethodNotAllowed, NotFound, Reply, Request
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

__all__ = ["Refusal", "refuse"]


class Refusal(MeetcoreError):
    """An answer that ends the request.

    Args:
        status: The HTTP status.
        error: The vendor's word.
        message: What is wrong, in a sentence.
    """

    def __init__(self, status: int, error: str, message: str = "") -> None:
        super().__init__(message or error)
        self.status, self.error = status, error

    @property
    def reply(self) -> Reply:
        """The answer."""
        return Reply(status=self.status, json={"error": self.error, "message": self.message})


def refuse(request: Request, error: MeetcoreError) -> Reply:
    """Return the answer for an error."""
    return _refusal(request, error).reply


def _refusal(request: Request, error: MeetcoreError) -> Refusal:
    if isinstance(error, Refusal):
        return error
    if isinstance(error, NotFound):
        if isinstance(error, MethodNotAllowed):
            return Refusal(405, "MethodNotAllowed", str(error))
        return Refusal(404, "NotFound", f"There is nothing at {request.path} here.")
    if isinstance(error, (NoSuchBot, BotGone)):
        return Refusal(404, "BotNotFound", "There is no such bot.")
    if isinstance(error, LimitReached):
        return Refusal(429, "TooManyRequests", str(error))
    if isinstance(error, AlreadyThere):
        return Refusal(409, "BotAlreadyExists", str(error))
    if isinstance(error, LinkRefused):
        return Refusal(400, "InvalidMeetingUrl", str(error))
    if isinstance(error, NotNow):
        return Refusal(403, "Forbidden", str(error))
    if isinstance(error, (BadBody, UnknownPlugin, ConfigError, CommandRefused, CommandFailed)):
        return Refusal(400, "InvalidRequest", str(error))
    if isinstance(error, StorageUnavailable):
        return Refusal(503, "ServiceUnavailable", "Not now; try again later.")
    return Refusal(500, "InternalError", "Something went wrong here.")

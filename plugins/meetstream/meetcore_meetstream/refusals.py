"""Errors as MeetStream answers them: a status and `{"message"}`. Pure."""

from __future__ import annotations

from meetcore.gateway.http import BadBody, BodyTooLong, MethodNotAllowed, NotFound, Reply, Request
from meetcore.gateway.records import (
    AlreadyThere,
    BotGone,
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
    MeetcoreError,
    StorageUnavailable,
    UnknownPlugin,
)
from meetcore_meetstream.fields import BadField

__all__ = ["Refusal", "refuse"]


class Refusal(MeetcoreError):
    """An answer that ends the request.

    Args:
        status: The HTTP status.
        message: What is wrong, in a sentence.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


_BAD = (BadField, BadBody, UnknownPlugin, ConfigError, CapabilityMissing, LinkRefused)


def refuse(request: Request, error: MeetcoreError) -> Reply:
    """Return the answer for an error."""
    status, message = _answer(request, error)
    return Reply(status=status, json={"message": message})


def _answer(request: Request, error: MeetcoreError) -> tuple[int, str]:
    if isinstance(error, Refusal):
        return error.status, error.message
    if isinstance(error, NotFound):
        if isinstance(error, MethodNotAllowed):
            return 405, str(error)
        return 404, f"There is nothing at {request.path} here"
    if isinstance(error, NoSuchBot):
        return 404, "Bot not found"
    if isinstance(error, BotGone):
        return 404, "The data of this bot has been deleted"
    if isinstance(error, LimitReached):
        return 429, str(error)
    if isinstance(error, BodyTooLong):
        return 413, str(error)
    if isinstance(error, _BAD):
        return 400, str(error)
    if isinstance(error, (AlreadyThere, NotNow, CommandRefused)):
        return 409, str(error)
    if isinstance(error, CommandFailed):
        return 503, str(error)
    if isinstance(error, StorageUnavailable):
        return 503, "Service unavailable, please try again later"
    return 500, "Internal server error"

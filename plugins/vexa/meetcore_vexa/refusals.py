"""Errors as Vexa writes them: a status and `{"detail": …}`, as FastAPI does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meetcore.gateway.http import BadBody, MethodNotAllowed, NotFound, Reply, Request
from meetcore.gateway.records import BotGone, LinkRefused, NoSuchBot, NotNow
from meetcore.model.errors import (
    CapabilityMissing,
    CommandFailed,
    CommandRefused,
    ConfigError,
    MeetcoreError,
    StorageUnavailable,
    UnknownPlugin,
)
from meetcore.model.languages import LanguageRefused

__all__ = ["Refused", "invalid", "refuse"]


class Refused(MeetcoreError):
    """An answer that is not what the client hoped for.

    Args:
        status: The HTTP status.
        detail: What stands under `detail`.
        headers: More headers.
    """

    def __init__(self, status: int, detail: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


def invalid(loc: list[str | int], msg: str, kind: str = "value_error") -> Refused:
    """Return the refusal of one field, as the vendor's schema validation words it."""
    return Refused(422, [{"type": kind, "loc": loc, "msg": msg}])


_STATUSES: tuple[tuple[type[MeetcoreError], int], ...] = (
    (NoSuchBot, 404),
    (BotGone, 404),
    (NotNow, 409),
    (LinkRefused, 422),
    (CapabilityMissing, 404),
    (CommandRefused, 409),
    (CommandFailed, 503),
    (UnknownPlugin, 503),
    (ConfigError, 422),
    (StorageUnavailable, 503),
)


def refuse(request: Request, error: MeetcoreError) -> Reply:
    """Return the answer to a request that raised."""
    if isinstance(error, Refused):
        return Reply(status=error.status, json={"detail": error.detail}, headers=error.headers)
    if isinstance(error, NotFound):
        if isinstance(error, MethodNotAllowed):
            return Reply(
                status=405,
                json={"detail": "Method Not Allowed"},
                headers={"Allow": error.methods},
            )
        return Reply(status=404, json={"detail": "Not Found"})
    if isinstance(error, BadBody):
        detail = [{"type": "json_invalid", "loc": ["body"], "msg": str(error)}]
        return Reply(status=422, json={"detail": detail})
    if isinstance(error, LanguageRefused):
        return refuse(request, invalid(["body", "language"], str(error)))
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            headers = {"Retry-After": "2"} if status == 503 else {}
            return Reply(status=status, json={"detail": str(error)}, headers=headers)
    return Reply(status=503, json={"detail": str(error)}, headers={"Retry-After": "2"})

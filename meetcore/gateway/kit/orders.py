"""What stands between a request for a bot and the order of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

import attrs

__all__ = ["note_headers", "still_to_come", "with_choices"]

T = TypeVar("T", bound=attrs.AttrsInstance)


def still_to_come(at: datetime | None, now: datetime) -> datetime | None:
    """Return a time to join at, None for now: where none is given, or it has passed."""
    return at if at is not None and at > now else None


def note_headers(*notes: str | None) -> dict[str, str]:
    """Return the header for what a vendor's API has no field for, e.g. who transcribes instead.

    A note that is None is left out, and the header where there is none.
    """
    said = " ".join(note for note in notes if note)
    return {"X-Meetcore-Note": said.encode("ascii", "replace").decode()} if said else {}


def with_choices(options: T, settings: Mapping[str, Any]) -> T:
    """Return an operator's options with what a user chose on top.

    Args:
        options: An attrs class.
        settings: What is kept for the user. What is no option, or of another type than the
            option's present value, is passed over.
    """
    chosen = {
        option.name: settings[option.name]
        for option in attrs.fields(type(options))
        if type(settings.get(option.name)) is type(getattr(options, option.name))
    }
    changed: T = attrs.evolve(options, **chosen)  # type: ignore[misc]
    return changed

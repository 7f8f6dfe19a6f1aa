"""Entries of a journal about the course of a bot's attendance."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from attrs import field, frozen

from meetcore.model.event import Event
from meetcore.model.lifecycle import EndReason, Evidence, State

__all__ = [
    "BotRequested",
    "EndingDetailed",
    "StateChanged",
]


@frozen(kw_only=True)
class BotRequested(Event):
    """A bot was asked for: the first entry of every journal.

    `format` is that of the whole journal, 0 in one from before formats were numbered. `kept` is
    what stays of the bot: `all` or `nothing`.
    """

    type: ClassVar[str] = "bot.requested"
    platform: str
    native_id: str
    public_url: str
    display_name: str
    transcriber: str | None = None
    sinks: tuple[str, ...] = ()
    scheduled_for: datetime | None = None
    metadata: dict[str, str] = field(factory=dict)
    kept: str = "all"
    meetcore_version: str = ""
    format: int = 0


@frozen(kw_only=True)
class StateChanged(Event):
    """The bot went from one state of the lifecycle to the next; terminal ones carry the reason."""

    type: ClassVar[str] = "state.changed"
    state: State
    previous: State | None = None
    reason: EndReason | None = None
    evidence: Evidence | None = None


@frozen(kw_only=True)
class EndingDetailed(Event):
    """A further finding about the end, after the reason was fixed."""

    type: ClassVar[str] = "ending.detailed"
    reason: EndReason
    evidence: Evidence

"""A bot as Vexa's clients see it: a meeting with a number, a platform and a native id."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from attrs import frozen

from meetcore import BotHistory, State, Transition
from meetcore.gateway import BotRow
from meetcore_vexa.statuses import Standing, standing_of, steps_of, transition_rows
from meetcore_vexa.variants import Variant, naive, stamp, zulu

__all__ = [
    "MeetingIdentity",
    "bot_status",
    "meeting_body",
    "meeting_now",
    "meeting_of",
    "standing_of_row",
]


@frozen(kw_only=True)
class MeetingIdentity:
    """What frames and answers say about which meeting they mean."""

    id: int
    bot_id: str
    user_id: int
    platform: str
    native_id: str
    language: str | None = None
    scheduled_for: datetime | None = None

    def named(self, variant: Variant, *, status: bool) -> dict[str, Any]:
        """Return the `meeting` of a frame; status frames name it more fully."""
        if variant is Variant.E1:
            return {"platform": self.platform, "native_id": self.native_id}
        if variant is Variant.E4 or status:
            return {"id": self.id, "platform": self.platform, "native_id": self.native_id}
        return {"id": self.id}


def meeting_of(row: BotRow) -> MeetingIdentity:
    """Return the meeting a bot is for."""
    extras = row.extras
    language = extras.get("language")
    return MeetingIdentity(
        id=row.number,
        bot_id=row.bot_id,
        user_id=row.user_id,
        platform=str(extras.get("platform") or row.platform),
        native_id=str(extras.get("native_meeting_id") or row.native_id),
        language=language if isinstance(language, str) else None,
        scheduled_for=row.scheduled_for,
    )


def standing_of_row(row: BotRow) -> Standing:
    """Return where a bot stands as far as its row says, without opening its journal."""
    return Standing(
        state=row.state,
        reason=row.reason if row.ended else None,
        was_in=row.in_call_at is not None,
    )


def meeting_body(
    row: BotRow,
    standing: Standing,
    variant: Variant,
    *,
    transitions: Sequence[Transition] = (),
    trouble: str | None = None,
    zoned: bool | None = None,
    ended_at: datetime | None = None,
    updated_at: datetime | None = None,
) -> dict[str, Any]:
    """Return a MeetingResponse.

    Args:
        row: The bot.
        standing: Where it stands.
        variant: For whom.
        transitions: Its changes of state, for `data.status_transition`.
        trouble: Why nothing is transcribed any more, for `data.last_error`.
        zoned: Whether times say that they are UTC; None for what the era does.
        ended_at: Instead of the row's, for a moment that has passed.
        updated_at: Likewise.
    """
    meeting = meeting_of(row)
    terminal = standing.state in (State.COMPLETED, State.FAILED)
    gone = row.deleted_at is not None

    def written(at: datetime | None) -> str | None:
        if at is None or zoned is None:
            return stamp(at, variant)
        return zulu(at) if zoned else naive(at)

    waiting = standing.state in (State.SCHEDULED, State.REQUESTED)
    body: dict[str, Any] = {
        "id": row.number,
        "user_id": row.user_id,
        "platform": meeting.platform,
        "native_meeting_id": None if gone else meeting.native_id,
        "constructed_meeting_url": None if gone else row.public_url,
        "status": standing.status(variant),
        "bot_container_id": None if waiting else row.bot_id,
        "start_time": written(row.in_call_at if standing.was_in else None),
        "end_time": written(ended_at or row.ended_at) if terminal else None,
        "data": {} if gone else _data(row, standing, variant, transitions, trouble, written),
        "created_at": written(row.created_at),
        "updated_at": written(updated_at or row.updated_at),
    }
    if variant.bundles:
        body["completion_reason"] = standing.completion_reason(variant)
        body["failure_stage"] = standing.failure_stage(variant)
    if standing.state is State.SCHEDULED:
        body["scheduled_at"] = written(row.scheduled_for)
    return body


def meeting_now(row: BotRow, history: BotHistory, variant: Variant) -> dict[str, Any]:
    """Return a MeetingResponse by a bot's history; by its row where that is deleted."""
    return meeting_body(
        row,
        standing_of(history) if history.transitions else standing_of_row(row),
        variant,
        transitions=history.transitions,
        trouble=history.transcription_trouble,
    )


def _data(
    row: BotRow,
    standing: Standing,
    variant: Variant,
    transitions: Sequence[Transition],
    trouble: str | None,
    written: Any,
) -> dict[str, Any]:
    given = row.extras.get("data")
    data: dict[str, Any] = dict(given) if isinstance(given, dict) else {}
    reason, error = standing.completion_reason(variant), standing.error(variant)
    if reason is not None:
        data["completion_reason"] = reason
    if error is not None:
        data["failure_stage"] = standing.failure_stage(variant)
        data["last_error"] = {"error": error, "details": standing.detail}
    elif trouble is not None:
        data["last_error"] = {"error": "transcription_stopped", "details": trouble}
    steps = [step for step in steps_of(transitions, variant) if step.before is not None]
    if steps:
        data["status_transition"] = transition_rows(steps, written)
    return data


_NORMALIZED = {
    State.SCHEDULED: "Requested",
    State.REQUESTED: "Requested",
    State.JOINING: "Starting",
    State.LEAVING: "Stopping",
    State.PROCESSING: "Stopping",
    State.COMPLETED: "Exited",
    State.FAILED: "Failed",
}


def bot_status(row: BotRow, now: datetime, variant: Variant) -> dict[str, Any]:
    """Return the BotStatus of a bot that runs. There is no container; its names are the bot's."""
    meeting = meeting_of(row)
    up_s = max(0, int((now - row.created_at).total_seconds()))
    status = standing_of_row(row).status(variant)
    return {
        "container_id": row.bot_id,
        "container_name": f"vexa-bot-{row.number}-{row.bot_id[:8]}",
        "platform": meeting.platform,
        "native_meeting_id": meeting.native_id,
        "status": f"Up {up_s} seconds",
        "normalized_status": (
            status if variant is Variant.E4 else _NORMALIZED.get(row.state, "Up")
        ),
        "created_at": f"{naive(row.created_at)}+00:00",
        "labels": {"vexa.user_id": str(row.user_id)},
        "meeting_id_from_name": str(row.number),
    }

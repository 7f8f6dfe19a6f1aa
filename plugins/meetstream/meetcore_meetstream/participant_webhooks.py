"""`participant_events.join` and `.leave`, as the realtime endpoints get them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meetcore import BotHistory, Event, ParticipantJoined, ParticipantLeft
from meetcore.gateway import format_ms
from meetcore_meetstream.variants import platform_name

__all__ = ["EVENTS", "coming_or_going"]

EVENTS = ("participant_events.join", "participant_events.leave")


def coming_or_going(
    event: Event, history: BotHistory, *, platform: str, attributes: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return the body about somebody who came or went, None for any other event.

    Args:
        event: The event.
        history: The bot's history up to and with it: who left had a name.
        platform: Our name of the platform.
        attributes: The custom attributes.
    """
    if isinstance(event, ParticipantJoined):
        who, name, action = event.participant.id, event.participant.name, "join"
    elif isinstance(event, ParticipantLeft):
        who, action = event.participant_id, "leave"
        name = history.name_of(who) or event.name or "Unknown"
    else:
        return None
    presence = history.people.get(who)
    if presence is not None and presence.participant.is_self:
        return None
    at = format_ms(event.at)
    return {
        "event": f"participant_events.{action}",
        "timestamp": at,
        "data": {
            "data": {
                "action": action,
                "participant": {
                    "id": who,
                    "name": name,
                    "full_name": name,
                    "platform": platform_name(platform).lower(),
                },
                "timestamp": {"relative": event.meeting_s or 0.0, "absolute": at},
            },
            "bot": {"id": event.bot_id, "metadata": {}},
        },
        "custom_attributes": dict(attributes),
    }

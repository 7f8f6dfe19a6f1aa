"""`automatic_leave` and `retention`, in MeetStream's words, to our rules. Pure."""

from __future__ import annotations

from meetcore.gateway import BodyFields
from meetcore_meetstream.errors import wrong
from meetcore_meetstream.variants import Variant

__all__ = ["DEFAULT_KEEP_S", "keep_s", "leave_rules"]

DEFAULT_KEEP_S = 7 * 24 * 3600.0
"""How long data is kept where nothing else is asked for: seven days, as the first API had it."""

_LONGEST_KEEP_HOURS = 10 * 366 * 24
_LONGEST_S = 366 * 24 * 3600
_RULES: dict[str, tuple[tuple[str, ...], float]] = {
    "waiting_room_s": (("waiting_room_timeout",), 600.0),
    "nobody_joined_s": (("no_one_joined_timeout", "noone_joined_timeout"), 600.0),
    "everyone_left_s": (("everyone_left_timeout",), 300.0),
    "max_duration_s": (("in_call_recording_timeout",), 14_400.0),
    "recording_permission_s": (("recording_permission_denied_timeout",), 60.0),
}
_SILENCE = "voice_inactivity_timeout"
_SILENCE_S = 100.0
_SHORTEST_RECORDING_S = 600
_LONGEST_PERMISSION_S = 300


def leave_rules(fields: BodyFields, variant: Variant) -> dict[str, float | None]:
    """Return when the bot leaves by itself, by meetcore's names.

    Raises:
        BadField, Refusal: A limit is no number of seconds, or out of its range.
    """
    given = fields.part("automatic_leave")
    rules: dict[str, float | None] = {}
    for ours, (names, default_s) in _RULES.items():
        values = [_seconds(given, name) for name in names]
        rules[ours] = next((value for value in values if value is not None), default_s)
    silence_s = _seconds(given, _SILENCE)
    default_silence_s = _SILENCE_S if variant is Variant.CURRENT else None
    rules["silence_s"] = default_silence_s if silence_s is None else silence_s
    if (rules["max_duration_s"] or 0) < _SHORTEST_RECORDING_S:
        raise wrong(f"in_call_recording_timeout must be at least {_SHORTEST_RECORDING_S} seconds")
    if (rules["recording_permission_s"] or 0) > _LONGEST_PERMISSION_S:
        raise wrong(
            f"recording_permission_denied_timeout must not exceed {_LONGEST_PERMISSION_S} seconds"
        )
    _check_detection(given)
    return rules


def _seconds(given: BodyFields, name: str) -> float | None:
    value = given.whole(name, 0, _LONGEST_S)
    if value == 0:
        raise wrong(f"{name} must be at least 1 second")
    return None if value is None else float(value)


def _check_detection(given: BodyFields) -> None:
    detection = given.part("bot_detection").part("using_participant_names")
    if not detection.body:
        return
    matches = detection.get("matches")
    if not isinstance(matches, list) or not all(isinstance(name, str) for name in matches):
        raise wrong("bot_detection.using_participant_names.matches must be a list of strings")
    for name in ("activate_after", "timeout"):
        _seconds(detection, name)


def keep_s(fields: BodyFields, variant: Variant) -> float:
    """Return how long data is kept after the end, in seconds.

    Raises:
        BadField, Refusal: `hours` is no number above 0, or the type is unknown.
    """
    retention = fields.part("recording_config").part("retention").body
    if not retention:
        return DEFAULT_KEEP_S
    kind = retention.get("type", "timed")
    if not isinstance(kind, str):
        raise wrong("recording_config.retention.type must be a string")
    if kind != "timed":
        if variant is Variant.LEGACY:
            return DEFAULT_KEEP_S
        raise wrong("recording_config.retention.type must be 'timed'")
    hours = retention.get("hours")
    if hours is None:
        return DEFAULT_KEEP_S
    number = isinstance(hours, (int, float)) and not isinstance(hours, bool)
    if not number or not 0 < hours <= _LONGEST_KEEP_HOURS:
        raise wrong("recording_config.retention.hours must be a number greater than 0")
    return float(hours) * 3600.0

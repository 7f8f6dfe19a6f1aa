"""What a bot ends for, from what was told of its actor. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from signal import Signals
from typing import Any

from attrs import field, frozen

from meetcore import EndReason, Evidence

__all__ = ["ActorEnd", "end_of", "room_in_words"]

_MOST_WORDS = 500
_GONE = "its actor is gone"


@frozen
class ActorEnd:
    """How an actor, or its bot's process, ended.

    Attributes:
        failed: Whether that was none in order.
        reason: What the bot ends for, where it failed.
        evidence: What that is justified by, where it failed.
    """

    failed: bool
    reason: EndReason = EndReason.CRASHED
    evidence: Evidence = field(factory=lambda: Evidence("ray.actor", _GONE))


def end_of(over: Mapping[str, Any]) -> ActorEnd:
    """Return what a bot ends for.

    Args:
        over: `code` and `words` of its process, with `late_s` where its time was up; or `died`
            and `words` of its actor.
    """
    words = str(over.get("words", ""))[:_MOST_WORDS]
    if "died" in over:
        return ActorEnd(True, evidence=Evidence(f"ray.{over['died']}", words or _GONE))
    if "late_s" in over:
        late = f"it had not ended by itself after {over['late_s']:g} s"
        return ActorEnd(True, EndReason.MAX_DURATION, Evidence("ray.deadline", late))
    code = int(over.get("code", 0))
    if code == 0:
        return ActorEnd(False)
    how = f"exit code {code}" if code > 0 else f"killed by {_signal(-code)}"
    return ActorEnd(True, evidence=Evidence("ray.exited", f"{how}: {words}".strip(": ")))


def _signal(number: int) -> str:
    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"


def room_in_words(needs: Mapping[str, float], room: Mapping[str, Any]) -> str:
    """Return what a bot needs and what the cluster says is free, in words."""
    parts: list[str] = []
    for name, amount in sorted(needs.items()):
        if amount:
            free, in_all = (float(room[key].get(name, 0.0)) for key in ("free", "in_all"))
            shown = [_amount(name, each) for each in (amount, free, in_all)]
            parts.append("{} {} ({} free of {})".format(name, *shown))
    nodes = int(room["nodes"])
    return f"it needs {', '.join(parts)}, and there are {nodes} node{'' if nodes == 1 else 's'}"


def _amount(name: str, amount: float) -> str:
    return f"{amount / 1e6:.0f} MB" if name == "memory" else f"{amount:g}"

"""One log line per event, the bot's id bound, through the standard library's logging.

structlog is imported with the first line that is written: with a traceback's colours and all
else that comes along, it takes a tenth of a second that most programs never need.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

from meetcore.model.events import Event
from meetcore.model.secrets import Redactor
from meetcore.model.wire import event_to_wire

__all__ = ["event_logger"]

_BARE = frozenset({"state", "reason"})
_QUIET = frozenset({"speaking.started", "speaking.stopped", "step.taken", "delivery.attempted"})


@cache
def _logger() -> Any:
    import structlog

    return structlog.wrap_logger(
        logging.getLogger("meetcore.bot"),
        processors=[structlog.processors.KeyValueRenderer(key_order=["event", "bot", "seq"])],
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def event_logger(bot_id: str, redactor: Redactor, *, bare: bool = False) -> Callable[[Event], None]:
    """Return a journal listener that logs each event on one line.

    The logger is `meetcore.bot`; an application configures it like any other.

    Args:
        bot_id: The bot.
        redactor: Takes secrets out.
        bare: Whether an event's type and number alone are logged, and which state it is: for bots
            of which nothing is kept, since logs are.
    """

    def listener(event: Event) -> None:
        level = logging.DEBUG if event.type in _QUIET else logging.INFO
        if not logging.getLogger("meetcore.bot").isEnabledFor(level):
            return
        wire = event_to_wire(event)
        facts = {
            key: redactor.redact(value) if isinstance(value, str) else value
            for key, value in wire["data"].items()
            if value is not None
            and not isinstance(value, (dict, list))
            and (not bare or (event.type == "state.changed" and key in _BARE))
        }
        _logger().bind(bot=bot_id).log(level, event.type, seq=event.seq, **facts)

    return listener

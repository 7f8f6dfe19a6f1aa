"""Dialling on a bot's behalf: to whom it may, with nothing secret told, and the journal knowing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meetcore import (
    TERMINAL,
    ConfigError,
    Event,
    JournalError,
    PluginEvent,
    SinkContext,
    StateChanged,
    StorageUnavailable,
)
from meetcore.model import is_address
from meetcore_websocket.dial_options import DialOptions
from meetcore_websocket.target import Target

if TYPE_CHECKING:
    from meetcore_websocket.client import Link

__all__ = ["Dialler"]


class Dialler:
    """Makes links for a sink, and says in the bot's journal how they fare.

    Args:
        context: The sink's.
        options: The sink's.

    Attributes:
        over: Whether the bot has ended; nothing more is said then.
    """

    def __init__(self, context: SinkContext, options: DialOptions) -> None:
        self.over = False
        self._context = context
        self._options = options

    def take(self, event: Event) -> None:
        """Learn of an event: it may be the end."""
        if isinstance(event, StateChanged):
            self.over = event.state in TERMINAL

    def say(self, name: str, **data: str) -> None:
        """Write into the bot's journal what the sink has to say; nothing after the bot's end."""
        if self.over:
            return
        context = self._context
        told = {key: context.redactor.redact(value) for key, value in data.items() if value}
        try:
            context.report(PluginEvent(plugin=context.name, name=name, data=told))
        except (JournalError, StorageUnavailable):
            return  # a journal that takes no more has said so itself

    def link(self, target: Target) -> Link:
        """Return a link to a target.

        Raises:
            ConfigError: The target came over an API and is not public.
        """
        from meetcore_websocket.client import Link

        context = self._context
        private = context.may_dial(allow_private=self._options.allow_private)
        host = target.host
        if not context.trusted and is_address(host) and not private.admit(host, host):
            raise ConfigError(
                f"The WebSocket target {target} is not a public address.",
                "Over an API only public targets are taken.",
            )
        for secret in target.secrets:
            context.redactor.add(secret)
        return Link(
            target,
            self._options,
            private,
            notice=lambda name, why: self.say(name, target=str(target), reason=why),
        )

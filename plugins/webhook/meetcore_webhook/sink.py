"""The sink `webhook`: holds a deliverer for as long as the bot lives, and finishes after a kill."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

import trio

from meetcore import ConfigError, Event, PrivateTargets, Sink, SinkContext, StorageUnavailable
from meetcore.log import make_private_folder
from meetcore.model import is_address
from meetcore_webhook.options import WebhookOptions

if TYPE_CHECKING:
    from meetcore_webhook.deliverer import Deliverer

__all__ = ["WebhookSink"]

_LOOKS_LIKE_A_KEY = 12


class WebhookSink(Sink[WebhookOptions]):
    """POSTs a bot's events to a URL: signed, in order, at least once.

    The events are read from the journal at the sink's own cursor; `deliver` only keeps the sink
    alive until the terminal state is there to be sent.
    """

    name: ClassVar[str] = "webhook"
    wants_events: ClassVar[bool] = True

    def __init__(self, options: WebhookOptions | None = None) -> None:
        super().__init__(options)

    @asynccontextmanager
    async def open(self, context: SinkContext) -> AsyncIterator[None]:
        """Deliver in the background; at the end what is owed is tried for `flush_timeout_s`.

        What is still owed then stays owed: `recover` delivers it.

        Raises:
            ConfigError: The target came over an API and is not https.
            StorageUnavailable: The sink's folder cannot be written.
        """
        async with self._deliverer(context) as deliverer, trio.open_nursery() as nursery:
            nursery.start_soon(deliverer.run)
            yield
            with trio.move_on_after(self.options.flush_timeout_s):
                await deliverer.drain(context.journal.last_seq)
            nursery.cancel_scope.cancel()

    async def deliver(self, event: Event) -> None:
        """Let the event pass: the deliverer reads it from the journal."""
        del event
        await trio.lowlevel.checkpoint()

    async def recover(self, context: SinkContext) -> Sequence[str]:
        """Deliver what a killed process still owed.

        Raises:
            ConfigError: As for `open`.
            StorageUnavailable: As for `open`.
        """
        async with self._deliverer(context) as deliverer:
            if deliverer.state.gone or not deliverer.owed():
                return ()
            with trio.move_on_after(self.options.flush_timeout_s):
                await deliverer.deliver_owed()
            lines = [f"{deliverer.delivered} events delivered to {self.options.target}."]
            if owed := deliverer.owed():
                lines.append(f"{owed} events are still owed to {self.options.target}.")
                context.unfinished.append(lines[-1])
        return lines

    @asynccontextmanager
    async def _deliverer(self, context: SinkContext) -> AsyncIterator[Deliverer]:
        from meetcore_webhook.deliverer import Deliverer
        from meetcore_webhook.pinned import PinnedBackend, pinned_client
        from meetcore_webhook.sender import Sender

        options = self.options
        if not context.trusted:
            _check_untrusted(options, context.private_targets)
        _keep_secret(context, options)
        folder = context.folder / context.name
        backend = PinnedBackend(context.may_dial(allow_private=options.allow_private))
        async with pinned_client(
            backend, options.connect_timeout_s, options.request_timeout_s
        ) as client:
            yield _make_deliverer(Deliverer, context, folder, options, Sender(options, client))


def _check_untrusted(options: WebhookOptions, private: PrivateTargets) -> None:
    parts = urlsplit(options.url)
    host = parts.hostname or ""
    if parts.scheme != "https" and not private.name(host):
        raise ConfigError(
            f"The webhook target {options.target} is not https.",
            "Over an API only https targets are taken.",
        )
    if is_address(host) and not private.admit(host, host):
        raise ConfigError(
            f"The webhook target {options.target} is not a public address.",
            "Over an API only public targets are taken.",
        )


def _keep_secret(context: SinkContext, options: WebhookOptions) -> None:
    parts = urlsplit(options.url)
    context.redactor.add(parts.query)
    for part in parts.path.split("/"):
        if len(part) >= _LOOKS_LIKE_A_KEY:
            context.redactor.add(part)
    for secret in options.all_secrets:
        context.redactor.add(secret)
        context.redactor.add(secret.reveal().removeprefix("whsec_"))


def _make_deliverer(
    deliverer: type[Deliverer],
    context: SinkContext,
    folder: Path,
    options: WebhookOptions,
    sender: object,
) -> Deliverer:
    try:
        make_private_folder(folder)
        return deliverer(context, folder, options, sender)  # type: ignore[arg-type]
    except OSError as error:
        raise StorageUnavailable(
            f"The folder {folder} cannot be written: {error.strerror}.",
            "Choose another with --out.",
        ) from error

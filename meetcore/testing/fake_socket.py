"""What a client of the fake service holds: its end of a WebSocket, and webhooks posted."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from typing import Any

import trio
from attrs import define

from meetcore.gateway.http import SocketSession
from meetcore.gateway.records import BotRow, Client, WebhookTarget
from meetcore.gateway.service import Outgoing

__all__ = ["FakeSocket", "Posted"]


class FakeSocket:
    """A client's end of a WebSocket: what it was sent, and how it was closed."""

    def __init__(self, session: SocketSession) -> None:
        self.session = session
        self.received: list[str | bytes] = []
        self.close_code: int | None = None
        self.close_reason = ""
        self.owner: Client | None = None

    @property
    def closed(self) -> bool:
        """Whether it takes nothing any more."""
        return self.close_code is not None

    def owned_by(self, client: Client) -> None:
        """Note whose it is."""
        self.owner = client

    def send(self, message: str | bytes, *, key: str | None = None) -> None:
        """Keep a message."""
        if not self.closed:
            self.received.append(message)

    def close(self, code: int, reason: str = "") -> None:
        """Note the close."""
        if not self.closed:
            self.close_code, self.close_reason = code, reason

    async def room(self, below_bytes: int = 0) -> None:
        """Return: there is always room."""
        await trio.lowlevel.checkpoint()

    def say(self, message: str | bytes | Mapping[str, Any]) -> None:
        """Send a message as the client; a mapping is sent as JSON."""
        text = jsonlib.dumps(message) if isinstance(message, Mapping) else message
        self.session.receive(text)

    def frames(self) -> list[Any]:
        """Return the text messages received so far, as JSON, and forget them."""
        texts = [message for message in self.received if isinstance(message, str)]
        self.received.clear()
        return [jsonlib.loads(text) for text in texts]


@define
class Posted:
    """A message that went to a webhook target."""

    row: BotRow
    target: WebhookTarget
    outgoing: Outgoing

    @property
    def url(self) -> str | None:
        """Where it went."""
        return self.outgoing.url or self.target.url

    @property
    def kind(self) -> str:
        """Its type."""
        return self.outgoing.kind

    @property
    def json(self) -> Any:
        """Its body."""
        return jsonlib.loads(self.outgoing.body)

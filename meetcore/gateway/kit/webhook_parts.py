"""What vendors' webhooks are made of: changes of state so far, ids, signatures. Pure."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from uuid import UUID, uuid5

from meetcore.gateway.service import Moment
from meetcore.model.events import StateChanged

__all__ = ["changes_until", "hmac_sha256", "message_id"]


def changes_until(moment: Moment) -> Iterator[StateChanged]:
    """Yield a bot's changes of state up to and with a moment's event, for a reducer over them."""
    for transition in moment.history.transitions:
        if transition.seq > moment.event.seq:
            return
        yield StateChanged(
            seq=transition.seq,
            at=transition.at,
            state=transition.state,
            reason=transition.reason,
            evidence=transition.evidence,
        )


def hmac_sha256(secret: str, *parts: bytes) -> str:
    """Return `sha256=` and the HMAC of some bytes in hexadecimal digits, as most vendors sign."""
    return "sha256=" + hmac.new(secret.encode(), b"".join(parts), hashlib.sha256).hexdigest()


def message_id(namespace: UUID, moment: Moment, index: int = 0) -> str:
    """Return the id of a moment's message, the same on every attempt.

    Args:
        namespace: The dialect's own.
        moment: The moment.
        index: Which of the moment's messages.
    """
    return str(uuid5(namespace, f"{moment.row.bot_id} {moment.event.seq} {index}"))

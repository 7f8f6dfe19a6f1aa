"""What a subscriber may cost: plain data."""

from __future__ import annotations

from attrs import frozen

__all__ = ["Limits"]


@frozen(kw_only=True)
class Limits:
    """What a subscriber may cost, in bytes and seconds.

    Attributes:
        soft_bytes: Outbox above which mutable updates are dropped.
        hard_bytes: Outbox above which the subscriber is parted with.
        stall_s: How long its socket may take nothing.
        ping_s: How often it is pinged.
        pong_s: How soon the pong has to come.
        handshake_s: How soon its request has to be there.
        close_s: How long saying goodbye may take.
        message_bytes: The longest message it may send.
    """

    soft_bytes: int = 256 * 1024
    hard_bytes: int = 1024 * 1024
    stall_s: float = 10.0
    ping_s: float = 20.0
    pong_s: float = 20.0
    handshake_s: float = 10.0
    close_s: float = 2.0
    message_bytes: int = 64 * 1024

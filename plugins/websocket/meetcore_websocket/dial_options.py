"""The options of every sink that dials out: whom it may dial, and how long it waits."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from attrs import frozen

from meetcore import ConfigError
from meetcore_websocket.target import Target

__all__ = ["DialOptions"]

_LONGEST_FLUSH_S = 50.0


@frozen(kw_only=True)
class DialOptions:
    """What dialling takes, beside the address.

    Attributes:
        allow_private: Whether the target may be an address of your own machine or network. Only
            heeded where a person named the target; one that came over an API must be public, or
            listed in `private_targets`.
        ca_file: Certificates to trust instead of the system's.
        connect_timeout_s: How long connecting may take, from lookup to handshake.
        send_timeout_s: How long one message may take to be sent.
        ping_s: How long the connection goes without a ping at most.
        pong_timeout_s: How soon a pong has to come.
        first_retry_s: The pause before the second attempt to connect; it doubles from there.
        longest_retry_s: The longest pause.
        flush_timeout_s: How long, at the end of a meeting, the rest is tried for.
    """

    where: ClassVar[str]
    """The table these options stand in, for error messages."""

    longest_message_bytes: ClassVar[int] = 64 * 1024
    """The longest message the target may send; it is let go after one that is longer."""

    allow_private: bool = True
    ca_file: Path | None = None
    connect_timeout_s: float = 10.0
    send_timeout_s: float = 10.0
    ping_s: float = 20.0
    pong_timeout_s: float = 10.0
    first_retry_s: float = 1.0
    longest_retry_s: float = 30.0
    flush_timeout_s: float = 10.0

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: Which option, and why.
        """
        for name in ("connect_timeout_s", "send_timeout_s", "ping_s", "pong_timeout_s",
                     "first_retry_s", "longest_retry_s"):  # fmt: skip
            if not getattr(self, name) > 0:
                raise self.refusal(name, "It must be greater than 0.")
        if not 0 <= self.flush_timeout_s <= _LONGEST_FLUSH_S:
            raise self.refusal(
                "flush_timeout_s", f"It can be 0 to {_LONGEST_FLUSH_S:g}: a bot has to end."
            )

    def refusal(self, option: str, remedy: str) -> ConfigError:
        """Return the error for an option that cannot be used as it is."""
        return ConfigError(f"{self.where} {option} is {getattr(self, option)!r}.", remedy)

    def target_in(self, option: str) -> Target:
        """Return the target that an option names.

        Raises:
            ConfigError: It cannot be dialled.
        """
        return Target.read(getattr(self, option), f"{self.where} {option}")

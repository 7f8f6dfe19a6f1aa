"""How a stand-in misbehaves on command."""

from __future__ import annotations

from typing import Literal, TypeAlias

from attrs import field, frozen

__all__ = ["FaultKind", "StandInFault"]

FaultKind: TypeAlias = Literal[
    "away",
    "close",
    "drop",
    "drop_on_send",
    "elsewhere",
    "late",
    "no_answer",
    "older_drafts",
    "refuse",
    "repeat_finals",
    "revise_speakers",
    "stall",
]
"""What goes wrong.

`refuse`: handshakes and requests get an HTTP `status`. `away`: for `seconds` from the first try on,
connections are reset before the handshake. `close`: the WebSocket is closed with `code` and
`reason`. `drop`: the TCP connection ends without a close. `drop_on_send`: it is reset while audio
comes, unread. `stall`: nothing is said any more. `late`: what is said comes `seconds` later.
`no_answer`: a wish to finalize is not answered where nothing was left to do. `repeat_finals`: each
final comes twice. `older_drafts`: drafts go back. `elsewhere`: results about what nobody said.
`revise_speakers`: voices are given other labels after the fact.
"""


@frozen(kw_only=True)
class StandInFault:
    """Something that goes wrong.

    Attributes:
        kind: What.
        connections: On which connections, counted from 1; empty for all. `refuse` and `away` count
            tries.
        after_s: After how many seconds of audio on that connection.
        status: HTTP status, for `refuse`.
        headers: Headers of that answer.
        body: What it says.
        code: Close code, for `close`.
        reason: Its reason.
        seconds: How long, for `away` and `late`.
    """

    kind: FaultKind
    connections: tuple[int, ...] = (1,)
    after_s: float = 0.0
    status: int = 500
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    code: int = 1011
    reason: str = ""
    seconds: float = field(default=0.0)

    def on(self, connection: int) -> bool:
        """Whether it happens on a connection."""
        return not self.connections or connection in self.connections

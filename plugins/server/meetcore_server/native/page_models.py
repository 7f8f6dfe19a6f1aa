"""What the API says about looking at a bot's page."""

from __future__ import annotations

from attrs import frozen

__all__ = ["LookInLink", "NewLookIn"]


@frozen(kw_only=True)
class NewLookIn:
    """A wish for a link with which a person may look at a bot's page while it attends.

    Attributes:
        take_over: Whether they may also take mouse and keyboard, for which the key needs the scope
            `take_over`; otherwise they only see.
        expires_s: How many seconds it can be used.
    """

    take_over: bool = False
    expires_s: float = 600.0


@frozen(kw_only=True)
class LookInLink:
    """A link to look in; whoever has it needs no key.

    `page_url` is for a person's browser, `url` with `?token=` for a program's WebSocket. What was
    opened with it ends when it expires.
    """

    page_url: str
    url: str
    token: str
    take_over: bool
    expires_s: float

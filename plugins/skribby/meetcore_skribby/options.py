"""The operator's options for Skribby's API. Pure."""

from __future__ import annotations

from attrs import frozen

from meetcore import Secret

__all__ = ["WHERE", "SkribbyOptions"]

WHERE = "[plugins.server.dialects.skribby]"


@frozen(kw_only=True)
class SkribbyOptions:
    """How webhooks are signed.

    Attributes:
        webhook_secret: What all webhooks are signed with; without it each user has a secret of
            their own, see `GET /webhook-secret`.
    """

    webhook_secret: Secret | None = None

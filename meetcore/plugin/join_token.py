"""A token with which a bot joins in somebody's name, had just before it joins."""

from __future__ import annotations

from attrs import field, frozen

from meetcore.model.secrets import Secret

__all__ = ["JoinToken"]


def _secret(value: str | Secret) -> Secret:
    return value if isinstance(value, Secret) else Secret(value)


@frozen
class JoinToken:
    """A token of a platform's.

    Attributes:
        kind: What the platform calls it: for Zoom `tk` (a registrant's), `zak` (a user's own) or
            `obf` (on behalf of a user).
        value: The token. It is in no event, no log and no error.
    """

    kind: str
    value: Secret = field(converter=_secret)

"""The plugin's options, `[plugins.webhook]`."""

from __future__ import annotations

import binascii
from base64 import b64decode
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from attrs import field, frozen

from meetcore import ConfigError, Event, Secret
from meetcore.model import EVENT_TYPES, nearest

__all__ = ["WebhookOptions"]

_OUR_OWN = frozenset({"delivery.attempted", "delivery.abandoned"})
_WHERE = "[plugins.webhook]"
LONGEST_FLUSH_S = 50.0


@frozen(kw_only=True)
class WebhookOptions:
    """Where events go, and how hard it is tried.

    Attributes:
        url: Where to POST. What stands behind its host is treated as a secret.
        secret: Signs every message (Standard Webhooks: base64, with or without `whsec_`). Without
            one, messages are not signed.
        secrets: More secrets, each of which signs too: while you rotate, name old and new.
        events: Which events are sent, by type; `segment.*` and the like are understood. Empty: all.
            Delivery attempts are never sent: they would never end.
        allow_private: Whether the target may be an address of your own machine or network. Only
            heeded where a person named the target; one that came over an API must be public, or
            listed in `private_targets`.
        max_attempts: How often one event is tried before it goes to the dead letters.
        first_retry_s: The pause before the second attempt; it doubles from there.
        longest_retry_s: The longest pause.
        longest_retry_after_s: The longest `Retry-After` that is waited for.
        connect_timeout_s: How long a connection may take.
        request_timeout_s: How long one attempt may take in all.
        flush_timeout_s: How long, at the end of a meeting, what is still owed is tried for.
        seed: Makes the jitter of the pauses repeatable; None for chance.
    """

    url: str = field(default="", repr=False)
    secret: Secret | None = None
    secrets: tuple[Secret, ...] = ()
    events: tuple[str, ...] = ()
    allow_private: bool = True
    max_attempts: int = 10
    first_retry_s: float = 1.0
    longest_retry_s: float = 300.0
    longest_retry_after_s: float = 3_600.0
    connect_timeout_s: float = 5.0
    request_timeout_s: float = 15.0
    flush_timeout_s: float = 30.0
    seed: int | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: Which option, and why; never with a secret's value.
        """
        _check_url(self.url)
        for secret in self.all_secrets:
            _check_secret(secret)
        for pattern in self.events:
            if not any(fnmatchcase(name, pattern) for name in EVENT_TYPES):
                guess = nearest(pattern, EVENT_TYPES)
                raise ConfigError(
                    f"{_WHERE} events has {pattern!r}, which is no type of event.",
                    f"Did you mean {guess!r}?" if guess else "docs/reference lists them.",
                )
        for name, least in (
            ("max_attempts", 1),
            ("first_retry_s", 0),
            ("longest_retry_s", 0),
            ("longest_retry_after_s", 0),
            ("connect_timeout_s", 0.01),
            ("request_timeout_s", 0.01),
            ("flush_timeout_s", 0),
        ):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"{_WHERE} {name} is {getattr(self, name)}.", f"It must be at least {least}."
                )

        if self.flush_timeout_s > LONGEST_FLUSH_S:
            raise ConfigError(
                f"{_WHERE} flush_timeout_s is {self.flush_timeout_s}.",
                f"It can be {LONGEST_FLUSH_S:g} at most: a bot has to end.",
            )

    @property
    def all_secrets(self) -> tuple[Secret, ...]:
        """Every secret that signs, the first one first."""
        return ((self.secret,) if self.secret is not None else ()) + self.secrets

    @property
    def target(self) -> str:
        """The target as it may be shown: paths and queries of webhooks often are keys."""
        parts = urlsplit(self.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        port = f":{parts.port}" if parts.port is not None else ""
        return f"{parts.scheme}://{host}{port}"

    def wants(self, event: Event) -> bool:
        """Whether an event is to be sent."""
        if event.type in _OUR_OWN:
            return False
        return not self.events or any(fnmatchcase(event.type, p) for p in self.events)


def _check_url(url: str) -> None:
    remedy = "Give the whole address, for instance https://example.org/hook."
    if not url:
        raise ConfigError(f"{_WHERE} has no url.", remedy)
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  raises for a port that is none
    except ValueError as error:
        raise ConfigError(f"{_WHERE} url cannot be read: {error}.", remedy) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{_WHERE} url is not an http or https address.", remedy)
    if parts.username or parts.password:
        raise ConfigError(f"{_WHERE} url holds a name or password.", "Use a secret instead.")


def _check_secret(secret: Secret) -> None:
    try:
        usable = bool(b64decode(secret.reveal().removeprefix("whsec_") + "==", validate=False))
    except (binascii.Error, ValueError):
        usable = False
    if not usable:
        raise ConfigError(
            f"{_WHERE} a secret is not base64.",
            "Make one: python -c 'import os, base64; "
            'print("whsec_" + base64.b64encode(os.urandom(24)).decode())\'',
        )

"""Tokens that nobody else can make: claims with an HMAC, in letters that may stand in a URL.

`PAYLOAD.SIGNATURE`, both base64url without padding; the payload is JSON with the claims and the
time it is good until. The purpose is part of what is signed: a token for one thing opens no other.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

__all__ = ["sign", "verify"]

_LONGEST = 4096


def _mac(secret: bytes, purpose: str, payload: bytes) -> bytes:
    return hmac.new(secret, purpose.encode() + b"\0" + payload, hashlib.sha256).digest()[:18]


def _letters(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _data(letters: str) -> bytes:
    return base64.b64decode(letters + "=" * (-len(letters) % 4), altchars=b"-_", validate=True)


def sign(
    secret: bytes,
    purpose: str,
    claims: Mapping[str, Any],
    now: datetime,
    expires_s: float | None,
) -> str:
    """Return a token for a purpose.

    Args:
        secret: Known to the server alone.
        purpose: What it is good for.
        claims: What it says; JSON.
        now: The time.
        expires_s: How long it is good, None for ever.
    """
    until = None if expires_s is None else int((now + timedelta(seconds=expires_s)).timestamp())
    payload = json.dumps([until, dict(claims)], separators=(",", ":"), sort_keys=True).encode()
    return f"{_letters(payload)}.{_letters(_mac(secret, purpose, payload))}"


def verify(secret: bytes, purpose: str, token: str, now: datetime) -> Mapping[str, Any] | None:
    """Return the claims of a token, None if it is false, expired or for something else."""
    if len(token) > _LONGEST:
        return None
    letters, _, mac = token.partition(".")
    try:
        payload, given = _data(letters), _data(mac)
    except (binascii.Error, ValueError):
        return None
    if not hmac.compare_digest(_mac(secret, purpose, payload), given):
        return None
    until, claims = json.loads(payload)
    if until is not None and until <= now.timestamp():
        return None
    return dict(claims)

"""Who may come in, and as what: tokens, origins, path and query. Pure.

A browser lets any web page open a WebSocket to any address, the own machine included, and says
only where the page is from. So a foreign `Origin` is refused. A page can also have its own name
point to 127.0.0.1 and be 'the same host' then (DNS rebinding); therefore a server without tokens
believes only addresses and `localhost`, which nobody can point elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable
from enum import Enum
from urllib.parse import parse_qsl, urlsplit

from attrs import frozen

from meetcore import Secret
from meetcore.model import nearest
from meetcore_websocket.request import Refusal, Request

__all__ = ["Access", "AccessDecision", "Role", "is_own_machine", "origin_is_known"]

_LONGEST_QUERY_FIELDS = 16
_QUERY = frozenset({"after", "drafts", "token"})
_SWITCH = {"1": True, "true": True, "0": False, "false": False}


class Role(Enum):
    """What a subscriber may do."""

    READ = "read"
    FULL = "full"


@frozen(kw_only=True)
class AccessDecision:
    """What an admitted subscriber gets.

    Attributes:
        role: What it may do.
        after: The last `seq` it has.
        drafts: Whether it wants drafts.
    """

    role: Role
    after: int
    drafts: bool


def is_own_machine(host: str) -> bool:
    """Return whether a host, as written in configuration, is reached from this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _hostname(authority: str) -> str | None:
    try:
        return urlsplit(f"//{authority}").hostname
    except ValueError:
        return None


def _cannot_be_pointed_elsewhere(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def origin_is_known(
    origin: str | None, host: str | None, allowed: Iterable[str], *, any_name: bool
) -> bool:
    """Return whether a request may come from a page of that origin.

    Args:
        origin: The header `Origin`, None for a client that is no browser.
        host: The header `Host`.
        allowed: Origins that are known by configuration.
        any_name: Whether 'the same host' may be any name; otherwise only an address or `localhost`.
    """
    if origin is None or origin.lower().rstrip("/") in {a.lower().rstrip("/") for a in allowed}:
        return True
    scheme, mark, authority = origin.partition("://")
    if not mark or scheme.lower() not in ("http", "https"):
        return False
    theirs, ours = _hostname(authority), _hostname(host or "")
    if theirs is None or theirs != ours:
        return False
    return any_name or _cannot_be_pointed_elsewhere(theirs)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


@frozen
class Access:
    """The rules of one server.

    Attributes:
        path: Where it is served.
        read_tokens: Tokens that may read.
        full_tokens: Tokens that may give commands too.
        allowed_origins: Origins of web pages that may connect besides those of the same host.
    """

    path: str
    read_tokens: tuple[Secret, ...] = ()
    full_tokens: tuple[Secret, ...] = ()
    allowed_origins: tuple[str, ...] = ()

    @property
    def open(self) -> bool:
        """Whether no token is asked for."""
        return not (self.read_tokens or self.full_tokens)

    def decide(self, request: Request) -> AccessDecision | Refusal:
        """Return what a request gets, or why it gets nothing."""
        if request.path != self.path:
            return Refusal(404, "There is nothing at this path.", f"Events are at {self.path}.")
        origin = request.header("origin")
        if not origin_is_known(
            origin, request.header("host"), self.allowed_origins, any_name=not self.open
        ):
            return Refusal(403, "Pages of this origin may not connect.", "See `allowed_origins`.")
        try:
            pairs = parse_qsl(
                request.query, keep_blank_values=True, max_num_fields=_LONGEST_QUERY_FIELDS
            )
        except ValueError:
            return Refusal(400, "The query has too many fields.")
        query = dict(pairs)
        role = self._role(request, query.get("token"))
        if role is None:
            remedy = "Send one as 'Authorization: Bearer …' or '?token=…'."
            challenge = {"WWW-Authenticate": "Bearer"}
            return Refusal(401, "A token is needed, and this is none.", remedy, challenge)
        return _read_query(query, repeated=len(query) != len(pairs), role=role)

    def _role(self, request: Request, in_query: str | None) -> Role | None:
        if self.open:
            return Role.READ
        header = request.header("authorization")
        scheme, _, bearer = (header or "").partition(" ")
        token = bearer.strip() if scheme.lower() == "bearer" else in_query
        given = _digest(token or "")
        found: Role | None = None
        for role, tokens in ((Role.READ, self.read_tokens), (Role.FULL, self.full_tokens)):
            for known in tokens:
                if hmac.compare_digest(given, _digest(known.reveal())):
                    found = role
        return found


def _read_query(query: dict[str, str], *, repeated: bool, role: Role) -> AccessDecision | Refusal:
    if repeated:
        return Refusal(400, "A field of the query is there twice.")
    for name in query:
        if name not in _QUERY:
            guess = nearest(name, _QUERY)
            hint = f"Did you mean {guess!r}?" if guess else "Known: after, drafts, token."
            return Refusal(400, f"The query has no field {name!r}.", hint)
    after = query.get("after", "0")
    if not (after.isascii() and after.isdigit() and len(after) <= 15):
        return Refusal(400, "`after` must be a seq: a whole number, 0 or more.")
    drafts = _SWITCH.get(query.get("drafts", "1").lower())
    if drafts is None:
        return Refusal(400, "`drafts` must be 0 or 1.")
    return AccessDecision(role=role, after=int(after), drafts=drafts)

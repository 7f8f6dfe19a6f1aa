"""Who asks: whose key a request has, how often each may ask, and how often a wrong key is tried.

A key counts for itself once it is known to be good. Before that, and without one, a request counts
for the address it came from, so that neither a made-up key nor a header that means nothing to the
mount is a way round the limit. A wrong key is a guess: an address may make some at once and then
one a second; beyond that keys from there are not even looked up, except those that were good
lately, so that the others behind the same address go on.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

import trio

from meetcore import BotBus, BusUnavailable
from meetcore.gateway import ApiKey, Client, Request, TooManyRequests
from meetcore_server.account_keeper import OPEN_KEY_ID
from meetcore_server.rate_limit import RateLimiter
from meetcore_server.service import BotService

__all__ = ["NATIVE_KEYS", "Callers"]

NATIVE_KEYS = (ApiKey("authorization", "Bearer"), ApiKey("x-api-key"))
"""Where the native API's clients have their key."""

_BURST_S = 5.0
GUESSES_PER_S = 1.0
GUESSES_AT_ONCE = 20.0
_MOST_KNOWN = 10_000
_BUS_WITHIN_S = 0.5
_BUS_AWAY_S = 5.0


class Callers:
    """Tells callers apart.

    Args:
        service: Knows the keys.
        per_s: How many requests a second each may make; None for any number.
        bus: Where it is counted for all servers together; where there is none, or it is away, each
            counts for itself.
    """

    def __init__(self, service: BotService, per_s: float | None, bus: BotBus | None = None) -> None:
        self._service = service
        self._per_s = per_s
        self._bus = bus
        self._requests = RateLimiter(per_s, per_s * _BURST_S) if per_s else None
        self._guesses = RateLimiter(GUESSES_PER_S, GUESSES_AT_ONCE)
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._bus_away_until = 0.0

    async def who(self, request: Request, keys: Sequence[ApiKey]) -> Client | None:
        """Return whose key a request has, None for none that is good, and count it.

        Raises:
            TooManyRequests: Of that key, or from that address.
            DatabaseUnavailable: The key cannot be looked up.
        """
        address = request.client_host
        given = [key for key in (each.of(request) for each in keys) if key is not None]
        for key in given:
            client = await self._holder(key, address)
            if client is not None:
                await self._count(f"key {client.key_id}")
                return client
        if not given:
            await self.count(request)
        return await self._service.authenticate(None)

    async def _holder(self, key: str, address: str) -> Client | None:
        """Return whose key that is; None for nobody's, and where every key is the operator's."""
        digest = _digest(key)
        was_good = self._known.pop(digest, False) is None
        if not was_good:
            await self._count(address)
            self.may_guess(address)
        client = await self._service.authenticate(key)
        if client is None:
            self.guessed(address)
            return None
        if client.key_id == OPEN_KEY_ID:
            return None
        self._known[digest] = None
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        return client

    async def count(self, request: Request) -> None:
        """Count a request that needs no key.

        Raises:
            TooManyRequests: From its address.
        """
        await self._count(request.client_host)

    def guessed(self, address: str) -> None:
        """Count a wrong key, or a wrong token."""
        self._guesses.wait_s(address)

    def may_guess(self, address: str) -> None:
        """Raise where too many wrong keys came from an address.

        Raises:
            TooManyRequests: It says for how long.
        """
        wait_s = self._guesses.wait_s(address, take=False)
        if wait_s > 0:
            raise TooManyRequests(wait_s)

    async def _count(self, who: str) -> None:
        if self._requests is None or self._per_s is None:
            return
        wait_s = await self._shared_wait_s(who, self._per_s)
        if wait_s is None:
            wait_s = self._requests.wait_s(who)
        if wait_s > 0:
            raise TooManyRequests(wait_s)

    async def _shared_wait_s(self, who: str, per_s: float) -> float | None:
        """Count over all servers; None where that cannot be done now."""
        if self._bus is None or trio.current_time() < self._bus_away_until:
            return None
        try:
            with trio.fail_after(_BUS_WITHIN_S):
                return await self._bus.spend(who, per_s=per_s, burst=per_s * _BURST_S)
        except (BusUnavailable, trio.TooSlowError):
            self._bus_away_until = trio.current_time() + _BUS_AWAY_S
            return None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()

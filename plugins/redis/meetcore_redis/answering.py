"""Asking the broker within a time, and saying in plain words what was wrong."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import trio
from coredis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from meetcore import BusUnavailable

__all__ = ["answered"]

# The client speaks through anyio, which has kinds of its own for a connection that went away.
_BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream)


@contextmanager
def answered(broker: object, within_s: float) -> Iterator[None]:
    """Have what is asked of the broker in the block answered within a time.

    Raises:
        BusUnavailable: It is not, or not as wanted.
    """
    try:
        with trio.fail_after(within_s):
            yield
    except trio.TooSlowError as error:
        raise BusUnavailable(
            f"The broker {broker} did not answer within {within_s:g} s.", "Is it overloaded?"
        ) from error
    except (AuthenticationError, AuthorizationError) as error:
        raise BusUnavailable(
            f"The broker {broker} refuses us: {error}.",
            "Look at username and password in [plugins.redis], and at what this user may do.",
        ) from error
    except BusyLoadingError as error:
        raise BusUnavailable(f"The broker {broker} is loading what it had on its disk.") from error
    except ReadOnlyError as error:
        raise BusUnavailable(
            f"The broker {broker} is a replica, which takes nothing.", "Name the primary in [bus]."
        ) from error
    except ResponseError as error:
        full = "OOM" in str(error) or "used memory" in str(error)
        remedy = "Give it more memory (maxmemory); bots go on meanwhile." if full else ""
        words = "has no memory left" if full else f"answers: {error}"
        raise BusUnavailable(f"The broker {broker} {words}.", remedy) from error
    except RuntimeError as error:
        if "pool" not in str(error):
            raise
        raise BusUnavailable("The bus is being closed.") from error
    except (RedisError, OSError, *_BROKEN) as error:
        if isinstance(error.__cause__, ssl.SSLError):
            raise BusUnavailable(
                f"The way to the broker {broker} cannot be encrypted: {_reason(error.__cause__)}.",
                "Look at tls and ca_file in [plugins.redis]: who vouches for the broker, and does "
                "it speak TLS on this port?",
            ) from error
        told = str(error) or type(error).__name__
        raise BusUnavailable(
            f"The broker {broker} cannot be reached: {told}.",
            "Is it running? Are url in [bus] and tls in [plugins.redis] right?",
        ) from error


def _reason(error: ssl.SSLError) -> str:
    """Return what was wrong, without what is only for OpenSSL's own authors."""
    return str(error).rpartition("] ")[2].partition(" (_ssl.c")[0]

"""Asking the broker within a time, and saying in plain words what was wrong."""

from __future__ import annotations

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
        told = str(error) or type(error).__name__
        raise BusUnavailable(
            f"The broker {broker} cannot be reached: {told}.", "Is it running, is [bus] url right?"
        ) from error

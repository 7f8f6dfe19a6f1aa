"""The client of a broker, made of what is configured."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator

from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from coredis import ConnectionPool, Redis
from coredis.connection import TCPConnection, TCPLocation
from coredis.retry import NoRetryPolicy

from meetcore_redis.options import Broker, RedisOptions

__all__ = ["make_client"]

_CONNECT_WITHIN_S = 3.0

# It tells each attempt to connect, with a traceback; here a broker that is away is told once.
logging.getLogger("coredis").setLevel(logging.CRITICAL)


class _TidyConnection(TCPConnection):
    """Closes what a connection that never came about leaves open."""

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Connect, and serve until the connection ends."""
        try:
            await super().run(task_status=task_status)
        finally:
            for stream in self._streams():
                stream.close()

    def __del__(self) -> None:
        """Close them also where it was never run: its pool was closed at that moment."""
        for stream in self._streams():
            stream.close()

    def _streams(
        self,
    ) -> Iterator[MemoryObjectSendStream[object] | MemoryObjectReceiveStream[object]]:
        for each in vars(self).values():
            if isinstance(each, (MemoryObjectSendStream, MemoryObjectReceiveStream)):
                yield each


def make_client(broker: Broker, options: RedisOptions, *, most: int | None = None) -> Redis[bytes]:
    """Return a client, to be entered; it connects when something is asked of it.

    Args:
        broker: Of which.
        options: How it is reached.
        most: How many connections it may have; None for the library's own limit.

    Raises:
        OSError: The file of certificates cannot be read.
    """
    context: ssl.SSLContext | None = None
    if options.tls:
        context = ssl.create_default_context(cafile=options.ca_file)
    pool = ConnectionPool(
        connection_class=_TidyConnection,
        location=TCPLocation(broker.host, broker.port),
        max_connections=most,
        db=broker.db,
        username=options.username or broker.username,
        password=options.password.reveal() if options.password else None,
        connect_timeout=_CONNECT_WITHIN_S,
        ssl_context=context,
        client_name="meetcore",
    )
    return Redis(connection_pool=pool, verify_version=False, retry_policy=NoRetryPolicy())

"""The sink keeps what every sink has to keep, with a receiver that is there and with none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

import trio

from meetcore import Plugins
from meetcore.model.secrets import Secret
from meetcore.plugin.sink import Sink
from meetcore.testing.conformance import SinkConformance
from meetcore_rtmp.options import RtmpOptions
from meetcore_rtmp.sink import RtmpSink
from tests.plugins.websocket.users_server import WithTarget


class Silent:
    """Something that takes connections and says nothing."""

    port: int


@asynccontextmanager
async def silent() -> AsyncIterator[Silent]:
    async def listen(stream: trio.SocketStream) -> None:
        async with stream:
            try:
                async for _ in stream:
                    pass
            except trio.BrokenResourceError:
                pass  # it was let go

    async with trio.open_nursery() as nursery:
        target = Silent()
        [listener] = await nursery.start(partial(trio.serve_tcp, listen, 0, host="127.0.0.1"))
        target.port = listener.socket.getsockname()[1]
        yield target
        nursery.cancel_scope.cancel()


class TestTheSinkWithAReceiverThatSaysNothing(WithTarget[Silent], SinkConformance):
    """Whatever a receiver does, the bot goes its way."""

    def hold_target(self) -> AbstractAsyncContextManager[Silent]:
        return silent()

    def make_sink(self) -> Sink:
        url = f"rtmp://127.0.0.1:{self.target.port}/live"
        return RtmpSink(
            RtmpOptions(url=url, key=Secret("key"), black_after_s=0.0, flush_timeout_s=1.0)
        )


def test_the_sink_is_found_by_its_name() -> None:
    assert Plugins().sinks["rtmp"] is RtmpSink

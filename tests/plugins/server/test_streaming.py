"""An answer that is sent while it is made: its maker is closed however the answer ends."""

from __future__ import annotations

import gc

import pytest
import trio

from meetcore_server.native.streaming import ClosingStream

SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": []}


class Maker:
    """Makes parts without end, and tells when it was closed."""

    def __init__(self) -> None:
        self.closed = False

    async def parts(self):
        try:
            while True:
                yield b"part"
        finally:
            await trio.lowlevel.cancel_shielded_checkpoint()
            self.closed = True


async def test_a_reader_who_goes_away_in_the_middle_closes_the_maker():
    maker, sent = Maker(), trio.Event()

    async def send(message):
        if message.get("body"):
            sent.set()
            await trio.sleep_forever()  # nobody reads any more

    async def receive():
        await sent.wait()
        return {"type": "http.disconnect"}

    answer = ClosingStream(maker.parts()).to_asgi_response(app=None, request=None)
    with trio.fail_after(90):
        await answer(SCOPE, receive, send)
    assert maker.closed
    gc.collect()  # which would tell of a generator that was left as it stood


async def test_a_server_that_ends_while_an_answer_is_sent_closes_the_maker():
    maker = Maker()

    async def send(message):
        if message.get("body"):
            scope.cancel()
            await trio.sleep_forever()

    answer = ClosingStream(maker.parts()).to_asgi_response(app=None, request=None)
    with trio.CancelScope() as scope:
        await answer(SCOPE, trio.sleep_forever, send)
    assert scope.cancelled_caught
    assert maker.closed


async def test_a_send_that_fails_closes_the_maker():
    maker = Maker()

    async def send(message):
        if message.get("body"):
            raise OSError("the line is cut")

    answer = ClosingStream(maker.parts()).to_asgi_response(app=None, request=None)
    with pytest.raises(ExceptionGroup) as raised, trio.fail_after(90):
        await answer(SCOPE, trio.sleep_forever, send)
    assert raised.group_contains(OSError, match="the line is cut")
    assert maker.closed

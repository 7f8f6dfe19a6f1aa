"""JSON that is written in pieces: the same bytes, and never all of them at once."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from meetcore.gateway.http import Listed, json_bytes, json_pieces
from tests.json_values import nested

VALUES = nested(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["\ud800", '"', "€"])
)


async def _given(items: list[Any]) -> AsyncGenerator[Any, None]:
    for item in items:
        await trio.lowlevel.checkpoint()
        yield item


async def _whole(body: Any) -> bytes:
    return b"".join([piece async for piece in json_pieces(body)])


@given(VALUES, st.lists(VALUES, max_size=5), st.lists(VALUES, max_size=2), VALUES)
def test_json_in_pieces_is_the_json_it_would_be_whole(
    before: Any, items: list[Any], others: list[Any], after: Any
) -> None:
    def body(first: Any, second: Any) -> Any:
        return {"before": before, "items": first, "in": {"it": [second]}, "after": after}

    streamed = body(Listed(_given(items)), Listed(_given(others)))
    assert trio.run(_whole, streamed) == json_bytes(body(items, others))


async def test_json_in_pieces_has_no_more_than_a_piece_in_memory() -> None:
    made = told = 0

    async def items() -> AsyncGenerator[Any, None]:
        nonlocal made
        for _ in range(1000):
            made += 1
            yield "x" * 1000

    async for piece in json_pieces({"items": Listed(items())}):
        assert len(piece) < 64 * 1024
        told += piece.count(b'"x')
        assert told == made
    assert made == 1000


async def test_json_in_pieces_closes_what_it_was_reading() -> None:
    closed = trio.Event()

    async def items() -> AsyncGenerator[Any, None]:
        try:
            while True:
                await trio.lowlevel.checkpoint()
                yield "x" * 1000
        finally:
            closed.set()

    pieces = json_pieces([Listed(items())])
    assert await anext(pieces)
    await pieces.aclose()
    assert closed.is_set()


def test_what_json_does_not_have_is_refused_in_pieces_too() -> None:
    with pytest.raises(TypeError, match="object is nothing that JSON has"):
        trio.run(_whole, {"items": object()})


def test_the_bytes_of_a_reply_are_compact_json_in_utf_8() -> None:
    assert json_bytes({"a": ["é", "\ud800"]}) == '{"a":["é","?"]}'.encode()
    assert json.loads(json_bytes({"a": 1})) == {"a": 1}

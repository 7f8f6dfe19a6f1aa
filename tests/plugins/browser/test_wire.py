"""Payloads of the binding: what page/wire.js sends is read, anything else is a typed error."""

from __future__ import annotations

import base64
import json
import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore_browser.wire import AudioBlock, PageMessage, WireError, decode, encode_audio
from tests.json_values import nested

U32 = st.integers(0, 2**32 - 1)


def _audio(blocks: bytes) -> str:
    return base64.b64encode(struct.pack("<I", 1) + blocks).decode()


SAMPLES = st.lists(st.integers(-32768, 32767), min_size=1)


@given(U32, st.lists(st.tuples(U32, st.integers(0, 2**53), SAMPLES), min_size=1))
def test_audio_of_several_tracks_survives_the_way(
    document: int, sent: list[tuple[int, int, list[int]]]
) -> None:
    blocks = [AudioBlock(document, t, f, np.array(pcm, np.int16)) for t, f, pcm in sent]
    came = decode(encode_audio(*blocks))
    assert all(isinstance(block, AudioBlock) and block.document == document for block in came)
    assert [
        (b.track, b.first_frame, b.pcm.tolist()) for b in came if isinstance(b, AudioBlock)
    ] == sent


def test_a_block_does_not_keep_the_other_tracks_alive() -> None:
    pcm = np.ones(1600, np.int16)
    kept = decode(encode_audio(*(AudioBlock(1, track, 0, pcm) for track in range(25))))[0]
    assert isinstance(kept, AudioBlock)
    assert len(kept.pcm.base) == pcm.nbytes  # type: ignore[arg-type]


@given(U32, st.text(), nested(st.none() | st.booleans() | st.text()))
def test_messages_survive_the_way(document: int, topic: str, data: object) -> None:
    payload = json.dumps({"document": document, "topic": topic, "data": data})
    assert decode(payload) == [PageMessage(document, topic, data)]
    own = payload.replace("{", '{"own": true, ', 1)
    assert decode(own) == [PageMessage(document, topic, data, own=True)]


@given(st.text() | st.binary().map(lambda raw: base64.b64encode(raw).decode()))
def test_whatever_a_page_sends_is_read_or_refused(payload: str) -> None:
    with suppress(WireError):
        items = decode(payload)
        assert items
        assert all(isinstance(item, AudioBlock | PageMessage) for item in items)


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "{",
        "{}",
        '{"document": "one", "topic": "x"}',
        '{"document": 1, "topic": 2}',
        "!!!!",
        _audio(b""),
        _audio(b"abc"),
        _audio(struct.pack("<IId", 1, 0, 0.0)),
        _audio(struct.pack("<IId", 1, 1, 0.0)),
        _audio(struct.pack("<IId", 1, 2, 0.0) + b"abc"),
        _audio(struct.pack("<IId", 1, 2**32 - 1, 0.0) + b"ab"),
        _audio(struct.pack("<IId", 1, 1, 0.0) + b"ab" + b"abc"),
        _audio(struct.pack("<IId", 1, 1, float("nan")) + b"ab"),
        _audio(struct.pack("<IId", 1, 1, -1.0) + b"ab"),
        _audio(struct.pack("<IId", 1, 1, 0.5) + b"ab"),
    ],
)
def test_a_malformed_payload_is_refused(payload: str) -> None:
    with pytest.raises(WireError):
        decode(payload)

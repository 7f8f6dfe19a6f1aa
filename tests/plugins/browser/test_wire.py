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


@given(U32, U32, st.integers(0, 2**53), st.lists(st.integers(-32768, 32767), min_size=1))
def test_audio_survives_the_way(document: int, track: int, frame: int, samples: list[int]) -> None:
    block = decode(encode_audio(AudioBlock(document, track, frame, np.array(samples, np.int16))))
    assert isinstance(block, AudioBlock)
    assert (block.document, block.track, block.first_frame) == (document, track, frame)
    assert block.pcm.tolist() == samples


@given(U32, st.text(), nested(st.none() | st.booleans() | st.text()))
def test_messages_survive_the_way(document: int, topic: str, data: object) -> None:
    payload = json.dumps({"document": document, "topic": topic, "data": data})
    assert decode(payload) == PageMessage(document, topic, data)
    own = payload.replace("{", '{"own": true, ', 1)
    assert decode(own) == PageMessage(document, topic, data, own=True)


@given(st.text() | st.binary().map(lambda raw: base64.b64encode(raw).decode()))
def test_whatever_a_page_sends_is_read_or_refused(payload: str) -> None:
    with suppress(WireError):
        assert isinstance(decode(payload), AudioBlock | PageMessage)


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "{",
        "{}",
        '{"document": "one", "topic": "x"}',
        '{"document": 1, "topic": 2}',
        "!!!!",
        base64.b64encode(struct.pack("<IId", 1, 1, 0.0)).decode(),
        base64.b64encode(struct.pack("<IId", 1, 1, 0.0) + b"abc").decode(),
        base64.b64encode(struct.pack("<IId", 1, 1, float("nan")) + b"ab").decode(),
        base64.b64encode(struct.pack("<IId", 1, 1, -1.0) + b"ab").decode(),
        base64.b64encode(struct.pack("<IId", 1, 1, 0.5) + b"ab").decode(),
    ],
)
def test_a_malformed_payload_is_refused(payload: str) -> None:
    with pytest.raises(WireError):
        decode(payload)

"""Links and messages, against what Zoom documents."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore import MeetingLink
from meetcore_zoom_rtms import wire
from meetcore_zoom_rtms.stream_address import (
    LINK_EXAMPLES,
    StreamAddress,
    link_of_webhook,
    parse_link,
)

# The first samples of the audio packet in Zoom's documentation (Handling media data).
DOCUMENTED = "Hw1kDacNAA4sDkMOAQ5eDekMgAzXCw0L4Al4CDwHBAayBEwDmwHD/wn+rfyQ+3z6Z/k4"


def test_a_stream_is_a_link_and_a_link_a_stream():
    address = StreamAddress("4444AAAiAA/AAAiAi+AiiAii==", "s&1", "wss://rtms.zoom.us/a?b=c&d")
    link = parse_link(address.link())
    assert isinstance(link, MeetingLink)
    assert link.native_id == address.meeting_uuid
    assert StreamAddress.read(link.url) == address
    for shown in (repr(link), link.public_url):
        assert "s&1" not in shown
        assert "rtms.zoom.us" not in shown


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_id_survives_the_way(uuid, stream):
    address = StreamAddress(uuid, stream, "wss://rtms.zoom.us")
    read = StreamAddress.read(address.link())
    assert read == address or not uuid.strip()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://zoom.us/j/98765432101",
        "zoom-rtms:",
        "zoom-rtms:uuid",
        "zoom-rtms:uuid?stream=s",
        "zoom-rtms:uuid?stream=s&server=https%3A%2F%2Fzoom.us",
        "zoom-rtms:uuid?stream=s&server=wss%3A%2F%2F",
        "zoom-rtms:uuid?stream=s&server=wss%3A%2F%2Fzoom.us%3A99999999",
        "zoom-rtms://host/uuid?stream=s&server=wss%3A%2F%2Fzoom.us",
        "zoom-rtms:%20?stream=s&server=wss%3A%2F%2Fzoom.us",
    ],
)
def test_what_is_no_stream_is_nobodys(url):
    assert parse_link(url) is None


def test_the_example_is_one():
    assert all(parse_link(example) for example in LINK_EXAMPLES)


@pytest.mark.parametrize("nested", [False, True])
def test_a_webhook_says_where_the_stream_is_however_it_is_nested(nested):
    fields = {
        "meeting_uuid": "u==",
        "rtms_stream_id": "s",
        "server_urls": "wss://rtms.zoom.us/x, wss://other.zoom.us/x",
    }
    link = link_of_webhook({"object": fields} if nested else fields)
    assert StreamAddress.read(link) == StreamAddress("u==", "s", "wss://rtms.zoom.us/x")
    for name in fields:
        assert link_of_webhook({**fields, name: None}) is None


def test_the_proof_is_the_one_that_zoom_computes():
    proof = wire.signature("client", "secret", "uuid==", "stream")
    # printf 'client,uuid==,stream' | openssl dgst -sha256 -hmac secret
    assert proof == "402b064ebe49ab796b30def567a7204af96eb0d865365ee7994012fd0969f9b0"
    assert proof != wire.signature("client", "secret", "uuid=", "=stream")


def test_what_we_send_is_what_is_documented():
    hello = json.loads(wire.signalling_handshake("u", "s", "p", sequence=5))
    assert hello == {
        "msg_type": 1, "protocol_version": 1, "sequence": 5, "meeting_uuid": "u",
        "rtms_stream_id": "s", "signature": "p", "buffer_data": True,
    }  # fmt: skip
    media = json.loads(wire.media_handshake("u", "s", "p", mixed=False, captions=True))
    assert (media["msg_type"], media["media_type"]) == (3, 1 | 8 | 16)
    assert media["media_params"]["audio"] == {
        "content_type": 2, "sample_rate": 1, "channel": 1, "codec": 1, "data_opt": 2,
        "send_rate": 100,
    }  # fmt: skip
    without = json.loads(wire.media_handshake("u", "s", "p", mixed=True, captions=False))
    assert (without["media_type"], without["media_params"]["audio"]["data_opt"]) == (17, 1)
    assert json.loads(wire.ready("s")) == {"msg_type": 7, "rtms_stream_id": "s"}
    events = json.loads(wire.event_subscription())["events"]
    assert [each["event_type"] for each in events] == [2, 3, 4, 7]
    assert json.loads(wire.keep_alive_answer({"timestamp": 9})) == {"msg_type": 13, "timestamp": 9}
    assert json.loads(wire.keep_alive_answer({})) == {"msg_type": 13}


def test_the_documented_packet_is_a_smooth_wave():
    pcm = wire.pcm_of({"data": DOCUMENTED})
    right, swapped = np.frombuffer(pcm, "<i2"), np.frombuffer(pcm, ">i2")
    assert abs(np.diff(right.astype(int))).max() < 1000
    assert abs(np.diff(swapped.astype(int))).max() > 10_000


@given(st.one_of(st.text(), st.integers(), st.none(), st.binary().map(base64.b64encode)))
def test_any_data_is_samples_or_none(data):
    given = data.decode() if isinstance(data, bytes) else data
    assert len(wire.pcm_of({"data": given})) % 2 == 0


@given(st.one_of(st.text(), st.binary(), st.just("[" * 100_000), st.just('{"msg_type":true}')))
def test_nothing_breaks_the_reader_of_messages(raw):
    message = wire.read_message(raw)
    assert message is None or isinstance(message["msg_type"], int)

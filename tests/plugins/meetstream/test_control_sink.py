"""The control socket, against a user's server on the loopback, and any message at all."""

from __future__ import annotations

import base64
import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from meetcore.model.commands import Command, SendChat, ShowImage, Speak
from meetcore.model.errors import CapabilityMissing, CommandRefused, ConfigError
from meetcore.model.events import StateChanged
from meetcore.model.lifecycle import State
from meetcore.plugin.sink import Sink, _no_voice
from meetcore.testing.conformance import SinkConformance
from meetcore_meetstream.control_sink import MeetstreamControlSink
from meetcore_meetstream.dial_options import ControlOptions
from meetcore_meetstream.frames import Interrupt, PictureByUrl, read_control
from meetcore_websocket.streamed_speech import StreamedSpeech
from tests.json_values import JSON
from tests.plugins.meetstream.stage import BY_NAME, chat, eventually
from tests.plugins.meetstream.users_server import Listener, target
from tests.plugins.webhook.test_fetching import answer, web
from tests.plugins.websocket.users_server import WithTarget, running

VECTORS_HERE = {
    ("legacy(seed)", "socket.ready"),
    ("current", "socket.ready"),
    ("current", "socket.close"),
    ("current", "socket.usermsg"),
}
READY = {**BY_NAME[("current", "socket.ready")]["example"], "bot_id": "b-1"}
SECOND = base64.b64encode(b"\x01\x00" * 48_000).decode()


def sink(url: str, **options: Any) -> MeetstreamControlSink:
    return MeetstreamControlSink(ControlOptions(url=url, first_retry_s=0.01, **options))


def audio(command: str = "sendaudio", chunk: str = SECOND) -> str:
    return json.dumps({"command": command, "audiochunk": chunk, "sample_rate": 48_000})


class TestTheControlSocketAsASink(WithTarget[Listener], SinkConformance):
    """The promises every sink makes."""

    def hold_target(self) -> AbstractAsyncContextManager[Listener]:
        return target()

    def make_sink(self) -> Sink:
        return MeetstreamControlSink(ControlOptions(url=self.target.url))

    def test_the_meetings_chat_comes_over_it(self, tmp_path: Path) -> None:
        self._run(tmp_path)
        (ready, *told) = self.target.texts()
        assert ready["type"] == "ready"
        assert all(message["command"] == "usermsg" for message in told)


async def test_ready_comes_first_and_1000_at_the_end(tmp_path: Path) -> None:
    async with target() as user:
        async with running(tmp_path, sink(user.url)) as stage:
            await stage.enter()
            await eventually(lambda: user.open)
            await stage.leave()
        await eventually(lambda: user.codes)
        assert user.texts() == [READY]
        assert user.codes == [BY_NAME[("current", "socket.close")]["example"]["code"]]
        legacy = BY_NAME[("legacy(seed)", "socket.ready")]["example"]
        assert user.texts() == [{**legacy, "bot_id": "b-1"}]


async def test_it_is_not_dialled_before_the_bot_is_in_the_meeting(tmp_path: Path) -> None:
    async with target() as user:
        async with running(tmp_path, sink(user.url)) as stage:
            await stage.tell(StateChanged(state=State.JOINING))
            await stage.tell(StateChanged(state=State.AWAITING_ADMISSION))
            await stage.tell(StateChanged(state=State.FAILED))
            await stage.sink.finish()
            assert stage.notices == []
        assert user.connections == []


async def test_what_is_asked_is_done_in_its_order_and_what_is_malformed_is_ignored(
    tmp_path: Path,
) -> None:
    says: list[str | bytes] = [
        "no json",
        b"\xff\x00",
        "[1, 2]",
        "null",
        '{"command": 7}',
        '{"command": "dance"}',
        json.dumps(BY_NAME[("current", "socket.ack.control")]["example"]),
        json.dumps(BY_NAME[("current", "socket.ack.audio")]["example"]),
        '{"command": "sendmsg"}',
        audio(chunk="not base64!"),
        audio(chunk=base64.b64encode(b"odd").decode()),
        '{"command": "sendmsg", "message": "one", "msg": "one"}',
        '{"command": "sendchat", "text": "tw", "role": "assistant", "is_final": false}',
        '{"command": "sendchat", "text": "two", "role": "assistant", "is_final": true}',
        audio(),
        '{"command": "sendimg", "img": "iVBORw0KGgo="}',
        '{"command": "sendmsg", "msg": "three"}',
    ]
    async with target(says=says) as user:
        async with running(tmp_path, sink(user.url)) as stage:
            await stage.enter()
            await eventually(lambda: len(stage.performed) == 4)
            await eventually(lambda: stage.speeches[0].ended)
            await stage.leave()
        assert [command.type for command in stage.performed] == [
            "send_chat", "send_chat", "show_image", "send_chat",
        ]  # fmt: skip
        (speech,) = stage.speeches
        assert (speech.rate_hz, speech.said) == (48_000, base64.b64decode(SECOND))
        texts = [c.text for c in stage.performed if isinstance(c, SendChat)]
        assert texts == ["one", "two", "three"]


async def test_what_the_platform_cannot_do_is_said_once_and_never_pretended(
    tmp_path: Path,
) -> None:
    url_picture = '{"command": "sendimg_url", "img_url": "http://127.0.0.1:9/a.png"}'
    says: list[str | bytes] = [*([audio()] * 20), url_picture, url_picture,
                               '{"command": "sendmsg", "message": "hi"}']  # fmt: skip
    async with target(says=says) as user:
        async with running(tmp_path, sink(user.url)) as stage:
            stage.refusing["speak"] = CapabilityMissing("rehearsal", "speak")
            await stage.enter()
            await eventually(lambda: stage.performed)
            await eventually(lambda: len(stage.noticed("command_refused")) == 3)
            await stage.sink.finish()
            refused = stage.noticed("command_refused")
            totals = stage.noticed("commands_refused_in_all")
        names = sorted(data["command"] for data in refused)
        assert names == ["sendimg_url", "sendimg_url", "speak"]
        assert "cannot speak" in next(d["error"] for d in refused if d["command"] == "speak")
        assert {data["command"]: data["count"] for data in totals} == {"speak": "20"}
        assert user.texts() == [READY]


async def test_a_command_that_is_refused_now_may_be_given_again(tmp_path: Path) -> None:
    async with target() as user:
        async with running(tmp_path, sink(user.url)) as stage:
            await stage.enter()
            await eventually(lambda: user.open)
            stage.refusing["send_chat"] = CommandRefused("The bot is leaving.")
            await user.open[0].send_message('{"command": "sendmsg", "message": "one"}')
            await eventually(lambda: stage.noticed("command_refused"))
            stage.refusing.clear()
            await user.open[0].send_message('{"command": "sendmsg", "message": "two"}')
            await eventually(lambda: stage.performed)
        assert stage.performed == [SendChat("two")]


async def test_sound_that_goes_on_is_one_speech_and_after_a_pause_another(tmp_path: Path) -> None:
    async with target(says=[audio()] * 3) as user:
        async with running(tmp_path, sink(user.url)) as stage:
            await stage.enter()
            await eventually(lambda: stage.speeches and stage.speeches[0].ended)
            await user.open[0].send_message(audio())
            await eventually(lambda: len(stage.speeches) == 2 and stage.speeches[1].ended)
        assert [len(each.said) for each in stage.speeches] == [3 * 96_000, 96_000]


async def test_a_picture_by_url_is_fetched_and_shown(tmp_path: Path) -> None:
    gif = b"GIF89a and so on"
    async with web() as site, target() as user:
        site.pages["/a.gif"] = answer(gif)
        site.pages["/page"] = answer(b"<html>")
        async with running(tmp_path, sink(user.url)) as stage:
            await stage.enter()
            await eventually(lambda: user.open)
            for path in ("/none", "/page", "/a.gif"):
                asked = {"command": "sendimg_url", "img_url": site.at(path)}
                await user.open[0].send_message(json.dumps(asked))
            await eventually(lambda: stage.performed)
            errors = [data["error"] for data in stage.noticed("command_refused")]
        assert stage.performed == [ShowImage(gif, "image/gif")]
        assert ["answers 404" in errors[0], "no picture" in errors[1]] == [True, True]


async def test_an_interrupt_silences_what_waits_and_nothing_else(tmp_path: Path) -> None:
    first = '{"command": "sendmsg", "message": "first"}'
    last = '{"command": "sendmsg", "message": "last"}'
    stop = json.dumps(BY_NAME[("current", "socket.interrupt")]["example"])
    async with target(says=[first, audio(), audio(), last, stop]) as user:
        async with running(tmp_path, sink(user.url)) as stage:
            stage.busy = trio.Event()
            await stage.enter()
            await eventually(lambda: stage.noticed("interrupted"))
            stage.busy.set()
            await eventually(lambda: len(stage.performed) == 2)
            assert stage.noticed("interrupted") == [{"chunks": "2"}]
            assert [each.interrupted for each in stage.speeches] == [True]
        assert stage.performed == [SendChat("first"), SendChat("last")]


async def test_a_flood_is_bounded_and_what_was_dropped_is_said(tmp_path: Path) -> None:
    flood: list[str | bytes] = ['{"command": "sendmsg", "message": "x"}'] * 400
    stop = json.dumps(BY_NAME[("current", "socket.interrupt")]["example"])
    async with target(says=[*flood, stop]) as user:
        async with running(tmp_path, sink(user.url)) as stage:
            stage.busy = trio.Event()
            await stage.enter()
            await eventually(lambda: stage.noticed("interrupted"))
            stage.busy.set()
            await eventually(lambda: len(stage.performed) >= 256)
            await stage.sink.finish()
            (dropped,) = stage.noticed("commands_dropped")
        assert int(dropped["count"]) + len(stage.performed) == 400


async def test_chat_comes_back_but_not_the_bots_own(tmp_path: Path) -> None:
    theirs = BY_NAME[("current", "socket.usermsg")]["example"]
    async with target() as user:
        async with running(tmp_path, sink(user.url)) as stage:
            await stage.enter()
            await stage.tell(chat("from the bot", by_bot=True), chat(theirs["message"]))
            await stage.tell(chat("ünï 日本 \ud83d"))
            await eventually(lambda: user.open and len(user.connections[0]) == 3)
        assert user.texts()[1] == theirs
        assert user.texts()[2]["message"].startswith("ünï 日本")


async def test_after_a_drop_it_is_dialled_again_and_says_ready_again(tmp_path: Path) -> None:
    async with target(drops_after=[1, 1]) as user:
        async with running(tmp_path, sink(user.url)) as stage:
            await stage.enter()
            await eventually(lambda: len(user.open) == 3)
            await stage.tell(chat("still here"))
            await eventually(lambda: len(user.connections[2]) == 2)
            await user.open[2].send_message('{"command": "sendmsg", "message": "and me"}')
            await eventually(lambda: stage.performed)
            names = [notice.name for notice in stage.notices]
        assert all(got[0] == json.dumps(READY) for got in user.connections)
        assert names == ["connected", "disconnected"] * 2 + ["connected"]


async def test_a_user_who_says_goodbye_is_dialled_again(tmp_path: Path) -> None:
    async with target() as user, running(tmp_path, sink(user.url)) as stage:
        await stage.enter()
        await eventually(lambda: user.open)
        await user.open[0].aclose(1003, "not what I expected")
        await eventually(lambda: len(user.open) == 2)


async def test_a_target_that_came_over_an_api_has_to_be_public(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a public address"):
        async with running(tmp_path, sink("ws://127.0.0.1:9/x"), trusted=False):
            raise AssertionError("it was opened")


async def test_a_name_of_a_private_address_is_never_dialled(tmp_path: Path) -> None:
    async with target() as user:
        url = user.url.replace("127.0.0.1", "localhost")
        async with running(tmp_path, sink(url), trusted=False) as stage:
            await stage.enter()
            await eventually(lambda: stage.notices)
            assert "not a public address" in stage.notices[0].data["reason"]
            assert "long-secret-part" not in str(stage.notices)
        assert user.connections == []


@pytest.mark.parametrize(
    "options",
    [{}, {"url": "https://x.test"}, {"url": "ws://x.test", "ping_s": 0},
     {"url": "ws://x.test", "flush_timeout_s": 51}],
    ids=str,
)  # fmt: skip
def test_options_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^\[plugins.meetstream_control\] "):
        ControlOptions(**options)


def test_options_do_not_show_the_url() -> None:
    assert "secret" not in repr(ControlOptions(url="ws://x.test/secret"))


# --- any message at all ------------------------------------------------------------------------

COMMAND_NAMES = st.sampled_from(
    ["sendmsg", "sendaudio", "sendchat", "interrupt", "sendimg", "sendimg_url", "ack", "x"]
)
FIELDS = st.sampled_from(
    ["message", "msg", "text", "role", "is_final", "audiochunk", "sample_rate", "encoding",
     "channels", "endianness", "action", "img", "img_url", "bot_id", "type"]
)  # fmt: skip
VALUES = JSON | st.binary(max_size=40).map(lambda raw: base64.b64encode(raw).decode())
MESSAGES = JSON | st.builds(
    lambda name, fields: {**fields, "command": name},
    COMMAND_NAMES | JSON,
    st.dictionaries(FIELDS, VALUES, max_size=6),
)


@given(st.text() | st.binary() | MESSAGES.map(json.dumps))
def test_any_message_is_a_command_or_ignored(message: str | bytes) -> None:
    asked = read_control(message)
    assert asked is None or isinstance(asked, (Command, Interrupt, PictureByUrl))
    if isinstance(asked, SendChat):
        assert asked.text.encode()
    if isinstance(asked, Speak):
        assert len(asked.pcm) % 2 == 0
        assert asked.sample_rate_hz > 0
    if isinstance(asked, ShowImage):
        assert asked.media_type.startswith("image/")


@given(st.lists(st.text() | st.binary() | MESSAGES.map(json.dumps), max_size=20))
def test_no_series_of_messages_is_an_exception(messages: list[str | bytes]) -> None:
    async def say() -> None:
        made = sink("ws://x.test")
        made._voice = StreamedSpeech(_no_voice)
        for message in messages:
            made.heard(message)
        await trio.lowlevel.checkpoint()

    trio.run(say)

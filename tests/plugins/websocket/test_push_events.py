"""The sink `websocket_push` with events, against a server that misbehaves, over real sockets."""

from __future__ import annotations

import os
import signal
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio_websocket import WebSocketConnection

from meetcore.model.addresses import PrivateTargets
from meetcore.model.errors import ConfigError, StorageUnavailable
from meetcore.model.events import PluginEvent, StepTaken
from meetcore.model.secrets import Secret
from meetcore.testing.leaks import LeakGuard
from meetcore_websocket.client import Link, TargetRefused, connected, dial
from meetcore_websocket.cursor_file import CURSOR_NAME, CursorFile
from meetcore_websocket.event_pusher import acknowledged_seq
from meetcore_websocket.push_options import PushOptions
from meetcore_websocket.push_sink import WebSocketPushSink
from tests.plugins.websocket.stage import THE_END, Stage, draft, eventually, final
from tests.plugins.websocket.target import Manners, Target, a_target

CERTIFICATE = Path(__file__).with_name("localhost.pem")


IMPATIENT = {"pong_timeout_s": 0.3, "send_timeout_s": 0.5}


def a_sink(target: Target, **settings: Any) -> WebSocketPushSink:
    fast: dict[str, Any] = {
        "first_retry_s": 0.01,
        "longest_retry_s": 0.05,
        "flush_timeout_s": 5.0,
    }
    return WebSocketPushSink(PushOptions(url=target.url, **{**fast, **settings}))


def a_stage(folder: Path, *, trusted: bool = True) -> Stage:
    return Stage(folder, name="websocket_push", trusted=trusted)


def notices(stage: Stage) -> list[PluginEvent]:
    return [event for event in stage.journal.read() if isinstance(event, PluginEvent)]


def everything_written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def cursor(folder: Path) -> int:
    return CursorFile(folder / "websocket_push").seq


async def test_every_event_arrives_once_and_in_order_and_the_cursor_follows(
    tmp_path: Path,
) -> None:
    guard = LeakGuard()
    async with a_target() as target:
        stage = a_stage(tmp_path)
        for _ in range(300):
            stage.step("old")
        async with stage.running(a_sink(target, token=Secret("a-secret-token"))):
            await target.has(stage.journal.last_seq)
            live = [stage.step("live") for _ in range(20)][-1]
            await target.has(live.seq)
            await eventually(lambda: cursor(tmp_path) == live.seq)
            stage.say(THE_END)
        await eventually(lambda: target.open_now == 0)
        last_seq = stage.journal.last_seq
    assert [message["seq"] for message in target.events] == list(range(1, last_seq + 1))
    assert target.texts[-1]["data"]["state"] == "completed"
    assert target.codes == [1000]
    (request,) = target.requests
    assert (b"authorization", b"Bearer a-secret-token") in request.extra_headers
    assert request.target == "/hook/abcdefghijklmnop?key=s3cret"
    assert cursor(tmp_path) == last_seq
    stage.close()
    guard.check()
    for secret in (b"s3cret", b"a-secret-token", b"abcdefghijklmnop"):
        assert secret not in everything_written(tmp_path)


@pytest.mark.parametrize(
    "manners",
    [
        Manners(drop_after=7),
        Manners(close_after=7),
        Manners(drop_in_message=2_500),
        Manners(pongs=False),
        Manners(reads=False),
        Manners(status=503),
        Manners(status=401),
        Manners(says=b"\x81\x02\xff\xfe"),
        Manners(says=b"\xff\xff\xff\xff"),
        Manners(says=b"\x81\x7f\x00\x00\x00\x00\x7f\xff\xff\xff" + b"x" * 70_000),
    ],
    ids=lambda manners: str(manners).removeprefix("Manners"),
)
async def test_after_a_bad_connection_it_comes_back_and_nothing_is_missing(
    tmp_path: Path, manners: Manners
) -> None:
    async with a_target(manners, manners) as target:
        stage = a_stage(tmp_path)
        for number in range(30):
            stage.step(f"step {number}", "x" * 300)
        deadlines = {} if manners.pongs and manners.reads else IMPATIENT
        async with stage.running(a_sink(target, **deadlines)):
            live = stage.step("live")
            await eventually(lambda: target.connections >= 3)
            await eventually(lambda: live.seq in target.seqs)
            stage.say(THE_END)
        last_seq = stage.journal.last_seq
        stage.close()
    assert target.seqs == list(range(1, last_seq + 1))
    assert cursor(tmp_path) == last_seq


async def test_a_connection_begins_after_what_was_acknowledged(tmp_path: Path) -> None:
    async with a_target(Manners(drop_after=60)) as target:
        stage = a_stage(tmp_path)
        async with stage.running(a_sink(target)):
            for _ in range(50):
                stage.step()
                await trio.sleep(0.002)
            await eventually(lambda: cursor(tmp_path) >= 50)
            while target.connections < 2:
                stage.step()
                await trio.sleep(0.01)
            await target.has(stage.journal.last_seq)
        stage.close()
    numbers = [message["seq"] for message in target.events]
    assert len(numbers) - len(set(numbers)) < 12
    assert target.seqs == list(range(1, len(set(numbers)) + 1))


async def test_where_messages_acknowledge_a_pong_does_not(tmp_path: Path) -> None:
    silent, talkative = Manners(drop_after=10), Manners(ack=True)
    async with a_target(silent, after=talkative) as target:
        stage = a_stage(tmp_path)
        for _ in range(5):
            stage.step()
        async with stage.running(a_sink(target, acknowledge="message", ping_s=0.05)):
            await eventually(lambda: len(target.events) >= 5)
            answered = target.pings
            await eventually(lambda: target.pings > answered + 2)
            assert cursor(tmp_path) == 0
            while target.connections < 2:
                stage.step()
                await trio.sleep(0.01)
            await target.has(stage.journal.last_seq)
            await eventually(lambda: cursor(tmp_path) == stage.journal.last_seq)
        stage.close()
    assert [message["seq"] for message in target.events].count(1) == 2


@pytest.mark.parametrize(
    ("message", "seq"),
    [
        ('{"type":"ack","seq":7}', 7),
        ('{"type":"ack","seq":"7"}', None),
        ('{"type":"ack","seq":true}', None),
        ('{"type":"ack"}', None),
        ('{"type":"hello","seq":7}', None),
        ("[]", None),
        ("[" * 100_000, None),
        (b"\xff\xfe", None),
    ],
)
def test_an_acknowledgement_is_told_from_other_messages(
    message: str | bytes, seq: int | None
) -> None:
    assert acknowledged_seq(message) == seq


@given(st.text() | st.binary())
def test_any_message_is_an_acknowledgement_or_not(message: str | bytes) -> None:
    assert acknowledged_seq(message) is None


async def test_an_acknowledgement_of_what_was_not_sent_counts_for_what_was(
    tmp_path: Path,
) -> None:
    from meetcore_websocket.frames import text_frame

    says = text_frame('{"type":"ack","seq":999999}') + text_frame('{"type":"ack","seq":-5}')
    async with a_target(Manners(says=says, drop_after=5)) as target:
        stage = a_stage(tmp_path)
        for _ in range(40):
            stage.step()
        async with stage.running(a_sink(target)):
            await target.has(stage.journal.last_seq)
        last_seq = stage.journal.last_seq
        stage.close()
    assert target.seqs == list(range(1, last_seq + 1))


async def test_drafts_are_sent_in_their_place_if_they_are_wanted(tmp_path: Path) -> None:
    async with a_target() as target:
        stage = a_stage(tmp_path)
        sink = a_sink(target, drafts=True)
        assert sink.wants_drafts
        assert not a_sink(target).wants_drafts
        async with stage.running(sink):
            await eventually(lambda: stage.journal.last_seq in target.seqs)
            stage.show(draft("s1", "hel"))
            await eventually(lambda: target.texts[-1]["type"] == "segment.draft")
            after = target.texts[-1]["after_seq"]
            done = stage.say(final("s1", "hello"))
            await target.has(done.seq)
        stage.close()
    assert after == done.seq - 1


async def test_a_change_of_the_connection_is_an_event_and_an_attempt_is_not(
    tmp_path: Path,
) -> None:
    refusing = [Manners(status=503)] * 6
    async with a_target(*refusing) as target:
        stage = a_stage(tmp_path)
        async with stage.running(a_sink(target)):
            await eventually(lambda: "connected" in [n.name for n in notices(stage)])
        told = notices(stage)
        stage.close()
    assert [notice.name for notice in told] == ["disconnected", "connected"]
    address = f"ws://127.0.0.1:{target.port}"
    assert told[0].data == {"target": address, "reason": "it answered 503"}


async def test_a_target_that_is_not_there_costs_the_end_no_more_than_the_flush_time(
    tmp_path: Path,
) -> None:
    async with a_target() as target:
        pass
    stage = a_stage(tmp_path)
    began = trio.current_time()
    async with stage.running(a_sink(target, flush_timeout_s=0.5)):
        stage.say(THE_END)
    assert trio.current_time() - began < 4.5
    async with a_target(port=target.port) as target:
        lines = await a_sink(target).recover(stage.context)
        assert lines == [f"{stage.journal.last_seq} events delivered to {target_name(target)}."]
        assert await a_sink(target).recover(stage.context) == ()
        assert target.seqs == list(range(1, stage.journal.last_seq + 1))
    stage.close()


def target_name(target: Target) -> str:
    return f"ws://127.0.0.1:{target.port}"


async def test_recover_says_what_it_could_not_deliver(tmp_path: Path) -> None:
    async with a_target(after=Manners(pongs=False)) as target:
        stage = a_stage(tmp_path)
        stage.step()
        lines = await a_sink(target, flush_timeout_s=0.5).recover(stage.context)
        stage.close()
    assert lines[0].startswith("0 events delivered")
    assert lines[1].startswith("1 events are still owed")


async def test_cancelled_in_the_middle_it_leaves_nothing(tmp_path: Path) -> None:
    guard = LeakGuard()
    async with a_target(after=Manners(reads=False)) as target:
        stage = a_stage(tmp_path)
        with trio.CancelScope() as scope:
            async with stage.running(a_sink(target, send_timeout_s=30.0)):
                for _ in range(2_000):
                    stage.step("long", "x" * 4_000)
                await eventually(lambda: target.connections == 1)
                scope.cancel()
                await trio.lowlevel.checkpoint()
        stage.close()
    guard.check()


async def test_a_folder_that_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "websocket_push").write_text("a file where the folder should be")
    async with a_target() as target:
        stage = a_stage(tmp_path)
        with pytest.raises(StorageUnavailable, match="websocket_push cannot be written"):
            async with a_sink(target).open(stage.context):
                pytest.fail("it opened")
        stage.close()


# --- where it may connect ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ws://example.org/x", "is not wss"),
        ("wss://127.0.0.1/x", "not a public address"),
        ("wss://[::ffff:10.0.0.1]/x", "not a public address"),
        ("wss://169.254.169.254/x", "not a public address"),
    ],
)
async def test_a_target_that_came_over_an_api_has_to_be_wss_and_public(
    tmp_path: Path, url: str, said: str
) -> None:
    stage = a_stage(tmp_path, trusted=False)
    with pytest.raises(ConfigError, match=said):
        async with WebSocketPushSink(PushOptions(url=url)).open(stage.context):
            pytest.fail("it opened")
    stage.close()


async def test_a_name_that_turns_out_private_is_not_dialled_when_it_came_over_an_api(
    tmp_path: Path,
) -> None:
    async with a_target() as target:
        stage = a_stage(tmp_path, trusted=False)
        options = PushOptions(url=f"wss://localhost:{target.port}/x", flush_timeout_s=0.0)
        async with stage.running(WebSocketPushSink(options)):
            await eventually(lambda: notices(stage))
        assert "not a public address" in notices(stage)[0].data["reason"]
        assert target.connections == 0
        stage.close()


async def test_what_the_operator_lists_is_dialled_though_it_came_over_an_api(
    tmp_path: Path,
) -> None:
    async with a_target() as target:
        stage = Stage(tmp_path, name="websocket_push", trusted=False, listed=["127.0.0.0/8"])
        options = PushOptions(url=f"ws://127.0.0.1:{target.port}/x")
        async with stage.running(WebSocketPushSink(options)):
            await eventually(lambda: target.connections)
        stage.close()


class Resolver(trio.abc.HostnameResolver):
    """Answers each lookup of a name with the next list of addresses."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def getaddrinfo(self, host, port, family=0, type=0, proto=0, flags=0):  # type: ignore[no-untyped-def]  # noqa: A002
        return [(2, 1, 6, "", (address, port)) for address in self.answers.pop(0)]

    async def getnameinfo(self, sockaddr, flags):  # type: ignore[no-untyped-def]
        raise AssertionError


@pytest.mark.parametrize("answer", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::ffff:10.0.0.1"]])
async def test_a_name_with_any_private_address_is_refused(answer: list[str]) -> None:
    trio.socket.set_custom_hostname_resolver(Resolver(answer))
    with pytest.raises(TargetRefused):
        await dial("push.example", 443, PrivateTargets())


async def test_the_checked_address_is_dialled_and_the_name_not_looked_up_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolver = Resolver(["8.8.8.8"], ["127.0.0.1"])
    trio.socket.set_custom_hostname_resolver(resolver)
    dialled: list[str] = []

    async def refuse(host: str, port: int) -> None:
        dialled.append(host)
        raise OSError("refused")

    monkeypatch.setattr(trio, "open_tcp_stream", refuse)
    with pytest.raises(OSError, match="refused"):
        await dial("push.example", 443, PrivateTargets())
    assert dialled == ["8.8.8.8"]
    assert len(resolver.answers) == 1


async def first_trouble(options: PushOptions) -> str:
    told: list[str] = []

    async def no_session(connection: WebSocketConnection) -> None:
        pytest.fail("it connected")

    private = PrivateTargets(all=True)
    link = Link(options.target, options, private, notice=lambda name, why: told.append(why))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.run, no_session)
        await eventually(lambda: told)
        nursery.cancel_scope.cancel()
    return told[0]


async def test_over_tls_the_certificate_has_to_be_the_names(tmp_path: Path) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(CERTIFICATE)
    async with a_target(tls=tls) as target:
        good = PushOptions(url=f"wss://localhost:{target.port}/x", ca_file=CERTIFICATE)
        async with connected(good.target, good, PrivateTargets(all=True)) as connection:
            await connection.send_message('{"seq": 1}')
            await target.has(1)
        wrong_name = PushOptions(url=f"wss://127.0.0.1:{target.port}/x", ca_file=CERTIFICATE)
        unknown = PushOptions(url=f"wss://localhost:{target.port}/x")
        for options in (wrong_name, unknown):
            assert "certificate verify failed" in await first_trouble(options)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "url is empty"),
        ({"url": "https://example.org"}, "not a ws or wss"),
        ({"url": "wss://"}, "not a ws or wss"),
        ({"url": "ws://example.org:port"}, "cannot be read"),
        ({"url": "wss://ada:s3cret@example.org"}, "holds a name or password"),
        ({"url": "wss://example.org/a b"}, "percent-encoded"),
        ({"url": "wss://example.org", "mode": "event"}, "Did you mean 'events'"),
        ({"url": "wss://example.org", "audio_format": "wav"}, "Known: framed, raw_mix"),
        ({"url": "wss://example.org", "ping_s": 0.0}, "greater than 0"),
        ({"url": "wss://example.org", "flush_timeout_s": 90.0}, "a bot has to end"),
    ],
)
def test_options_that_cannot_work_are_refused_by_name(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        PushOptions(**settings)
    assert "s3cret" not in str(refused.value)


# --- the cursor, and kills -----------------------------------------------------------------------


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=5), st.integers(0, 127), st.binary())
def test_a_cursor_torn_at_any_byte_is_the_last_or_the_one_before(
    tmp_path_factory: pytest.TempPathFactory, seqs: list[int], at: int, noise: bytes
) -> None:
    folder = tmp_path_factory.mktemp("cursor")
    file = CursorFile(folder)
    for seq in seqs:
        file.save(seq)
    assert CursorFile(folder).seq == seqs[-1]
    path = folder / CURSOR_NAME
    newest = len(seqs) % 2 * 64
    data = bytearray(path.read_bytes().ljust(128, b"\0"))
    first = newest + at % 64
    data[first : newest + 64] = noise[: newest + 64 - first].ljust(newest + 64 - first, b"\0")
    path.write_bytes(data)
    assert CursorFile(folder).seq in (*seqs[-2:], 0)


PUSHING_PROCESS = """
import sys, pathlib, trio
from meetcore.plugin.sink import SinkContext
from meetcore.model.events import StepTaken
from meetcore.log.journal import Journal
from meetcore_websocket.push_options import PushOptions
from meetcore_websocket.push_sink import WebSocketPushSink

folder, url = pathlib.Path(sys.argv[1]), sys.argv[2]

async def main():
    journal = Journal(folder / "journal.jsonl", "b-1", fsync=False)
    context = SinkContext(name="websocket_push", bot_id="b-1", folder=folder, journal=journal,
                          report=journal.append, perform=None)
    sink = WebSocketPushSink(PushOptions(url=url))
    async with sink.open(context):
        for number in range(60):
            await sink.deliver(journal.append(StepTaken(name=f"step {number}")))
            await trio.sleep(0.002)
        await trio.sleep_forever()

trio.run(main)
"""


@pytest.mark.law(6)
@pytest.mark.parametrize("messages", [1, 17, 44])
async def test_a_process_killed_while_it_pushes_owes_nothing_that_recover_does_not_deliver(
    tmp_path: Path, messages: int
) -> None:
    async with a_target() as target:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-c", PUSHING_PROCESS, str(tmp_path), target.url]
        )
        try:
            await eventually(lambda: len(target.events) >= messages, within_s=30)
        finally:
            os.kill(process.pid, signal.SIGKILL)
            with trio.CancelScope(shield=True):
                await process.wait()
        stage = a_stage(tmp_path)
        steps = [event.seq for event in stage.journal.read() if isinstance(event, StepTaken)]
        await a_sink(target).recover(stage.context)
        last_seq = stage.journal.last_seq
        stage.close()
    assert len(steps) >= messages - 1
    assert target.seqs == list(range(1, last_seq + 1))

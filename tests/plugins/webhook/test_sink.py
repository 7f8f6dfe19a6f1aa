"""The sink against a real HTTP server on the loopback, over real sockets."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import h11
import pytest
import trio
from attrs import define, field
from standardwebhooks import Webhook

from meetcore.log.journal import Journal
from meetcore.model.addresses import PrivateTargets
from meetcore.model.commands import Command
from meetcore.model.errors import ConfigError, StorageUnavailable
from meetcore.model.events import DeliveryAttempted, Event, StepTaken
from meetcore.model.secrets import Secret
from meetcore.plugin.sink import SinkContext
from meetcore_webhook.options import WebhookOptions
from meetcore_webhook.sink import WebhookSink

Answer = Callable[[trio.SocketStream], Awaitable[None]]
SECRETS = (Secret("whsec_b2xkIHNlY3JldA=="), Secret("whsec_bmV3IHNlY3JldA=="))


async def send(head: str, stream: trio.SocketStream) -> None:
    await stream.send_all(f"HTTP/1.1 {head}\r\n\r\n".encode())


def answer(status: int, **headers: str) -> Answer:
    lines = [f"{status} Answer", "content-length: 0"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return partial(send, "\r\n".join(lines))


async def never(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def trickle(stream: trio.SocketStream) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\n")
    for number in range(10_000):
        await stream.send_all(f"x-{number}: y\r\n".encode())
        await trio.sleep(0.02)


async def flood(stream: trio.SocketStream) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
    while True:
        await stream.send_all(bytes(65_536))


async def garbage(stream: trio.SocketStream) -> None:
    await stream.send_all(b"this is no HTTP\r\n\r\n")
    await stream.aclose()


async def hang_up(stream: trio.SocketStream) -> None:
    await stream.aclose()


@define
class Receiver:
    """An HTTP server that answers as it is told, then with 204, and notes what it got."""

    answers: list[Answer] = field(factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(factory=list)
    port: int = 0
    news: trio.Event = field(factory=trio.Event)

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.got]

    async def wait_for(self, requests: int) -> None:
        while len(self.got) < requests:
            self.news = trio.Event()
            await self.news.wait()

    async def serve(self, stream: trio.SocketStream) -> None:
        try:
            while True:
                connection = h11.Connection(h11.SERVER)
                request, body = await self._read(connection, stream)
                if request is None:
                    return
                headers = {name.decode(): value.decode() for name, value in request.headers}
                self.got.append((headers, body))
                self.news.set()
                await (self.answers.pop(0) if self.answers else answer(204))(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
            return  # whoever posts has given up, be it in the middle of a request

    @staticmethod
    async def _read(
        connection: h11.Connection, stream: trio.SocketStream
    ) -> tuple[h11.Request | None, bytes]:
        request, body = None, b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive_some(65_536))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return request, body
            else:
                return None, b""


@asynccontextmanager
async def a_receiver(*answers: Answer) -> AsyncIterator[Receiver]:
    receiver = Receiver(list(answers))
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(
                partial(trio.serve_tcp, receiver.serve, 0, host="127.0.0.1")
            )
            receiver.port = listeners[0].socket.getsockname()[1]
            yield receiver
            nursery.cancel_scope.cancel()


@contextmanager
def a_context(
    folder: Path, steps: int = 0, *, trusted: bool = True, listed: Sequence[str] = ()
) -> Iterator[SinkContext]:
    async def perform(command: Command) -> None:
        raise AssertionError(command)

    journal = Journal(folder / "journal.jsonl", "b", fsync=False)
    for number in range(steps):
        journal.append(StepTaken(name=f"step {number}"))
    try:
        yield SinkContext(
            name="webhook",
            bot_id="b",
            folder=folder,
            journal=journal,
            report=journal.append,
            perform=perform,
            trusted=trusted,
            private_targets=PrivateTargets.listed(listed),
        )
    finally:
        journal.close()


def a_sink(receiver: Receiver, **settings: object) -> WebhookSink:
    fast = {"first_retry_s": 0.01, "longest_retry_s": 0.05, "request_timeout_s": 0.4}
    url = f"http://127.0.0.1:{receiver.port}/hook?token=s3cret"
    return WebhookSink(WebhookOptions(url=url, **{**fast, **settings}))  # type: ignore[arg-type]


def attempts(context: SinkContext) -> list[DeliveryAttempted]:
    return [event for event in context.journal.read() if isinstance(event, DeliveryAttempted)]


async def test_every_event_arrives_once_in_order_and_signed_with_every_secret(
    tmp_path: Path,
) -> None:
    async with a_receiver() as receiver:
        with a_context(tmp_path, 3) as context:
            sink = a_sink(receiver, secrets=SECRETS)
            async with sink.open(context):
                for event in list(context.journal.read()):
                    await sink.deliver(event)
                last = context.report(StepTaken(name="live"))
                await sink.finish()
    assert receiver.ids == ["b-1", "b-2", "b-3", f"b-{last.seq}"]
    for headers, body in receiver.got:
        for secret in SECRETS:
            Webhook(secret.reveal()).verify(body, headers)
        message = json.loads(body)
        assert f"{message['bot_id']}-{message['seq']}" == headers["webhook-id"]
        assert message["type"] == "step.taken"
        assert headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (answer(500), "it answered 500"),
        (answer(503, retry_after="0"), "it answered 503"),
        (never, "no answer within 0.4 s"),
        (trickle, "no answer within 0.4 s"),
        (garbage, "RemoteProtocolError"),
        (hang_up, "RemoteProtocolError"),
    ],
)
async def test_a_target_that_fails_is_tried_again_until_it_takes_the_event(
    tmp_path: Path, bad: Answer, said: str
) -> None:
    async with a_receiver(bad, bad) as receiver:
        with a_context(tmp_path, 2) as context:
            async with a_sink(receiver).open(context):
                await receiver.wait_for(4)
            told = attempts(context)
    assert receiver.ids == ["b-1", "b-1", "b-1", "b-2"]
    assert [(a.attempt, a.ok) for a in told] == [(1, False), (2, False), (3, True), (1, True)]
    assert said in (told[0].error or "")
    assert "s3cret" not in (tmp_path / "journal.jsonl").read_text()


async def test_retry_after_is_waited_for(tmp_path: Path) -> None:
    async with a_receiver(answer(429, retry_after="1")) as receiver:
        with a_context(tmp_path, 1) as context:
            began = trio.current_time()
            async with a_sink(receiver).open(context):
                await receiver.wait_for(2)
            assert trio.current_time() - began >= 1.0
            assert attempts(context)[0].next_try_s == pytest.approx(1.0)


async def test_an_endless_answer_is_read_no_further_than_its_beginning(tmp_path: Path) -> None:
    async with a_receiver(flood) as receiver:
        with a_context(tmp_path, 2) as context:
            async with a_sink(receiver).open(context):
                await receiver.wait_for(2)
            assert [a.ok for a in attempts(context)] == [True, True]


async def test_a_redirect_to_another_address_is_not_followed(tmp_path: Path) -> None:
    async with a_receiver() as private:
        elsewhere = f"http://127.0.0.1:{private.port}/admin"
        async with a_receiver(answer(307, location=elsewhere)) as receiver:
            with a_context(tmp_path, 1) as context:
                async with a_sink(receiver).open(context):
                    await receiver.wait_for(2)
                first = attempts(context)[0]
        assert private.got == []
    assert first.status == 307
    assert "not followed" in (first.error or "")


async def test_a_target_that_is_gone_gets_nothing_more(tmp_path: Path) -> None:
    async with a_receiver(answer(204), answer(410)) as receiver:
        with a_context(tmp_path, 4) as context:
            async with a_sink(receiver).open(context):
                await receiver.wait_for(2)
            assert await a_sink(receiver).recover(context) == ()
    assert receiver.ids == ["b-1", "b-2"]


async def test_what_is_owed_when_the_time_is_up_stays_owed_and_is_delivered_by_recover(
    tmp_path: Path,
) -> None:
    async with a_receiver(*[answer(500)] * 500) as receiver:
        with a_context(tmp_path, 3) as context:
            async with a_sink(receiver, flush_timeout_s=0.3, max_attempts=10_000).open(context):
                await receiver.wait_for(1)
            receiver.answers.clear()
            receiver.got.clear()
            lines = await a_sink(receiver).recover(context)
            assert lines == [f"3 events delivered to http://127.0.0.1:{receiver.port}."]
            assert await a_sink(receiver).recover(context) == ()
    assert receiver.ids == ["b-1", "b-2", "b-3"]


async def test_recover_says_what_it_could_not_deliver(tmp_path: Path) -> None:
    async with a_receiver(answer(204), *[never] * 100) as receiver:
        with a_context(tmp_path, 3) as context:
            lines = await a_sink(receiver, flush_timeout_s=0.5).recover(context)
    assert lines[0].startswith("1 events delivered")
    assert lines[1].startswith("2 events are still owed")
    assert context.unfinished == lines[1:]


async def test_leaving_at_once_leaves_no_task_and_no_connection(tmp_path: Path) -> None:
    async with a_receiver(never) as receiver:
        with a_context(tmp_path, 2) as context:
            with trio.CancelScope() as scope:
                async with a_sink(receiver, request_timeout_s=30.0).open(context):
                    await receiver.wait_for(1)
                    scope.cancel()
            assert scope.cancelled_caught
            lines = await a_sink(receiver).recover(context)
    assert lines == [f"2 events delivered to http://127.0.0.1:{receiver.port}."]


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/x", "https://[::ffff:10.0.0.1]/x", "https://169.254.169.254/x"]
)
async def test_a_private_address_that_came_over_an_api_is_refused_before_anything_is_sent(
    tmp_path: Path, url: str
) -> None:
    sink = WebhookSink(WebhookOptions(url=url, allow_private=True))
    refused = pytest.raises(ConfigError, match="not a public address")
    with a_context(tmp_path, 1, trusted=False) as context, refused:
        async with sink.open(context):
            pytest.fail("it opened")


async def test_plain_http_over_an_api_is_refused(tmp_path: Path) -> None:
    sink = WebhookSink(WebhookOptions(url="http://example.org/x"))
    refused = pytest.raises(ConfigError, match="is not https")
    with a_context(tmp_path, 1, trusted=False) as context, refused:
        async with sink.open(context):
            pytest.fail("it opened")


async def test_a_name_that_turns_out_private_is_not_dialled_when_it_came_over_an_api(
    tmp_path: Path,
) -> None:
    async with a_receiver() as receiver:
        url = f"https://localhost:{receiver.port}/x"
        sink = WebhookSink(WebhookOptions(url=url, max_attempts=1))
        with a_context(tmp_path, 1, trusted=False) as context:
            lines = await sink.recover(context)
            (first,) = attempts(context)
        assert lines == [f"0 events delivered to https://localhost:{receiver.port}."]
        assert first.error == "the target is not a public address"
        assert receiver.got == []


@pytest.mark.parametrize("listed", [["localhost"], ["*"]])
async def test_what_the_operator_lists_is_dialled_though_it_came_over_an_api(
    tmp_path: Path, listed: list[str]
) -> None:
    async with a_receiver() as receiver:
        url = f"http://localhost:{receiver.port}/x"
        sink = WebhookSink(WebhookOptions(url=url, allow_private=False, max_attempts=1))
        with a_context(tmp_path, 1, trusted=False, listed=listed) as context:
            assert await sink.recover(context) == [
                f"1 events delivered to http://localhost:{receiver.port}."
            ]
        assert len(receiver.got) == 1


async def test_a_person_can_forbid_private_addresses_too(tmp_path: Path) -> None:
    async with a_receiver() as receiver:
        with a_context(tmp_path, 1) as context:
            await a_sink(receiver, allow_private=False, max_attempts=1).recover(context)
            assert attempts(context)[0].error == "the target is not a public address"
        assert receiver.got == []


async def test_a_folder_that_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "webhook").write_text("a file where the folder should be")
    refused = pytest.raises(StorageUnavailable, match="webhook cannot be written")
    async with a_receiver() as receiver:
        with a_context(tmp_path) as context, refused:
            async with a_sink(receiver).open(context):
                pytest.fail("it opened")


async def test_the_secrets_are_known_to_the_redactor(tmp_path: Path) -> None:
    async with a_receiver() as receiver:
        with a_context(tmp_path) as context:
            async with a_sink(receiver, secrets=SECRETS).open(context):
                shown = context.redactor.redact("whsec_b2xkIHNlY3JldA== and token=s3cret")
    assert "b2xk" not in shown
    assert "s3cret" not in shown


SENDING_PROCESS = """
import sys, pathlib, trio
from meetcore.plugin.sink import SinkContext
from meetcore.model.events import StepTaken
from meetcore.log.journal import Journal
from meetcore_webhook.options import WebhookOptions
from meetcore_webhook.sink import WebhookSink

folder, url = pathlib.Path(sys.argv[1]), sys.argv[2]

async def main():
    journal = Journal(folder / "journal.jsonl", "b", fsync=False)
    context = SinkContext(name="webhook", bot_id="b", folder=folder, journal=journal,
                          report=journal.append, perform=None)
    async with WebhookSink(WebhookOptions(url=url)).open(context):
        for number in range(40):
            journal.append(StepTaken(name=f"step {number}"))
        await trio.sleep_forever()

trio.run(main)
"""


@pytest.mark.law(6)
@pytest.mark.parametrize("requests", [1, 7, 19, 33])
async def test_a_process_killed_while_it_sends_owes_nothing_that_recover_does_not_deliver(
    tmp_path: Path, requests: int
) -> None:
    async with a_receiver() as receiver:
        url = f"http://127.0.0.1:{receiver.port}/hook"
        process = await trio.lowlevel.open_process(
            [sys.executable, "-c", SENDING_PROCESS, str(tmp_path), url]
        )
        try:
            await receiver.wait_for(requests)
        finally:
            os.kill(process.pid, signal.SIGKILL)
            with trio.CancelScope(shield=True):
                await process.wait()
        sent = len(set(receiver.ids))
        assert sent < 40
        with a_context(tmp_path) as context:
            steps = [e for e in context.journal.read() if isinstance(e, StepTaken)]
            await WebhookSink(WebhookOptions(url=url)).recover(context)
    owed = [f"b-{event.seq}" for event in steps]
    assert len(owed) == 40
    assert list(dict.fromkeys(receiver.ids)) == owed
    assert len(receiver.ids) <= 41
    names: list[Event | str] = [json.loads(body)["data"]["name"] for _, body in receiver.got]
    assert list(dict.fromkeys(names)) == [f"step {number}" for number in range(40)]

"""`make faults`: bots of two machines go on while what they need is killed at random.

Two servers share a PostgreSQL, a broker and a bucket, and no folder. Fifty simulated bots talk
without a pause, and three with a browser of their own sit in a room of the rehearsal site, for ten
minutes. Once all are ordered, a server, the broker or the database is killed now and then, and
started again a little later. At the end

* every bot has ended as its meeting ended, once, with all that was said in it;
* who follows a bot's events has each once and in order, whichever server it was told of them by;
* every event that a webhook asked for came, always under the same id;
* no bot went to its meeting twice, on whichever machine.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import socket as sockets
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import psutil
import trio
import trio_websocket
from attrs import define, field

from meetcore_rehearsal.rehearsal import open_rehearsal
from tests.faults import talks
from tests.plugins.redis.broker import Broker, open_broker
from tests.plugins.server.machines import KEY, ServerProcess, Shared
from tests.plugins.server.postgres import Postgres
from tests.plugins.server.running import said, say, socket_at
from tests.plugins.server.webhooks.receiver import Receiver, receiving

ENDED = ("completed", "failed")
ORDERED_WITHIN_S = 180.0
ENDS_WITHIN_S = 240.0
TROUBLES = (OSError, httpx2.TransportError, trio_websocket.ConnectionClosed,
            trio_websocket.HandshakeError, trio.TooSlowError)  # fmt: skip
ROOM_LINE_S = 4.0


@define(eq=False)
class Followed:
    """A bot as somebody outside sees it.

    Attributes:
        number: Which one.
        link: Its meeting.
        talks: Whether its words are known.
        bot_id: Its id, once it is ordered.
        seqs: The numbers of the events that it was told of, in order.
        events: Its events by number.
        changes: How often the server that tells of it was changed.
    """

    number: int
    link: str
    talks: bool
    bot_id: str = ""
    seqs: list[int] = field(factory=list)
    events: dict[int, dict[str, Any]] = field(factory=dict)
    changes: int = 0

    @property
    def end(self) -> dict[str, Any] | None:
        """Its last change of state, once it has ended."""
        last = self.events.get(max(self.events, default=0))
        if last and last["type"] == "state.changed" and last["data"]["state"] in ENDED:
            return last
        return None

    def finals(self) -> list[str]:
        """Return what was said, in order."""
        found = {
            event["data"]["segment"]["id"]: event["data"]["segment"]
            for event in self.events.values()
            if event["type"] == "segment.finalized"
        }
        return [each["text"] for each in sorted(found.values(), key=lambda s: float(s["start_s"]))]


@define(eq=False)
class Course:
    """Everything that runs, and what came of it.

    Attributes:
        servers: The servers.
        ports: Where each listens.
        broker: The broker.
        database: The database.
        receiver: Who is told by webhooks.
        bots: The bots.
        dice: What chooses.
        killed: How often each was killed.
        troubles: What was not as it should be.
    """

    servers: list[ServerProcess]
    ports: list[int]
    broker: Broker
    database: Postgres
    receiver: Receiver
    bots: list[Followed]
    dice: random.Random
    killed: Counter[str] = field(factory=Counter)
    troubles: list[str] = field(factory=list)

    def url(self, number: int) -> str:
        """Return the address of a server."""
        return f"http://127.0.0.1:{self.ports[number]}"

    async def ready(self, number: int) -> None:
        """Return when a server answers."""
        async with _client(self.url(number)) as client:
            while True:
                with suppress(*TROUBLES):
                    if (await client.get("/ready")).status_code == 200:
                        return
                await trio.sleep(0.2)

    async def order(self, bot: Followed, **more: Any) -> None:
        """Order a bot at some server, however often it takes."""
        hook = {"url": self.receiver.url(f"/{bot.number}"), "events": ["*"]}
        body = {"meeting_url": bot.link, "webhooks": [hook], "name": f"Notes {bot.number}", **more}
        headers = {"idempotency-key": f"order-{bot.number}"}
        with trio.fail_after(ORDERED_WITHIN_S):
            while not bot.bot_id:
                async with _client(self.url(self.dice.randrange(2))) as client:
                    with suppress(*TROUBLES):
                        answer = await client.post("/v1/bots", json=body, headers=headers)
                        if answer.status_code in (200, 201):
                            bot.bot_id = answer.json()["id"]
                            return
                        if answer.status_code not in (429, 500, 502, 503):
                            self.troubles.append(f"order {bot.number}: {answer.text}")
                            return
                await trio.sleep(0.5)

    async def follow(self, bot: Followed) -> None:
        """Be told of a bot's events to its end, by one server and then another."""
        extra = [("authorization", f"Bearer {KEY}")]
        while bot.end is None:
            url = self.url((bot.number + bot.changes) % 2)
            bot.changes += 1
            with suppress(*TROUBLES, BaseExceptionGroup):
                async with socket_at(url, "/v1/ws", extra) as connection:
                    after = bot.seqs[-1] if bot.seqs else 0
                    await say(connection, type="subscribe", bot_id=bot.bot_id, after=after,
                              drafts=False)  # fmt: skip
                    await self._listen(bot, connection)
            await trio.sleep(0.3)

    async def _listen(self, bot: Followed, connection: trio_websocket.WebSocketConnection) -> None:
        while bot.end is None:
            event = await said(connection)
            if event["type"] == "error":
                print(f"bot {bot.number}: {event['detail']}", flush=True)
                return
            if "seq" not in event:
                continue
            expected = (bot.seqs[-1] if bot.seqs else 0) + 1
            if event["seq"] != expected:
                self.troubles.append(
                    f"bot {bot.number} was told of event {event['seq']}, not {expected}"
                )
            bot.seqs.append(event["seq"])
            bot.events[event["seq"]] = event

    async def harass(self, until: float) -> None:
        """Kill one of them, again and again, until the time is up."""
        ways: dict[str, Callable[[], Awaitable[None]]] = {
            "server": self._kill_server,
            "broker": self._kill_broker,
            "database": self._kill_database,
        }
        while trio.current_time() < until:
            await trio.sleep(self.dice.uniform(4.0, 14.0))
            what = self.dice.choice(("server", "server", "broker", "database"))
            await ways[what]()
            self.killed[what] += 1

    async def _kill_server(self) -> None:
        number = self.dice.randrange(2)
        print(f"server {number} is killed", flush=True)
        await trio.to_thread.run_sync(self.servers[number].kill)
        # Half of them are away for so long that the other takes their bots.
        await trio.sleep(self.dice.choice((1.0, 25.0)))
        self.servers[number].start()
        with trio.move_on_after(60.0) as scope:
            await self.ready(number)
        if scope.cancelled_caught:
            self.troubles.append(f"server {number} was not ready within a minute of its start")

    async def _kill_broker(self) -> None:
        print("the broker is killed", flush=True)
        await trio.to_thread.run_sync(self.broker.kill)
        await trio.sleep(self.dice.uniform(0.2, 6.0))
        await trio.to_thread.run_sync(self.broker.start)

    async def _kill_database(self) -> None:
        print("the database is killed", flush=True)
        await trio.to_thread.run_sync(self.database.stop)
        await trio.sleep(self.dice.uniform(0.2, 6.0))
        await trio.to_thread.run_sync(self.database.start)

    async def judge(self, talked_s: float) -> None:
        """Note what is not as it should be at the end."""
        wanted = talks.lines(talked_s)
        for bot in self.bots:
            if bot.end is None:
                self.troubles.append(f"bot {bot.number} ({bot.bot_id}) has not ended")
                await self._say_how_it_stands(bot)
                continue
            reason = bot.end["data"]["reason"]
            if reason != "meeting_ended":
                evidence = bot.end["data"].get("evidence")
                self.troubles.append(f"bot {bot.number} ended as {reason}: {evidence}")
            ends = [e for e in bot.events.values()
                    if e["type"] == "state.changed" and e["data"]["state"] in ENDED]  # fmt: skip
            if len(ends) != 1:
                self.troubles.append(f"bot {bot.number} ended {len(ends)} times")
            if bot.talks and bot.finals() != wanted:
                missing = len(set(wanted) - set(bot.finals()))
                self.troubles.append(
                    f"bot {bot.number} was told {len(bot.finals())} lines of {len(wanted)};"
                    f" {missing} are missing"
                )
            self._judge_processes(bot)
            await self._judge_answers(bot, wanted)
            await self._judge_webhooks(bot)

    async def _say_how_it_stands(self, bot: Followed) -> None:
        """Note what each server answers of a bot whose end nobody was told."""
        for number in range(len(self.ports)):
            try:
                async with _client(self.url(number)) as client:
                    answer = (await client.get(f"/v1/bots/{bot.bot_id}")).text
            except TROUBLES as error:
                answer = repr(error)
            self.troubles.append(f"bot {bot.number}: server {number} answers {answer[:500]}")

    def _judge_processes(self, bot: Followed) -> None:
        """Look which processes of a bot went to its meeting; others may have been turned away."""
        logs = [server.machine / "bots" / bot.bot_id / "process.log" for server in self.servers]
        went = sum(log.exists() and log.read_text().count(" state=<State.JOINING:") for log in logs)
        if went != 1:
            self.troubles.append(
                f"bot {bot.number} ({bot.bot_id}) went to its meeting {went} times"
            )

    async def _judge_answers(self, bot: Followed, wanted: list[str]) -> None:
        for number in range(2):
            async with _client(self.url(number)) as client:
                shown = (await client.get(f"/v1/bots/{bot.bot_id}")).json()
                said_ = (await client.get(f"/v1/bots/{bot.bot_id}/transcript")).json()
            if shown["state"] not in ENDED:
                self.troubles.append(
                    f"bot {bot.number} is {shown['state']} to server {number}, not ended"
                )
            texts = [each["text"] for each in said_["segments"]]
            if bot.talks and texts != wanted:
                self.troubles.append(
                    f"server {number} has {len(texts)} lines of bot {bot.number}, not {len(wanted)}"
                )

    async def _judge_webhooks(self, bot: Followed) -> None:
        path = f"/{bot.number}"

        def told() -> dict[int, set[str]]:
            ids: defaultdict[int, set[str]] = defaultdict(set)
            for got in self.receiver.at(path):
                ids[int(got.json["seq"])].add(got.headers["webhook-id"])
            return ids

        happened = set(range(1, bot.seqs[-1] + 1))  # also what a subscriber has missed
        with trio.move_on_after(ENDS_WITHIN_S):
            await self.receiver.until(lambda: set(told()) >= happened, math.inf)
        ids = told()
        missing = happened - set(ids)
        if missing:
            self.troubles.append(f"bot {bot.number}: {len(missing)} events did not come by webhook")
        if any(len(each) != 1 for each in ids.values()):
            self.troubles.append(f"bot {bot.number}: an event came under two ids")


@asynccontextmanager
async def _client(url: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(
        base_url=url,
        headers={"authorization": f"Bearer {KEY}"},
        timeout=20,
        trust_env=False,
        verify=False,
    ) as client:
        yield client


def _free_port() -> int:
    with sockets.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _database() -> Any:
    database = Postgres()
    try:
        yield database
    finally:
        database.close()


def room_script(folder: Path, for_s: float) -> Path:
    """Write a rehearsal in which two people talk for some time; return its path."""
    from tests.plugins.server.short_script import LINES, write_short_script

    write_short_script(folder)
    head = 'title = "Room"\nseed = 7\n[admission]\nafter_s = 1\nby = "ada"\n'
    head += (
        '[[people]]\nid = "ada"\nname = "Ada"\nhost = true\n[[people]]\nid = "ben"\nname = "Ben"\n'
    )
    recorded = [line for line in LINES if line[0] in ("ada", "ben")]
    parts = [head]
    for number in range(int((for_s - 5) / ROOM_LINE_S)):
        who, _, name, text = recorded[number % len(recorded)]
        at_s = 1.0 + number * ROOM_LINE_S
        parts.append(
            f'[[lines]]\nwho = "{who}"\nat_s = {at_s}\ntext = "{text}"\naudio = "{name}.wav"\n'
        )
    parts.append(f'[end]\nat_s = {for_s}\nhow = "host_ends"\n')
    path = folder / "room.toml"
    path.write_text("".join(parts), encoding="utf-8")
    return path


async def run(folder: Path, minutes: float, simulated: int, browsers: int, seed: int) -> Course:
    """Run the course; return what came of it."""
    talk_s = minutes * 60
    async with AsyncExitStack() as stack:
        broker = stack.enter_context(open_broker())
        database = stack.enter_context(_database())
        receiver = await stack.enter_async_context(receiving())
        shared = Shared(database.new_database_with_tables(), broker)
        ports = [_free_port(), _free_port()]
        servers = []
        for number, port in enumerate(ports):
            server = ServerProcess(
                shared,
                folder / f"machine-{number}",
                port=port,
                plugin=Path(talks.__file__),
                load=("server", "files", "s3", "redis", "browser", "rehearsal"),
                settings={"transcriber": "talked"},
                plugins={"files": {"tracks": False, "bit_rate_kbps": 8}},
                environ={"TALK_S": str(talk_s)},
            )
            stack.callback(server.kill)
            servers.append(server)
            server.start()
        bots = [
            Followed(number, f"https://meet.google.com/talk-{number}", True)
            for number in range(simulated)
        ]
        if browsers:
            script = room_script(folder / "room", talk_s)
            rehearsal = await stack.enter_async_context(open_rehearsal(script))
            bots += [
                Followed(simulated + number, rehearsal.link, False) for number in range(browsers)
            ]
        course = Course(servers, ports, broker, database, receiver, bots, random.Random(seed))
        for number in range(2):
            with trio.fail_after(90):
                await course.ready(number)
        began = time.monotonic()
        async with trio.open_nursery() as nursery:
            for bot in bots:
                nursery.start_soon(partial(_order, course, bot))
        async with trio.open_nursery() as nursery:
            for bot in bots:
                if bot.bot_id:
                    nursery.start_soon(course.follow, bot)
            await course.harass(trio.current_time() + talk_s - 15.0)
            nursery.cancel_scope.deadline = trio.current_time() + ENDS_WITHIN_S
        await course.judge(talk_s)
        print(f"{(time.monotonic() - began) / 60:.1f} min", flush=True)
        return course


async def _order(course: Course, bot: Followed) -> None:
    """Order a bot; that it could not be is one of the troubles."""
    try:
        await (course.order(bot) if bot.talks else course.order(bot, transcriber="none"))
    except trio.TooSlowError:
        course.troubles.append(f"bot {bot.number} could not be ordered in {ORDERED_WITHIN_S:g} s")


def _left(folder: Path) -> list[int]:
    """Return the processes of bots that are still there, and end them."""
    left = []
    for note in folder.glob("machine-*/bots/*/process.json"):
        with suppress(OSError, ValueError, KeyError, psutil.Error):
            process = psutil.Process(int(json.loads(note.read_text())["pid"]))
            if "meetcore.fleet.launching.worker" in process.cmdline():
                left.append(process.pid)
                process.kill()
    return left


def main() -> int:
    """Run it; return 1 where anything was not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--bots", type=int, default=50, help="Simulated ones.")
    parser.add_argument("--browsers", type=int, default=3, help="Bots with a browser.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", help="A folder to work in, which stays.")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meetcore-faults-") as made:
        folder = Path(chosen.keep or made)
        folder.mkdir(exist_ok=True)
        try:
            course = trio.run(
                run, folder, chosen.minutes, chosen.bots, chosen.browsers, chosen.seed
            )
        finally:
            left = _left(folder)
        if left:
            course.troubles.append(f"{len(left)} processes of bots were left")
    killed = ", ".join(f"{what} {count} times" for what, count in sorted(course.killed.items()))
    events = sum(len(bot.seqs) for bot in course.bots)
    hooks = len(course.receiver.got)
    changes = sum(bot.changes - 1 for bot in course.bots)
    print(f"killed: {killed}")
    print(
        f"{len(course.bots)} bots; {events} events followed, with {changes} changes of the server;"
        f" {hooks} messages to webhooks"
    )
    for trouble in course.troubles:
        print(f"TROUBLE  {trouble}")
    return 1 if course.troubles else 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())

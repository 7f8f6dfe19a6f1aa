"""The way to the cluster: a process of its own in which Ray is, asked with a deadline each time.

Nobody reads what it says in the background: whoever waits for something reads, for all the others
too, and hands that on when it has what it waited for.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

import trio
from attrs import define

from meetcore import MeetcoreError, StorageUnavailable
from meetcore_ray.options import RayOptions

__all__ = ["ActorState", "ClusterSilent", "DriverProcess"]

_LOG = logging.getLogger("meetcore.ray")
READY_WITHIN_S = 60.0
ANSWER_WITHIN_S = 20.0
_GO_WITHIN_S = 2.0
_READ_BYTES = 64 * 1024


class ClusterSilent(StorageUnavailable):
    """The Ray cluster does not answer now, or cannot be reached. It may be back soon."""


@define
class ActorState:
    """What was told of an actor.

    Attributes:
        up: Whether a node has it.
        over: How its bot's process ended (`code`, `words`), or what the actor died of (`died`,
            `words`); None while it has not.
    """

    up: bool = False
    over: dict[str, Any] | None = None


class DriverProcess:
    """The process. Make one with `begun`; `close` it.

    Attributes:
        dead: Whether it answers no more.
        actors: What was told of each actor that is expected, by its name.
    """

    def __init__(self, process: trio.Process) -> None:
        self.dead = False
        self.actors: dict[str, ActorState] = {}
        self._process = process
        self._numbers = count(1)
        self._answers: dict[int, dict[str, Any]] = {}
        self._ready: dict[str, Any] | None = None
        self._received = b""
        self._reading = False
        self._moved = trio.Event()
        self._sending = trio.Lock()

    @classmethod
    async def begun(cls, options: RayOptions) -> DriverProcess:
        """Start one; return when it is connected with the cluster.

        Raises:
            ClusterSilent: It cannot be reached; says why.
        """
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "meetcore_ray.driver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        driver = cls(process)
        try:
            with trio.move_on_after(READY_WITHIN_S):
                await driver._say({"address": options.address, "namespace": options.namespace})
                await driver._until(lambda: driver._ready is not None)
            ready = driver._ready or {}
            if not ready.get("ready"):
                words = ready.get("words") or f"no answer within {READY_WITHIN_S:g} s"
                raise ClusterSilent(
                    f"The Ray cluster at {options.address!r} cannot be reached: {words}",
                    "Does it run, and does this machine belong to it (`ray status`)?",
                )
        except BaseException:
            await driver.close()
            raise
        return driver

    async def ask(self, do: str, **what: Any) -> dict[str, Any]:
        """Return the answer to a question, within 20 s.

        Raises:
            ClusterSilent: There is none. The process is ended then: another one begins anew.
            MeetcoreError: Ray refuses.
        """
        number = next(self._numbers)
        with trio.move_on_after(ANSWER_WITHIN_S) as limit:
            await self._say({"id": number, "do": do, **what})
            await self._until(lambda: number in self._answers)
        if limit.cancelled_caught and number not in self._answers:
            self._end()
            raise ClusterSilent(f"The Ray cluster did not answer within {ANSWER_WITHIN_S:g} s.")
        answer = self._answers.pop(number)
        if "error" in answer:
            raise MeetcoreError(f"Ray refuses: {answer['error']}: {answer['words']}")
        return answer

    def expect(self, name: str) -> ActorState:
        """Return what is told of an actor from now on, without what was told of one before it."""
        state = self.actors[name] = ActorState()
        return state

    def state(self, name: str) -> ActorState:
        """Return what was told of an actor since it is expected; from now on, if it was not."""
        return self.actors.setdefault(name, ActorState())

    def forget(self, name: str) -> None:
        """Expect nothing more of an actor."""
        self.actors.pop(name, None)

    async def until_over(self, name: str) -> dict[str, Any]:
        """Return how an actor ended, once it has. No deadline of its own.

        Raises:
            ClusterSilent: The process has ended.
        """
        state = self.state(name)
        await self._until(lambda: state.over is not None)
        assert state.over is not None
        return state.over

    async def _say(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            async with self._sending:
                await self._process.stdin.send_all(json.dumps(message).encode() + b"\n")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._end()
            raise _has_ended() from None

    async def _until(self, done: Callable[[], bool]) -> None:
        """Read, or wait for whoever does, until something is so."""
        await trio.lowlevel.checkpoint()
        while not done():
            if self.dead:
                raise _has_ended()
            if self._reading:
                await self._moved.wait()
                continue
            self._reading = True
            try:
                await self._read()
            finally:
                self._reading = False
                moved, self._moved = self._moved, trio.Event()
                moved.set()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            data = bytes(await self._process.stdout.receive_some(_READ_BYTES))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        if not data:
            self._end()
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._take(json.loads(line))

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self._answers[message["id"]] = message
        elif "ready" in message:
            self._ready = message
        elif (state := self.actors.get(message["told"])) is not None:
            state.up = True
            state.over = message.get("over", state.over)

    def _end(self) -> None:
        self.dead = True
        with suppress(ProcessLookupError):
            self._process.kill()

    async def close(self) -> None:
        """End it; its bots go on."""
        self.dead = True
        with trio.CancelScope(shield=True):
            assert self._process.stdin is not None
            await trio.aclose_forcefully(self._process.stdin)
            with trio.move_on_after(_GO_WITHIN_S):
                await self._process.wait()
            if self._process.poll() is None:
                self._process.kill()
                await self._process.wait()
            assert self._process.stdout is not None
            await trio.aclose_forcefully(self._process.stdout)


def _has_ended() -> ClusterSilent:
    return ClusterSilent(
        "The Ray cluster is not reached: Ray has ended the process that used it.",
        "Does its control plane run (`ray status`)?",
    )

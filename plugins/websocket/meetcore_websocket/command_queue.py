"""Subscribers' commands: read, carried out one at a time for each, and answered.

Stop, pause and resume wait for none of them: they ask nothing of the meeting.
A command outlives its sender's connection: who says `stop` and hangs up has said it.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Awaitable, Callable

import trio

from meetcore import Command, CommandRefused, MeetcoreError, PauseRecording, ResumeRecording, Stop
from meetcore.model import command_from_wire
from meetcore_websocket.access import Role
from meetcore_websocket.frames import text_frame
from meetcore_websocket.subscriber import Subscriber

__all__ = ["CommandId", "CommandQueue", "answer_text", "read_command"]

CommandId = str | int | None

_MOST_WAITING = 16
_AT_ONCE = (Stop, PauseRecording, ResumeRecording)
_LONGEST_ID = 200


def answer_text(command_id: CommandId, error: str | None) -> str:
    """Return the answer to a command, as JSON in ASCII."""
    data = {"id": command_id, "ok": error is None, "error": error}
    return json.dumps({"type": "command.result", **data}, separators=(",", ":"))


def read_command(message: str | bytes) -> tuple[CommandId, Command | CommandRefused]:
    """Return a message's id, and the command in it or why there is none. Never raises."""
    if isinstance(message, (bytes, bytearray)):
        return None, CommandRefused("A command is a text message.", "Send JSON as text.")
    try:
        decoded = json.loads(message)
        json.dumps(decoded, ensure_ascii=False).encode()  # lone surrogates cannot be written down
    except (ValueError, RecursionError):
        return None, CommandRefused("That message is not JSON that can be written down.")
    command_id = decoded.get("id") if isinstance(decoded, dict) else None
    if isinstance(command_id, bool) or not isinstance(command_id, (str, int, type(None))):
        return None, CommandRefused("The id of a command must be text or a whole number.")
    if len(str(command_id)) > _LONGEST_ID:
        return None, CommandRefused(f"The id of a command can have {_LONGEST_ID} characters.")
    try:
        return command_id, command_from_wire(decoded)
    except CommandRefused as refused:
        return command_id, refused


class CommandQueue:
    """Carries out the commands of one subscriber, in their order.

    Args:
        subscriber: Who is answered.
        role: What it may do.
        perform: Carries out a command; raises `MeetcoreError`.
        nursery: Where that happens.
    """

    def __init__(
        self,
        subscriber: Subscriber,
        role: Role,
        perform: Callable[[Command], Awaitable[None]],
        nursery: trio.Nursery,
    ) -> None:
        self._subscriber = subscriber
        self._role = role
        self._perform = perform
        self._nursery = nursery
        self._waiting: deque[tuple[CommandId, Command]] = deque()
        self._running = False
        self._at_once = 0

    def take(self, message: str | bytes) -> None:
        """Take a message; it is answered in any case."""
        command_id, command = read_command(message)
        if isinstance(command, CommandRefused):
            self._answer(command_id, str(command))
        elif self._role is not Role.FULL:
            self._answer(command_id, "This connection may only read. Use a token of full_tokens.")
        elif isinstance(command, _AT_ONCE) and self._at_once < _MOST_WAITING:
            self._at_once += 1
            self._nursery.start_soon(self._run_at_once, command_id, command)
        elif len(self._waiting) >= _MOST_WAITING:
            self._answer(command_id, f"{_MOST_WAITING} commands are waiting already.")
        else:
            self._waiting.append((command_id, command))
            if not self._running:
                self._running = True
                self._nursery.start_soon(self._run)

    async def _run(self) -> None:
        while self._waiting:
            await self._carry_out(*self._waiting.popleft())
        self._running = False

    async def _run_at_once(self, command_id: CommandId, command: Command) -> None:
        await self._carry_out(command_id, command)
        self._at_once -= 1

    async def _carry_out(self, command_id: CommandId, command: Command) -> None:
        error: str | None = None
        try:
            await self._perform(command)
        except MeetcoreError as trouble:
            error = str(trouble)
        self._answer(command_id, error)

    def _answer(self, command_id: CommandId, error: str | None) -> None:
        self._subscriber.push(text_frame(answer_text(command_id, error)))

"""What an assistant can ask: tools and a resource over a fleet of bots.

Every tool answers at once, but for those that say that they wait. What cannot be done is a
`ToolError` in words for whoever asked, and for the model.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from functools import wraps
from typing import Any, TypeVar

import trio
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ToolError

from meetcore import (
    Bot,
    ChatReceived,
    Fleet,
    MeetcoreError,
    SendChat,
    Speak,
    StateChanged,
    Stop,
    __version__,
    to_json,
)

__all__ = ["make_server"]

F = TypeVar("F", bound=Callable[..., Any])
_MOST_KNOWN = 200
_LONGEST_WAIT_S = 60.0
_LOOK_EVERY_S = 0.25
_INSTRUCTIONS = """
Bots attend video meetings (Google Meet, Zoom, Teams). `join_meeting` sends one; it waits to be
admitted by somebody in the meeting. `transcript` with `wait_s` follows what is said: ask again with
the `next_after` of the answer. People in the meeting see the bot under its name.
"""


def make_server(fleet: Fleet) -> MCPServer[Any]:
    """Return a server of the Model Context Protocol for the bots of a fleet.

    Args:
        fleet: Where bots run; they are its own.
    """
    server: MCPServer[Any] = MCPServer(
        "meetcore", instructions=_INSTRUCTIONS.strip(), version=__version__, log_level="WARNING"
    )
    tools = _Tools(fleet)
    for tool in (
        tools.join_meeting,
        tools.list_bots,
        tools.bot_state,
        tools.participants,
        tools.transcript,
        tools.chat,
        tools.send_chat,
        tools.say,
        tools.leave_meeting,
    ):
        server.tool()(_in_words(tool))

    @server.resource("meetcore://bots/{bot_id}/transcript", mime_type="text/plain")
    async def transcript(bot_id: str) -> str:
        """Return what was said so far, a line for each time somebody speaks."""
        try:
            said = await tools.transcript(bot_id)
        except (ToolError, MeetcoreError) as error:
            raise ResourceError(str(error)) from error
        return "".join(f"{each['speaker']}: {each['text']}\n" for each in said["segments"])

    @server.resource("meetcore://bots/{bot_id}/transcript/{after}", mime_type="application/json")
    async def transcript_after(bot_id: str, after: str) -> str:
        """Return what was said after a number, with the number to ask with the next time."""
        if not (after.isascii() and after.isdigit() and len(after) <= 15):
            raise ResourceError(f"{after!r} is no number of a segment: 0 for all of them.")
        try:
            return to_json(await tools.transcript(bot_id, int(after)))
        except (ToolError, MeetcoreError) as error:
            raise ResourceError(str(error)) from error

    return server


def _in_words(tool: F) -> F:
    """Return a tool whose refusals are told to whoever asked."""

    @wraps(tool)
    async def asked(*args: Any, **kwargs: Any) -> Any:
        try:
            return await tool(*args, **kwargs)
        except MeetcoreError as error:
            raise ToolError(f"{error.message} {error.remedy}".strip()) from error

    return asked  # type: ignore[return-value]


class _Tools:
    """The tools; their names, parameters and first lines are what the assistant is shown."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._bots: dict[str, Bot] = {}

    def _bot(self, bot_id: str) -> Bot:
        bot = self._bots.get(bot_id)
        if bot is None:
            known = ", ".join(self._bots) or "none"
            raise ToolError(f"There is no bot {bot_id!r}. Those that were sent: {known}.")
        return bot

    async def join_meeting(
        self,
        url: str,
        name: str | None = None,
        passcode: str | None = None,
        transcriber: str | None = None,
    ) -> dict[str, Any]:
        """Send a bot to a meeting, by its link.

        It knocks and waits to be admitted; `bot_state` says how far it is. `name` is what people
        in the meeting see.
        """
        await trio.lowlevel.checkpoint()
        given: dict[str, Any] = {"name": name} if name else {}
        bot = self._fleet.start(url, passcode=passcode, transcriber=transcriber, **given)
        self._bots[bot.id] = bot
        for old in [each for each in self._bots.values() if each.ended]:
            if len(self._bots) > _MOST_KNOWN:
                del self._bots[old.id]
        return self._shown(bot)

    async def list_bots(self) -> list[dict[str, Any]]:
        """List the bots that were sent, and how each stands."""
        await trio.lowlevel.checkpoint()
        return [self._shown(bot) for bot in self._bots.values()]

    async def bot_state(self, bot_id: str) -> dict[str, Any]:
        """Say where a bot is: on its way, waiting to be admitted, recording, or why it ended."""
        bot = self._bot(bot_id)
        changes: list[dict[str, Any]] = []
        async with aclosing(self._fleet.store.log(bot.id).read(types=(StateChanged,))) as events:
            async for event in events:
                assert isinstance(event, StateChanged)
                changes.append({"state": event.state.value, "at": event.at.isoformat()})
        return {**self._shown(bot), "history": changes}

    async def participants(self, bot_id: str) -> list[dict[str, Any]]:
        """List who is in the meeting now, the bot left out."""
        await trio.lowlevel.checkpoint()
        return [
            {"id": each.id, "name": each.name, "host": each.is_host, "bot": each.is_bot}
            for each in self._bot(bot_id).roster.others
        ]

    async def transcript(self, bot_id: str, after: int = 0, wait_s: float = 0.0) -> dict[str, Any]:
        """Return what was said, in the order of speech; `after` leaves out what is known already.

        Waits up to `wait_s` seconds (60 at most) for something new. Ask the next time with the
        `next_after` of the answer; a segment that was corrected meanwhile comes again.
        """
        bot = self._bot(bot_id)
        after = max(0, after)
        with trio.move_on_after(max(0.0, min(wait_s, _LONGEST_WAIT_S))):
            while not await self._said(bot, after) and not bot.ended:  # noqa: ASYNC110  a log
                await trio.sleep(_LOOK_EVERY_S)
        found = await self._said(bot, after)
        newest = max((each["seq"] for each in found), default=after)
        return {"segments": found, "next_after": newest, "ended": bot.ended}

    async def _said(self, bot: Bot, after: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async with aclosing(self._fleet.store.log(bot.id).finalized(after)) as events:
            async for event in events:
                segment = event.segment
                found.append(
                    {
                        "seq": event.seq,
                        "id": segment.id,
                        "speaker": segment.speaker_name or "Unknown",
                        "text": segment.text,
                        "start_s": round(segment.start_s, 2),
                        "end_s": round(segment.end_s, 2),
                    }
                )
        return found

    async def chat(self, bot_id: str, after: int = 0) -> dict[str, Any]:
        """Return the chat's messages, the bot's own among them; `after` as for `transcript`."""
        bot = self._bot(bot_id)
        after = max(0, after)
        found: list[dict[str, Any]] = []
        log = self._fleet.store.log(bot.id)
        async with aclosing(log.read(after, types=(ChatReceived,))) as events:
            async for event in events:
                assert isinstance(event, ChatReceived)
                found.append(
                    {
                        "seq": event.seq,
                        "sender": event.sender_name,
                        "text": event.text,
                        "by_bot": event.by_bot,
                    }
                )
        newest = max((each["seq"] for each in found), default=after)
        return {"messages": found, "next_after": newest, "ended": bot.ended}

    async def send_chat(self, bot_id: str, text: str) -> dict[str, Any]:
        """Write a message to everybody in the meeting."""
        bot = self._bot(bot_id)
        if not text.strip():
            raise ToolError("There is nothing to send: text is empty.")
        await bot.perform(SendChat(text))
        return self._shown(bot)

    async def say(self, bot_id: str, text: str) -> dict[str, Any]:
        """Say something in the meeting, where the platform and a synthesizer allow it."""
        bot = self._bot(bot_id)
        await bot.perform(Speak(text=text))
        return self._shown(bot)

    async def leave_meeting(self, bot_id: str) -> dict[str, Any]:
        """Have a bot leave the meeting. What it recorded and wrote stays."""
        bot = self._bot(bot_id)
        if not bot.ended:
            await bot.perform(Stop("an assistant"))
        return self._shown(bot)

    @staticmethod
    def _shown(bot: Bot) -> dict[str, Any]:
        state = bot.state
        reason = bot.ending.reason if bot.ended else None
        return {
            "bot_id": bot.id,
            "meeting_url": bot.link.public_url,
            "name": bot.config.name,
            "state": state.value if state is not None else "requested",
            "ended": bot.ended,
            "reason": reason.value if reason is not None else None,
        }

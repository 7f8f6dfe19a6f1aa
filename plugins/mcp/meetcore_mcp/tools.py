"""What an assistant can ask: tools and resources over its bots.

Every tool answers at once, but for those that say that they wait. What cannot be done is a
`ToolError` in words for whoever asked, and for the model.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from functools import wraps
from typing import Any, TypeVar

import trio
from attrs import asdict
from mcp.server import MCPServer
from mcp.server.mcpserver import Image
from mcp.server.mcpserver.exceptions import ResourceError, ToolError

from meetcore import MeetcoreError, SendChat, Speak, __version__, to_json
from meetcore_mcp.bots import AssistantBots

__all__ = ["make_server"]

F = TypeVar("F", bound=Callable[..., Any])
_LONGEST_WAIT_S = 60.0
_LOOK_EVERY_S = 0.25
_INSTRUCTIONS = """
Bots attend video meetings (Google Meet, Zoom, Teams). `join_meeting` sends one; it waits to be
admitted by somebody in the meeting. `transcript` with `wait_s` follows what is said: ask again with
the `next_after` of the answer. `screenshot` shows what the bot's browser shows, also while it
waits or stands before something that only a person can do. People in the meeting see the bot under
its name.
"""


def make_server(bots: Callable[[], AssistantBots]) -> MCPServer[Any]:
    """Return a server of the Model Context Protocol.

    Args:
        bots: Returns the bots of whoever asks, called in the task that serves the question.
    """
    server: MCPServer[Any] = MCPServer(
        "meetcore", instructions=_INSTRUCTIONS.strip(), version=__version__, log_level="WARNING"
    )
    tools = _Tools(bots)
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
    server.tool(structured_output=False)(_in_words(tools.screenshot))

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

    def __init__(self, bots: Callable[[], AssistantBots]) -> None:
        self._bots = bots

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
        return asdict(await self._bots().join(url, name, passcode, transcriber))

    async def list_bots(self) -> list[dict[str, Any]]:
        """List the bots that were sent, and how each stands."""
        return [asdict(each) for each in await self._bots().listed()]

    async def bot_state(self, bot_id: str) -> dict[str, Any]:
        """Say where a bot is: on its way, waiting to be admitted, recording, or why it ended."""
        facts = await self._bots().facts(bot_id)
        history = await self._bots().history(bot_id)
        changes = [
            {"state": each.state.value, "at": each.at.isoformat()} for each in history.transitions
        ]
        return {**asdict(facts), "person_needed": history.person_needed, "history": changes}

    async def participants(self, bot_id: str) -> list[dict[str, Any]]:
        """List who is in the meeting now, the bot left out."""
        history = await self._bots().history(bot_id)
        here = [each.participant for each in history.others if each.here and not history.ended]
        return [
            {"id": each.id, "name": each.name, "host": each.is_host, "bot": each.is_bot}
            for each in here
        ]

    async def transcript(self, bot_id: str, after: int = 0, wait_s: float = 0.0) -> dict[str, Any]:
        """Return what was said, in the order of speech; `after` leaves out what is known already.

        Waits up to `wait_s` seconds (60 at most) for something new. Ask the next time with the
        `next_after` of the answer; a segment that was corrected meanwhile comes again, and one that
        was taken back comes without text, as `withdrawn`.
        """
        after = max(0, after)
        ended = (await self._bots().facts(bot_id)).ended
        found = await self._said(bot_id, after)
        with trio.move_on_after(max(0.0, min(wait_s, _LONGEST_WAIT_S))):
            while not found and not ended:
                await trio.sleep(_LOOK_EVERY_S)
                ended = (await self._bots().facts(bot_id)).ended
                found = await self._said(bot_id, after)
        newest = max((each["seq"] for each in found), default=after)
        return {"segments": found, "next_after": newest, "ended": ended}

    async def _said(self, bot_id: str, after: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async with aclosing(self._bots().finalized(bot_id, after)) as events:
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
                        **({"withdrawn": True} if segment.withdrawn else {}),
                    }
                )
        return found

    async def chat(self, bot_id: str, after: int = 0) -> dict[str, Any]:
        """Return the chat's messages, the bot's own among them; `after` as for `transcript`.

        One that was for one person alone has `to`, with whose name.
        """
        after = max(0, after)
        history = await self._bots().history(bot_id)
        found = [
            {
                "seq": each.seq,
                "sender": each.sender_name,
                "text": each.text,
                "by_bot": each.by_bot,
                **({"to": each.to_name} if each.direct else {}),
            }
            for each in history.chat
            if each.seq > after
        ]
        newest = found[-1]["seq"] if found else after
        return {"messages": found, "next_after": newest, "ended": history.ended}

    async def send_chat(self, bot_id: str, text: str, to: str | None = None) -> dict[str, Any]:
        """Write a message to everybody in the meeting, or to one person alone: `to`, their name."""
        if not text.strip():
            raise ToolError("There is nothing to send: text is empty.")
        await self._bots().perform(bot_id, SendChat(text, to))
        return asdict(await self._bots().facts(bot_id))

    async def say(self, bot_id: str, text: str) -> dict[str, Any]:
        """Say something in the meeting, where the platform and a synthesizer allow it."""
        await self._bots().perform(bot_id, Speak(text=text))
        return asdict(await self._bots().facts(bot_id))

    async def leave_meeting(self, bot_id: str) -> dict[str, Any]:
        """Have a bot leave the meeting. What it recorded and wrote stays."""
        await self._bots().leave(bot_id)
        return asdict(await self._bots().facts(bot_id))

    async def screenshot(self, bot_id: str) -> Image:
        """Return a picture of what the bot's browser shows now; it shows everybody who is seen."""
        picture = await self._bots().screenshot(bot_id)
        return Image(data=picture.image, format=picture.media_type.partition("/")[2])

"""An assistant with the protocol's own client attends a meeting, in this process and over pipes."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from mcp import Client, StdioServerParameters, stdio_client

import meetcore
from meetcore.testing.simulated_meetings import PLUGIN_FILE
from meetcore_mcp.bots import FleetBots
from meetcore_mcp.tools import make_server

TOOLS = {
    "join_meeting", "list_bots", "bot_state", "participants", "transcript", "chat", "send_chat",
    "say", "leave_meeting", "screenshot",
}  # fmt: skip


def _same(bots: FleetBots) -> FleetBots:
    return bots


@asynccontextmanager
async def assistant(folder: Path) -> AsyncIterator[Client]:
    """Hold a client of a server in this process."""
    plugins = meetcore.Plugins(only=["files"], files=[PLUGIN_FILE])
    config = meetcore.BotConfig(out_dir=folder, transcriber="scripted", sinks=("files",))
    with trio.fail_after(120):
        async with (
            meetcore.open_fleet(config, plugins=plugins, limit=2, recover_first=False) as fleet,
            Client(make_server(partial(_same, FleetBots(fleet)))) as client,
        ):
            yield client


async def ask(client: Client, tool: str, **arguments: Any) -> Any:
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    told = answer.structured_content
    assert told is not None
    return told["result"] if set(told) == {"result"} else told


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    answer = await client.call_tool(tool, arguments)
    assert answer.is_error
    return str(answer.content[0].text)


async def until(client: Client, bot_id: str, *states: str) -> dict[str, Any]:
    while True:
        bot: dict[str, Any] = await ask(client, "bot_state", bot_id=bot_id)
        if bot["state"] in states:
            return bot
        await trio.sleep(0.05)


async def attend(client: Client, link: str) -> None:
    """See a short meeting through, as an assistant would."""
    bot = await ask(client, "join_meeting", url=link, name="Minutes")
    assert (bot["name"], bot["ended"]) == ("Minutes", False)
    said: list[str] = []
    after, ended = 0, False
    while not ended:
        told = await ask(client, "transcript", bot_id=bot["bot_id"], after=after, wait_s=30)
        assert all(each["seq"] > after for each in told["segments"])
        said += [f"{each['speaker']}: {each['text']}" for each in told["segments"]]
        after, ended = told["next_after"], told["ended"]
    assert any(line.startswith("Ada: ") for line in said)
    assert any(line.startswith("Ben: ") for line in said)
    shown = await until(client, bot["bot_id"], "completed")
    assert shown["reason"] == "meeting_ended"
    assert [each["state"] for each in shown["history"]][-1] == "completed"
    whole = await client.read_resource(f"meetcore://bots/{bot['bot_id']}/transcript")
    assert sorted(whole.contents[0].text.splitlines()) == sorted(said)
    address = f"meetcore://bots/{bot['bot_id']}/transcript"
    read = json.loads((await client.read_resource(f"{address}/0")).contents[0].text)
    assert len(read["segments"]) == len(said)
    first = min(each["seq"] for each in read["segments"])
    rest = json.loads((await client.read_resource(f"{address}/{first}")).contents[0].text)
    assert len(rest["segments"]) == len(said) - 1
    assert rest["next_after"] == read["next_after"]
    with pytest.raises(Exception, match="no number of a segment"):
        await client.read_resource(f"{address}/soon")


async def test_an_assistant_attends_a_meeting_and_reads_it_as_it_is_said(tmp_path: Path) -> None:
    async with assistant(tmp_path) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == TOOLS
        assert all(tool.description for tool in tools.values())
        await attend(client, "simulated:short")


async def test_it_sees_people_writes_and_has_the_bot_leave(tmp_path: Path) -> None:
    async with assistant(tmp_path) as client:
        bot_id = (await ask(client, "join_meeting", url="simulated:stay"))["bot_id"]
        await until(client, bot_id, "recording")
        people = await ask(client, "participants", bot_id=bot_id)
        assert ("Ada", True) in [(each["name"], each["host"]) for each in people]
        await ask(client, "send_chat", bot_id=bot_id, text="hello from the assistant")
        while True:
            chat = await ask(client, "chat", bot_id=bot_id)
            if ("hello from the assistant", True) in [
                (each["text"], each["by_bot"]) for each in chat["messages"]
            ]:
                break
            await trio.sleep(0.05)
        assert (await ask(client, "chat", bot_id=bot_id, after=chat["next_after"]))[
            "messages"
        ] == []
        (picture,) = (await client.call_tool("screenshot", {"bot_id": bot_id})).content
        assert (picture.type, picture.mime_type) == ("image", "image/jpeg")
        assert base64.b64decode(picture.data).startswith(b"\xff\xd8")
        await ask(client, "leave_meeting", bot_id=bot_id)
        assert (await until(client, bot_id, "completed"))["reason"] == "stop_requested"
        assert [each["bot_id"] for each in await ask(client, "list_bots")] == [bot_id]
        await ask(client, "leave_meeting", bot_id=bot_id)  # it has left already


async def test_what_cannot_be_done_is_said_in_words(tmp_path: Path) -> None:
    async with assistant(tmp_path) as client:
        assert "no-such-bot" in await refused(client, "transcript", bot_id="no-such-bot")
        assert "ftp://x" in await refused(client, "join_meeting", url="ftp://x")
        bot_id = (await ask(client, "join_meeting", url="simulated:stay"))["bot_id"]
        assert bot_id in await refused(client, "bot_state", bot_id="another")
        await until(client, bot_id, "recording")
        assert "empty" in await refused(client, "send_chat", bot_id=bot_id, text="  ")
        assert (await ask(client, "chat", bot_id=bot_id, after=-1))["next_after"] >= 0
        assert "speak" in await refused(client, "say", bot_id=bot_id, text="hello")
        other = (await ask(client, "join_meeting", url="simulated:stay"))["bot_id"]
        assert "2 places" in await refused(client, "join_meeting", url="simulated:stay")
        with pytest.raises(Exception, match="no-such-bot"):
            await client.read_resource("meetcore://bots/no-such-bot/transcript")
        for each in (bot_id, other):
            await ask(client, "leave_meeting", bot_id=each)


async def test_an_assistant_starts_it_and_talks_over_its_pipes(tmp_path: Path) -> None:
    arguments = ["-m", "meetcore", "mcp", "--plugin", PLUGIN_FILE, "--set", f"out_dir={tmp_path}"]
    arguments += ["--set", "transcriber=scripted"]
    environment = {**os.environ, "MEETCORE_LOAD": "mcp,files"}
    command = StdioServerParameters(command=sys.executable, args=arguments, env=environment)
    with trio.fail_after(120):
        async with Client(stdio_client(command)) as client:
            await attend(client, "simulated:short")
    (folder,) = [each for each in await trio.Path(tmp_path).iterdir() if await each.is_dir()]
    assert await (folder / "files" / "transcript.json").is_file()

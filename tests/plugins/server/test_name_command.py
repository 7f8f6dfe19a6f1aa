"""`meetcore name` with a bot that is in a call at a server."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import httpx2
import trio
from click.testing import CliRunner

from meetcore_files.name_command import name_command
from meetcore_server.assembly import Server
from tests.plugins.server.running import STAY, http, ordered, serving

KEY = "root"
VOICES = Path(__file__).with_name("two_voices.py")


async def run(server: Server, bot_id: str, *arguments: str) -> tuple[int, str]:
    """Run the command in a thread, as it blocks; the server goes on."""
    url = f"{server.url}/v1/bots/{bot_id}"
    invoke = partial(CliRunner().invoke, name_command, [url, *arguments, "--api-key", KEY])
    result = await trio.to_thread.run_sync(invoke)
    return result.exit_code, result.output


async def until_shown(client: httpx2.AsyncClient, bot_id: str, name: str) -> None:
    """Return once somebody is shown under a name."""
    shown: set[str] = set()
    with trio.fail_after(60):
        while name not in shown:
            await trio.sleep(0.1)
            segments = (await client.get(f"/v1/bots/{bot_id}/transcript")).json()["segments"]
            shown = {each["speaker"] for each in segments}


async def test_a_voice_is_named_while_the_bot_is_in_the_call(tmp_path: Path) -> None:
    config = {"transcription": {"diarize": True}, "transcriber": "two_voices"}
    async with (
        serving(tmp_path, plugin_files=(VOICES,), config=config, api_key=KEY) as server,
        http(server, KEY) as client,
    ):
        bot = await ordered(client, STAY)
        await until_shown(client, bot["id"], "Ada · speaker 2")
        code, output = await run(server, bot["id"])
        assert (code, "Ada · speaker 2  track" in output) == (0, True), output
        code, output = await run(server, bot["id"], "Ada · speaker 2", "Grace")
        assert (code, output) == (0, "Ada · speaker 2 is Grace.\n")
        await until_shown(client, bot["id"], "Grace")
        code, output = await run(server, bot["id"], "Ada · speaker 3", "Grace")
        assert (code, "There are: " in output) == (1, True), output
        code, output = await run(server, bot["id"], "Grace", "")
        assert (code, output) == (0, "Grace has no name.\n")
        await until_shown(client, bot["id"], "Ada · speaker 2")
        code, output = await run(server, "nobody")
        assert (code, "answers 404" in output) == (1, True), output
        result = await trio.to_thread.run_sync(
            partial(CliRunner().invoke, name_command, [f"{server.url}/v1/bots/{bot['id']}"])
        )
        assert (result.exit_code, "MEETCORE_API_KEY" in result.output) == (1, True)
        await client.post(f"/v1/bots/{bot['id']}/stop")


def test_a_server_that_is_not_there_is_said() -> None:
    result = CliRunner().invoke(name_command, ["http://127.0.0.1:9/v1/bots/x", "a", "b"])
    assert result.exit_code == 1
    assert "http://127.0.0.1:9/v1/bots/x cannot be reached" in result.output

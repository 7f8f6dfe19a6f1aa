"""What a rehearsal plays is named by an order, and no order opens a file of the server."""

from __future__ import annotations

from pathlib import Path

import pytest

import meetcore_rehearsal
from meetcore.gateway.records import BotRequest
from meetcore.model.config import load_config
from meetcore.model.errors import ConfigError
from meetcore.plugin.registry import Plugins
from meetcore_rehearsal.errors import UnknownScript
from meetcore_server.orders_to_specs import Sandbox, Specs

from .running import SHORT, http, serving

LINK = "https://meet.google.com/abc-defg-hij"
HERE = str(Path(meetcore_rehearsal.__file__).parent / "scripts" / "planning" / "script.toml")


def played(script: str | None) -> str:
    config = load_config(overrides={"transcriber": "pocketsphinx"}, environ={})
    specs = Specs(config, Plugins(), Sandbox(scripts={"abc-defg-hij": HERE}))
    spec = specs.spec("b", BotRequest(url=LINK, script=script))
    stage = spec.settings["plugins"]["rehearsal_stage"]
    return str(stage["script"])


@pytest.mark.parametrize(
    "script",
    ["/etc/passwd", "../x.toml", "x.toml", "./planning", "~/x", "a/b", "", "planning\n", HERE[1:]],
)
def test_a_path_is_refused(script):
    with pytest.raises(ConfigError, match="no name of a script") as refused:
        played(script)
    assert "rehearse --list" in refused.value.remedy


def test_one_that_is_not_there_is_told_with_the_order_and_at_the_start():
    with pytest.raises(UnknownScript, match="no meeting script 'planing'") as unknown:
        played("planing")
    assert "Did you mean 'planning'?" in unknown.value.remedy
    config = load_config(overrides={"transcriber": "pocketsphinx"}, environ={})
    for sandbox in (Sandbox(script="planing"), Sandbox(scripts={"a": "/nowhere.toml"})):
        with pytest.raises(UnknownScript):
            Specs(config, Plugins(), sandbox).check()
    Specs(config, Plugins(), Sandbox()).check()


@pytest.mark.parametrize("script", ["planning", HERE])
def test_a_name_is_taken_and_a_file_that_the_operator_set(script):
    assert played(script) == script


async def test_a_server_that_does_not_rehearse_refuses_an_order_with_a_script(tmp_path):
    config = load_config(overrides={"transcriber": "none"}, environ={})
    specs = Specs(config, Plugins())
    for script in ("planning", "planing", ""):
        with pytest.raises(ConfigError, match="does not rehearse") as refused:
            specs.spec("b", BotRequest(url=LINK, script=script))
        assert "--rehearsal" in refused.value.remedy
    async with serving(tmp_path) as server, http(server) as client:
        order = {"meeting_url": SHORT, "script": "planning"}
        answer = await client.post("/v1/bots", json=order)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
        assert (await client.get("/v1/bots")).json()["bots"] == []


async def test_a_wrong_name_of_a_script_is_a_value_that_cannot_be(tmp_path):
    async with (
        serving(tmp_path, dialects=("rehearsal",), sandbox=Sandbox()) as server,
        http(server) as client,
    ):
        for wrong in ("planing", "a/b"):
            order = {"meeting_url": LINK, "script": wrong}
            answer = await client.post("/v1/bots", json=order)
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


def test_without_one_the_servers_own_is_played():
    assert played(None) == "planning"

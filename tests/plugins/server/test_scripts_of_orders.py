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


def test_without_one_the_servers_own_is_played():
    assert played(None) == "planning"

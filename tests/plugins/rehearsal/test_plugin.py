"""What the plugin registers, what importing it costs, and the command `meetcore rehearse`."""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import meetcore_rehearsal
from meetcore.plugin.hooks import API_VERSION
from meetcore_rehearsal import plugin
from meetcore_rehearsal.command import rehearse
from meetcore_rehearsal.demo import demo
from meetcore_rehearsal.links import parse_link
from meetcore_rehearsal.platform import RehearsalPlatform
from meetcore_rehearsal.stage import RehearsalStage


def test_it_is_found_as_a_plugin_and_registers_its_platform_and_command() -> None:
    (entry,) = entry_points(group="meetcore", name="rehearsal")
    assert entry.load() is plugin
    assert plugin.meetcore_api_version == API_VERSION
    platforms: list[type] = []
    plugin.meetcore_register_platforms(platforms.append)
    assert platforms == [RehearsalPlatform, RehearsalStage]
    group = click.Group()
    plugin.meetcore_register_cli(group)
    assert "rehearse" in group.commands


@pytest.mark.parametrize("platform", [RehearsalPlatform, RehearsalStage])
def test_a_join_may_take_longer_than_its_own_limit_so_that_it_can_say_what_it_saw(
    platform: type[RehearsalPlatform],
) -> None:
    assert platform().longest_join_s(90.0) >= 120.0


def test_loading_it_brings_neither_a_browser_nor_a_server() -> None:
    code = (
        "import sys, meetcore_rehearsal.plugin; "
        "print([m for m in ('playwright', 'h11', 'trio_websocket') if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.strip() == "[]"


def test_the_public_names_are_there_and_no_others() -> None:
    assert meetcore_rehearsal.open_rehearsal.__name__ == "open_rehearsal"
    with pytest.raises(AttributeError, match="open_reharsal"):
        _ = meetcore_rehearsal.open_reharsal


def test_the_command_opens_a_room_shows_its_links_and_closes_on_ctrl_c() -> None:
    command = [sys.executable, "-c", "from meetcore_rehearsal.command import rehearse; rehearse()"]
    with subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            host_link = process.stdout.readline().split()[1]
            guest_link = process.stdout.readline().split()[1]
            assert parse_link(guest_link) is not None
            assert host_link.startswith(guest_link + "#host=")
            process.stdout.readline()
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
            assert "closed" in process.stdout.read()
        finally:
            process.kill()


def test_an_unknown_script_is_named_with_the_known_ones() -> None:
    result = CliRunner().invoke(rehearse, ["--port", "0", "--script", "planing"])
    assert result.exit_code == 1
    assert "planning" in str(result.exception)


def test_the_demonstration_takes_plugins_and_a_configuration(tmp_path: Path) -> None:
    config = tmp_path / "mine.toml"
    config.write_text("nonsense = 1\n")
    result = CliRunner().invoke(demo, ["--config", str(config)])
    assert (result.exit_code, "'nonsense'" in result.output) == (1, True), result.output
    result = CliRunner().invoke(demo, ["--plugin", str(tmp_path / "nothere.py")])
    assert (result.exit_code, "nothere.py" in result.output) == (1, True), result.output

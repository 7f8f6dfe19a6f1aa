"""`meetcore plugins`: what is loaded, from where, what it registered."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint, EntryPoints

import pytest


def test_nothing_installed_is_said(meetcore_command):
    result = meetcore_command("plugins")
    assert (result.exit_code, "No plugin is installed" in result.output) == (0, True)


def test_a_plugin_in_a_file_is_listed_with_what_it_registers(meetcore_command, write_plugin):
    path = write_plugin()
    result = meetcore_command("plugins", "--plugin", path, "--json")
    (info,) = json.loads(result.output)
    assert (info["name"], info["origin"]) == ("sim_plugin", str(path))
    assert (info["registered"], info["trouble"]) == (["platform sim"], "")


def test_every_hook_of_a_plugin_is_shown(meetcore_command, tmp_path):
    path = tmp_path / "many.py"
    path.write_text(
        "import meetcore\n\n"
        "class Mine(meetcore.Launcher):\n    name = 'mine'\n    launch = None\n\n"
        "@meetcore.hookimpl\ndef meetcore_register_launchers(register):\n    register(Mine)\n\n"
        "@meetcore.hookimpl\ndef meetcore_on_event(event):\n    pass\n\n"
        "@meetcore.hookimpl\ndef meetcore_configure_bot(config):\n    pass\n"
    )
    table = " ".join(meetcore_command("plugins", "--plugin", path).output.split())
    for word in ("launcher mine", "configure_bot", "on_event"):
        assert word in table


def test_what_ships_with_meetcore_is_listed(meetcore_command):
    result = meetcore_command("plugins", "--json", installed=True)
    assert result.exit_code == 0
    registered = {info["name"]: info["registered"] for info in json.loads(result.output)}
    assert registered["rehearsal"] == ["platform rehearsal", "platform rehearsal_stage"]
    assert registered["pocketsphinx"] == ["transcriber pocketsphinx"]
    table = meetcore_command("plugins", installed=True).output
    assert "sink files" in table
    assert "hook API 1.0" in table


@pytest.mark.parametrize("as_json", [False, True])
def test_a_broken_plugin_is_shown_with_its_trouble(
    meetcore_command, write_plugin, monkeypatch, as_json
):
    folder = write_plugin("entry_broken_cli", "import nowhere_at_all").parent
    monkeypatch.syspath_prepend(str(folder))
    points = EntryPoints([EntryPoint("broken", "entry_broken_cli", "meetcore")])
    monkeypatch.setattr("meetcore.plugin.registry.entry_points", lambda group: points)
    result = meetcore_command("plugins", *(["--json"] if as_json else []), installed=True)
    assert result.exit_code == 1
    assert "nowhere_at_all" in result.output
    assert "Traceback" not in result.output

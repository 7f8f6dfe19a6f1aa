"""`meetcore doctor` asks the bus and the launcher that are configured."""

from __future__ import annotations

from pathlib import Path

import pytest

from meetcore.cli.doctor import check_bus, check_launcher
from meetcore.model.config import load_config
from meetcore.plugin.health import HealthFinding, HealthReport
from meetcore.plugin.registry import Plugins

from .broker import open_broker


def findings(config: Path) -> dict[str, HealthFinding]:
    """Return what is found of a configuration, by name."""
    loaded, plugins = load_config(config, environ={}), Plugins(only=["redis", "kubernetes"])
    report = HealthReport()
    check_bus(report, plugins, loaded)
    check_launcher(report, plugins, loaded)
    return {finding.name: finding for finding in report.findings}


def test_a_bus_that_answers_and_one_that_does_not(tmp_path, monkeypatch):
    monkeypatch.setattr("meetcore.cli.doctor._ANSWER_WITHIN_S", 5.0)
    config = tmp_path / "meetcore.toml"
    with open_broker() as broker:
        config.write_text(f'launcher = "child_process"\n[bus]\nurl = "{broker.url}"\n')
        found = findings(config)
        assert found["bus"].ok
        assert found["bus"].detail == f"{broker.url}, 0 bots alive"
        assert found["launcher"].detail == "child_process, 0 bots run"
    trouble = findings(config)["bus"]
    assert not trouble.ok
    assert "cannot be reached" in trouble.detail or "does not answer" in trouble.detail
    assert "[bus]" in trouble.remedy


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('launcher = "kubernetes"\n', "names no image"),
        ('launcher = "kubernetes"\n[plugins.kubernetes]\nimage = "x"\n', "needs a bus"),
        ('launcher = "nowhere"\n', "There is no launcher"),
        ('[bus]\nurl = "nowhere://x"\n', "There is no bus"),
    ],
)
def test_what_lacks_something_says_what(tmp_path, written, said):
    config = tmp_path / "meetcore.toml"
    config.write_text(written)
    [found] = findings(config).values()
    assert not found.ok
    assert said in found.detail
    assert found.remedy
    if 'nowhere"' in written:
        assert "child_process, in_process, kubernetes" in found.remedy

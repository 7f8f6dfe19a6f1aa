"""What `meetcore doctor` says about the browser, and what the plugin's module costs to import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from meetcore.contracts import HealthReport
from meetcore_browser import plugin


def test_doctor_tells_the_version_of_the_chromium_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = tmp_path / "chromium"
    browser.write_text("#!/bin/sh\necho 'Chromium 156.0.8078.79'\n")
    browser.chmod(0o755)
    monkeypatch.setenv("MEETCORE_CHROMIUM", str(browser))
    report = HealthReport()
    plugin.meetcore_check_health(report)
    [finding] = report.findings
    assert finding.ok
    assert finding.detail == f"156.0.8078.79 at {browser}"


def test_doctor_gives_the_remedy_where_there_is_no_chromium(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MEETCORE_CHROMIUM", "/nowhere/chromium")
    report = HealthReport()
    plugin.meetcore_check_health(report)
    [finding] = report.findings
    assert not finding.ok
    assert "/nowhere/chromium" in finding.detail
    assert finding.remedy


@pytest.mark.parametrize("module", ["plugin", "bot_page"])
def test_importing_the_plugin_imports_no_playwright(module: str) -> None:
    check = (
        f"import sys, meetcore_browser.{module}; sys.exit('playwright' in sys.modules or"
        " 'asyncio' in sys.modules and 'plugin' in sys.argv)"
    )
    subprocess.run([sys.executable, "-c", check], check=True, timeout=60)

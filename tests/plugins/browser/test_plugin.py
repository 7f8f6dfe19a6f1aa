"""What `meetcore doctor` says about the browser, and what the plugin's module costs to import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from meetcore.plugin.health import HealthReport
from meetcore_browser import plugin
from meetcore_browser.driver import open_driver
from meetcore_browser.errors import DriverCrashed
from meetcore_browser.machine import missing_libraries, packages_for, remedy_for
from meetcore_browser.thread import browser_thread

LOADER_SAYS = "error while loading shared libraries: libatomic.so.1: cannot open shared object file"


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def findings() -> dict[str, tuple[bool, str, str]]:
    report = HealthReport()
    plugin.meetcore_check_health(report)
    return {each.name: (each.ok, each.detail, each.remedy) for each in report.findings}


@pytest.fixture
def driver_without_libatomic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the driver of Playwright is on a slim Debian 12."""
    broken = program(tmp_path / "node", f"echo '{LOADER_SAYS}' >&2; exit 127")
    monkeypatch.setenv("PLAYWRIGHT_NODEJS_PATH", str(broken))


@pytest.mark.browser
def test_doctor_starts_the_browser_it_found_and_opens_a_page() -> None:
    found = findings()
    assert found["Chromium"][0]
    ok, detail, _ = found["browser page"]
    assert ok, detail
    assert detail.startswith("up in ")
    assert "a screen of the bot's own" in found["video"][1]


def test_a_browser_that_tells_its_version_and_does_not_start_is_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "[ \"$1\" = --version ] && echo 'Chromium 156.0.8078.79' || exit 1"
    monkeypatch.setenv("MEETCORE_CHROMIUM", str(program(tmp_path / "chromium", script)))
    monkeypatch.setattr("shutil.which", lambda name: None)
    found = findings()
    assert found["video"][:2] == (
        True,
        "from the tab; with Xvfb it costs less: apt-get install xvfb",
    )
    assert found["Chromium"][:2] == (True, f"156.0.8078.79 at {tmp_path / 'chromium'}")
    ok, detail, remedy = found["browser page"]
    assert not ok
    assert "did not start" in detail
    assert remedy


def test_doctor_gives_the_remedy_where_there_is_no_chromium(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MEETCORE_CHROMIUM", "/nowhere/chromium")
    [(name, (ok, detail, remedy))] = findings().items()
    assert (name, ok) == ("Chromium", False)
    assert "/nowhere/chromium" in detail
    assert remedy


@pytest.mark.usefixtures("driver_without_libatomic")
def test_doctor_names_the_library_the_driver_lacks_and_the_command_that_brings_it() -> None:
    ok, detail, remedy = findings()["browser driver"]
    assert not ok
    assert "libatomic.so.1" in detail
    assert "apt-get install libatomic1" in remedy


@pytest.mark.usefixtures("driver_without_libatomic")
async def test_a_driver_that_lacks_a_library_says_so_when_it_is_started() -> None:
    async with browser_thread() as aio:
        with pytest.raises(DriverCrashed, match=r"without libatomic\.so\.1") as caught:
            async with open_driver(aio):
                pass
    assert "apt-get install libatomic1" in caught.value.remedy


def test_what_is_no_dynamic_program_misses_nothing(tmp_path: Path) -> None:
    assert missing_libraries(program(tmp_path / "fine", "true")) == ()
    assert missing_libraries(tmp_path / "nowhere") == ()


def test_libraries_nobody_knows_a_package_for_are_named_all_the_same() -> None:
    lacking = ("libatomic.so.1", "libnss3.so", "libsmime3.so", "libstrange.so.4")
    assert packages_for(lacking) == ("libatomic1", "libnss3")
    assert "holds libstrange.so.4" in remedy_for(lacking)


@pytest.mark.parametrize("module", ["plugin", "bot_page"])
def test_importing_the_plugin_imports_no_playwright(module: str) -> None:
    check = (
        f"import sys, meetcore_browser.{module}; sys.exit('playwright' in sys.modules or"
        " 'asyncio' in sys.modules and 'plugin' in sys.argv)"
    )
    subprocess.run([sys.executable, "-c", check], check=True, timeout=60)

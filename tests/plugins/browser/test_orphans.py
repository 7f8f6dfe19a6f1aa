"""Whatever way the host dies: no driver, no Chromium and, after the next start, no folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import trio

from meetcore.log.scratch import PREFIX, remove_stale, scratch_root
from meetcore_browser.driver import process_alive
from meetcore_browser.testing import until

pytestmark = [pytest.mark.browser, pytest.mark.law(1)]

HOST = """
import json, sys, trio
from meetcore_browser.browser import open_browser

async def main():
    async with open_browser() as browser:
        page = await browser.call(browser.raw.new_page)
        await browser.call(page.goto, "data:text/html,hello")
        print(json.dumps([browser.driver.pid, browser.pid]), flush=True)
        await trio.sleep_forever()

trio.run(main)
"""


@pytest.fixture
def short_tmp() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as folder:
        yield Path(folder)


def spawn_host(short_tmp: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOST],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(short_tmp)},
        start_new_session=True,
    )


def names(folder: Path, pattern: str = "*") -> list[str]:
    return [path.name for path in folder.glob(pattern)]


async def start_host(short_tmp: Path) -> tuple[subprocess.Popen[str], list[int]]:
    host = spawn_host(short_tmp)
    assert host.stdout is not None
    line = await trio.to_thread.run_sync(host.stdout.readline)
    driver, browser = json.loads(line)
    family = [driver, browser]
    family += [child.pid for child in psutil.Process(browser).children(recursive=True)]
    assert len(family) > 4
    return host, family


async def all_gone(family: list[int]) -> None:
    await until(lambda: not any(process_alive(pid) for pid in family))


def finish(host: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = host.communicate(timeout=20)
    return host.returncode, errors


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_killed_host_leaves_no_process_and_its_folder_goes_at_the_next_start(
    how: signal.Signals, short_tmp: Path
) -> None:
    host, family = await start_host(short_tmp)
    host.send_signal(how)
    finish(host)
    await all_gone(family)
    # The driver may have had time for its own folders; ours is there until somebody starts again.
    assert len(remove_stale(short_tmp)) == 1
    assert names(short_tmp, PREFIX + "*") == []


async def test_ctrl_c_in_a_terminal_ends_the_host_properly(short_tmp: Path) -> None:
    host, family = await start_host(short_tmp)
    os.killpg(host.pid, signal.SIGINT)
    code, errors = finish(host)
    assert code in (1, 130, -signal.SIGINT)
    assert "KeyboardInterrupt" in errors
    assert "never retrieved" not in errors
    await all_gone(family)
    assert names(short_tmp) == []


async def test_a_terminals_ctrl_c_does_not_reach_the_browser_before_the_host_decides(
    short_tmp: Path,
) -> None:
    host, family = await start_host(short_tmp)
    try:
        assert all(os.getpgid(pid) != os.getpgid(host.pid) for pid in family[:2])
    finally:
        host.kill()
        finish(host)
    await all_gone(family)


async def test_host_and_driver_killed_together_still_leave_no_chromium(short_tmp: Path) -> None:
    host, family = await start_host(short_tmp)
    os.kill(family[0], signal.SIGSTOP)
    host.kill()
    os.kill(family[0], signal.SIGKILL)
    finish(host)
    await all_gone(family)
    assert len(remove_stale(short_tmp)) == 1
    assert names(short_tmp, "playwright*") == []


async def test_the_folder_of_a_running_host_is_left_alone(short_tmp: Path) -> None:
    host, family = await start_host(short_tmp)
    assert remove_stale(short_tmp) == []
    host.send_signal(signal.SIGINT)
    finish(host)
    await all_gone(family)


def test_a_long_temporary_folder_is_left_for_one_that_sockets_fit_into(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T")
    assert scratch_root() == Path("/tmp")
    monkeypatch.setattr(tempfile, "tempdir", "/var/tmp")
    assert scratch_root() == Path("/var/tmp")


def test_a_folder_that_is_not_ours_is_left_alone(short_tmp: Path, monkeypatch: Any) -> None:
    stale = short_tmp / f"{PREFIX}abc"
    stale.mkdir()
    (stale / "owner.lock").touch()
    half_made = short_tmp / f"{PREFIX}def"
    half_made.mkdir()
    link = short_tmp / f"{PREFIX}link"
    link.symlink_to(short_tmp)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert remove_stale(short_tmp) == []
    monkeypatch.undo()
    assert remove_stale(short_tmp) == [stale]
    assert half_made.exists()
    assert link.is_symlink()

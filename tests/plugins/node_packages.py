"""The vendors' own Node packages: installed from npm where a test needs them, and run."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trio

_INSTALL_S = 100
_OPTIONS = ("--no-package-lock", "--no-audit", "--no-fund", "--omit=optional")


def installed(folder: Path) -> Path:
    """Return a folder in which the packages are that its `package.json` pins, unmodified.

    They go to a subfolder that git ignores, and are fetched again only when a pin has changed.
    """
    pins: Mapping[str, str] = json.loads((folder / "package.json").read_text())["dependencies"]
    with (folder / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        if any(_version(folder, name) != version for name, version in pins.items()):
            command = [_program("npm"), "install", *_OPTIONS]
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=_INSTALL_S
            )
            assert done.returncode == 0, done.stderr
    found = {name: _version(folder, name) for name in pins}
    assert found == pins
    return folder


async def run_node(
    script: Path, *told: str, stdin: bytes = b"", within_s: float = 180.0
) -> dict[str, Any]:
    """Run a script of a test with what it is told; return the JSON object it prints.

    Args:
        script: The script.
        told: Its arguments.
        stdin: What it reads.
        within_s: How long it may take.
    """
    loopback = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    with trio.fail_after(within_s):
        done = await trio.run_process(
            [_program("node"), str(script), *told],
            stdin=stdin,
            env={**os.environ, **loopback},
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr.decode()
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def _version(folder: Path, name: str) -> str | None:
    package = folder / "node_modules" / name / "package.json"
    return json.loads(package.read_text())["version"] if package.exists() else None


def _program(name: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} is needed: the vendor's client is a Node package"
    return found

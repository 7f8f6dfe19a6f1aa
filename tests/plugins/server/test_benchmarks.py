"""The server's benchmarks run, each by itself, at their smallest size, and ask one server.

What is published is what they measure: a figure that a script no longer gives, gives in another
unit, or of a single run, is found here.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.served import served

ROOT = Path(__file__).parents[3]
PUBLISHED = json.loads((ROOT / "benchmarks" / "results.json").read_text("utf-8"))
SCRIPTS = ("serve_create", "serve_fanout", "serve_webhooks", "serve_rest", "serve_memory")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The server that all scripts ask, started as each would by itself."""
    with served() as running:
        yield f"{running.port}:{running.pid}:{running.folder}"


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_runs_by_itself_and_gives_figures(script: str, server: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{script}", "--quick", "--json", "--server", server],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert {kind(figure) for figure in figures} == {kind(each) for each in PUBLISHED[script]}
    for figure in figures:
        assert figure["low"] <= figure["median"] <= figure["high"] < math.inf
        assert figure["low"] >= 0
        assert figure["runs"] >= 1
        assert (figure["reached"] is None) == (figure["wanted"] == "")
    assert any(figure["median"] > 0 for figure in figures)


def kind(figure: dict[str, Any]) -> tuple[str, str]:
    """Return what was measured and its unit, whatever the size of the run."""
    return re.sub(r"[\d,.]+", "N", figure["name"]), figure["unit"]

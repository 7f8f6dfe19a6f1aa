"""The server's benchmarks run, each by itself, at their smallest size; what they find is theirs."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPTS = ("serve_create", "serve_fanout", "serve_webhooks", "serve_rest", "serve_memory")


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_runs_by_itself_and_gives_figures(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{script}", "--quick", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures
    for figure in figures:
        assert figure["low"] <= figure["median"] <= figure["high"]
        assert math.isfinite(figure["median"])

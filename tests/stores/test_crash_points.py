"""Killed at any write of begin, end, delete and move: nothing acknowledged is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .dying import WORK

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("work", WORK)
def test_killed_at_any_write_it_is_done_or_can_be_done_again(tmp_path: Path, work: str) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tests.stores.dying", work, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert int(told.stdout) >= 4

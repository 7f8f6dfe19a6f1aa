"""Programs against the public face, under mypy --strict and pyright."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"
CACHE = ROOT / ".mypy_cache" / "programs"  # of its own: the options are others than the tree's
WITHIN_S = 240

Found = list[tuple[str, int, str]]


def mypy(folder: Path) -> Found:
    """Return file, line and message of each error; what did not change is read from the cache."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--no-color-output",
         "--config-file", "", "--cache-dir", str(CACHE), *map(str, programs())],
        capture_output=True, text=True, timeout=WITHIN_S, check=False, cwd=folder,
        env={**os.environ, "MYPYPATH": str(ROOT)},
    )  # fmt: skip
    assert not done.stderr, done.stderr
    found = re.findall(r"([^/\n]+\.py):(\d+): error: (.*)", done.stdout)
    return [(name, int(line), message) for name, line, message in found]


def pyright(folder: Path) -> Found:
    """Return the same from pyright."""
    for path in programs():
        shutil.copy(path, folder)
    settings = {"extraPaths": [str(ROOT)], "pythonVersion": "3.11"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "-p", str(folder),
         "--pythonpath", sys.executable],
        capture_output=True, text=True, timeout=WITHIN_S, check=False,
    )  # fmt: skip
    report = json.loads(done.stdout)
    return [
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1, each["message"])
        for each in report["generalDiagnostics"]
        if each["severity"] == "error"
    ]


def programs() -> list[Path]:
    return sorted(PROGRAMS.glob("*.py"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("checker", [mypy, pyright])
@pytest.mark.long
def test_what_fits_checks_and_what_does_not_is_refused_where_it_stands(
    checker: Callable[[Path], Found], tmp_path: Path
) -> None:
    wanted = {
        (path.name, number)
        for path in programs()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if line.endswith("# refused")
    }
    assert len(wanted) > 10
    found = checker(tmp_path)
    places = {(name, line) for name, line, _ in found}
    assert places == wanted, [each for each in found if each[:2] not in wanted]

"""The same rooms in every dialect: who knows one finds anything in the next one by guessing."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DIALECTS = sorted(path.parent for path in ROOT.glob("plugins/*/meetcore_*/create_request.py"))
ROOMS = {
    "bot_object", "create_request", "errors", "frames", "mount", "plugin", "statuses",
    "transcripts", "webhooks",
}  # fmt: skip


def test_the_four_dialects_are_found():
    assert len(DIALECTS) == 4


@pytest.mark.parametrize("folder", DIALECTS, ids=lambda folder: folder.name)
def test_a_dialect_has_the_rooms_of_the_others(folder):
    files = {path.stem for path in folder.glob("*.py")}
    assert ROOMS - files == set()
    assert [name for name in files if name == "routes" or name.startswith("routes_")]

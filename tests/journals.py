"""Every journal that a test leaves is held against the published schema of events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import jsonschema_rs

from meetcore.log.journal import JOURNAL_NAME, decode_line

SCHEMA = Path(__file__).parents[1] / "docs" / "reference" / "events.schema.json"


@cache
def _validator() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))


def problems(journal: Path) -> Iterator[str]:
    """Yield what is wrong with the lines of a journal; one that is torn or damaged says nothing."""
    valid = _validator()
    with journal.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if valid.is_valid(message) or decode_line(line) is None:
                continue
            error = next(valid.iter_errors(message))
            where = f"{journal.name}, line {number}, {error.instance_path}"
            yield f"{where}: {error.message}: {line!r}"


def check_journals(folder: Path) -> None:
    """Assert that every journal below a folder is valid.

    Raises:
        AssertionError: One is not.
    """
    found = [each for path in folder.rglob(JOURNAL_NAME) for each in problems(path)]
    assert not found, "\n".join(found[:5])

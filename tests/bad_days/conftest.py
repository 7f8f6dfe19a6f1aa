"""A meeting of ten seconds in which Ada speaks until something happens."""

from __future__ import annotations

from pathlib import Path

import meetcore

TALK = """
title = "A bad day"
seed = 3
[admission]
after_s = 1
[[people]]
id = "ada"
name = "Ada"
host = true
[[lines]]
who = "ada"
at_s = 1
text = "good morning everyone"
[[lines]]
who = "ada"
at_s = 3.5
text = "shall we begin with the plan"
"""


def end_of(events: list[meetcore.Event]) -> meetcore.StateChanged:
    (end,) = [
        event
        for event in events
        if isinstance(event, meetcore.StateChanged) and event.state in ("completed", "failed")
    ]
    return end


def kinds(events: list[meetcore.Event], kind: type) -> list:
    return [event for event in events if isinstance(event, kind)]


def journal_below(out_dir: Path) -> list[meetcore.Event]:
    (path,) = out_dir.glob("*/journal.jsonl")
    return list(meetcore.read_journal(path))

"""One word, one meaning.

No two classes of the product share a name, unless they are the same thing seen from two sides, and
words that say nothing, or said many things once, are in no name.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Said of many things: a door was a route, a platform's way in, a look-up, a handler of connections.
RIDDLES = frozenset(
    """
    acting acts attendance buckets comings courier creating desk door doors ears errand farewell
    farewells fate gauges hop hops parcel patience reading story telling wish wishes
    """.split()  # noqa: SIM905 (a list of thirty lines says no more)
)

# The same thing from two sides, or the same room of several dialects.
SAME = {
    "AccountRoutes": "a dialect's routes about a user's own settings",
    "Bot": "a bot, under Trio, under asyncio, blocking, and as the API shows it",
    "BotRoutes": "a dialect's routes about bots",
    "ActionRoutes": "a dialect's routes that act on a bot",
    "CreateBotRequest": "the body of a create request in each dialect",
    "Fleet": "a fleet, under Trio, under asyncio and blocking",
    "Speech": "something a bot says, under Trio, under asyncio and blocking",
    "LookIn": "a look at a bot's page, under Trio and under asyncio",
    "Lookup": "a dialect's way from a request to a caller and a bot",
    "Refusal": "a dialect's answer to what it does not take, and that of a WebSocket's handshake",
    "Request": "an HTTP request, whole and as a WebSocket begins",
    "MeetingDataRoutes": "a dialect's routes that only read what a bot brought",
    "RunningBot": "a bot that runs, under Trio and under asyncio",
    "Standing": "how a dialect's status follows from a bot's",
    "StatusData": "a dialect's status webhook",
    "StatusTrack": "a dialect's status from event to event",
    "Transcript": "a transcript, and how the API shows it",
    "Transition": "a change of state, as the journal, the API and a dialect have it",
    "Variant": "an era of a vendor's API",
}


def product() -> list[Path]:
    return sorted([*ROOT.glob("meetcore/**/*.py"), *ROOT.glob("plugins/*/meetcore_*/**/*.py")])


def parts(name: str) -> list[str]:
    """Return the words of a name in small letters: `_BotRow` and `bot_row` have the same."""
    return [part.lower() for part in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)]


def classes(text: str) -> list[str]:
    return [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]


def riddles(names: Iterable[str]) -> set[str]:
    return {name for name in names if RIDDLES & set(parts(name))}


def told_twice(files: dict[str, str]) -> dict[str, list[str]]:
    """Return the names of classes that several files define, with the files."""
    homes = defaultdict(list)
    for file, text in files.items():
        for name in classes(text):
            homes[name.lstrip("_")].append(file)
    return {name: found for name, found in homes.items() if len(found) > 1}


def test_no_name_is_a_riddle():
    for path in product():
        found = riddles([path.stem, *classes(path.read_text("utf-8"))])
        assert not found, f"{path.relative_to(ROOT)}: {found}"


def test_a_name_of_a_class_is_given_once():
    found = told_twice({str(p.relative_to(ROOT)): p.read_text("utf-8") for p in product()})
    assert {name: where for name, where in found.items() if name not in SAME} == {}
    assert set(found) == set(SAME), "an exception that nothing needs"


def test_the_check_finds_what_it_is_there_for():
    assert riddles(["CallDoor", "_Reading", "command_desk", "TranscriptLine"]) == {
        "CallDoor",
        "_Reading",
        "command_desk",
    }
    lines = {"line.py": "class Line: ...", "script.py": "class Line: ...\nclass Script: ..."}
    assert told_twice(lines) == {"Line": ["line.py", "script.py"]}
    assert told_twice({"a.py": "class _Outbox: ...", "b.py": "class Outbox: ..."})

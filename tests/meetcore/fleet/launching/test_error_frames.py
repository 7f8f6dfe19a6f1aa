"""Every typed error arrives in the other process as what it is, with its fields."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from datetime import UTC, datetime
from enum import Enum

import pytest

import meetcore
from meetcore.fleet.launching.error_frames import error_from_wire, error_to_wire
from meetcore.gateway.records import BotRow
from meetcore.model.errors import CapabilityMissing, CommandRefused, MeetcoreError
from meetcore.model.lifecycle import State

for found in pkgutil.walk_packages(meetcore.__path__, "meetcore."):
    if "__main__" not in found.name and ".testing" not in found.name:
        importlib.import_module(found.name)


def all_of(kind: type) -> list[type]:
    return [kind, *(each for sub in kind.__subclasses__() for each in all_of(sub))]


# What is wrong with the body of a request is met where it is read: no bot raises that.
HERE_ONLY = ("meetcore.gateway.kit.",)
CLASSES = sorted(
    {
        each
        for each in all_of(MeetcoreError)
        if each.__module__.startswith("meetcore") and not each.__module__.startswith(HERE_ONLY)
    },
    key=lambda each: (each.__module__, each.__qualname__),
)
ROW = BotRow(
    number=1, bot_id="b", user_id=1, key_id="k", dialect="native", platform="zoom",
    native_id="1", public_url="u", url="u", name="n", state=State.RECORDING,
    created_at=datetime(2026, 1, 1, tzinfo=UTC), updated_at=datetime(2026, 1, 2, tzinfo=UTC),
    metadata={"a": "b"},
)  # fmt: skip
SAMPLES = {
    "row": ROW, "state": State.PAUSED, "platforms": [("zoom", ["z"])], "known": ["name"],
    "allowed": ("GET",), "tried": ("a", "b"), "limit": 3, "retryable": True,
    "retry_after_s": 2.5, "timeout_s": 1.5,
}  # fmt: skip


def made(kind: type[MeetcoreError]) -> MeetcoreError:
    arguments = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        default = parameter.default
        if name in SAMPLES:
            arguments[name] = SAMPLES[name]
        elif isinstance(default, Enum):
            arguments[name] = default
        else:
            arguments[name] = f"a {name}"
    if kind.__name__ == "TranscriberError":
        arguments["kind"] = "server"
    if kind.__name__ == "AmbiguousMeetingUrl":
        arguments["platforms"] = ["zoom", "teams"]
    return kind(**arguments)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__qualname__)
def test_every_error_survives_the_border(kind):
    error = made(kind)
    arrived = error_from_wire(json.loads(json.dumps(error_to_wire(error))))
    assert type(arrived) is kind
    assert vars(arrived) == vars(error)
    assert str(arrived) == str(error)


def test_an_error_of_a_plugin_that_is_not_loaded_here_arrives_as_what_it_derives_from():
    class Stranger(CapabilityMissing):
        """Nobody else knows it."""

    wire = error_to_wire(Stranger("zoom", "speak"))
    assert wire is not None
    arrived = error_from_wire(json.loads(json.dumps(wire)))
    assert type(arrived) is CapabilityMissing
    assert arrived.capability == "speak"
    assert isinstance(arrived, CommandRefused)

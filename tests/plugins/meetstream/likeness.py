"""Whether a message of ours is like an example of the vendor's, and which examples have a test."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from meetcore.gateway.http import Reply
from meetcore.testing.fake_service import FakeService
from tests.plugins.meetstream.stage import BY_NAME

T = TypeVar("T")
BOT_ID = "5b0ff6e7-3cea-4c9f-a6b4-851c5f11cf4f"
LEGACY, CURRENT, ERA_B = "legacy(seed)", "current", "era-B"
STREAMING: dict[str, Any] = {"transcript": {"provider": {"meetstream_streaming": {}}}}

TESTED: set[tuple[str, str]] = set()


def vector(system: str, name: str) -> Any:
    return BY_NAME[(system, name)]


def example(system: str, name: str) -> Any:
    return vector(system, name)["example"]


def of(system: str, *names: str) -> pytest.MarkDecorator:
    """Run a test for several vectors, and note that they have one."""
    TESTED.update((system, name) for name in names)
    return pytest.mark.parametrize("name", names)


def seen(system: str, *names: str) -> Callable[[T], T]:
    """Note that vectors have a test."""
    TESTED.update((system, name) for name in names)
    return lambda function: function


def value_at(value: Any, dotted: str) -> Any:
    if dotted.startswith("headers."):
        return value["headers"][dotted.removeprefix("headers.")]
    for part in dotted.split("."):
        value = value[part]
    return value


def assert_like(ours: Any, theirs: Any, where: str = "", *, more: frozenset[str]) -> None:
    """Every field of the example is there, with its type; others only if they are known."""
    if isinstance(theirs, dict):
        assert isinstance(ours, dict), where
        assert set(theirs) <= set(ours), (where, set(theirs) - set(ours))
        if theirs:
            assert set(ours) - set(theirs) <= more, (where, set(ours) - set(theirs))
        for key, value in theirs.items():
            assert_like(ours[key], value, f"{where}.{key}", more=more)
    elif isinstance(theirs, list):
        assert isinstance(ours, list), where
        assert ours or not theirs, where
        for item in ours if theirs else ():
            assert_like(item, theirs[0], f"{where}.0", more=more)
    elif isinstance(theirs, bool) or isinstance(ours, bool):
        assert type(ours) is type(theirs), where
    elif isinstance(theirs, (int, float)):
        assert isinstance(ours, (int, float)), where
    else:
        assert type(ours) is type(theirs), (where, ours)


def check(ours: Any, system: str, name: str, *more: str) -> None:
    found = vector(system, name)
    assert_like(ours, found["example"], more=frozenset(more))
    for required in found["required_fields"]:
        value_at(ours, required)


def as_answer(reply: Reply) -> dict[str, Any]:
    return {"status": reply.status, "body": reply.json}


async def send(fake: FakeService, system: str, name: str, bot_id: str = BOT_ID) -> Reply:
    """Send the example's own request, to the byte, about one of our bots."""
    request = example(system, name)
    text = json.dumps(request.get("body", {}))
    return await fake.call(
        request["method"],
        request["path"].replace(BOT_ID, bot_id),
        headers=request["headers"],
        body=text.encode() if "body" in request else b"",
    )

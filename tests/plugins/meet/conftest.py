"""A stand-in for all tests of a file, and looks at the page that follow each other quickly."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from meetcore_browser.guest import attempt
from tests.plugins.meet.visits import standin
from tests.standins.site import StandinSite


@pytest.fixture(scope="module")
def site() -> Iterator[StandinSite]:
    with standin() as served:
        yield served


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt, "POLL_S", 0.2)
    monkeypatch.setattr(attempt, "FIRST_POLLS_S", 0.1)

"""The stand-in answers at once, so a bot looks at it more often than at a live page."""

from __future__ import annotations

import pytest

from meetcore_browser.guest import attempt


@pytest.fixture(autouse=True)
def _looks_follow_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt, "POLL_S", 0.25)
    monkeypatch.setattr(attempt, "FIRST_POLLS_S", 0.1)

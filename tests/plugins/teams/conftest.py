"""The same steps at a quicker pace: what waits for a person's eye need not wait in a test."""

from __future__ import annotations

import pytest

from meetcore_browser.guest import attempt
from meetcore_teams import joiner, panels


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look more often, and turn panels sooner."""
    monkeypatch.setattr(attempt, "POLL_S", 0.25)
    monkeypatch.setattr(attempt, "FIRST_POLLS_S", 0.15)
    monkeypatch.setattr(panels, "SHOWN_S", 1.3)
    monkeypatch.setattr(panels, "TRY_AGAIN_S", 0.6)
    monkeypatch.setattr(joiner, "DISABLED_IS_WAITING_S", 0.5)

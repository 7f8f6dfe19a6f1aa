"""pytest fixtures of the test kit: installed with meetcore, active in every pytest run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from meetcore.testing.leaks import LeakGuard

__all__ = ["leak_guard"]


@pytest.fixture
def leak_guard() -> Iterator[LeakGuard]:
    """Fail the test if it leaves a thread, process, socket or temporary file behind."""
    from meetcore.testing.leaks import LeakGuard

    guard = LeakGuard()
    yield guard
    guard.check()

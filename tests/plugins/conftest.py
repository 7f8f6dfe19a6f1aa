"""A page in the Chromium that all tests of a process share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from meetcore_browser.browser import Browser
from meetcore_browser.testing import SharedChromium


@pytest.fixture
async def browser(shared_chromium: SharedChromium) -> AsyncIterator[Browser]:
    """The shared Chromium, lent to this test: contexts that it leaves open are closed."""
    async with shared_chromium.lend() as lent:
        yield lent

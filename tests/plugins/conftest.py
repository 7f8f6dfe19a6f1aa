"""One Chromium for all tests of a process that need a browser, and not one of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from meetcore_browser.browser import Browser
from meetcore_browser.flags import LaunchOptions
from meetcore_browser.testing import SharedChromium
from meetcore_rehearsal.cast import MEDIA_FEATURES_OFF, MEDIA_SWITCHES

# The two ends of a call may be in one browser without a microphone's permission: their addresses
# would be hidden behind multicast names that nobody resolves here.
OPTIONS = LaunchOptions(
    disabled_features=("WebRtcHideLocalIpsWithMdns", *MEDIA_FEATURES_OFF),
    arguments=MEDIA_SWITCHES,
)


@pytest.fixture(scope="session")
def shared_chromium() -> Iterator[SharedChromium]:
    chromium = SharedChromium(OPTIONS)
    try:
        yield chromium
    finally:
        chromium.close()


@pytest.fixture
async def browser(shared_chromium: SharedChromium) -> AsyncIterator[Browser]:
    """The shared Chromium, lent to this test: contexts that it leaves open are closed."""
    async with shared_chromium.lend() as lent:
        yield lent

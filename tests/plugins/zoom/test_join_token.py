"""A registrant's token, fetched just before each attempt to join."""

from __future__ import annotations

from pathlib import Path

import pytest

from meetcore import EndReason, JoinToken, JoinTokenFailed
from meetcore_browser.browser import Browser
from tests.plugins.zoom.stage import visit

pytestmark = pytest.mark.browser
TOKEN = "tk-0123456789"


async def test_with_the_token_that_a_plugin_has_a_bot_comes_in(
    browser: Browser, tmp_path: Path
) -> None:
    async def fetch() -> JoinToken:
        return JoinToken("tk", TOKEN)

    async with visit(
        browser, tmp_path, join_token=fetch, registrant=TOKEN, waiting_room=False
    ) as at:
        await at.inside()
        assert any(f"tk={TOKEN}" in address for address, _ in at.seen)
        assert TOKEN not in at.steps()


async def test_each_attempt_has_a_token_of_its_own_and_one_that_fails_ends_it(
    browser: Browser, tmp_path: Path
) -> None:
    asked = []

    async def fetch() -> JoinToken:
        asked.append(1)
        if len(asked) == 1:
            raise JoinTokenFailed("tokens", "gave none within 15 s")
        return JoinToken("zak", TOKEN)

    async with visit(browser, tmp_path, join_token=fetch, options={"attempts": 2}) as at:
        ended = await at.ended()
    assert ended.reason is EndReason.SIGN_IN_REQUIRED
    assert ended.evidence.signal == "join_token"
    assert "cannot use a 'zak' token as a guest" in ended.evidence.detail
    assert len(asked) == 2
    assert not at.seen, "nothing was opened without it"

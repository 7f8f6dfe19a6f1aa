"""Webhooks: which changes are told, how they are signed, and how often."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore.model.errors import ConfigError
from meetcore.model.lifecycle import EndReason, State
from meetcore.testing.fake_accounts import START
from meetcore.testing.fake_service import open_fake_service
from meetcore_skribby import plugin
from meetcore_skribby.webhooks import SkribbyWebhooks, signature, verify
from tests.plugins.skribby.stage import enter, leave, new_bot, skribby

HOOK = "https://example.com/hook"


async def test_each_change_of_status_is_posted_once_with_an_id_of_its_own(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake, webhook_url=HOOK)
        enter(fake, row)
        leave(fake, row)
        await fake.settled()
        transitions = {
            (p.json["data"]["old_status"], p.json["data"]["new_status"]) for p in fake.posted
        }
        assert transitions == {
            ("booting", "joining"),
            ("joining", "recording"),
            ("recording", "leaving"),
            ("leaving", "processing"),
            ("processing", "finished"),
        }
        assert len(fake.posted) == 5
        assert len({posted.outgoing.id for posted in fake.posted}) == 5
        for posted in fake.posted:
            assert posted.url == HOOK
            assert posted.json["bot_id"] == row.bot_id
            headers = posted.outgoing.headers
            assert headers["X-Skribby-Webhook-Id"] == posted.outgoing.id
            assert verify(
                str(posted.target.secret),
                headers["X-Skribby-Timestamp"],
                posted.outgoing.body,
                headers["X-Skribby-Signature"],
                now=fake.now(),
            )


async def test_a_bot_that_is_called_off_says_so(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake, webhook_url=HOOK, scheduled_start_time=1_900_000_000)
        fake.go(row, State.COMPLETED, EndReason.STOP_REQUESTED)
        await fake.settled()
        (posted,) = fake.posted
        assert posted.json["data"] == {
            "old_status": "scheduled",
            "new_status": "not_admitted",
            "stop_reason": "manually_stopped",
        }


async def test_without_a_webhook_url_nothing_is_posted(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        await fake.settled()
        assert fake.posted == []


def test_there_is_a_single_attempt() -> None:
    assert SkribbyWebhooks.pauses_s == ()


@given(st.text(), st.binary(), st.integers(0, 600))
def test_a_signature_holds_for_five_minutes(secret: str, body: bytes, age_s: int) -> None:
    secret = secret.encode("utf-8", "replace").decode()
    stamp = str(int(START.timestamp()))
    given_signature = signature(secret, stamp, body)
    now = START.replace(microsecond=0) + timedelta(seconds=age_s)
    assert verify(secret, stamp, body, given_signature, now=now) is (age_s <= 300)
    assert not verify(secret, stamp, body + b"x", given_signature, now=START)
    assert not verify(secret, "soon", body, given_signature, now=START)


@pytest.mark.parametrize("options", [{"webhook_secrets": "x"}, {"webhook_secret": ""}, "x", 3])
async def test_an_option_that_is_none_is_refused_at_the_start(
    options: object, tmp_path: Path
) -> None:
    async with open_fake_service(tmp_path) as fake:
        fake.options = {"skribby": options}
        with pytest.raises(ConfigError):
            fake.load(plugin)

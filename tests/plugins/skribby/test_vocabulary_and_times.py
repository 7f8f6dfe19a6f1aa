"""What an order says besides: names and terms, times by either name, and empty texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.plugins.skribby.stage import ask, bot_of, new_bot, skribby


async def test_a_vocabulary_reaches_the_transcriber_and_is_shown(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake, custom_vocabulary=[" meetcore ", "Trio"])
        assert tuple((await fake.order(row)).vocabulary) == ("meetcore", "Trio")
        assert (await bot_of(fake, row))["custom_vocabulary"] == ["meetcore", "Trio"]
        row = await new_bot(fake, custom_vocabulary=["Trio"], transcription_model="none")
        assert (await bot_of(fake, row))["custom_vocabulary"] == []


async def test_an_empty_text_is_as_good_as_none(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        names = ("webhook_url", "bot_avatar_url", "scheduled_start_time", "scheduled_for", "video")
        more = ("profanity_filter", "custom_vocabulary", "lang", "custom_metadata", "time_limit")
        empty: dict[str, Any] = dict.fromkeys((*names, *more), "")
        row = await new_bot(fake, **empty, stop_options={"time_limit": "", "silence_detection": 3})
        order = await fake.order(row)
        assert (order.webhooks, order.join_at, order.language) == ([], None, None)
        assert order.automatic_leave["silence_s"] == 180.0


async def test_a_bot_is_moved_by_either_name_of_its_time(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        at = int(fake.now().timestamp()) + 7200
        row = await new_bot(fake, scheduled_start_time=at)
        later = {"scheduled_for": "2031-01-02T03:04:05Z"}
        reply = await ask(fake, "PATCH", f"/bot/{row.bot_id}", json=later)
        assert reply.status == 200
        assert reply.json["scheduled_for"].startswith("2031-01-02T03:04:05")
        reply = await ask(fake, "PATCH", f"/bot/{row.bot_id}", json={"scheduled_start_time": at})
        assert not reply.json["scheduled_for"].startswith("2031")

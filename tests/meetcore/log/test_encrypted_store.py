"""An encrypted folder keeps what every store has to keep."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from meetcore.log.withdrawing import blank_lines
from meetcore.model.event import Event
from meetcore.model.events import SegmentFinalized
from meetcore.plugin.store import BotStore
from meetcore.testing.store_conformance import StoreConformance, attend

from .encrypted import forget, open_store


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    yield
    forget()


class TestEncryptedFolder(StoreConformance):
    def open_store(self, place: Path) -> BotStore:
        return open_store(place)

    def open_elsewhere(self, place: Path) -> BotStore:
        return open_store(place, elsewhere=True)

    async def test_words_that_were_written_over_in_the_journal_are_not_kept(
        self, tmp_path: Path
    ) -> None:
        def without_words(event: Event) -> Event | None:
            known = isinstance(event, SegmentFinalized) and event.segment.text
            return SegmentFinalized(
                bot_id=event.bot_id, seq=event.seq, at=event.at,
                segment=event.segment.without_text(),
            ) if known else None  # fmt: skip

        store = self.open_store(tmp_path)
        async with self.running(store) as journal:
            attend(journal, store.workplace("b-1"))
            with trio.fail_after(30):
                while (await store.log("b-1").history()).last_seq < journal.last_seq - 1:  # noqa: ASYNC110
                    await trio.sleep(0.01)
            words = [event.segment.text async for event in store.log("b-1").finalized()]
            assert words == ["first", "then"]
            assert blank_lines(journal.path, without_words) == 3
            told = list(journal.read())
        for each in (store, self.open_elsewhere(tmp_path)):
            kept = [event async for event in each.log("b-1").read()]
            assert len(kept) == len(told)
            segments = [event for event in kept if isinstance(event, SegmentFinalized)]
            assert [event.segment.text for event in segments] == ["", "", ""]
        async with store.checkout("b-1"):
            pass
        assert len([event async for event in store.log("b-1").read()]) == len(told)

"""A store from outside keeps what every store has to keep."""

from __future__ import annotations

import hashlib
from pathlib import Path

from examples.row_store import RowStore
from meetcore.plugin.store import BotStore
from meetcore.testing.store_conformance import StoreConformance

from .blobs import blob_server


class TestRowStore(StoreConformance):
    def _open(self, place: Path, work: str) -> BotStore:
        place.mkdir(exist_ok=True)
        mine = hashlib.sha256(str(place).encode()).hexdigest()[:12]
        blobs = f"{blob_server()}/{mine}"
        return RowStore(f"rows://{place}/bots.db?blobs={blobs}&work={place}/{work}")

    def open_store(self, place: Path) -> BotStore:
        return self._open(place, "here")

    def open_elsewhere(self, place: Path) -> BotStore:
        return self._open(place, "there")

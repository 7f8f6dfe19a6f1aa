"""An encrypted folder keeps what every store has to keep."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from meetcore.plugin.store import BotStore
from meetcore.testing.store_conformance import StoreConformance

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

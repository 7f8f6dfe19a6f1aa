"""The bus of the test kit keeps what every bus has to."""

from __future__ import annotations

import pytest

from meetcore import BotBus
from meetcore.testing import BusConformance, MemoryBroker, MemoryBus


class TestMemoryBus(BusConformance):
    @pytest.fixture(autouse=True)
    def _broker(self) -> None:
        self._meeting_point: MemoryBroker | None = None

    def make_bus(self) -> BotBus:
        if self._meeting_point is None:
            self._meeting_point = MemoryBroker()
        return MemoryBus(self._meeting_point)

"""A fake service with the Vexa plugin for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.plugins.vexa.life import VexaFake, open_vexa


@pytest.fixture
async def vexa(tmp_path: Path) -> AsyncIterator[VexaFake]:
    async with open_vexa(tmp_path) as made:
        yield made

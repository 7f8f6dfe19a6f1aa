"""The store keeps what every store has to keep, over real servers."""

from __future__ import annotations

from pathlib import Path

from meetcore.plugin.store import BotStore
from meetcore.testing.store_conformance import StoreConformance

from .places import bucket_for, open_s3
from .servers import moto_server


class TestS3OverMoto(StoreConformance):
    def open_store(self, place: Path) -> BotStore:
        return open_s3(moto_server(), bucket_for(moto_server(), place), place / "here")

    def open_elsewhere(self, place: Path) -> BotStore:
        return open_s3(moto_server(), bucket_for(moto_server(), place), place / "there")

"""A broker for a module's tests, and a stand-in of a cluster for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.kubernetes.standin import StandInCluster, open_cluster
from tests.plugins.redis.broker import Broker, open_broker


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with open_broker() as held:
        yield held


@pytest.fixture
def cluster() -> Iterator[tuple[StandInCluster, Path]]:
    with open_cluster() as held:
        yield held

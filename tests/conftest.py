"""A temporary folder of this run's own, so that the leak guard sees nobody else's files."""

from __future__ import annotations

import os
import shutil
import tempfile

import pytest


def pytest_configure(config: pytest.Config) -> None:
    own = tempfile.mkdtemp(prefix="tests-of-meetcore-")
    os.environ["TMPDIR"] = tempfile.tempdir = own
    config.add_cleanup(lambda: shutil.rmtree(own, ignore_errors=True))

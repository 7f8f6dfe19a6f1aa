"""A temporary folder of this run's own, so that the leak guard sees nobody else's files.

No property has a deadline or is failed for being slow: that would judge the machine. In CI the
examples are the same each time, so that a change is judged and not the dice; elsewhere they go on
searching.

What was imported to collect the tests is no garbage: the collector does not look at it again.

And Ctrl-C as a terminal has it: a run in the background of a shell script begins with SIGINT
ignored, and every child process would inherit that.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

PREFIX = "tests-of-meetcore-"


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    settings.register_profile(
        "meetcore",
        deadline=None,
        derandomize=bool(os.environ.get("CI")),
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("meetcore")
    # A worker has its folder beside that of the process that started it, not in it: with a longer
    # path, a browser's folder would be made elsewhere, among everybody's.
    around = Path(tempfile.gettempdir())
    around = around.parent if around.name.startswith(PREFIX) else around
    own = tempfile.mkdtemp(prefix=PREFIX, dir=around)
    os.environ["TMPDIR"] = tempfile.tempdir = own
    config.add_cleanup(lambda: shutil.rmtree(own, ignore_errors=True))


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()

"""A temporary folder of this run's own, so that the leak guard sees nobody else's files.

No property has a deadline or is failed for being slow: that would judge the machine. In CI the
examples are the same each time, so that a change is judged and not the dice; elsewhere they go on
searching.

And Ctrl-C as a terminal has it: a run in the background of a shell script begins with SIGINT
ignored, and every child process would inherit that.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile

import pytest
from hypothesis import HealthCheck, settings


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
    own = tempfile.mkdtemp(prefix="tests-of-meetcore-")
    os.environ["TMPDIR"] = tempfile.tempdir = own
    config.add_cleanup(lambda: shutil.rmtree(own, ignore_errors=True))

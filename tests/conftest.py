"""A temporary folder of this run's own, so that the leak guard sees nobody else's files.

No property has a deadline or is failed for being slow: that would judge the machine. In CI the
examples are the same each time, so that a change is judged and not the dice; elsewhere they go on
searching.

What takes long is begun first, so that no process has one left when the others are through.

What was imported to collect the tests is no garbage: the collector does not look at it again.

Every journal that a test leaves in its folder is held against the published schema of events.

One Chromium for all tests of a process that need a browser, and not one of their own.

And Ctrl-C as a terminal has it: a run in the background of a shell script begins with SIGINT
ignored, and every child process would inherit that.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from meetcore_browser.testing import SharedChromium

PREFIX = "tests-of-meetcore-"
# Files whose tests share what is dear to make: one process runs them all.
TOGETHER = (
    "tests/distributions/test_wheels.py",
    "tests/plugins/server/test_benchmarks.py",
    "tests/plugins/server/test_serve_command.py",
)


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
    # Playwright's driver is seven megabytes of JavaScript, and most browsers start their own.
    os.environ["NODE_COMPILE_CACHE"] = os.path.join(own, "compiled-javascript")
    config.add_cleanup(lambda: shutil.rmtree(own, ignore_errors=True))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return file if file in TOGETHER else nodeid

    return Scheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if folder is not None and item.get_closest_marker("other_version") is None:
        from tests.journals import check_journals

        check_journals(folder)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared_chromium() -> Iterator[SharedChromium]:
    from meetcore_browser.flags import LaunchOptions
    from meetcore_browser.testing import SharedChromium
    from meetcore_rehearsal.cast import MEDIA_FEATURES_OFF, MEDIA_SWITCHES

    # The two ends of a call may be in one browser without a microphone's permission: their
    # addresses would be hidden behind multicast names that nobody resolves here.
    features = ("WebRtcHideLocalIpsWithMdns", *MEDIA_FEATURES_OFF)
    options = LaunchOptions(disabled_features=features, arguments=MEDIA_SWITCHES)
    chromium = SharedChromium(options)
    try:
        yield chromium
    finally:
        chromium.close()


@pytest.fixture
def lent_to_the_cast(shared_chromium: SharedChromium, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the cast of a rehearsal play in the shared Chromium; the bot's is one of its own."""
    from meetcore_rehearsal import cast

    monkeypatch.setattr(cast, "open_browser", lambda options: shared_chromium.lend())

"""`meetcore doctor` and `meetcore doctor NAME`: what is asked of a provider, and what is said."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest
import trio

from meetcore import HealthReport
from meetcore_assemblyai.plugin import meetcore_check_health as check_assemblyai
from meetcore_assemblyai.testing import AssemblyAIStandIn
from meetcore_deepgram.plugin import meetcore_check_health as check_deepgram
from meetcore_deepgram.testing import DeepgramStandIn

CHECKS = {
    "deepgram": (check_deepgram, DeepgramStandIn, "a second of silence was transcribed"),
    "assemblyai": (check_assemblyai, AssemblyAIStandIn, "nothing was charged for"),
}


@contextmanager
def served(stand_in):
    """Run a stand-in in a loop of its own: the check begins one, too."""
    ready, over = threading.Event(), threading.Event()

    async def serve():
        async with stand_in.serving():
            ready.set()
            await trio.to_thread.run_sync(over.wait)

    thread = threading.Thread(target=trio.run, args=(serve,))
    thread.start()
    assert ready.wait(20)
    try:
        yield stand_in.url
    finally:
        over.set()
        thread.join(20)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in CHECKS:
        monkeypatch.delenv(f"{name.upper()}_API_KEY", raising=False)


@pytest.mark.parametrize("name", CHECKS)
def test_a_key_is_asked_about_only_when_a_person_names_the_provider(name):
    check, kind, words = CHECKS[name]
    stand_in = kind.of()
    with served(stand_in) as url:
        settings = {"url": url, "key": stand_in.key}
        quiet, loud = HealthReport({name: settings}), HealthReport({name: settings}, name)
        check(quiet)
        assert stand_in.questions == []
        check(loud)
    (finding,) = quiet.findings
    assert finding.ok
    assert f"meetcore doctor {name}" in finding.detail
    (finding,) = loud.findings
    assert finding.ok
    assert words in finding.detail
    assert stand_in.key not in finding.detail
    assert len(stand_in.questions) == 1


@pytest.mark.parametrize("name", CHECKS)
def test_a_key_that_is_not_taken_is_trouble_with_a_remedy(name):
    check, kind, _ = CHECKS[name]
    with served(kind.of()) as url:
        report = HealthReport({name: {"url": url, "key": "wrong-4711"}}, name)
        check(report)
    (finding,) = report.findings
    assert not finding.ok
    assert "the key is not taken" in finding.detail
    assert f"{name.upper()}_API_KEY" in finding.remedy
    assert "wrong-4711" not in finding.detail


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize(("settings", "asked"), [(None, False), ({"max_streams": 2}, False),
                                                 (None, True)])  # fmt: skip
def test_without_a_key_it_says_how_to_set_one_to_those_who_want_it(name, settings, asked):
    check, _, _ = CHECKS[name]
    report = HealthReport({name: settings} if settings else {}, name if asked else None)
    check(report)
    (finding,) = report.findings
    assert finding.ok == (settings is None and not asked)
    assert "no key is set" in finding.detail
    if not finding.ok:
        assert f"{name.upper()}_API_KEY" in finding.remedy


def test_options_that_cannot_be_used_are_trouble():
    report = HealthReport({"deepgram": {"modle": "nova-3"}})
    check_deepgram(report)
    (finding,) = report.findings
    assert not finding.ok
    assert "modle" in finding.detail

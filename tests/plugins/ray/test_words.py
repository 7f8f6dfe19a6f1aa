"""What is said of actors' ends and of room, and what options are refused: without a cluster."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from attrs import evolve

from meetcore import BotSpec, ConfigError, EndReason, Plugins, load_config
from meetcore.fleet import launcher_of
from meetcore.log.folder_store import FolderStore
from meetcore.model.lifecycle import Evidence
from meetcore_ray.actor_ends import end_of, room_in_words
from meetcore_ray.driver import _kind, _words
from meetcore_ray.options import RayOptions
from meetcore_ray.ray_launcher import RayLauncher, longest_life_s

CRASHED = EndReason.CRASHED


@pytest.mark.parametrize(
    ("over", "reason", "evidence"),
    [
        ({"died": "node", "words": "w"}, CRASHED, Evidence("ray.node", "w")),
        ({"died": "out_of_memory", "words": "w"}, CRASHED, Evidence("ray.out_of_memory", "w")),
        ({"died": "actor"}, CRASHED, Evidence("ray.actor", "its actor is gone")),
        ({"code": 3, "words": "w"}, CRASHED, Evidence("ray.exited", "exit code 3: w")),
        ({"code": -9, "words": ""}, CRASHED, Evidence("ray.exited", "killed by SIGKILL")),
        ({"code": -99}, CRASHED, Evidence("ray.exited", "killed by signal 99")),
        (
            {"code": -9, "late_s": 60.0},
            EndReason.MAX_DURATION,
            Evidence("ray.deadline", "it had not ended by itself after 60 s"),
        ),
    ],
)
def test_each_end_has_a_reason_and_evidence(
    over: dict[str, Any], reason: EndReason, evidence: Evidence
):
    end = end_of(over)
    assert end.failed
    assert (end.reason, end.evidence) == (reason, evidence)


def test_an_end_in_order_is_no_failure():
    assert not end_of({"code": 0, "words": "x"}).failed


def test_room_is_said_by_what_is_counted():
    room = {"free": {"CPU": 0.5}, "in_all": {"CPU": 4.0, "memory": 8e9}, "nodes": 1}
    said = room_in_words({"CPU": 1.0, "memory": 768e6, "bots": 0.0}, room)
    assert said == (
        "it needs CPU 1 (0.5 free of 4), memory 768 MB (0 MB free of 8000 MB), and there are 1 node"
    )


def test_rays_words_come_without_its_lines_of_numbers():
    error = Exception(
        "The actor died unexpectedly before finishing this task.\n\tclass_name: BotActor\n"
        "\tactor_id: 8d\n\tpid: 1\n\tname: n\n\tnamespace: m\n\tip: 127.0.0.1\n"
        "The actor died because its node has died. Node Id: 59\n"
    )
    assert _kind(error) == "node"
    assert _words(error) == (
        "The actor died unexpectedly before finishing this task. "
        "The actor died because its node has died. Node Id: 59"
    )
    assert _kind(Exception("killed: the node running low on memory")) == "out_of_memory"
    assert (_kind(Exception("x")), _words(Exception(""))) == ("actor", "Exception")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"address": " "}, "address in .* is empty"),
        ({"address": "ray://head:10001"}, "Ray's client server"),
        ({"namespace": ""}, "namespace in .* is empty"),
        ({"cpus": -1}, "cpus in .* must be 0 or more"),
        ({"resources": {"bots": -1}}, "bots in .* must be 0 or more"),
    ],
)
def test_what_the_cluster_would_refuse_is_refused_at_once(wrong: dict[str, Any], words: str):
    with pytest.raises(ConfigError, match=words):
        RayOptions(**wrong)


def test_a_platform_without_a_browser_needs_less():
    options = RayOptions(resources={"bots": 1})
    assert options.needs("meet") == {"CPU": 0.5, "memory": 768e6, "bots": 1}
    assert options.needs("zoom_rtms") == {"CPU": 0.1, "memory": 128e6, "bots": 1}


def test_it_says_at_the_start_that_it_needs_a_bus_and_a_store_that_nodes_share(tmp_path):
    plugins = Plugins(only=["ray"])
    config = load_config(None, {"launcher": "ray", "out_dir": str(tmp_path)}, environ={})
    launcher = launcher_of(config, plugins)
    assert isinstance(launcher, RayLauncher)
    launcher.store = FolderStore(tmp_path)
    with pytest.raises(ConfigError, match="needs a bus"):
        launcher.check()
    launcher.bus = object()  # type: ignore[assignment]
    with pytest.raises(ConfigError, match="needs a store that servers and bots share"):
        launcher.check()
    RayLauncher(RayOptions(shared_folder=True))


def test_a_bot_without_a_last_rule_has_no_deadline():
    def life(**rules: Any) -> float | None:
        settings = {"automatic_leave": rules}
        return longest_life_s(load_config(None, settings, environ={}))

    assert life(max_duration_s=None) is None
    with_rules = life(max_duration_s=3600.0)
    assert with_rules is not None
    assert with_rules > 3600 + 600


def test_the_last_rule_of_a_bot_counts_from_its_time_on():
    launcher = RayLauncher(RayOptions())
    settings = {"automatic_leave": {"max_duration_s": 3600.0}}
    at_once = BotSpec(bot_id="b", url="simulated:stay", settings=settings)
    when = datetime.now(UTC) + timedelta(seconds=7200)
    _, longest_s = launcher._order(at_once)
    _, later_s = launcher._order(evolve(at_once, scheduled_for=when))
    assert longest_s is not None
    assert later_s == pytest.approx(longest_s + 7200, abs=10.0)


async def test_a_bot_that_cannot_be_waited_for_ends_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(self: Any, bot: Any) -> None:
        await trio.lowlevel.checkpoint()
        raise RuntimeError("boom")

    monkeypatch.setattr(RayLauncher, "_until_gone", fails)
    bot: Any = SimpleNamespace(bot_id="b")
    await RayLauncher(RayOptions())._look_after(bot)
    assert "bot=b cannot be waited for" in caplog.text

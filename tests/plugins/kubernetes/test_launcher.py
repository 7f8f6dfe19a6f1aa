"""What a cluster does to bots, and what is told of it."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import kubernetes_validate
import pytest
import trio
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

import meetcore
from meetcore import (
    BotConfig,
    BotSpec,
    BotUnresponsive,
    CommandFailed,
    ConfigError,
    EndReason,
    FleetFull,
    SendChat,
    Stop,
    StorageUnavailable,
    build_options,
    read_journal,
)
from meetcore.log.folder_store import FolderStore
from meetcore.log.folders import journal_path
from meetcore_kubernetes.launcher import KubernetesLauncher
from meetcore_kubernetes.options import KubernetesOptions
from meetcore_kubernetes.pod_launcher import PodLauncher
from meetcore_kubernetes.pods import longest_life_s, object_name, order_secret, pod_manifest
from meetcore_redis.bus import RedisBus
from tests.plugins.kubernetes.stage import staged
from tests.plugins.redis.broker import open_broker

PASSCODE = "the-passcode-of-the-meeting"


async def test_launched_twice_it_is_launched_once(tmp_path, broker, cluster):
    async with staged(tmp_path, broker, cluster) as stage:
        await stage.launched()
        second = await stage.another().launch(stage.spec(), stage.nursery)
        assert stage.cluster.named("Pod") == ["meetcore-b-1"]
        assert stage.cluster.running() == ["meetcore-b-1"]
        await second.perform(Stop("once"))
        await second.gone()


async def test_what_is_over_leaves_no_pod_and_no_order(tmp_path, broker, cluster):
    async with staged(tmp_path, broker, cluster) as stage:
        bot = await stage.launched()
        owner = stage.cluster.object("Secret", "meetcore-b-1")["metadata"]["ownerReferences"]
        assert [each["kind"] for each in owner] == ["Pod"]
        await bot.perform(Stop("enough"))
        await bot.gone()
        while stage.cluster.named("Pod"):  # noqa: ASYNC110  the cluster takes its time
            await trio.sleep(0.05)
        assert stage.cluster.named("Secret") == []


async def test_no_order_stays_though_it_was_never_said_whose_it_is(tmp_path, broker, cluster):
    async with staged(tmp_path, broker, cluster, keep_failed_s=0.5) as stage:
        stage.cluster.collects_garbage = False
        bot = await stage.launched()
        await bot.perform(Stop("enough"))
        await bot.gone()
        while stage.cluster.named("Secret"):  # noqa: ASYNC110
            await trio.sleep(0.05)
        lost = await stage.launched("b-2")
        stage.cluster.forget("meetcore-b-2")
        lost.abandon()
        other = stage.another()
        assert await other.adopt("b-2", stage.nursery) is None
        assert stage.cluster.named("Secret") == []


async def test_a_pod_that_failed_long_ago_goes_when_another_is_launched(tmp_path, broker, cluster):
    async with staged(tmp_path, broker, cluster, keep_failed_s=0.5) as stage:
        stage.cluster.collects_garbage = False
        bot = await stage.launched()
        stage.cluster.kill_for_memory("meetcore-b-1")
        await bot.gone()
        assert stage.cluster.named("Pod") == stage.cluster.named("Secret") == ["meetcore-b-1"]
        await trio.sleep(2.0)  # the cluster tells whole seconds
        second = await stage.another().launch(stage.spec("b-2"), stage.nursery)
        assert stage.cluster.named("Secret") == ["meetcore-b-2"]
        assert "meetcore-b-1" not in stage.cluster.named("Pod")
        await second.perform(Stop("enough"))
        await second.gone()


def test_no_word_of_the_order_is_in_the_pod():
    spec = BotSpec(
        bot_id="b-1",
        url=f"https://meet.example/abc?pwd={PASSCODE}",
        settings={"name": "Notes of the board", "plugins": {"deepgram": {"api_key": "a-secret"}}},
        platform="zoom",
    )
    options = KubernetesOptions(image="meetcore-bot:test")
    pod = json.dumps(pod_manifest(spec, BotConfig(name="Notes of the board"), options))
    for word in (PASSCODE, "meet.example", "Notes of the board", "a-secret"):
        assert word not in pod
    secret = order_secret(spec, options)
    assert PASSCODE in secret["stringData"]["order.json"]
    assert PASSCODE not in json.dumps({**secret, "stringData": {}})


def test_a_bot_works_where_its_pod_has_room_and_finds_the_files_that_options_name():
    plugins = {"s3": {"workplaces": "/var/lib/meetcore"}, "redis": {"ca_file": "/ca/broker.pem"}}
    spec = BotSpec(bot_id="b-1", url="simulated:stay", settings={"plugins": plugins})
    mounts = {"/ca": "configmap/broker-ca", "/more": "secret/of-ours"}
    options = build_options(KubernetesOptions, {"image": "bot", "mounts": mounts}, "kubernetes")
    order = json.loads(order_secret(spec, options)["stringData"]["order.json"])["settings"]
    assert order["out_dir"] == order["plugins"]["s3"]["workplaces"] == "/run/meetcore/bots"
    assert order["plugins"]["redis"] == plugins["redis"]
    pod = pod_manifest(spec, BotConfig(), options)["spec"]
    volumes = {each["name"]: each for each in pod["volumes"]}
    seen = {each["mountPath"]: each for each in pod["containers"][0]["volumeMounts"]}
    assert volumes[seen["/ca"]["name"]]["configMap"] == {"name": "broker-ca"}
    assert volumes[seen["/more"]["name"]]["secret"] == {"secretName": "of-ours"}
    assert seen["/ca"]["readOnly"]
    kubernetes_validate.validate(pod_manifest(spec, BotConfig(), options), "1.37", strict=True)


@pytest.mark.parametrize("waits_s", [None, 7200.0])
def test_a_pod_may_live_as_long_as_its_bot_and_as_that_waits_for_its_time(waits_s):
    """The cluster counts from the Pod's start."""
    when = None if waits_s is None else datetime.now(UTC) + timedelta(seconds=waits_s)
    spec = BotSpec(bot_id="b-1", url="simulated:stay", scheduled_for=when)
    rules = BotConfig().automatic_leave
    config = BotConfig(automatic_leave=evolve(rules, max_duration_s=3600.0, waiting_room_s=600.0))
    options = KubernetesOptions(image="bot")
    own_s = longest_life_s(config)
    assert own_s is not None
    assert own_s > 4200.0
    deadline_s = pod_manifest(spec, config, options)["spec"]["activeDeadlineSeconds"]
    assert deadline_s == pytest.approx(own_s + (waits_s or 0.0), abs=10.0)
    endless = BotConfig(automatic_leave=evolve(rules, max_duration_s=None))
    assert "activeDeadlineSeconds" not in pod_manifest(spec, endless, options)["spec"]


@pytest.mark.parametrize("mounts", [{"ca": "configmap/x"}, {"/ca": "x"}, {"/ca": "hostpath/x"}])
def test_a_mount_that_cannot_be_is_refused(mounts):
    with pytest.raises(ConfigError, match=r"mounts in \[plugins.kubernetes\]"):
        build_options(KubernetesOptions, {"image": "bot", "mounts": mounts}, "kubernetes")


async def test_the_order_reaches_the_bot_from_the_secret(tmp_path, broker, cluster):
    async with staged(tmp_path, broker, cluster) as stage:
        bot = await stage.launched()
        data = stage.cluster.object("Secret", "meetcore-b-1")["data"]["order.json"]
        assert json.loads(base64.b64decode(data))["url"] == "simulated:stay"
        await bot.perform(SendChat("hello"))
        await bot.perform(Stop())
        await bot.gone()


async def test_a_quota_that_is_used_up_is_a_full_fleet(tmp_path, broker, cluster):
    async with staged(tmp_path, broker, cluster) as stage:
        stage.cluster.most_pods = 0
        with pytest.raises(FleetFull, match="exceeded quota: bots") as full:
            await stage.launcher.launch(stage.spec(), stage.nursery)
        assert "ResourceQuota" in full.value.remedy
        assert stage.cluster.named("Secret") == []


async def test_no_room_on_any_node_is_a_full_fleet_and_the_pod_is_taken_back(
    tmp_path, broker, cluster
):
    async with staged(tmp_path, broker, cluster) as stage:
        stage.cluster.no_room = True
        with pytest.raises(FleetFull, match="3 Insufficient memory"):
            await stage.launcher.launch(stage.spec(), stage.nursery)
        while stage.cluster.named("Pod"):  # noqa: ASYNC110
            await trio.sleep(0.05)
        stage.cluster.no_room = False
        await stage.launched()


async def test_an_image_that_cannot_be_pulled_is_said(tmp_path, broker, cluster):
    async with staged(tmp_path, broker, cluster) as stage:
        stage.cluster.missing_images.add("meetcore-bot:test")
        with pytest.raises(CommandFailed, match=r"ErrImagePull.*not found") as failed:
            await stage.launcher.launch(stage.spec(), stage.nursery)
        assert "image_pull_secrets" in failed.value.remedy
        while stage.cluster.named("Pod"):  # noqa: ASYNC110
            await trio.sleep(0.05)
        assert stage.cluster.named("Secret") == []


@pytest.mark.parametrize("reason", ["InvalidImageName", "ErrImageNeverPull"])
async def test_an_image_that_there_will_never_be_is_said_at_once(tmp_path, broker, cluster, reason):
    async with staged(tmp_path, broker, cluster, hindered_s=600.0, start_timeout_s=600.0) as stage:
        stage.cluster.missing_images.add("meetcore-bot:test")
        stage.cluster.image_troubles = [reason]
        with pytest.raises(CommandFailed, match=reason):
            await stage.launcher.launch(stage.spec(), stage.nursery)


async def test_an_image_that_comes_after_all_is_no_trouble(tmp_path, broker, cluster):
    """A registry that is away for a moment: the node tries again, and so nobody gives up."""
    async with staged(tmp_path, broker, cluster, hindered_s=60.0) as stage:
        stage.cluster.missing_images.add("meetcore-bot:test")

        async def pushed() -> None:
            while not troubled(stage):  # noqa: ASYNC110  the cluster takes its time
                await trio.sleep(0.05)
            await trio.sleep(1.0)  # the launcher has looked
            stage.cluster.missing_images.clear()

        stage.nursery.start_soon(pushed)
        bot = await stage.launched()
        await bot.perform(Stop())
        await bot.gone()


def troubled(stage: Any) -> bool:
    """Return whether the Pod of a bot waits for its image."""
    if "meetcore-b-1" not in stage.cluster.named("Pod"):
        return False
    status = stage.cluster.object("Pod", "meetcore-b-1")["status"]
    return any("waiting" in each["state"] for each in status.get("containerStatuses", ()))


async def test_what_we_may_not_is_said_with_the_remedy(tmp_path, broker, cluster):
    async with staged(tmp_path, broker, cluster) as stage:
        stage.cluster.forbidden.add(("create", "pods"))
        with pytest.raises(ConfigError, match='cannot create resource "pods"') as forbidden:
            await stage.launcher.launch(stage.spec(), stage.nursery)
        assert "Role in deploy/kubernetes" in forbidden.value.remedy
        assert stage.cluster.named("Secret") == []


async def test_a_busy_and_slow_api_server_is_asked_again(tmp_path, broker, cluster):
    async with staged(tmp_path, broker, cluster) as stage:
        stage.cluster.busy, stage.cluster.admission_s = 2, 1.0
        bot = await stage.launched()
        await bot.perform(Stop())
        await bot.gone()


@pytest.mark.parametrize(
    ("trouble", "reason", "signal", "words"),
    [
        ("kill_for_memory", EndReason.CRASHED, "kubernetes.out_of_memory", "OOMKilled"),
        ("evict", EndReason.CRASHED, "kubernetes.evicted", "low on resource: memory"),
    ],
)
async def test_a_pod_that_was_ended_says_why(
    tmp_path, broker, cluster, trouble, reason, signal, words
):
    async with staged(tmp_path, broker, cluster) as stage:
        bot = await stage.launched()
        getattr(stage.cluster, trouble)("meetcore-b-1")
        await bot.gone()
        place = tmp_path / "b-1" / "given-up.json"
        while not place.exists():  # noqa: ASYNC110
            await trio.sleep(0.05)
        end = await stage.end_of()
        assert end.reason is reason
        assert end.evidence is not None
        assert end.evidence.signal == signal
        assert words in end.evidence.detail
        assert stage.cluster.named("Pod") == ["meetcore-b-1"]  # to be looked at


async def test_a_pod_that_failed_goes_at_once_where_nothing_is_to_be_looked_at(
    tmp_path, broker, cluster
):
    async with staged(tmp_path, broker, cluster, keep_failed_s=0.0) as stage:
        bot = await stage.launched()
        stage.cluster.kill_for_memory("meetcore-b-1")
        await bot.gone()
        end = await stage.end_of()
        assert end.evidence is not None
        assert end.evidence.signal == "kubernetes.out_of_memory"
        while stage.cluster.named("Pod"):  # noqa: ASYNC110  the cluster takes its time
            await trio.sleep(0.05)


async def test_a_lost_node_is_noticed_by_its_silence(tmp_path, broker, cluster):
    async with staged(tmp_path, broker, cluster) as stage:
        bot = await stage.launched()
        stage.cluster.lose_node("meetcore-b-1")
        await bot.gone()
        assert (await stage.end_of()).reason is EndReason.CRASHED


async def test_a_frozen_bot_is_given_up(tmp_path, broker, cluster):
    async with staged(tmp_path, broker, cluster, unresponsive_limit_s=2.0) as stage:
        bot = await stage.launched()
        stage.cluster.freeze("meetcore-b-1")
        await bot.gone()
        assert stage.cluster.running() == []
        end = await stage.end_of()
        assert end.evidence is not None
        assert end.evidence.signal == "unresponsive"
        events = read_journal(journal_path(tmp_path / "b-1"))
        [silence] = [event for event in events if isinstance(event, BotUnresponsive)]
        assert silence.silent_s >= 10.0


async def test_why_a_pod_failed_is_noted_before_its_bot_counts_as_gone(
    tmp_path, broker, cluster, monkeypatch
):
    settle = PodLauncher._settle

    async def settle_slowly(self, bot):
        await trio.sleep(0.5)
        await settle(self, bot)

    monkeypatch.setattr(PodLauncher, "_settle", settle_slowly)
    async with staged(tmp_path, broker, cluster) as stage:
        bot = await stage.launched()
        stage.cluster.kill_for_memory("meetcore-b-1")
        await bot.gone()
        end = await stage.end_of()
        assert end.evidence is not None
        assert end.evidence.signal == "kubernetes.out_of_memory"


async def test_a_cancelled_launch_leaves_its_pod_to_whoever_launches_it_again(
    tmp_path, broker, cluster
):
    async with staged(tmp_path, broker, cluster) as stage:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.launcher.launch, stage.spec(), stage.nursery)
            while not stage.cluster.running():  # noqa: ASYNC110
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        assert stage.cluster.running() == ["meetcore-b-1"]
        asked = len(stage.cluster.requests)
        heir = await stage.another().launch(stage.spec(), stage.nursery)
        assert ("create", "pods") not in stage.cluster.requests[asked:]
        assert ("delete", "pods") not in stage.cluster.requests
        await heir.perform(Stop())
        await heir.gone()


async def test_an_api_server_that_is_away_is_no_verdict_on_a_bot(
    tmp_path, broker, cluster, monkeypatch
):
    monkeypatch.setattr("meetcore_kubernetes.cluster._TRIES", 1)
    async with staged(tmp_path, broker, cluster, stop_with_launcher=False) as stage:
        stage.cluster.away = True
        with pytest.raises(StorageUnavailable, match="does not answer"):
            await stage.launcher.launch(stage.spec(), stage.nursery)
        stage.cluster.away = False
        bot = await stage.launched()
        stage.cluster.away = True
        with pytest.raises(StorageUnavailable, match="does not answer"):
            await stage.another().adopt("b-1", stage.nursery)
        stage.cluster.away = False
        await bot.perform(Stop())
        await bot.gone()


async def test_a_bot_is_launched_and_adopted_while_the_bus_is_away(tmp_path, cluster):
    """It records: that its lease says. What it told meanwhile comes over the store."""
    with open_broker() as broker:
        async with staged(tmp_path, broker, cluster) as stage:
            broker.kill()
            bot = await stage.launched()
            later = stage.another()
            found = await later.adopt("b-1", stage.nursery)
            assert found is not None
            assert await later.adopt("b-2", stage.nursery) is None
            found.release()
            assert stage.cluster.running() == ["meetcore-b-1"]
            broker.start()
            await bot.perform(Stop())
            await bot.gone()


def test_who_waits_for_a_launch_waits_for_longer_than_a_bot_has_to_come_up():
    options = KubernetesOptions(image="x", start_timeout_s=500.0)
    assert KubernetesLauncher(options).launch_within_s > 500.0


async def test_a_watch_that_ends_or_is_too_old_misses_nothing(tmp_path, broker, cluster):
    async with staged(tmp_path, broker, cluster) as stage:
        bots = [await stage.launched(f"b-{number}") for number in range(3)]
        await bots[0].perform(Stop())
        stage.cluster.drop_watches()
        await bots[0].gone()
        stage.cluster.expire()
        await bots[1].perform(Stop())
        await bots[1].gone()
        stage.cluster.away = True
        stage.cluster.drop_watches()
        await bots[2].perform(Stop())
        await trio.sleep(1.0)
        stage.cluster.away = False
        await bots[2].gone()
        while stage.cluster.named("Pod"):  # noqa: ASYNC110
            await trio.sleep(0.05)


async def test_servers_that_come_later_find_the_bots_by_their_labels(tmp_path, broker, cluster):
    async with staged(tmp_path, broker, cluster, stop_with_launcher=False) as stage:
        await stage.launched("b-1")
        await stage.launched("A bot with a strange id")
        later = stage.another()
        assert await later.list() == ["A bot with a strange id", "b-1"]
        for bot_id in await later.list():
            bot = await later.adopt(bot_id, stage.nursery)
            assert bot is not None
            await bot.perform(Stop("adopted"))
            await bot.gone()


async def test_without_the_bus_nobody_is_reached_and_that_is_no_error(tmp_path, cluster):
    with open_broker() as gone:
        async with staged(tmp_path, gone, cluster) as stage:
            gone.kill()
            assert await stage.launcher.reach("b-1") is None


async def test_bots_of_another_fleet_in_the_namespace_are_not_ours(tmp_path, broker, cluster):
    async with staged(tmp_path, broker, cluster) as stage:
        await stage.launched()
        other = stage.another()
        other.options = evolve(stage.options, fleet="other")
        assert await other.list() == []


async def test_without_a_bus_or_with_a_folder_of_its_own_it_says_what_is_missing(tmp_path):
    launcher = KubernetesLauncher(KubernetesOptions(image="x"))
    launcher.store = FolderStore(tmp_path, fsync=False)
    spec = BotSpec(bot_id="b-1", url="simulated:stay", settings={})
    async with trio.open_nursery() as nursery:
        with pytest.raises(ConfigError, match="needs a bus"):
            await launcher.launch(spec, nursery)
        launcher.bus = RedisBus("redis://localhost")
        with pytest.raises(ConfigError, match="store that servers and bots share"):
            await launcher.launch(spec, nursery)


async def test_a_fleet_that_lacks_something_does_not_open(tmp_path):
    config = BotConfig(out_dir=tmp_path)
    launcher = KubernetesLauncher(KubernetesOptions(image="x"))
    with pytest.raises(ConfigError, match="needs a bus"):
        async with meetcore.open_fleet(config, launcher=launcher):
            pytest.fail("it opened")


async def test_no_cluster_to_be_reached_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    launcher = KubernetesLauncher(KubernetesOptions(image="x", volume_claim="bots"))
    launcher.store = FolderStore(tmp_path, fsync=False)
    launcher.bus = RedisBus("redis://localhost")
    with pytest.raises(ConfigError, match="no way to a Kubernetes cluster") as missing:
        await launcher.list()
    assert "kubeconfig" in missing.value.remedy


@pytest.mark.parametrize(
    ("settings", "match"),
    [({}, "names no image"), ({"image": "x", "fleet": "My Fleet"}, "cannot be a label")],
)
def test_options_that_a_cluster_would_refuse_are_refused_here(settings, match):
    with pytest.raises(ConfigError, match=match):
        KubernetesOptions(**settings)


@given(st.text(min_size=1, max_size=80))
def test_every_bot_has_a_name_that_a_cluster_takes_and_its_own(bot_id):
    name = object_name(bot_id)
    assert len(name) <= 63
    assert all(c in "abcdefghijklmnopqrstuvwxyz0123456789-" for c in name)
    assert name[0].isalnum()
    assert name[-1].isalnum()
    assert object_name(bot_id + "x") != name


async def test_a_bot_that_cannot_be_waited_for_ends_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(self: Any, bot: Any) -> None:
        await trio.lowlevel.checkpoint()
        raise RuntimeError("boom")

    monkeypatch.setattr(PodLauncher, "_until_gone", fails)
    monkeypatch.setattr(PodLauncher, "_watched_enough", lambda self: None)
    bot: Any = SimpleNamespace(bot_id="b", settled=trio.Event())
    await PodLauncher._look_after(PodLauncher.__new__(KubernetesLauncher), bot)
    assert bot.settled.is_set()
    assert "bot=b cannot be waited for" in caplog.text

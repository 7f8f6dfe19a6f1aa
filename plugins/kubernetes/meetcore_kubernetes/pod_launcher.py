"""Launches each bot as one bare Pod, and adopts those that are there.

Kubernetes places them, keeps them going when a server does not, and ends them by their last rule;
what it knows of a bot is whether its Pod runs. What a bot does is told over the bus, and what it
leaves is in the store. A Pod is never begun again: whether a meeting is joined once more is for
people to say.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial

import trio
from lightkube.resources.core_v1 import Pod

from meetcore import (
    BotBus,
    BotSpec,
    ClusterBot,
    CommandFailed,
    ConfigError,
    FleetFull,
    MeetcoreError,
    RunningBot,
    StorageUnavailable,
    have_it_leave,
    load_config,
)
from meetcore_kubernetes.cluster import Cluster, ClusterUnavailable
from meetcore_kubernetes.launcher import KubernetesLauncher
from meetcore_kubernetes.options import KubernetesOptions
from meetcore_kubernetes.pod_states import PodState, ended_before, state_of
from meetcore_kubernetes.pods import object_name, order_secret, pod_manifest
from meetcore_kubernetes.watch import PodWatch

__all__ = ["PodBot", "PodLauncher"]

_LOG = logging.getLogger("meetcore.kubernetes")
_LOOK_EVERY_S = 0.5
_ASK_EVERY_S = 5.0
_LEAVE_TIMEOUT_S = 60.0
_TIDY_WITHIN_S = 15.0
_FULL_AGAIN_S = 5.0
_END_WITHIN_S = 600.0
_END_AGAIN_S = 5.0
_SETTLED_WITHIN_S = 20.0
_SWEEP_EVERY_S = 600.0
_MARGIN_S = 60.0
_REFUSED = (FleetFull, CommandFailed, ConfigError)
"""What the cluster refused, and so did not do."""


class PodLauncher(KubernetesLauncher):
    """A Pod for each bot: see `KubernetesLauncher`."""

    def __init__(self, options: KubernetesOptions) -> None:
        self.options = options
        self.launch_within_s = options.start_timeout_s + _MARGIN_S
        self._known: Cluster | None = None
        self._uses = 0
        self._sweep_at = 0.0
        self._watch: PodWatch | None = None
        self._watch_scope = trio.CancelScope()
        self._watched_for = 0

    @property
    def shares_folder(self) -> bool:
        """Whether Pods have a volume that the servers have, too."""
        return self.options.volume_claim is not None

    @asynccontextmanager
    async def _cluster(self) -> AsyncIterator[Cluster]:
        """Hold the way to the cluster, which all share that use it at the time."""
        if self._known is None:
            self._known = Cluster(self.options)
        cluster = self._known
        self._uses += 1
        try:
            yield cluster
        finally:
            self._uses -= 1
            if not self._uses:
                self._known = None
                await cluster.close()

    def _watching(self, nursery: trio.Nursery) -> PodWatch:
        """Return how the Pods stand, watched for one bot more; `_watched_enough` for one less."""
        self._watched_for += 1
        if self._watch is None:
            self._watch = PodWatch()
            self._watch_scope = trio.CancelScope()
            nursery.start_soon(self._keep_watching, self._watch, self._watch_scope)
        return self._watch

    def _watched_enough(self) -> None:
        self._watched_for -= 1
        if not self._watched_for:
            self._watch = None
            self._watch_scope.cancel()

    async def _keep_watching(self, watch: PodWatch, scope: trio.CancelScope) -> None:
        with scope:
            async with self._cluster() as cluster:
                await watch.run(cluster)

    async def launch(self, spec: BotSpec, nursery: trio.Nursery) -> RunningBot:
        """Make a Pod; return when its bot takes commands.

        Launched twice it is launched once: the Pod that is there is the bot's. So a Pod is taken
        back only when it is known that its bot does not come up. Where the launch is cancelled, or
        nobody can say, it may be in the meeting, or another server's.

        Raises:
            FleetFull: The quota is used up, or no node has room.
            CommandFailed: The image cannot be had, or the bot did not come up; says why.
            ConfigError: The cluster is not to be reached from here, or lets us not.
            ClusterUnavailable: The cluster does not answer now.
            StorageUnavailable: Neither the bus nor the store can say whether it came up.
        """
        bus = self.needed_bus()
        async with self._cluster() as cluster:
            await self._sweep(cluster)
            if await cluster.pod(object_name(spec.bot_id)) is None:
                await self._make(cluster, spec)
            watch = self._watching(nursery)
            bot = PodBot(spec.bot_id, bus, self, watch, nursery)
            try:
                failed = await self._until_it_takes_commands(cluster, bot, watch)
                if failed is not None:
                    await _tidy(cluster, bot.name)
                    raise failed
            except BaseException:
                self._watched_enough()
                raise
        nursery.start_soon(self._look_after, bot)
        return bot

    async def _make(self, cluster: Cluster, spec: BotSpec) -> None:
        """Make a bot's Secret and Pod; both or none, as far as is known."""
        config = load_config(overrides=spec.settings, environ={})
        name = object_name(spec.bot_id)
        await cluster.create_secret(order_secret(spec, self.options))
        try:
            pod = await cluster.create_pod(pod_manifest(spec, config, self.options))
        except _REFUSED:
            await _tidy(cluster, name, pod=False)
            raise
        try:
            pod = pod or await cluster.pod(name)  # made though the answer was lost, or by another
            if pod is not None:
                await cluster.own_secret(name, pod)
        except ClusterUnavailable as error:
            _LOG.info("bot=%s its order is not known to be its Pod's: %s", spec.bot_id, error)
        except _REFUSED:
            await _tidy(cluster, name)  # what is told to have failed attends no meeting
            raise

    async def _until_it_takes_commands(
        self, cluster: Cluster, bot: PodBot, watch: PodWatch
    ) -> FleetFull | CommandFailed | None:
        """Return None when a bot takes commands, or why it will not.

        Raises:
            ClusterUnavailable, StorageUnavailable, OSError, trio.TooSlowError: Nobody can say.
        """
        began = trio.current_time()
        deadline = began + self.options.start_timeout_s
        with trio.move_on_at(deadline):
            await watch.listed.wait()
        unknown: Exception | None = None
        hindered: tuple[float, PodState] | None = None
        while trio.current_time() < deadline:
            try:
                if await self.runs(bot.bot_id):
                    return None
                unknown = None
            except (StorageUnavailable, OSError, trio.TooSlowError) as error:
                unknown = error
            pod = watch.pods.get(bot.name) or await cluster.pod(bot.name)
            seen = state_of(pod) if pod is not None else PodState(over=True)
            if not seen.hindered:
                hindered = None
            elif hindered is None:  # what is said first says why; then it only waits
                hindered = (trio.current_time(), seen)
            elif trio.current_time() - hindered[0] > self.options.hindered_s:
                return _did_not_begin(hindered[1])
            if seen.over or seen.doomed:
                return _did_not_begin(seen)
            late = trio.current_time() - began > self.options.unschedulable_s
            if seen.unschedulable and late:
                return FleetFull(
                    f"No node of the cluster has room for a bot: {seen.unschedulable}.",
                    "Wait for a bot to end, add nodes, or ask for less in [plugins.kubernetes].",
                    retry_after_s=_FULL_AGAIN_S,
                )
            await trio.sleep(_LOOK_EVERY_S)
        if unknown is not None:
            raise unknown
        return CommandFailed(
            f"The bot in the Pod {bot.name} took no commands within "
            f"{self.options.start_timeout_s:g} s.",
            f"Look at it: kubectl -n {cluster.namespace} describe pod {bot.name}. Does it "
            "reach the bus?",
        )

    # --- those that are there ----------------------------------------------------------------

    async def adopt(self, bot_id: str, nursery: trio.Nursery) -> RunningBot | None:
        """Return a bot whose Pod runs, whoever made it; the bus need not be there.

        Raises:
            ClusterUnavailable, StorageUnavailable, OSError, trio.TooSlowError: Nobody can say.
        """
        bus = self.needed_bus()
        async with self._cluster() as cluster:
            pod = await cluster.pod(object_name(bot_id))
            if pod is None:
                await cluster.delete_secret(object_name(bot_id))  # its server died before its Pod
            elif state_of(pod).over and not state_of(pod).failed:
                await cluster.remove(object_name(bot_id))
        if pod is None or state_of(pod).over:
            return None
        if not await self.runs(bot_id):
            return None
        bot = PodBot(bot_id, bus, self, self._watching(nursery), nursery)
        bot.pod = pod
        nursery.start_soon(self._look_after, bot)
        return bot

    async def list(self) -> list[str]:
        """Return the bots whose Pods run; failed Pods that were kept long enough go."""
        self.needed_bus()
        async with self._cluster() as cluster:
            pods = await self._swept(cluster)
        return sorted(_bot_id_of(pod) for pod in pods if not state_of(pod).over)

    async def _sweep(self, cluster: Cluster) -> None:
        """Let Pods go that ended long ago, whoever looked after them; now and then."""
        if trio.current_time() >= self._sweep_at:
            self._sweep_at = trio.current_time() + _SWEEP_EVERY_S
            with suppress(ClusterUnavailable):
                await self._swept(cluster)

    async def _swept(self, cluster: Cluster) -> Sequence[Pod]:
        since = datetime.now(UTC) - timedelta(seconds=self.options.keep_failed_s)
        pods, _ = await cluster.pods()
        for pod in pods:
            if state_of(pod).over and ended_before(pod, since) and pod.metadata is not None:
                await cluster.remove(str(pod.metadata.name))
        return pods

    # --- while one runs ----------------------------------------------------------------------

    async def _look_after(self, bot: PodBot) -> None:
        """Wait for the Pod's end and say why, where it was none in order."""
        try:
            await self._until_gone(bot)
        except Exception:  # noqa: BLE001  one bot's trouble is its own
            _LOG.exception("bot=%s cannot be waited for", bot.bot_id)
        finally:
            bot.settled.set()
            self._watched_enough()

    async def _until_gone(self, bot: PodBot) -> None:
        gone = False
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.watch_silence, bot, self.options.unresponsive_limit_s)
                await bot.ended()
                nursery.cancel_scope.cancel()
            gone = True
        finally:
            if not gone:
                bot.settled.set()
            if not gone and self.options.stop_with_launcher and not bot.released:
                with trio.move_on_after(_LEAVE_TIMEOUT_S, shield=True) as limit:
                    await have_it_leave(bot)
                if limit.cancelled_caught:  # it has its Pod's grace for the rest
                    with trio.move_on_after(_TIDY_WITHIN_S, shield=True):
                        await self.end(bot.name)
        if not bot.released:
            await self._settle(bot)

    async def _settle(self, bot: PodBot) -> None:
        """Note why a Pod failed, for whoever ends the bot's journal; let a good one go."""
        try:
            async with self._cluster() as cluster:
                pod = await _when_over(cluster, bot.name) or bot.pod
                seen = state_of(pod) if pod is not None else PodState()
                if seen.failed and seen.evidence is not None:
                    _LOG.warning("bot=%s its Pod failed: %s", bot.bot_id, seen.evidence.detail)
                    self.note(bot, seen.reason, seen.evidence)
                    if self.options.keep_failed_s:
                        return
                else:  # also one of which its node tells nothing any more: nobody runs the bot
                    self.note_silence(bot)
                await cluster.remove(bot.name)
        except MeetcoreError as error:
            _LOG.warning("bot=%s its Pod stays for now: %s", bot.bot_id, error)

    async def end(self, name: str, *, grace_s: int | None = None) -> bool:
        """Delete a Pod, within ten minutes where the cluster does not answer; raises nothing.

        Returns whether it is deleted.

        Args:
            name: The Pod.
            grace_s: How long its bot may take to leave; None for what the Pod itself says.
        """
        with trio.move_on_after(_END_WITHIN_S):
            while True:
                try:
                    async with self._cluster() as cluster:
                        await cluster.remove(name, grace_s=grace_s)
                except ClusterUnavailable as error:
                    _LOG.warning("the Pod %s cannot be deleted now: %s", name, error)
                except MeetcoreError as error:
                    _LOG.error("the Pod %s cannot be deleted: %s", name, error)
                    return False
                else:
                    return True
                await trio.sleep(_END_AGAIN_S)
        return False


class PodBot(ClusterBot):
    """A bot in a Pod: what it tells and takes goes over the bus, its end is its Pod's.

    Attributes:
        name: Of its Pod.
        settled: Set when it was seen to how its Pod ended, or nobody sees to that here any more.
    """

    def __init__(
        self,
        bot_id: str,
        bus: BotBus,
        launcher: PodLauncher,
        watch: PodWatch,
        nursery: trio.Nursery,
    ) -> None:
        super().__init__(bot_id, bus, launcher.store)
        self.name = object_name(bot_id)
        self.pod: Pod | None = None
        self.settled = trio.Event()
        self._watched = False
        self._ending = False
        self._launcher = launcher
        self._watch = watch
        self._nursery = nursery

    @property
    def over(self) -> bool:
        """Whether its Pod is over."""
        seen = self._watch.pods.get(self.name)
        return seen is not None and state_of(seen).over

    async def leave_otherwise(self) -> bool:
        """Delete its Pod, whose end says it: it has the Pod's grace for leaving.

        Returns whether it is deleted, or will be as soon as the cluster answers.
        """
        with trio.move_on_after(_TIDY_WITHIN_S):
            return await self._launcher.end(self.name)
        if not self._ending:
            self._ending = True
            self._nursery.start_soon(self._end_later)
        return True

    async def _end_later(self) -> None:
        try:
            await self._launcher.end(self.name)
        finally:
            self._ending = False

    def abandon(self) -> None:
        """Delete its Pod; the node's kubelet kills what runs in it.

        At once, unless it was told to stop not long ago: then it has its Pod's grace, as when it is
        told that.
        """
        if self.leaving_until is not None and trio.current_time() < self.leaving_until:
            self._nursery.start_soon(self._launcher.end, self.name)
        else:
            super().abandon()
            self._nursery.start_soon(partial(self._launcher.end, self.name, grace_s=0))

    async def gone(self) -> None:
        """Return when nothing of it runs any more, and why is noted, or cannot be known soon."""
        await self.ended()
        with trio.move_on_after(_SETTLED_WITHIN_S + _ASK_EVERY_S):
            await self.settled.wait()

    async def ended(self) -> None:
        """Return when its Pod is over or deleted, or nobody runs it: a lost node tells nothing."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._until_over, nursery.cancel_scope)
            await super().gone()
            nursery.cancel_scope.cancel()
        pod = self._watch.pods.get(self.name)
        self.pod = pod or self.pod

    async def _until_over(self, waiting: trio.CancelScope) -> None:
        self.pod = await self._watch.until(self.name, self._over) or self.pod
        waiting.cancel()

    def _over(self, pod: Pod | None) -> bool:
        if pod is not None:
            self.pod = pod
            self._watched = True
            return state_of(pod).over
        return self._watched  # one that was made a moment ago may not have been seen yet


async def _when_over(cluster: Cluster, name: str) -> Pod | None:
    """Return a Pod when the cluster knows that it is over, or after a while; None if it is gone."""
    until = trio.current_time() + _SETTLED_WITHIN_S
    while True:
        pod = await cluster.pod(name)
        if pod is None or state_of(pod).over or trio.current_time() > until:
            return pod
        await trio.sleep(_LOOK_EVERY_S)


async def _tidy(cluster: Cluster, name: str, *, pod: bool = True) -> None:
    """Take back what was made; what does not work now is found by its label later."""
    with trio.move_on_after(_TIDY_WITHIN_S, shield=True), suppress(MeetcoreError):
        if pod:
            await cluster.remove(name)
        else:
            await cluster.delete_secret(name)


def _did_not_begin(seen: PodState) -> CommandFailed:
    if seen.doomed or seen.hindered:
        return CommandFailed(
            f"The Pod of the bot cannot begin: {seen.doomed or seen.hindered}.",
            "Look at image, image_pull_secrets and env_from_secrets in [plugins.kubernetes].",
        )
    words = seen.evidence.detail if seen.evidence else "its Pod is gone"
    return CommandFailed(f"The bot did not come up: {words}")


def _bot_id_of(pod: Pod) -> str:
    assert pod.metadata is not None
    return str((pod.metadata.annotations or {}).get("meetcore.io/bot-id", pod.metadata.name))

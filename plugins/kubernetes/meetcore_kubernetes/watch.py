"""How the fleet's Pods stand: listed once, then watched; listed again where the watch is lost."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import aclosing

import trio
from lightkube.resources.core_v1 import Pod

from meetcore import MeetcoreError
from meetcore_kubernetes.cluster import Cluster, WatchExpired

__all__ = ["PodWatch"]

_LOG = logging.getLogger("meetcore.kubernetes")
_AGAIN_FIRST_S = 0.5
_AGAIN_MOST_S = 15.0
_LONGEST_S = 300.0


class PodWatch:
    """Knows the Pods of a fleet by name.

    Attributes:
        pods: As they were last seen.
        listed: Set when they were listed once.
    """

    def __init__(self) -> None:
        self.pods: dict[str, Pod] = {}
        self.listed = trio.Event()
        self._changed = trio.Event()

    async def run(self, cluster: Cluster) -> None:
        """Watch for ever. Raises nothing but `Cancelled`."""
        pause_s = _AGAIN_FIRST_S
        trouble = ""
        while True:
            try:
                pods, version = await cluster.pods()
                self.pods = {_name(pod): pod for pod in pods}
                self.listed.set()
                self._change()
                if trouble:
                    _LOG.warning("the cluster's Pods are watched again")
                trouble, pause_s = "", _AGAIN_FIRST_S
                while True:
                    version = await self._watched(cluster, version)
            except WatchExpired:
                _LOG.info("the watch of the Pods begins anew: its version is too old")
                await trio.sleep(_AGAIN_FIRST_S)
            except MeetcoreError as error:
                if not trouble:
                    _LOG.warning("the cluster's Pods cannot be watched now: %s", error)
                trouble = str(error)
                await trio.sleep(pause_s)
                pause_s = min(pause_s * 2, _AGAIN_MOST_S)

    async def _watched(self, cluster: Cluster, version: str) -> str:
        """Take what happens until the watch ends; return the version that it came to."""
        began = trio.current_time()
        with trio.move_on_after(_LONGEST_S):  # a connection can be open and broken
            async with aclosing(cluster.watch(version)) as changes:
                async for kind, pod in changes:
                    if pod.metadata is not None and pod.metadata.resourceVersion:
                        version = pod.metadata.resourceVersion
                    if kind == "DELETED":
                        self.pods.pop(_name(pod), None)
                    elif kind in ("ADDED", "MODIFIED"):
                        self.pods[_name(pod)] = pod
                    self._change()
        if trio.current_time() - began < _AGAIN_FIRST_S:
            await trio.sleep(_AGAIN_FIRST_S)  # a server that hangs up at once is not run at
        return version

    def _change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def until(self, name: str, wanted: Callable[[Pod | None], bool]) -> Pod | None:
        """Return a Pod when it is as wanted; None stands for one that is not there.

        No deadline of its own.
        """
        await self.listed.wait()
        while not wanted(self.pods.get(name)):
            await self._changed.wait()
        return self.pods.get(name)


def _name(pod: Pod) -> str:
    assert pod.metadata is not None
    return str(pod.metadata.name)

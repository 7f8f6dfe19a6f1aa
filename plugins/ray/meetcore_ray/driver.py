"""The process in which Ray is: `python -m meetcore_ray.driver`, a server's way to the cluster.

Ray ends the process that uses it where the control plane does not answer for a minute, a call of it
may hang for longer, and its threads are many. So none of it is in the server: this process is asked
in lines of JSON on standard input, and answers in lines on standard output. When its input ends, it
ends. Bots do not notice: their actors are detached.

    {"address": …, "namespace": …}              {"ready": true}
    {"id": 1, "do": "make", "name": …, …}        {"id": 1}
    {"id": 2, "do": "list"}                      {"id": 2, "names": […]}
                                                 {"told": NAME, "up": true}
                                                 {"told": NAME, "over": {"code": 0, "words": ""}}
                                                 {"told": NAME, "over": {"died": "node", …}}
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, BinaryIO

__all__ = ["main"]

_THREADS = 8
_GET_WITHIN_S = 5.0
_LOOK_EVERY_S = 0.3
_NAME_FREE_EVERY_S = 0.02
_ASK_ANEW_S = 30.0
_MOST_WORDS = 500
_CALLS_AT_ONCE = 16


class _Watch:
    """Tells when actors are up, and when they or their bots end."""

    def __init__(self, ray: Any, tell: Any) -> None:
        self._ray = ray
        self._tell = tell
        self._lock = threading.Lock()
        self._refs: dict[Any, tuple[str, Any, bool]] = {}
        self._names: set[str] = set()
        self._some = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def add(self, name: str, actor: Any) -> None:
        """Watch an actor, if that is not done already."""
        with self._lock:
            if name in self._names:
                return
            self._names.add(name)
        self._ask(name, actor, up=True)
        self._ask(name, actor, up=False)

    def _ask(self, name: str, actor: Any, *, up: bool) -> None:
        ref = actor.up.remote() if up else actor.ended.remote(_ASK_ANEW_S)
        with self._lock:
            self._refs[ref] = (name, actor, up)
        self._some.set()

    def _run(self) -> None:
        while True:
            self._some.wait()
            with self._lock:
                waited_for = list(self._refs)
                if not waited_for:
                    self._some.clear()
                    continue
            ready, _ = self._ray.wait(waited_for, num_returns=1, timeout=_LOOK_EVERY_S)
            for ref in ready:
                with self._lock:
                    name, actor, up = self._refs.pop(ref)
                self._take(ref, name, actor, up=up)

    def _take(self, ref: Any, name: str, actor: Any, *, up: bool) -> None:
        """Tell what an actor answered, or that it is no more."""
        try:
            answer = self._ray.get(ref, timeout=_GET_WITHIN_S)
        except self._ray.exceptions.ActorUnavailableError:
            time.sleep(_LOOK_EVERY_S)  # it may be back, or is known to be dead soon
            self._ask(name, actor, up=up)
        except Exception as error:  # noqa: BLE001  whatever Ray has to say of it
            if not up:
                self._forget(name)
                self._tell({"told": name, "over": {"died": _kind(error), "words": _words(error)}})
        else:
            if up:
                self._tell({"told": name, "up": True})
            elif answer is None:
                self._ask(name, actor, up=False)
            else:
                self._forget(name)
                self._tell({"told": name, "over": answer})

    def _forget(self, name: str) -> None:
        with self._lock:
            self._names.discard(name)


def _kind(error: Exception) -> str:
    """Return what an actor died of."""
    words = str(error)
    if "OutOfMemory" in type(error).__name__ or "running low on memory" in words:
        return "out_of_memory"
    return "node" if "node has died" in words or "node was terminated" in words else "actor"


def _words(error: Exception) -> str:
    """Return Ray's own words for an actor's end: what follows the lines of names and numbers."""
    lines = [line.strip() for line in str(error).splitlines()]
    skipped = ("class_name:", "actor_id:", "pid:", "name:", "namespace:", "ip:")
    said = [line for line in lines if line and not line.startswith(skipped)]
    return " ".join(said)[:_MOST_WORDS] or type(error).__name__


class _Requests:
    """Does what is asked."""

    def __init__(self, ray: Any, namespace: str, watch: _Watch) -> None:
        from meetcore_ray.bot_actor import BotActor

        self._ray = ray
        self._namespace = namespace
        self._watch = watch
        self._class = ray.remote(max_concurrency=_CALLS_AT_ONCE)(BotActor)

    def make(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Make an actor, or find the one that is there, and have it begin its bot."""
        needs = dict(asked["needs"])
        actor = self._class.options(
            name=asked["name"],
            namespace=self._namespace,
            lifetime="detached",
            get_if_exists=True,
            max_restarts=0,
            max_task_retries=0,
            num_cpus=needs.pop("CPU"),
            memory=int(needs.pop("memory")),
            resources=needs,
        ).remote()
        # Not to the constructor: what that takes is kept in the control plane.
        actor.begin.remote(asked["order"], asked["longest_s"])
        self._watch.add(asked["name"], actor)
        return {}

    def find(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Say whether there is an actor, and watch it."""
        try:
            actor = self._ray.get_actor(asked["name"], namespace=self._namespace)
        except ValueError:
            return {"there": False}
        self._watch.add(asked["name"], actor)
        return {"there": True}

    def leave(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Tell a bot to leave; return whether its actor heard it."""
        try:
            actor = self._ray.get_actor(asked["name"], namespace=self._namespace)
            self._ray.get(actor.leave.remote(), timeout=_GET_WITHIN_S)
        except (ValueError, self._ray.exceptions.RayError):
            return {"told": False}
        return {"told": True}

    def kill(self, asked: dict[str, Any]) -> dict[str, Any]:
        """End an actor and its bot at once; its name is free then."""
        try:
            actor = self._ray.get_actor(asked["name"], namespace=self._namespace)
        except ValueError:
            return {}
        if asked["up"]:
            with suppress(self._ray.exceptions.RayError):  # it is dead, or as good as that
                self._ray.get(actor.kill.remote(), timeout=_GET_WITHIN_S)
        self._ray.kill(actor, no_restart=True)
        until = time.monotonic() + _GET_WITHIN_S
        while time.monotonic() < until:
            try:
                self._ray.get_actor(asked["name"], namespace=self._namespace)
            except ValueError:
                break
            time.sleep(_NAME_FREE_EVERY_S)
        return {}

    def list(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the names of actors."""
        del asked
        found = self._ray.util.list_named_actors(all_namespaces=True)
        names = [each["name"] for each in found if each["namespace"] == self._namespace]
        return {"names": sorted(names)}

    def room(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return what is free in the cluster, and what there is in all."""
        del asked
        nodes = sum(bool(each["Alive"]) for each in self._ray.nodes())
        free, in_all = self._ray.available_resources(), self._ray.cluster_resources()
        return {"free": free, "in_all": in_all, "nodes": nodes}


def _serve(asked_in: BinaryIO, told_out: BinaryIO) -> None:
    lock = threading.Lock()

    def tell(message: dict[str, Any]) -> None:
        try:
            with lock:
                told_out.write(json.dumps(message).encode() + b"\n")
                told_out.flush()
        except OSError:
            os._exit(0)

    settings = json.loads(asked_in.readline())
    import ray

    try:
        ray.init(
            address=settings["address"],
            namespace=settings["namespace"],
            log_to_driver=False,
            configure_logging=False,
        )
    except Exception as error:  # noqa: BLE001  whatever Ray has to say of it
        tell({"ready": False, "words": _words(error)})
        os._exit(1)
    requests = _Requests(ray, settings["namespace"], _Watch(ray, tell))
    tell({"ready": True})

    def answer(asked: dict[str, Any]) -> None:
        try:
            done = getattr(requests, asked["do"])(asked)
        except Exception as error:  # noqa: BLE001  whatever Ray has to say of it
            done = {"error": type(error).__name__, "words": _words(error)}
        tell({"id": asked["id"], **done})

    with ThreadPoolExecutor(_THREADS) as pool:
        for line in asked_in:
            pool.submit(answer, json.loads(line))
        os._exit(0)  # threads may hang in Ray


def main() -> None:
    """Serve until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told_out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else is printed is no answer
    _serve(sys.stdin.buffer, told_out)


if __name__ == "__main__":
    main()

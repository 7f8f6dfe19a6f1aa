"""A stand-in for a cluster: an API server as documented, and a kubelet that starts real processes.

It is none: nothing is scheduled, and a Pod's container is a process of this machine, in a mount
namespace of its own with the Pod's volumes at their places. What a real API server does to its
clients it does, too: watches end, expire (410) and carry bookmarks, names conflict (409), quotas
refuse (403), it is busy (429), an admission webhook is slow, nodes have no room, images cannot be
pulled, Pods are evicted and killed for their memory.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from tests.plugins.kubernetes.standin_objects import (
    Object,
    Refused,
    check_object,
    container_of,
    is_selected,
    now_in_words,
    status_of,
)

__all__ = ["StandInCluster", "open_cluster"]

TOKEN = "a-token-of-the-tests"
NAMESPACE = "meetings"
_ROOT = Path("/run/meetcore")
_HISTORY = 40
_BOOKMARK_EVERY_S = 0.5
_PATH = re.compile(rf"/api/v1/namespaces/{NAMESPACE}/(pods|secrets)(?:/([^/]+))?")
_KINDS = {"pods": "Pod", "secrets": "Secret"}


class StandInCluster:
    """The cluster's state, and what it is told to do wrong.

    Attributes:
        admission_s: How long it takes to admit an object.
        busy: So many requests are answered 429 from now on.
        most_pods: The quota, None for none.
        forbidden: Pairs of a verb and a kind that our account may not.
        no_room: Whether no node has room for a new Pod.
        missing_images: Images that cannot be pulled.
        image_troubles: What a Pod with one of these waits for, one after the other.
        away: Whether connections end without an answer.
        collects_garbage: Whether what belongs to an object goes with it.
        requests: What was asked: verb and kind.
        graces: The grace, in seconds, that a Pod was deleted with; None for its own.
    """

    def __init__(self) -> None:
        self.admission_s = 0.0
        self.busy = 0
        self.most_pods: int | None = None
        self.forbidden: set[tuple[str, str]] = set()
        self.no_room = False
        self.missing_images: set[str] = set()
        self.image_troubles = ["ErrImagePull", "ImagePullBackOff"]
        self.away = False
        self.collects_garbage = True
        self.requests: list[tuple[str, str]] = []
        self.graces: dict[str, int | None] = {}
        self.folder = Path(mkdtemp(prefix="meetcore-cluster-"))
        self._changed = threading.Condition()
        self._objects: dict[tuple[str, str], Object] = {}
        self._history: list[tuple[int, str, Object]] = []
        self._version = 1000
        self._oldest = 0
        self._watches = 0
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._killed_for: dict[str, str] = {}

    # --- what a test does to it --------------------------------------------------------------

    def drop_watches(self) -> None:
        """End all watches, as a load balancer does."""
        with self._changed:
            self._watches += 1
            self._changed.notify_all()

    def expire(self) -> None:
        """Forget what happened until now: a watch from there is answered 410."""
        with self._changed:
            self._version += 1
            self._oldest = self._version
        self.drop_watches()

    def kill_for_memory(self, name: str) -> None:
        """Do to a Pod what the kernel does that is beyond its limit."""
        self._killed_for[name] = "OOMKilled"
        self._kill(name, signal.SIGKILL)

    def evict(self, name: str) -> None:
        """Do to a Pod what a node under pressure does."""
        self._killed_for[name] = "Evicted"
        self._kill(name, signal.SIGKILL)

    def lose_node(self, name: str) -> None:
        """Have a Pod's machine vanish: nobody tells anything of it any more."""
        self._killed_for[name] = "lost"
        self._kill(name, signal.SIGKILL)

    def forget(self, name: str) -> None:
        """Have a Pod vanish with all that the cluster knew of it."""
        self._kill(name, signal.SIGKILL)
        with self._changed:
            self._remove("Pod", name)

    def freeze(self, name: str) -> None:
        """Have a Pod's processes stand still."""
        self._kill(name, signal.SIGSTOP)

    def named(self, kind: str) -> list[str]:
        """Return the names of the objects of a kind."""
        with self._changed:
            return sorted(name for each, name in self._objects if each == kind)

    def object(self, kind: str, name: str) -> Object:
        """Return an object as it is."""
        with self._changed:
            return deepcopy(self._objects[kind, name])

    def running(self) -> list[str]:
        """Return the Pods whose processes run."""
        return sorted(name for name, each in self._processes.items() if each.poll() is None)

    def log(self, name: str) -> str:
        """Return what a Pod's process wrote."""
        path = self.folder / f"{name}.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def close(self) -> None:
        """End every process."""
        self.drop_watches()
        for name, process in list(self._processes.items()):
            self._kill(name, signal.SIGCONT)
            self._kill(name, signal.SIGKILL)
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- the API -----------------------------------------------------------------------------

    def answer(self, verb: str, path: str, query: dict[str, str], body: Any) -> Object:
        """Answer a request; raises `Refused`."""
        match = _PATH.fullmatch(path)
        if match is None:
            raise Refused(404, "NotFound", f"the server could not find {path}")
        plural, name = match[1], match[2]
        kind = _KINDS[plural]
        verb = "list" if verb == "get" and name is None else verb
        self.requests.append((verb, plural))
        if self.busy > 0:
            self.busy -= 1
            message = "too many requests, please try again later"
            raise Refused(429, "TooManyRequests", message, **{"Retry-After": "1"})
        if (verb, plural) in self.forbidden:
            account = "system:serviceaccount:meetings:meetcore"
            message = f'{plural} is forbidden: User "{account}" cannot {verb} resource "{plural}"'
            raise Refused(403, "Forbidden", message)
        if verb == "list":
            return self._list(kind, query)
        if verb == "create":
            time.sleep(self.admission_s)
            return self._create(kind, body)
        with self._changed:
            if (kind, name) not in self._objects:
                raise Refused(404, "NotFound", f'{plural} "{name}" not found')
            if verb == "get":
                return deepcopy(self._objects[kind, name])
            if verb == "patch":
                return self._patch(kind, name, body)
        return self._delete(kind, name, query.get("gracePeriodSeconds"), body)

    def _list(self, kind: str, query: dict[str, str]) -> Object:
        with self._changed:
            items = [
                deepcopy(each)
                for (known, _), each in sorted(self._objects.items())
                if known == kind and is_selected(each, query.get("labelSelector", ""))
            ]
            about = {"resourceVersion": str(self._version)}
        return {"apiVersion": "v1", "kind": f"{kind}List", "metadata": about, "items": items}

    def _create(self, kind: str, body: Object) -> Object:
        check_object(kind, body)
        name = body["metadata"]["name"]
        with self._changed:
            if (kind, name) in self._objects:
                plural = f"{kind.lower()}s"
                raise Refused(409, "AlreadyExists", f'{plural} "{name}" already exists')
            pods = sum(each == "Pod" for each, _ in self._objects)
            if kind == "Pod" and self.most_pods is not None and pods >= self.most_pods:
                message = (
                    f'pods "{name}" is forbidden: exceeded quota: bots, requested: pods=1, '
                    f"used: pods={pods}, limited: pods={self.most_pods}"
                )
                raise Refused(403, "Forbidden", message)
            made = deepcopy(body)
            made["metadata"] |= {
                "namespace": NAMESPACE,
                "uid": str(uuid4()),
                "creationTimestamp": now_in_words(),
            }
            if kind == "Secret":
                data = made.pop("stringData", {})
                made["data"] = {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}
            else:
                made["status"] = {"phase": "Pending", "conditions": []}
            self._put(kind, name, made, "ADDED")
        if kind == "Pod":
            threading.Thread(target=self._kubelet, args=(name,), daemon=True).start()
        return deepcopy(made)

    def _patch(self, kind: str, name: str, body: Object) -> Object:
        known = self._objects[kind, name]
        if kind == "Secret" and known.get("immutable") and "data" in body:
            raise Refused(422, "Invalid", "field is immutable when `immutable` is set")
        known["metadata"] |= body.get("metadata", {})
        self._put(kind, name, known, "MODIFIED")
        return deepcopy(known)

    def _delete(self, kind: str, name: str, asked: str | None, body: Any) -> Object:
        with self._changed:
            known = self._objects.get((kind, name))
            if known is None:
                raise Refused(404, "NotFound", f'{kind.lower()}s "{name}" not found')
            if kind != "Pod":
                self._remove(kind, name)
                return {"kind": "Status", "apiVersion": "v1", "status": "Success"}
            grace_s = known["spec"].get("terminationGracePeriodSeconds", 30)
            if isinstance(body, dict):
                asked = body.get("gracePeriodSeconds", asked)
            self.graces[name] = None if asked is None else int(asked)
            grace_s = grace_s if asked is None else int(asked)
            known["metadata"] |= {
                "deletionTimestamp": now_in_words(),
                "deletionGracePeriodSeconds": grace_s,
            }
            self._put(kind, name, known, "MODIFIED")
        threading.Thread(target=self._terminate, args=(name, grace_s), daemon=True).start()
        return deepcopy(known)

    def _put(self, kind: str, name: str, known: Object, change: str) -> None:
        """Keep an object, under a new version; the lock is held."""
        self._version += 1
        known["metadata"]["resourceVersion"] = str(self._version)
        self._objects[kind, name] = known
        self._tell(kind, change, known)

    def _remove(self, kind: str, name: str) -> None:
        known = self._objects.pop((kind, name), None)
        if known is None:
            return
        self._version += 1
        known["metadata"]["resourceVersion"] = str(self._version)
        self._tell(kind, "DELETED", known)
        uid = known["metadata"]["uid"]
        if not self.collects_garbage:
            return
        for other, each in list(self._objects.items()):  # what belonged to it goes with it
            owners = each["metadata"].get("ownerReferences", ())
            if any(owner["uid"] == uid for owner in owners):
                self._remove(*other)

    def _tell(self, kind: str, change: str, known: Object) -> None:
        if kind == "Pod":
            self._history.append((self._version, change, deepcopy(known)))
            if len(self._history) > _HISTORY:
                self._oldest = max(self._oldest, self._history.pop(0)[0])
        self._changed.notify_all()

    def watch(self, query: dict[str, str]) -> Iterator[Object | None]:
        """Yield what happens to Pods; None for nothing to be sent now."""
        self.requests.append(("watch", "pods"))
        at = int(query.get("resourceVersion") or 0)
        mine = self._watches
        until = time.monotonic() + float(query.get("timeoutSeconds") or 3600)
        bookmark_at = time.monotonic() + _BOOKMARK_EVERY_S
        with self._changed:
            if at < self._oldest:
                message = f"too old resource version: {at} ({self._oldest})"
                status = status_of(410, "Expired", message)
                yield {"type": "ERROR", "object": status}
                return
        while time.monotonic() < until:
            with self._changed:
                news = [each for each in self._history if each[0] > at]
                if not news:
                    self._changed.wait(0.1)
                    news = [each for each in self._history if each[0] > at]
                version, ended = self._version, mine != self._watches
            if ended or self.away:
                return
            for number, change, known in news:
                at = number
                if is_selected(known, query.get("labelSelector", "")):
                    yield {"type": change, "object": known}
            if not news and time.monotonic() > bookmark_at:
                bookmark_at = time.monotonic() + _BOOKMARK_EVERY_S
                at = max(at, version)
                about = {"resourceVersion": str(at), "creationTimestamp": None}
                pod = {"kind": "Pod", "apiVersion": "v1", "metadata": about}
                yield {"type": "BOOKMARK", "object": pod}
            yield None

    # --- the kubelet -------------------------------------------------------------------------

    def _status(self, name: str, **status: Any) -> bool:
        with self._changed:
            known = self._objects.get(("Pod", name))
            if known is None:
                return False
            known["status"] = {**known["status"], **status}
            self._put("Pod", name, known, "MODIFIED")
        return True

    def _kubelet(self, name: str) -> None:
        """Do what scheduler and kubelet do to a Pod."""
        spec = self.object("Pod", name)["spec"]
        container = spec["containers"][0]
        while self.no_room:
            words = "0/3 nodes are available: 3 Insufficient memory."
            condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
            if not self._status(name, conditions=[{**condition, "message": words}]):
                return
            time.sleep(0.2)
        self._status(name, conditions=[{"type": "PodScheduled", "status": "True"}])
        reasons = iter(self.image_troubles)
        reason = self.image_troubles[-1]
        while container["image"] in self.missing_images:
            message = f'failed to pull image "{container["image"]}": not found'
            waiting = {"reason": next(reasons, reason), "message": message}
            if not self._status(name, containerStatuses=[container_of(waiting=waiting)]):
                return
            time.sleep(0.2)
        try:
            process = self._start(name, spec, container)
        except KeyError as error:
            waiting = {"reason": "CreateContainerConfigError", "message": f"no Secret {error}"}
            self._status(name, containerStatuses=[container_of(waiting=waiting)])
            return
        self._processes[name] = process
        running = {"startedAt": now_in_words()}
        self._status(name, phase="Running", containerStatuses=[container_of(running=running)])
        deadline_s = spec.get("activeDeadlineSeconds")
        try:
            code = process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self._killed_for[name] = "DeadlineExceeded"
            self._kill(name, signal.SIGKILL)
            code = process.wait()
        self._ended(name, code)

    def _ended(self, name: str, code: int) -> None:
        why = self._killed_for.get(name)
        if why == "lost":
            return
        if why in ("Evicted", "DeadlineExceeded"):
            message = {
                "Evicted": "The node was low on resource: memory.",
                "DeadlineExceeded": "Pod was active on the node longer than the specified deadline",
            }[why]
            self._status(name, phase="Failed", reason=why, message=message, containerStatuses=[])
            return
        code = 128 - code if code < 0 else code
        ended: Object = {"exitCode": code, "reason": why or ("Error" if code else "Completed")}
        ended |= {"startedAt": now_in_words(), "finishedAt": now_in_words()}
        if code:
            ended["message"] = self.log(name)[-2048:]
        phase = "Failed" if code else "Succeeded"
        self._status(name, phase=phase, containerStatuses=[container_of(terminated=ended)])

    def _start(self, name: str, spec: Object, container: Object) -> subprocess.Popen[bytes]:
        """Start a container's process, with the Pod's volumes at their places."""
        home = self.folder / name
        places: list[tuple[Path, str]] = []
        volumes = {each["name"]: each for each in spec["volumes"]}
        for mount in container["volumeMounts"]:
            volume, place = volumes[mount["name"]], home / mount["name"]
            if "persistentVolumeClaim" in volume or mount["mountPath"] in ("/tmp", "/dev/shm"):
                continue  # that of this machine
            place.mkdir(parents=True, exist_ok=True)
            if "secret" in volume:
                self._lay_out(volume["secret"], place)
            places.append((place, mount["mountPath"]))
        environ = {each["name"]: each["value"] for each in container.get("env", ())}
        environ |= {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": ""}
        for source in container.get("envFrom", ()):
            secret = self.object("Secret", source["secretRef"]["name"])
            for key, value in secret["data"].items():
                environ[key] = base64.b64decode(value).decode()
        given = container["command"]
        begin = given.index("python")  # this machine has no init of the image's
        command = [sys.executable, *given[begin + 1 :], *container["args"]]
        binds = "".join(
            f"mkdir -p {path} && mount --bind {place} {path} && " for place, path in places
        )
        start = f'cd {container["workingDir"]} && exec "$@"'
        script = f"mount -t tmpfs tmpfs {_ROOT} && {binds}{start}"
        apart = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [*apart, *command],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _lay_out(self, source: Object, place: Path) -> None:
        secret = self.object("Secret", source["secretName"])
        for item in source["items"]:
            data = base64.b64decode(secret["data"][item["key"]])
            (place / item["path"]).write_bytes(data)

    def _terminate(self, name: str, grace_s: int) -> None:
        """End a Pod as it is deleted: politely, then not."""
        process = self._processes.get(name)
        if process is not None and process.poll() is None and self._killed_for.get(name) != "lost":
            if grace_s:
                self._kill(name, signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(grace_s)
            self._kill(name, signal.SIGKILL)
            process.wait()
        with self._changed:
            self._remove("Pod", name)

    def _kill(self, name: str, number: signal.Signals) -> None:
        process = self._processes.get(name)
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cluster: StandInCluster

    def log_message(self, *args: Any) -> None:
        return

    def _handle(self, verb: str) -> None:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else None
        if self.cluster.away:
            self.close_connection = True
            return
        try:
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                raise Refused(401, "Unauthorized", "Unauthorized")
            if query.get("watch") == "true":
                self._stream(self.cluster.watch(query))
                return
            self._send(
                201 if verb == "create" else 200, self.cluster.answer(verb, parts.path, query, body)
            )
        except Refused as refused:
            status = status_of(refused.code, refused.reason, refused.message)
            self._send(refused.code, status, refused.headers)

    def _send(self, code: int, answer: Object, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, events: Iterator[Object | None]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with suppress(OSError):
            for event in events:
                if event is not None:
                    line = json.dumps(event).encode() + b"\n"
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                    self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

    def do_GET(self) -> None:
        self._handle("get")

    def do_POST(self) -> None:
        self._handle("create")

    def do_PATCH(self) -> None:
        self._handle("patch")

    def do_DELETE(self) -> None:
        self._handle("delete")


@contextmanager
def open_cluster() -> Iterator[tuple[StandInCluster, Path]]:
    """Hold a stand-in; gives it and a kubeconfig for it."""
    cluster = StandInCluster()
    _ROOT.mkdir(exist_ok=True)
    handler = type("Handler", (_Handler,), {"cluster": cluster})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    host, port = server.server_address[:2]
    kubeconfig = cluster.folder / "kubeconfig"
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "contexts": [
                    {
                        "name": "here",
                        "context": {"cluster": "here", "user": "us", "namespace": NAMESPACE},
                    }
                ],
                "clusters": [{"name": "here", "cluster": {"server": f"http://{host!s}:{port}"}}],
                "users": [{"name": "us", "user": {"token": TOKEN}}],
            }
        )
    )
    try:
        yield cluster, kubeconfig
    finally:
        cluster.close()
        server.shutdown()
        server.server_close()
        thread.join()

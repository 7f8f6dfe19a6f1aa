"""The cluster's API, asked within a time; what it refuses comes back as our own kinds of error.

`lightkube` knows kubeconfigs, service accounts and the shapes of objects, and runs on Trio over
httpx2. Its watch is for asyncio (it sleeps there between tries): ours is a stream of its client.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, TypeVar, cast

import httpx2
import trio
from lightkube import ApiError, AsyncClient, KubeConfig
from lightkube.config import client_adapter
from lightkube.core.exceptions import ConfigError as KubeConfigError
from lightkube.resources.core_v1 import Pod, Secret

from meetcore import CommandFailed, ConfigError, FleetFull, MeetcoreError, StorageUnavailable
from meetcore_kubernetes.options import KubernetesOptions
from meetcore_kubernetes.pods import FLEET_LABEL

__all__ = ["Cluster", "ClusterUnavailable", "WatchExpired"]

T = TypeVar("T")
_ANSWER_WITHIN_S = 15.0
_TRIES = 5
_AGAIN_S = 0.5
_AGAIN_MOST_S = 10.0
_ASKED_MOST_S = 30.0
_FULL_AGAIN_S = 15.0
_WATCH_S = 240
_PASSING = (429, 500, 502, 503, 504)
_QUOTA_USED_UP = re.compile(r"\bexceeded quota: ")
_MAY_NOT = re.compile(r'\bUser ".*" cannot \w+ resource\b')


class ClusterUnavailable(StorageUnavailable):
    """The cluster's API does not answer, or not now: what was asked is tried again."""


class WatchExpired(MeetcoreError):
    """What a watch would go on from is no more: it begins with a list again."""


class Cluster:
    """What is asked of a cluster.

    Args:
        options: Where it is, and how.

    Raises:
        ConfigError: There is no way to it from here.
    """

    def __init__(self, options: KubernetesOptions) -> None:
        self._options = options
        try:
            if options.kubeconfig is not None:
                config = KubeConfig.from_file(options.kubeconfig)
            else:
                config = KubeConfig.from_env()
            single = config.get(options.context)
            assert single is not None
            self._client = AsyncClient(config=single, namespace=options.namespace, trust_env=False)
        except (KubeConfigError, OSError, ValueError, KeyError, AssertionError) as error:
            raise ConfigError(
                f"There is no way to a Kubernetes cluster from here: {error or 'no such context'}.",
                "In a Pod its service account is used; elsewhere set kubeconfig (and context) in "
                "[plugins.kubernetes], or KUBECONFIG.",
            ) from error
        # A watch lives for minutes; lightkube's own leaves its stream open when it is dropped.
        timeout = httpx2.Timeout(_ANSWER_WITHIN_S, read=_WATCH_S + _ANSWER_WITHIN_S)
        self._http = client_adapter.AsyncClient(
            single, client_adapter.ConnectionParams(timeout=timeout, trust_env=False)
        )
        if single.user is not None and single.user.exec is not None:
            raise ConfigError(
                "The kubeconfig asks another program for its token, which is not done here.",
                "Use a service account's token: kubectl create token …",
            )
        self.namespace = str(self._client.namespace)

    # --- objects -----------------------------------------------------------------------------

    async def create_secret(self, manifest: Mapping[str, Any]) -> None:
        """Make a Secret; one of that name that is there already is an older order, and goes."""
        secret = Secret.from_dict(dict(manifest))
        name = str(manifest["metadata"]["name"])
        for last in (False, True):
            try:
                await self._ask("make a Secret", lambda: self._client.create(secret))
            except _Conflict:
                if last:
                    raise ClusterUnavailable(f"The Secret {name} does not go away.") from None
                await self.delete_secret(name)
            else:
                return

    async def own_secret(self, name: str, pod: Pod) -> None:
        """Have a Secret go with its Pod."""
        assert pod.metadata is not None
        owner = {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": pod.metadata.name,
            "uid": pod.metadata.uid,
        }
        patch = {"metadata": {"ownerReferences": [owner]}}
        await self._ask("change a Secret", lambda: self._client.patch(Secret, name, patch))

    async def delete_secret(self, name: str) -> None:
        """Delete a Secret, if it is there."""
        try:
            await self._ask("delete a Secret", lambda: self._client.delete(Secret, name))
        except _Missing:
            return

    async def create_pod(self, manifest: Mapping[str, Any]) -> Pod | None:
        """Make a Pod; return it, None where there is one of that name."""
        pod = Pod.from_dict(dict(manifest))
        try:
            return cast(Pod, await self._ask("make a Pod", lambda: self._client.create(pod)))
        except _Conflict:
            return None

    async def pod(self, name: str) -> Pod | None:
        """Return a Pod, None where there is none."""
        try:
            return await self._ask("read a Pod", lambda: self._client.get(Pod, name))
        except _Missing:
            return None

    async def delete_pod(self, name: str, *, grace_s: int | None = None) -> None:
        """Delete a Pod, if it is there; with 0 it is gone at once."""

        async def delete() -> None:
            await self._client.delete(Pod, name, grace_period=grace_s)

        try:
            await self._ask("delete a Pod", delete)
        except _Missing:
            return

    async def remove(self, name: str, *, grace_s: int | None = None) -> None:
        """Delete a Pod and its Secret, which goes with it only where that could be said."""
        await self.delete_pod(name, grace_s=grace_s)
        await self.delete_secret(name)

    async def pods(self) -> tuple[list[Pod], str]:
        """Return the Pods of this fleet, and the version of the list."""

        async def read() -> tuple[list[Pod], str]:
            found: Any = self._client.list(
                Pod, namespace=self.namespace, labels=self._ours, chunk_size=500
            )
            return [pod async for pod in found], found.resourceVersion

        return await self._ask("list Pods", read)

    async def watch(self, version: str) -> AsyncGenerator[tuple[str, Pod], None]:
        """Yield what happens to the Pods of this fleet after a version, for some minutes.

        Raises:
            WatchExpired: That version is too old.
            ClusterUnavailable: The connection broke, or the cluster refuses.
        """
        params = {
            "watch": "true",
            "labelSelector": ",".join(f"{key}={value}" for key, value in self._ours.items()),
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_WATCH_S),
        }
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        try:
            async with self._http.stream("GET", path, params=params) as response:
                if response.status_code != httpx2.codes.OK:
                    await response.aread()
                    raise _refused_watch(response.status_code, _json(response.text))
                # Raw, and parted here: what decodes lines leaves its inner streams open.
                # To its end, too: the server closes a watch that it has refused.
                rest, refused = b"", None
                async with aclosing(response.aiter_raw()) as pieces:
                    async for piece in pieces:
                        *lines, rest = (rest + piece).split(b"\n")
                        for line in filter(None, lines):
                            change = json.loads(line)
                            if change["type"] == "ERROR":
                                refused = _refused_watch(0, change["object"])
                                continue
                            yield str(change["type"]), cast(Pod, Pod.from_dict(change["object"]))
                if refused is not None:
                    raise refused
        except (httpx2.HTTPError, OSError, ValueError, KeyError, TypeError) as error:
            raise ClusterUnavailable(f"The watch of the Pods broke: {_words(error)}.") from error

    @property
    def _ours(self) -> dict[str, Any]:
        return {FLEET_LABEL: self._options.fleet}

    async def _ask(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the cluster; what may pass is asked again some times, later each time."""
        pause_s, asked_s = _AGAIN_S, 0.0
        for left in reversed(range(_TRIES)):
            try:
                with trio.fail_after(_ANSWER_WITHIN_S):
                    return await ask()
            except ApiError as error:
                refused = _told(what, error)
                if not isinstance(refused, ClusterUnavailable) or not left:
                    raise refused from error
                asked_s = _asked_s(error)
            # Also what answers in the API's place, such as a proxy, in its own words.
            except (httpx2.HTTPError, OSError, trio.TooSlowError, KeyError, ValueError) as error:
                if not left:
                    raise ClusterUnavailable(
                        f"The cluster's API does not answer ({what}): {_words(error)}."
                    ) from error
                asked_s = 0.0
            await trio.sleep(max(pause_s, min(asked_s, _ASKED_MOST_S)))
            pause_s = min(pause_s * 2, _AGAIN_MOST_S)
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """Close its connections."""
        with trio.move_on_after(2.0, shield=True):
            await self._client.close()
            await self._http.aclose()


class _Conflict(CommandFailed):
    """There is one of that name."""


class _Missing(CommandFailed):
    """There is none of that name."""


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {"message": text[:200]}
    return found if isinstance(found, dict) else {}


def _refused_watch(code: int, status: Mapping[str, Any]) -> MeetcoreError:
    """Return why there is no watch: from an answer, or from an event of one that had begun."""
    code = int(status.get("code") or code)
    words = status.get("message") or f"status {code}"
    if code == httpx2.codes.GONE:
        return WatchExpired(f"The version is too old: {words}.")
    return ClusterUnavailable(f"The cluster gives no watch of the Pods now: {words}.")


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _asked_s(error: ApiError) -> float:
    """Return for how long the cluster asks to be left alone, in seconds."""
    said = error.response.headers.get("Retry-After", "")
    details = error.status.details
    in_body = details.retryAfterSeconds if details is not None else None
    return max(float(said) if said.isdecimal() else 0.0, float(in_body or 0))


def _told(what: str, error: ApiError) -> MeetcoreError:
    """Return what the cluster refused as one of our own kinds, in its own words."""
    code = error.status.code or error.response.status_code
    words = error.status.message or str(error)
    if code == 404:
        return _Missing(f"The cluster has none: {words}.")
    if code == 409 and error.status.reason == "AlreadyExists" and "being deleted" not in words:
        return _Conflict(f"The cluster has one already: {words}.")
    if code == 409 or code in _PASSING:  # it counts its quota at this moment, for instance
        return ClusterUnavailable(f"The cluster cannot {what} now: {words}.")
    if code == 403:
        return _forbidden(what, words, error)
    if code == 401:
        return ConfigError(
            f"The cluster does not know us ({what}): {words}.",
            "Is the token of the service account, or of the kubeconfig, still good?",
        )
    return CommandFailed(
        f"The cluster refuses to {what} ({code}): {words}.", "Look at [plugins.kubernetes]."
    )


def _forbidden(what: str, words: str, error: ApiError) -> MeetcoreError:
    """Return what a 403 means: nobody may, nobody can now, or nobody can as it is asked."""
    causes = (error.status.details.causes if error.status.details is not None else None) or ()
    if any(cause.reason == "NamespaceTerminating" for cause in causes):
        return ConfigError(
            f"The namespace is being deleted, and takes no bots: {words}.",
            "Make it again, or name another as namespace in [plugins.kubernetes].",
        )
    if _QUOTA_USED_UP.search(words):
        return FleetFull(
            f"The cluster's quota is used up: {words}.",
            "Wait for a bot to end, or raise the ResourceQuota of the namespace.",
            retry_after_s=_FULL_AGAIN_S,
        )
    if _MAY_NOT.search(words):
        return ConfigError(
            f"The cluster does not let us {what}: {words}.",
            "Give the server's service account the Role in deploy/kubernetes.",
        )
    return ConfigError(
        f"A rule of the cluster refuses to {what}: {words}.",
        "Look at the namespace's rules (ResourceQuota, LimitRange, Pod Security, admission) and at "
        "[plugins.kubernetes].",
    )

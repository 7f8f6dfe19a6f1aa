"""What an API server refuses, told apart by what it says and not by its number alone."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import httpx2
import pytest
import trio
from lightkube import ApiError

from meetcore import CommandFailed, ConfigError, FleetFull, MeetcoreError
from meetcore_kubernetes import cluster as module
from meetcore_kubernetes.cluster import Cluster, ClusterUnavailable
from tests.plugins.kubernetes.stage import staged
from tests.plugins.kubernetes.standin_objects import Refused

RBAC = (
    'pods is forbidden: User "system:serviceaccount:quota-team:meetcore" cannot create resource '
    '"pods" in API group "" in the namespace "exceeded-quota"'
)
QUOTA = (
    'pods "meetcore-b-1" is forbidden: exceeded quota: bots, requested: pods=1, used: pods=10, '
    "limited: pods=10"
)
CONFLICT = (
    'Operation cannot be fulfilled on resourcequotas "bots": the object has been modified; please '
    "apply your changes to the latest version and try again"
)
TERMINATING = (
    'pods "meetcore-b-1" is forbidden: unable to create new content in namespace meetings because '
    "it is being terminated"
)
UNSAID = 'pods "meetcore-b-1" is forbidden: failed quota: bots: must specify limits.cpu for: bot'
HARDENED = 'pods "meetcore-b-1" is forbidden: violates PodSecurity "restricted:v1": x'


def refused(code: int, reason: str, message: str, **more: Any) -> ApiError:
    headers = more.pop("headers", {})
    body = {"kind": "Status", "code": code, "reason": reason, "message": message, **more}
    content = json.dumps(body).encode()
    request = httpx2.Request("POST", "http://cluster/api/v1/namespaces/meetings/pods")
    response = httpx2.Response(code, content=content, headers=headers, request=request)
    return ApiError(request=request, response=response)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (refused(403, "Forbidden", QUOTA), FleetFull, "quota is used up"),
        (refused(403, "Forbidden", RBAC), ConfigError, "Role in deploy/kubernetes"),
        (refused(403, "Forbidden", UNSAID), ConfigError, "rule of the cluster.*ResourceQuota"),
        (refused(403, "Forbidden", HARDENED), ConfigError, "rule of the cluster.*Pod Security"),
        (
            refused(
                403,
                "Forbidden",
                TERMINATING,
                details={"causes": [{"reason": "NamespaceTerminating"}]},
            ),
            ConfigError,
            "namespace is being deleted",
        ),
        (refused(401, "Unauthorized", "Unauthorized"), ConfigError, "token"),
        (refused(409, "AlreadyExists", 'pods "b" already exists'), module._Conflict, "one already"),
        (
            refused(409, "AlreadyExists", 'object is being deleted: pods "b" already exists'),
            ClusterUnavailable,
            "cannot make a Pod now",
        ),
        (refused(409, "Conflict", CONFLICT), ClusterUnavailable, "cannot make a Pod now"),
        (refused(429, "TooManyRequests", "busy"), ClusterUnavailable, "now"),
        (refused(422, "Invalid", "no"), CommandFailed, "refuses to make a Pod"),
    ],
)
def test_what_is_refused_is_told_apart(
    error: ApiError, kind: type[MeetcoreError], words: str
) -> None:
    told = module._told("make a Pod", error)
    assert type(told) is kind
    with pytest.raises(kind, match=words):
        raise told


def test_a_quota_that_is_used_up_is_asked_about_again_after_a_while() -> None:
    full = module._told("make a Pod", refused(403, "Forbidden", QUOTA))
    assert isinstance(full, FleetFull)
    assert full.retry_after_s is not None
    assert full.retry_after_s >= 10.0


@pytest.mark.parametrize(
    ("said", "pauses"),
    [
        ({}, [0.5, 1.0, 2.0, 4.0]),
        ({"headers": {"Retry-After": "20"}}, [20.0] * 4),
        ({"details": {"retryAfterSeconds": 3}}, [3.0, 3.0, 3.0, 4.0]),
        ({"headers": {"Retry-After": "9000"}}, [30.0] * 4),
        ({"headers": {"Retry-After": "Tue, 01 Dec 2026 00:00:00 GMT"}}, [0.5, 1.0, 2.0, 4.0]),
    ],
)
async def test_it_is_asked_again_when_it_says(
    said: dict[str, Any], pauses: list[float], autojump_clock: trio.testing.MockClock
) -> None:
    asked: list[float] = []

    async def ask() -> None:
        asked.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        raise refused(429, "TooManyRequests", "busy", **said)

    with pytest.raises(ClusterUnavailable):
        await Cluster._ask(object.__new__(Cluster), "list Pods", ask)
    assert [round(b - a, 3) for a, b in pairwise(asked)] == pauses


async def test_what_answers_in_the_apis_place_is_a_trouble_that_passes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A proxy, in its own words: nothing of them can be read."""

    async def ask() -> None:
        await trio.lowlevel.checkpoint()
        json.loads("<html>")

    with pytest.raises(ClusterUnavailable, match="does not answer"):
        await Cluster._ask(object.__new__(Cluster), "list Pods", ask)


async def test_two_that_are_made_at_a_moment_under_a_quota_are_both_made(
    tmp_path, broker, cluster, monkeypatch
):
    """The cluster counts its quota, and tells one of them to come again."""
    async with staged(tmp_path, broker, cluster) as stage:
        create, refusals = stage.cluster._create, iter((409,))

        def counted(kind: str, body: Any) -> Any:
            if kind == "Pod" and (code := next(refusals, None)):
                raise Refused(code, "Conflict", CONFLICT)
            return create(kind, body)

        monkeypatch.setattr(stage.cluster, "_create", counted)
        bot = await stage.launched()
        assert stage.cluster.running() == ["meetcore-b-1"]
        bot.abandon()
        await bot.gone()


async def test_a_pod_whose_order_cannot_be_made_its_own_attends_no_meeting(
    tmp_path, broker, cluster
):
    """The launch has failed: so nothing of it runs."""
    async with staged(tmp_path, broker, cluster) as stage:
        stage.cluster.forbidden.add(("patch", "secrets"))
        with pytest.raises(ConfigError, match='cannot patch resource "secrets"'):
            await stage.launcher.launch(stage.spec(), stage.nursery)
        while stage.cluster.named("Pod"):  # noqa: ASYNC110
            await trio.sleep(0.05)
        assert stage.cluster.running() == []

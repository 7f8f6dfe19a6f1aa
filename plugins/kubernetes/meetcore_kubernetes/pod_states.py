"""What a Pod's status says of its bot. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from attrs import frozen
from lightkube.models.core_v1 import ContainerStatus
from lightkube.resources.core_v1 import Pod

from meetcore import EndReason, Evidence

__all__ = ["PodState", "ended_before", "state_of"]

_NEVER = frozenset({"InvalidImageName", "ErrImageNeverPull"})
"""Nothing that is tried again helps."""
_NO_IMAGE = _NEVER | {
    "ErrImagePull",
    "ImagePullBackOff",
    "RegistryUnavailable",
    "ImageInspectError",
}
_NO_CONTAINER = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
)
_MOST_WORDS = 500


@frozen(kw_only=True)
class PodState:
    """How a Pod stands.

    Attributes:
        over: Whether nothing of it runs any more, nor will.
        failed: Whether its end was none in order.
        doomed: Why it will never begin, in words; empty where it may.
        hindered: Why it cannot begin now, in words; its node tries again. Empty where it can.
        unschedulable: Why no node takes it now, in the cluster's words; empty where one did.
        reason: What its bot ends for, where it failed.
        evidence: What that is justified by, where it failed.
    """

    over: bool = False
    failed: bool = False
    doomed: str = ""
    hindered: str = ""
    unschedulable: str = ""
    reason: EndReason = EndReason.CRASHED
    evidence: Evidence | None = None


def state_of(pod: Pod) -> PodState:
    """Return how a Pod stands, from its status."""
    status = pod.status
    if status is None:
        return PodState()
    container = next(iter(status.containerStatuses or ()), None)
    if status.phase == "Succeeded":
        return PodState(over=True)
    if status.phase == "Failed":
        reason, seen = _why_failed(pod, container)
        return PodState(over=True, failed=True, reason=reason, evidence=seen)
    waiting = container.state.waiting if container and container.state else None
    if waiting is not None and waiting.reason in _NO_IMAGE | _NO_CONTAINER:
        words = f"{waiting.reason}: {waiting.message or 'no more is said'}"[:_MOST_WORDS]
        return PodState(doomed=words) if waiting.reason in _NEVER else PodState(hindered=words)
    for condition in status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "False":
            return PodState(unschedulable=condition.message or condition.reason or "no room")
    return PodState()


def _why_failed(pod: Pod, container: ContainerStatus | None) -> tuple[EndReason, Evidence]:
    """Return what a failed Pod's bot ended for, and what was seen."""
    status = pod.status
    assert status is not None
    said = f"{status.reason or ''}: {status.message or ''}".strip(": ")
    if status.reason == "Evicted":
        return EndReason.CRASHED, Evidence("kubernetes.evicted", said[:_MOST_WORDS])
    if status.reason == "DeadlineExceeded":
        return EndReason.MAX_DURATION, Evidence("kubernetes.deadline", said[:_MOST_WORDS])
    if status.reason in ("NodeLost", "NodeShutdown", "Terminated", "Shutdown"):
        return EndReason.CRASHED, Evidence("kubernetes.node", said[:_MOST_WORDS])
    ended = container.state.terminated if container and container.state else None
    if ended is None:
        return EndReason.CRASHED, Evidence("kubernetes.failed", said[:_MOST_WORDS] or "no word")
    last_words = _last_words(ended.message or "")
    words = f"{ended.reason or 'ended'}, exit code {ended.exitCode}: {last_words}".strip(": ")
    kind = "out_of_memory" if ended.reason == "OOMKilled" else "exited"
    return EndReason.CRASHED, Evidence(f"kubernetes.{kind}", words[:_MOST_WORDS])


def _last_words(log: str) -> str:
    """Return what a bot's process said it ended for, else its last line."""
    told = log.rpartition("\nError: ")[2] if "\nError: " in f"\n{log}" else ""
    return told or next(reversed(log.strip().splitlines()), "")


def ended_before(pod: Pod, since: datetime) -> bool:
    """Return whether a Pod that is over ended before a time."""
    container = next(iter((pod.status and pod.status.containerStatuses) or ()), None)
    ended = container.state.terminated if container and container.state else None
    at = ended.finishedAt if ended else None
    if at is None and pod.metadata is not None:
        at = pod.metadata.creationTimestamp
    return at is not None and at.astimezone(UTC) < since

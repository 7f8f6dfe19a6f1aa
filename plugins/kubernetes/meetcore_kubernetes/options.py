"""What can be chosen in `[plugins.kubernetes]`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import field, frozen

from meetcore import ConfigError

__all__ = ["KubernetesOptions"]

_MOUNTED = re.compile(r"(?:configmap|secret)/[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@frozen(kw_only=True)
class KubernetesOptions:
    """The options of `[plugins.kubernetes]`.

    Attributes:
        image: The image of a bot, with its browser; the same version of meetcore as the server's.
        init: What a Pod's command begins with: it takes in what a browser leaves behind.
        namespace: Where Pods are made; None for that of the server's own Pod, or of the kubeconfig.
        fleet: Tells the bots of this installation from those of others in the same namespace.
        kubeconfig: A kubeconfig; None for the service account of the server's Pod, or `KUBECONFIG`.
        context: Its context; None for the current one.
        service_account: The Pods' service account; it gets no token, whatever it may do.
        cpu_request: CPU that is set aside for a bot.
        cpu_limit: CPU that it gets at most; None for no limit, which keeps sound whole.
        memory_request: Memory that is set aside for a bot.
        memory_limit: Memory beyond which it is killed.
        light_platforms: Platforms without a browser.
        light_cpu_request: CPU that is set aside for a bot of one of these.
        light_memory_request: Memory that is set aside for a bot of one of these.
        light_memory_limit: Memory beyond which a bot of one of these is killed.
        shm_size: Shared memory in the Pod's memory, for the browser.
        disk_size: What a bot may write on its node.
        volume_claim: A claim of a volume that Pods and servers share, mounted where `out_dir` is;
            only for stores that are folders.
        image_pull_secrets: Names of Secrets to get the image with.
        env_from_secrets: Names of Secrets whose entries are the Pods' environment.
        mounts: What is laid into Pods, read only, by the folder it is seen in: `configmap/NAME` or
            `secret/NAME`; for files that other options name, such as the broker's `ca_file`.
        labels: Of the Pods, besides those that are needed.
        annotations: Of the Pods.
        node_selector: Labels of the nodes that take bots.
        tolerations: Taints that bots live with, as in a Pod's spec.
        priority_class: The Pods' priority class.
        start_timeout_s: A Pod whose bot takes no commands after so long is given up.
        unschedulable_s: A Pod that no node has room for so long is taken back: the fleet is full.
        hindered_s: A Pod whose image cannot be had, or whose container cannot be made, for so long
            is given up; its node tries again until then.
        unresponsive_limit_s: A bot that the bus has not heard of for so long is ended; None for
            never.
        keep_failed_s: How long a Pod that failed stays, to be looked at, with what it wrote; 0 for
            not at all.
        stop_with_launcher: Whether bots leave when their server does; otherwise they go on.
    """

    image: str = ""
    init: Sequence[str] = ("/usr/bin/tini", "--")
    namespace: str | None = None
    fleet: str = field(default="meetcore")
    kubeconfig: Path | None = None
    context: str | None = None
    service_account: str | None = None
    cpu_request: str = "500m"
    cpu_limit: str | None = None
    memory_request: str = "768Mi"
    memory_limit: str = "2Gi"
    light_platforms: Sequence[str] = ("zoom_rtms",)
    light_cpu_request: str = "100m"
    light_memory_request: str = "128Mi"
    light_memory_limit: str = "512Mi"
    shm_size: str = "512Mi"
    disk_size: str = "10Gi"
    volume_claim: str | None = None
    image_pull_secrets: Sequence[str] = ()
    env_from_secrets: Sequence[str] = ()
    mounts: Mapping[str, str] = field(factory=dict)
    labels: Mapping[str, str] = field(factory=dict)
    annotations: Mapping[str, str] = field(factory=dict)
    node_selector: Mapping[str, str] = field(factory=dict)
    tolerations: Sequence[Mapping[str, str]] = ()
    priority_class: str | None = None
    start_timeout_s: float = 180.0
    unschedulable_s: float = 30.0
    hindered_s: float = 90.0
    unresponsive_limit_s: float | None = 60.0
    keep_failed_s: float = 3600.0
    stop_with_launcher: bool = False

    def __attrs_post_init__(self) -> None:
        """Check what the cluster would refuse later.

        Raises:
            ConfigError: Something cannot be used.
        """
        if not self.image:
            raise ConfigError(
                "[plugins.kubernetes] names no image.",
                'Write image = "registry/meetcore-bot:VERSION", made of deploy/Containerfile.',
            )
        if not _LABEL.fullmatch(self.fleet):
            raise ConfigError(
                f"fleet in [plugins.kubernetes] is {self.fleet!r}, which cannot be a label.",
                "Use small letters, digits and -, at most 63.",
            )
        for path, what in self.mounts.items():
            if not path.startswith("/") or not _MOUNTED.fullmatch(what):
                raise ConfigError(
                    f"mounts in [plugins.kubernetes] lays {what!r} into {path!r}.",
                    'Write "/folder" = "configmap/NAME" or "secret/NAME".',
                )

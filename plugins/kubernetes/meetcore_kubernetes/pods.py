"""What is asked of the cluster for a bot: one Pod, and a Secret with its order. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from meetcore import BotConfig, BotSpec, finishing_s, spec_to_json
from meetcore_kubernetes.options import KubernetesOptions

__all__ = [
    "BOT_LABEL",
    "FLEET_LABEL",
    "NAME_LABELS",
    "object_name",
    "order_secret",
    "pod_manifest",
]

BOT_LABEL = "meetcore.io/bot"
FLEET_LABEL = "meetcore.io/fleet"
PLATFORM_LABEL = "meetcore.io/platform"
NAME_LABELS = {
    "app.kubernetes.io/name": "meetcore",
    "app.kubernetes.io/component": "bot",
    "app.kubernetes.io/managed-by": "meetcore",
}
ORDER_FOLDER = PurePosixPath("/run/meetcore/order")
WORK_FOLDER = PurePosixPath("/run/meetcore/bots")
ORDER_FILE = "order.json"
_UID = 10001
_PLAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_MARGIN_S = 600.0
_LEAVING_MARGIN_S = 30.0


def object_name(bot_id: str) -> str:
    """Return the name of a bot's Pod and Secret: the same each time, so it is launched once."""
    if _PLAIN.fullmatch(bot_id):
        return f"meetcore-{bot_id}"
    digest = hashlib.sha256(bot_id.encode()).hexdigest()[:24]
    return f"meetcore-x{digest}"


def labels_of(spec: BotSpec, options: KubernetesOptions) -> dict[str, str]:
    """Return the labels of a bot's objects."""
    bot = spec.bot_id if _LABEL_VALUE.fullmatch(spec.bot_id) else object_name(spec.bot_id)
    labels = {**options.labels, **NAME_LABELS, FLEET_LABEL: options.fleet, BOT_LABEL: bot}
    if spec.platform and _LABEL_VALUE.fullmatch(spec.platform):
        labels[PLATFORM_LABEL] = spec.platform
    return labels


def order_secret(spec: BotSpec, options: KubernetesOptions) -> dict[str, Any]:
    """Return the Secret with a bot's order: its link, its settings, what they hold of secrets."""
    if options.volume_claim is None:
        spec = spec.placed_in(str(WORK_FOLDER))
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _metadata(spec, options),
        "type": "Opaque",
        "immutable": True,
        "stringData": {ORDER_FILE: spec_to_json(spec)},
    }


def _metadata(spec: BotSpec, options: KubernetesOptions) -> dict[str, Any]:
    # The id as it is: a label cannot hold every one.
    about = {"meetcore.io/bot-id": spec.bot_id}
    return {
        "name": object_name(spec.bot_id),
        "labels": labels_of(spec, options),
        "annotations": {**options.annotations, **about},
    }


def pod_manifest(spec: BotSpec, config: BotConfig, options: KubernetesOptions) -> dict[str, Any]:
    """Return the Pod of a bot.

    No word of the order is in it: whoever may read Pods learns the bot's id and platform.

    Args:
        spec: The order.
        config: Its settings.
        options: How Pods are to be.
    """
    name = object_name(spec.bot_id)
    folder = str(WORK_FOLDER)
    work: dict[str, Any] = {"name": "work", "emptyDir": {"sizeLimit": options.disk_size}}
    if options.volume_claim is not None:
        folder = str(config.out_dir)
        work = {"name": "work", "persistentVolumeClaim": {"claimName": options.volume_claim}}
    grace_s = config.leave_timeout_s + config.drain_timeout_s + _LEAVING_MARGIN_S
    grace_s += finishing_s(config)
    pod_spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": int(grace_s),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _UID,
            "runAsGroup": _UID,
            "fsGroup": _UID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(spec, options, folder)],
        "volumes": [
            {
                "name": "order",
                "secret": {
                    "secretName": name,
                    "defaultMode": 0o440,
                    "items": [{"key": ORDER_FILE, "path": ORDER_FILE}],
                },
            },
            work,
            # The browser's shared memory is in /tmp, too: Playwright keeps it out of /dev/shm.
            {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": options.shm_size}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": options.shm_size}},
            *(_volume(at, what) for at, what in enumerate(options.mounts.values())),
        ],
    }
    longest_s = longest_life_s(config)
    if longest_s is not None:  # it counts from the Pod's start, and a bot may wait for its time
        pod_spec["activeDeadlineSeconds"] = int(longest_s + spec.waits_s())
    chosen: Mapping[str, Any] = {
        "serviceAccountName": options.service_account,
        "nodeSelector": dict(options.node_selector),
        "tolerations": [dict(each) for each in options.tolerations],
        "priorityClassName": options.priority_class,
        "imagePullSecrets": [{"name": each} for each in options.image_pull_secrets],
    }
    pod_spec |= {key: value for key, value in chosen.items() if value}
    metadata = _metadata(spec, options)
    # A bot cannot be moved: the autoscaler is asked to let it be.
    metadata["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] = "false"
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_spec}


def _volume(number: int, what: str) -> dict[str, Any]:
    """Return a volume of `configmap/NAME` or `secret/NAME`."""
    kind, _, name = what.partition("/")
    source = {"secret": {"secretName": name}} if kind == "secret" else {"configMap": {"name": name}}
    return {"name": f"mount-{number}", **source}


def _container(spec: BotSpec, options: KubernetesOptions, folder: str) -> dict[str, Any]:
    light = spec.platform in options.light_platforms
    requests = {"cpu": options.cpu_request, "memory": options.memory_request}
    limits = {"memory": options.memory_limit, "ephemeral-storage": options.disk_size}
    if light:
        requests = {"cpu": options.light_cpu_request, "memory": options.light_memory_request}
        limits["memory"] = options.light_memory_limit
    if options.cpu_limit is not None:
        limits["cpu"] = options.cpu_limit
    requests["ephemeral-storage"] = "256Mi"
    container: dict[str, Any] = {
        "name": "bot",
        "image": options.image,
        "command": [*options.init, "python", "-m", "meetcore.fleet.launching.worker"],
        "args": [str(ORDER_FOLDER / ORDER_FILE)],
        "workingDir": folder,
        "env": [{"name": "HOME", "value": folder}, {"name": "TMPDIR", "value": "/tmp"}],
        "resources": {"requests": requests, "limits": limits},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "order", "mountPath": str(ORDER_FOLDER), "readOnly": True},
            {"name": "work", "mountPath": folder},
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "shm", "mountPath": "/dev/shm"},
            *(
                {"name": f"mount-{at}", "mountPath": path, "readOnly": True}
                for at, path in enumerate(options.mounts)
            ),
        ],
    }
    if options.env_from_secrets:
        references = [{"secretRef": {"name": each}} for each in options.env_from_secrets]
        container["envFrom"] = references
    return container


def longest_life_s(config: BotConfig) -> float | None:
    """Return how long a bot can live by its own rules, with a margin; None for without end.

    It is the last rule of all: the cluster ends a Pod whose bot keeps none of its own.
    """
    rules = config.automatic_leave
    if rules.max_duration_s is None or rules.waiting_room_s is None:
        return None
    own_s = rules.join_s + rules.waiting_room_s + rules.max_duration_s
    ending_s = config.leave_timeout_s + config.drain_timeout_s + finishing_s(config)
    return own_s + ending_s + _MARGIN_S

"""A Ray cluster on loopback, in a process of its own: a head without CPUs, and nodes.

It is told in lines: `node NAME CPUS` adds a node with a resource of that name. It answers each with
a line of JSON, and ends when its input does.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from typing import Any

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # So that Ray takes this machine's address to be 127.0.0.1, whatever else it has.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # A node that is lost is noticed within two seconds.
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "500",
    "RAY_health_check_failure_threshold": "3",
}
STORE_BYTES = 80 * 1024 * 1024


def main() -> None:
    os.environ.update(SETTINGS)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    folder = tempfile.mkdtemp(prefix="mc-ray-", dir="/tmp")  # paths of sockets are short
    os.environ |= {"TMPDIR": folder, "RAY_TMPDIR": folder}
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    common: dict[str, Any] = {"object_store_memory": STORE_BYTES, "node_ip_address": "127.0.0.1"}

    def say(**message: Any) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    try:
        cluster.add_node(num_cpus=0, include_dashboard=False, **common)
        say(address=cluster.address)
        for line in sys.stdin:
            _, name, cpus = line.split()
            node = cluster.add_node(num_cpus=float(cpus), resources={name: 100}, **common)
            [raylet] = node.all_processes["raylet"]
            say(raylet=raylet.process.pid)
    finally:
        cluster.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

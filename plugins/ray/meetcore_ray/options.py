"""What can be chosen in `[plugins.ray]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import field, frozen

from meetcore import ConfigError

__all__ = ["RayOptions"]


@frozen(kw_only=True)
class RayOptions:
    """The options of `[plugins.ray]`.

    Attributes:
        address: Of the cluster: `host:port` of its control plane, or `auto` for that of this
            machine. The server runs on a machine of the cluster in either case.
        namespace: Where actors have their names; tells the bots of this installation from those
            of others in the same cluster.
        cpus: CPUs that are counted for a bot.
        memory_mb: Memory that is counted for a bot, in millions of bytes.
        light_platforms: Platforms without a browser.
        light_cpus: CPUs that are counted for a bot of one of these.
        light_memory_mb: Memory that is counted for a bot of one of these.
        resources: What else is counted for a bot, as Ray's nodes offer it: `{ bots = 1 }`.
        shared_folder: Whether `out_dir` is one folder on all nodes and servers; needed where the
            store is a folder.
        work_folder: Where bots work on their nodes, where that is no shared folder.
        start_timeout_s: A bot that takes no commands after so long is given up.
        unschedulable_s: An actor that no node has room for so long is taken back: the fleet is
            full.
        unresponsive_limit_s: A bot that the bus has not heard of for so long is ended; None for
            never.
        stop_with_launcher: Whether bots leave when their server does; otherwise they go on.
    """

    address: str = "auto"
    namespace: str = "meetcore"
    cpus: float = field(default=0.5)
    memory_mb: float = field(default=768.0)
    light_platforms: Sequence[str] = ("zoom_rtms",)
    light_cpus: float = 0.1
    light_memory_mb: float = 128.0
    resources: Mapping[str, float] = field(factory=dict)
    shared_folder: bool = False
    work_folder: str = "/var/tmp/meetcore-bots"
    start_timeout_s: float = 120.0
    unschedulable_s: float = 30.0
    unresponsive_limit_s: float | None = 60.0
    stop_with_launcher: bool = False

    def __attrs_post_init__(self) -> None:
        """Check what the cluster would refuse later.

        Raises:
            ConfigError: Something cannot be used.
        """
        for name in ("address", "namespace"):
            if not str(getattr(self, name)).strip():
                raise ConfigError(f"{name} in [plugins.ray] is empty.")
        if self.address.startswith("ray://"):
            raise ConfigError(
                f"address in [plugins.ray] is {self.address!r}, which is Ray's client server.",
                "Run meetcore's server on a machine of the cluster; write address = 'auto'.",
            )
        counted = {"cpus": self.cpus, "memory_mb": self.memory_mb, **self.resources}
        counted |= {"light_cpus": self.light_cpus, "light_memory_mb": self.light_memory_mb}
        for name, amount in counted.items():
            if amount < 0:
                raise ConfigError(f"{name} in [plugins.ray] must be 0 or more, not {amount:g}.")

    def needs(self, platform: str | None) -> dict[str, float]:
        """Return what is counted for a bot of a platform, by Ray's names; memory in bytes."""
        light = platform in self.light_platforms
        memory_mb = self.light_memory_mb if light else self.memory_mb
        cpus = self.light_cpus if light else self.cpus
        return {"CPU": cpus, "memory": memory_mb * 1e6, **self.resources}

"""What `meetcore doctor` is told by plugins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    pass

__all__ = ["HealthFinding", "HealthReport"]


@frozen
class HealthFinding:
    """One line of `meetcore doctor`."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


class HealthReport:
    """Collects the findings of plugins for `meetcore doctor`.

    Args:
        config: The settings of plugins, by plugin name.
        asked_for: The plugin that a person asked for by name: it may ask others over the network
            then, and says what it asked; None where all are looked at.
    """

    def __init__(
        self, config: Mapping[str, Any] | None = None, asked_for: str | None = None
    ) -> None:
        self.config: Mapping[str, Any] = config or {}
        self.asked_for = asked_for
        self.findings: list[HealthFinding] = []

    def fine(self, name: str, detail: str) -> None:
        """Note that something is as it should be."""
        self.findings.append(HealthFinding(name, True, detail))

    def trouble(self, name: str, detail: str, remedy: str) -> None:
        """Note that something is missing or wrong, and what to do about it."""
        self.findings.append(HealthFinding(name, False, detail, remedy))

"""The `meetcore` command line."""

from __future__ import annotations

from meetcore.cli.main import main
from meetcore.cli.running import Outcome, attend, exit_code, outcome_lines
from meetcore.cli.views import JsonView, LiveView, PlainView, View, choose_view

__all__ = [
    "JsonView",
    "LiveView",
    "Outcome",
    "PlainView",
    "View",
    "attend",
    "choose_view",
    "exit_code",
    "main",
    "outcome_lines",
]

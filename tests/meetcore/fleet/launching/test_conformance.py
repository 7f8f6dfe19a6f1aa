"""The launchers of the core, held to what every launcher has to keep."""

from __future__ import annotations

from meetcore.fleet.launching.child_process import ChildProcessLauncher
from meetcore.fleet.launching.in_process import InProcessLauncher
from meetcore.testing import LauncherConformance


class TestInProcess(LauncherConformance):
    def make_launcher(self) -> InProcessLauncher:
        return InProcessLauncher()


class TestChildProcess(LauncherConformance):
    def make_launcher(self) -> ChildProcessLauncher:
        return ChildProcessLauncher()

    def make_lasting_launcher(self) -> ChildProcessLauncher:
        return ChildProcessLauncher(stop_with_launcher=False)

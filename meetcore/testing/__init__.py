"""The public test kit: simulated meetings, a scripted transcriber, a leak guard, conformance.

What meetcore needs to test itself, the author of a plugin needs too, so it ships.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meetcore.testing.conformance import PlatformConformance as PlatformConformance
    from meetcore.testing.conformance import SinkConformance as SinkConformance
    from meetcore.testing.conformance import TranscriberConformance as TranscriberConformance
    from meetcore.testing.dialect_conformance import DialectClient as DialectClient
    from meetcore.testing.dialect_conformance import DialectConformance as DialectConformance
    from meetcore.testing.dialect_conformance import DialectTold as DialectTold
    from meetcore.testing.dialect_conformance import DialectVector as DialectVector
    from meetcore.testing.fake_service import FakeService as FakeService
    from meetcore.testing.fake_service import FakeSocket as FakeSocket
    from meetcore.testing.fake_service import Posted as Posted
    from meetcore.testing.fake_service import open_fake_service as open_fake_service
    from meetcore.testing.launcher_conformance import LauncherConformance as LauncherConformance
    from meetcore.testing.leaks import LeakError as LeakError
    from meetcore.testing.leaks import LeakGuard as LeakGuard
    from meetcore.testing.script import Script as Script
    from meetcore.testing.script_toml import load_script as load_script
    from meetcore.testing.script_toml import parse_script as parse_script
    from meetcore.testing.scripted import ScriptedTranscriber as ScriptedTranscriber
    from meetcore.testing.service_conformance import ServiceConformance as ServiceConformance
    from meetcore.testing.service_conformance import ServiceStage as ServiceStage
    from meetcore.testing.sim import SimMeeting as SimMeeting
    from meetcore.testing.sim import run_simulated as run_simulated
    from meetcore.testing.sim import simulated_clock as simulated_clock
    from meetcore.testing.voice import synthetic_voice as synthetic_voice

_HOMES: dict[str, tuple[str, ...]] = {
    "conformance": (
        "PlatformConformance",
        "SinkConformance",
        "TranscriberConformance",
    ),
    "dialect_conformance": (
        "DialectClient",
        "DialectConformance",
        "DialectTold",
        "DialectVector",
    ),
    "fake_service": (
        "FakeService",
        "FakeSocket",
        "Posted",
        "open_fake_service",
    ),
    "launcher_conformance": ("LauncherConformance",),
    "leaks": (
        "LeakError",
        "LeakGuard",
    ),
    "script": ("Script",),
    "script_toml": (
        "load_script",
        "parse_script",
    ),
    "scripted": ("ScriptedTranscriber",),
    "service_conformance": (
        "ServiceConformance",
        "ServiceStage",
    ),
    "sim": (
        "SimMeeting",
        "run_simulated",
        "simulated_clock",
    ),
    "voice": ("synthetic_voice",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'meetcore.testing' has no attribute {name!r}")
    return getattr(import_module(f"meetcore.testing.{home}"), name)

"""The public test kit: simulated meetings, a scripted transcriber, a leak guard, conformance.

What meetcore needs to test itself, the author of a plugin needs too, so it ships.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meetcore.model.lazy import lazy_face

if TYPE_CHECKING:
    from meetcore.testing.bus_conformance import BusConformance as BusConformance
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
    from meetcore.testing.launcher_conformance import hold_open as hold_open
    from meetcore.testing.leaks import LeakError as LeakError
    from meetcore.testing.leaks import LeakGuard as LeakGuard
    from meetcore.testing.memory_bus import MemoryBroker as MemoryBroker
    from meetcore.testing.memory_bus import MemoryBus as MemoryBus
    from meetcore.testing.provider_conformance import Misbehaviour as Misbehaviour
    from meetcore.testing.provider_conformance import ProviderConformance as ProviderConformance
    from meetcore.testing.scoring import HypothesisWord as HypothesisWord
    from meetcore.testing.scoring import Score as Score
    from meetcore.testing.scoring import WordErrors as WordErrors
    from meetcore.testing.scoring import score_transcript as score_transcript
    from meetcore.testing.script import Decision as Decision
    from meetcore.testing.script import EndHow as EndHow
    from meetcore.testing.script import Script as Script
    from meetcore.testing.script_toml import load_script as load_script
    from meetcore.testing.script_toml import parse_script as parse_script
    from meetcore.testing.scripted import ScriptedTranscriber as ScriptedTranscriber
    from meetcore.testing.service_conformance import ServiceConformance as ServiceConformance
    from meetcore.testing.service_conformance import ServiceStage as ServiceStage
    from meetcore.testing.sim import SimMeeting as SimMeeting
    from meetcore.testing.sim import run_simulated as run_simulated
    from meetcore.testing.sim import simulated_clock as simulated_clock
    from meetcore.testing.sim_page import SimPage as SimPage
    from meetcore.testing.sim_page import SimPageCall as SimPageCall
    from meetcore.testing.sim_page import grey_picture as grey_picture
    from meetcore.testing.sim_speech import Said as Said
    from meetcore.testing.sim_tracks import LateOwners as LateOwners
    from meetcore.testing.sim_tracks import MixedTrack as MixedTrack
    from meetcore.testing.sim_tracks import RosterListing as RosterListing
    from meetcore.testing.sim_tracks import SharedSlots as SharedSlots
    from meetcore.testing.sim_tracks import SimTracks as SimTracks
    from meetcore.testing.store_conformance import StoreConformance as StoreConformance
    from meetcore.testing.voice import synthetic_voice as synthetic_voice

_HOMES: dict[str, tuple[str, ...]] = {
    "bus_conformance": ("BusConformance",),
    "memory_bus": ("MemoryBroker", "MemoryBus"),
    "conformance": ("PlatformConformance", "SinkConformance", "TranscriberConformance"),
    "dialect_conformance": ("DialectClient", "DialectConformance", "DialectTold", "DialectVector"),
    "fake_service": ("FakeService", "FakeSocket", "Posted", "open_fake_service"),
    "launcher_conformance": ("LauncherConformance", "hold_open"),
    "store_conformance": ("StoreConformance",),
    "leaks": ("LeakError", "LeakGuard"),
    "provider_conformance": ("Misbehaviour", "ProviderConformance"),
    "scoring": ("HypothesisWord", "Score", "WordErrors", "score_transcript"),
    "script": ("Decision", "EndHow", "Script"),
    "script_toml": ("load_script", "parse_script"),
    "scripted": ("ScriptedTranscriber",),
    "service_conformance": ("ServiceConformance", "ServiceStage"),
    "sim": ("SimMeeting", "run_simulated", "simulated_clock"),
    "sim_page": ("SimPage", "SimPageCall", "grey_picture"),
    "sim_speech": ("Said",),
    "sim_tracks": ("LateOwners", "MixedTrack", "RosterListing", "SharedSlots", "SimTracks"),
    "voice": ("synthetic_voice",),
}

__all__ = sorted(name for names in _HOMES.values() for name in names)  # pyright: ignore[reportUnsupportedDunderAll]

__getattr__, __dir__ = lazy_face(__name__, _HOMES)

"""meetcore: a library of joints for meeting bots.

Everything public is here, by one flat name. Names are looked up on first use, so that `import
meetcore` costs a few milliseconds and a plugin pays only for what it touches.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meetcore import blocking as blocking
    from meetcore import from_asyncio as from_asyncio
    from meetcore.audio.chunk import SAMPLE_RATE_HZ as SAMPLE_RATE_HZ
    from meetcore.audio.chunk import Chunk as Chunk
    from meetcore.audio.mix import Mixer as Mixer
    from meetcore.bot import Bot as Bot
    from meetcore.commands import Command as Command
    from meetcore.commands import PauseRecording as PauseRecording
    from meetcore.commands import ResumeRecording as ResumeRecording
    from meetcore.commands import SendChat as SendChat
    from meetcore.commands import ShowImage as ShowImage
    from meetcore.commands import Speak as Speak
    from meetcore.commands import Stop as Stop
    from meetcore.config import AudioConfig as AudioConfig
    from meetcore.config import AutomaticLeave as AutomaticLeave
    from meetcore.config import BotConfig as BotConfig
    from meetcore.config import load_config as load_config
    from meetcore.contracts import BotRecord as BotRecord
    from meetcore.contracts import BotSpec as BotSpec
    from meetcore.contracts import Call as Call
    from meetcore.contracts import CallDoor as CallDoor
    from meetcore.contracts import CallRequest as CallRequest
    from meetcore.contracts import Capability as Capability
    from meetcore.contracts import HealthReport as HealthReport
    from meetcore.contracts import Launcher as Launcher
    from meetcore.contracts import Platform as Platform
    from meetcore.contracts import RunningBot as RunningBot
    from meetcore.contracts import Sink as Sink
    from meetcore.contracts import SinkContext as SinkContext
    from meetcore.contracts import Store as Store
    from meetcore.contracts import StreamRequest as StreamRequest
    from meetcore.contracts import Transcriber as Transcriber
    from meetcore.contracts import TranscriberCapabilities as TranscriberCapabilities
    from meetcore.contracts import TranscriberContext as TranscriberContext
    from meetcore.contracts import TranscriberStream as TranscriberStream
    from meetcore.contracts import UntranscribedAudio as UntranscribedAudio
    from meetcore.contracts import Vault as Vault
    from meetcore.dialect import Dialect as Dialect
    from meetcore.dialect import NativeDialect as NativeDialect
    from meetcore.errors import AmbiguousMeetingUrl as AmbiguousMeetingUrl
    from meetcore.errors import CapabilityMissing as CapabilityMissing
    from meetcore.errors import CommandFailed as CommandFailed
    from meetcore.errors import CommandRefused as CommandRefused
    from meetcore.errors import ConfigError as ConfigError
    from meetcore.errors import FleetFull as FleetFull
    from meetcore.errors import JournalBusy as JournalBusy
    from meetcore.errors import JournalDamaged as JournalDamaged
    from meetcore.errors import JournalFull as JournalFull
    from meetcore.errors import MeetcoreError as MeetcoreError
    from meetcore.errors import MeetingRefused as MeetingRefused
    from meetcore.errors import NotInTrio as NotInTrio
    from meetcore.errors import PluginError as PluginError
    from meetcore.errors import PluginVersionMismatch as PluginVersionMismatch
    from meetcore.errors import StorageUnavailable as StorageUnavailable
    from meetcore.errors import TranscriberError as TranscriberError
    from meetcore.errors import UnknownMeetingUrl as UnknownMeetingUrl
    from meetcore.errors import UnknownOption as UnknownOption
    from meetcore.errors import UnknownPlugin as UnknownPlugin
    from meetcore.events import ArtifactWritten as ArtifactWritten
    from meetcore.events import AudioLost as AudioLost
    from meetcore.events import BotRequested as BotRequested
    from meetcore.events import BotUnresponsive as BotUnresponsive
    from meetcore.events import CaptureDegraded as CaptureDegraded
    from meetcore.events import CaptureRestored as CaptureRestored
    from meetcore.events import CaptureStarted as CaptureStarted
    from meetcore.events import ChatReceived as ChatReceived
    from meetcore.events import CommandAnswered as CommandAnswered
    from meetcore.events import DeliveryAbandoned as DeliveryAbandoned
    from meetcore.events import DeliveryAttempted as DeliveryAttempted
    from meetcore.events import DiagnosticsCaptured as DiagnosticsCaptured
    from meetcore.events import Draft as Draft
    from meetcore.events import EndingDetailed as EndingDetailed
    from meetcore.events import Event as Event
    from meetcore.events import EventLost as EventLost
    from meetcore.events import LedgerClosed as LedgerClosed
    from meetcore.events import LedgerEntry as LedgerEntry
    from meetcore.events import LevelDraft as LevelDraft
    from meetcore.events import ParticipantJoined as ParticipantJoined
    from meetcore.events import ParticipantLeft as ParticipantLeft
    from meetcore.events import ParticipantUpdated as ParticipantUpdated
    from meetcore.events import PluginEvent as PluginEvent
    from meetcore.events import PluginFailed as PluginFailed
    from meetcore.events import PluginSlow as PluginSlow
    from meetcore.events import RosterDegraded as RosterDegraded
    from meetcore.events import RosterRestored as RosterRestored
    from meetcore.events import SegmentDraft as SegmentDraft
    from meetcore.events import SegmentFinalized as SegmentFinalized
    from meetcore.events import SegmentWithheld as SegmentWithheld
    from meetcore.events import SpeakingStarted as SpeakingStarted
    from meetcore.events import SpeakingStopped as SpeakingStopped
    from meetcore.events import StateChanged as StateChanged
    from meetcore.events import StepTaken as StepTaken
    from meetcore.events import TrackClosed as TrackClosed
    from meetcore.events import TrackOpened as TrackOpened
    from meetcore.events import TranscriberRestarted as TranscriberRestarted
    from meetcore.events import TranscriptionGap as TranscriptionGap
    from meetcore.events import TranscriptionStopped as TranscriptionStopped
    from meetcore.events import UnknownEvent as UnknownEvent
    from meetcore.fleet import Fleet as Fleet
    from meetcore.fleet import StartOptions as StartOptions
    from meetcore.fleet import open_fleet as open_fleet
    from meetcore.hooks import API_VERSION as API_VERSION
    from meetcore.hooks import DROP as DROP
    from meetcore.hooks import Drop as Drop
    from meetcore.hooks import hookimpl as hookimpl
    from meetcore.journal import Journal as Journal
    from meetcore.journal import read_journal as read_journal
    from meetcore.lifecycle import EndReason as EndReason
    from meetcore.lifecycle import Evidence as Evidence
    from meetcore.lifecycle import State as State
    from meetcore.meeting import MeetingLink as MeetingLink
    from meetcore.opening import OpenBotOptions as OpenBotOptions
    from meetcore.opening import open_bot as open_bot
    from meetcore.plugin_options import NoOptions as NoOptions
    from meetcore.plugins import Plugins as Plugins
    from meetcore.recovery import recover as recover
    from meetcore.roster import NameSource as NameSource
    from meetcore.roster import Participant as Participant
    from meetcore.roster import Roster as Roster
    from meetcore.roster import SpeakingTimeline as SpeakingTimeline
    from meetcore.secrets import Redactor as Redactor
    from meetcore.secrets import Secret as Secret
    from meetcore.settings import AudioSettings as AudioSettings
    from meetcore.settings import AutomaticLeaveSettings as AutomaticLeaveSettings
    from meetcore.settings import BotSettings as BotSettings
    from meetcore.transcript import Hypothesis as Hypothesis
    from meetcore.transcript import Segment as Segment
    from meetcore.transcript import Transcript as Transcript
    from meetcore.transcript import Word as Word

__version__ = "0.1.0"

_HOMES: dict[str, tuple[str, ...]] = {
    "audio.chunk": ("SAMPLE_RATE_HZ", "Chunk"),
    "audio.mix": ("Mixer",),
    "bot": ("Bot",),
    "commands": (
        "Command",
        "PauseRecording",
        "ResumeRecording",
        "SendChat",
        "ShowImage",
        "Speak",
        "Stop",
    ),
    "config": ("AudioConfig", "AutomaticLeave", "BotConfig", "load_config"),
    "contracts": (
        "BotRecord",
        "BotSpec",
        "Call",
        "CallDoor",
        "CallRequest",
        "Capability",
        "HealthReport",
        "Launcher",
        "Platform",
        "RunningBot",
        "Sink",
        "SinkContext",
        "Store",
        "StreamRequest",
        "Transcriber",
        "TranscriberCapabilities",
        "TranscriberContext",
        "TranscriberStream",
        "UntranscribedAudio",
        "Vault",
    ),
    "dialect": ("Dialect", "NativeDialect"),
    "errors": (
        "AmbiguousMeetingUrl",
        "CapabilityMissing",
        "CommandFailed",
        "CommandRefused",
        "ConfigError",
        "FleetFull",
        "JournalBusy",
        "JournalDamaged",
        "JournalFull",
        "MeetcoreError",
        "MeetingRefused",
        "NotInTrio",
        "PluginError",
        "PluginVersionMismatch",
        "StorageUnavailable",
        "TranscriberError",
        "UnknownMeetingUrl",
        "UnknownOption",
        "UnknownPlugin",
    ),
    "events": (
        "ArtifactWritten",
        "AudioLost",
        "BotRequested",
        "BotUnresponsive",
        "CaptureDegraded",
        "CaptureRestored",
        "CaptureStarted",
        "ChatReceived",
        "CommandAnswered",
        "DeliveryAbandoned",
        "DeliveryAttempted",
        "DiagnosticsCaptured",
        "Draft",
        "EndingDetailed",
        "Event",
        "EventLost",
        "LedgerClosed",
        "LedgerEntry",
        "LevelDraft",
        "ParticipantJoined",
        "ParticipantLeft",
        "ParticipantUpdated",
        "PluginEvent",
        "PluginFailed",
        "PluginSlow",
        "RosterDegraded",
        "RosterRestored",
        "SegmentDraft",
        "SegmentFinalized",
        "SegmentWithheld",
        "SpeakingStarted",
        "SpeakingStopped",
        "StateChanged",
        "StepTaken",
        "TrackClosed",
        "TrackOpened",
        "TranscriberRestarted",
        "TranscriptionGap",
        "TranscriptionStopped",
        "UnknownEvent",
    ),
    "fleet": ("Fleet", "StartOptions", "open_fleet"),
    "hooks": ("API_VERSION", "DROP", "Drop", "hookimpl"),
    "journal": ("Journal", "read_journal"),
    "lifecycle": ("EndReason", "Evidence", "State"),
    "meeting": ("MeetingLink",),
    "opening": ("OpenBotOptions", "open_bot"),
    "plugin_options": ("NoOptions",),
    "plugins": ("Plugins",),
    "recovery": ("recover",),
    "roster": ("NameSource", "Participant", "Roster", "SpeakingTimeline"),
    "secrets": ("Redactor", "Secret"),
    "settings": ("AudioSettings", "AutomaticLeaveSettings", "BotSettings"),
    "transcript": ("Hypothesis", "Segment", "Transcript", "Word"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

_FACES = ("blocking", "from_asyncio")

__all__ = sorted([*_HOME_OF, *_FACES])  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _FACES:
        return import_module(f"meetcore.{name}")
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'meetcore' has no attribute {name!r}")
    value = getattr(import_module(f"meetcore.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

"""meetcore: a library of joints for meeting bots.

Everything public is here, by one flat name. Names are looked up on first use, so that `import
meetcore` costs a few milliseconds and a plugin pays only for what it touches.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from meetcore.model.version import __version__ as __version__

if TYPE_CHECKING:
    from meetcore import blocking as blocking
    from meetcore import from_asyncio as from_asyncio
    from meetcore.audio.chunk import SAMPLE_RATE_HZ as SAMPLE_RATE_HZ
    from meetcore.audio.chunk import Chunk as Chunk
    from meetcore.audio.chunk import Pcm as Pcm
    from meetcore.audio.clock import StreamClock as StreamClock
    from meetcore.audio.media import MediaFragment as MediaFragment
    from meetcore.audio.mix import BareMix as BareMix
    from meetcore.audio.mix import CallMix as CallMix
    from meetcore.audio.resample import BareResampler as BareResampler
    from meetcore.audio.resample import Resampler as Resampler
    from meetcore.bot.bot import Bot as Bot
    from meetcore.bot.factory import OpenBotOptions as OpenBotOptions
    from meetcore.bot.factory import open_bot as open_bot
    from meetcore.bot.recorded import RecordedTrack as RecordedTrack
    from meetcore.bot.recorded import RecordedTranscript as RecordedTranscript
    from meetcore.bot.recorded import transcribe_recording as transcribe_recording
    from meetcore.bot.speaking import Speech as Speech
    from meetcore.fleet.fleet import Fleet as Fleet
    from meetcore.fleet.fleet import StartOptions as StartOptions
    from meetcore.fleet.fleet import open_fleet as open_fleet
    from meetcore.fleet.launching.bus_bot import BusBot as BusBot
    from meetcore.fleet.launching.cluster_launcher import ClusterBot as ClusterBot
    from meetcore.fleet.launching.cluster_launcher import ClusterLauncher as ClusterLauncher
    from meetcore.fleet.launching.cluster_launcher import finishing_s as finishing_s
    from meetcore.fleet.launching.given_up import GivenUp as GivenUp
    from meetcore.fleet.launching.given_up import note_given_up as note_given_up
    from meetcore.fleet.launching.worker import spec_to_json as spec_to_json
    from meetcore.fleet.recovery import recover as recover
    from meetcore.fleet.recovery import recover_bot as recover_bot
    from meetcore.log.journal import Journal as Journal
    from meetcore.log.journal import read_journal as read_journal
    from meetcore.log.remote_store import RemoteStore as RemoteStore
    from meetcore.log.slot_file import SlotFile as SlotFile
    from meetcore.model.addresses import PrivateTargets as PrivateTargets
    from meetcore.model.commands import AnswerPerson as AnswerPerson
    from meetcore.model.commands import BargeIn as BargeIn
    from meetcore.model.commands import Command as Command
    from meetcore.model.commands import ExcludeParticipant as ExcludeParticipant
    from meetcore.model.commands import HidePicture as HidePicture
    from meetcore.model.commands import IncludeParticipant as IncludeParticipant
    from meetcore.model.commands import InterruptSpeech as InterruptSpeech
    from meetcore.model.commands import MarkTopic as MarkTopic
    from meetcore.model.commands import NameVoice as NameVoice
    from meetcore.model.commands import PauseRecording as PauseRecording
    from meetcore.model.commands import PersonAnswer as PersonAnswer
    from meetcore.model.commands import Reconnect as Reconnect
    from meetcore.model.commands import ResumeRecording as ResumeRecording
    from meetcore.model.commands import SendChat as SendChat
    from meetcore.model.commands import ShareImage as ShareImage
    from meetcore.model.commands import SharePage as SharePage
    from meetcore.model.commands import ShowImage as ShowImage
    from meetcore.model.commands import ShowPage as ShowPage
    from meetcore.model.commands import Speak as Speak
    from meetcore.model.commands import Stop as Stop
    from meetcore.model.commands import StopSharing as StopSharing
    from meetcore.model.commands import WhenSpeaking as WhenSpeaking
    from meetcore.model.config import AudioConfig as AudioConfig
    from meetcore.model.config import AutomaticLeave as AutomaticLeave
    from meetcore.model.config import BotConfig as BotConfig
    from meetcore.model.config import BusConfig as BusConfig
    from meetcore.model.config import ExclusionConfig as ExclusionConfig
    from meetcore.model.config import RetentionConfig as RetentionConfig
    from meetcore.model.config import SpeechConfig as SpeechConfig
    from meetcore.model.config import StoreConfig as StoreConfig
    from meetcore.model.config import TranscriptionConfig as TranscriptionConfig
    from meetcore.model.config import build_options as build_options
    from meetcore.model.config import load_config as load_config
    from meetcore.model.dialect import Dialect as Dialect
    from meetcore.model.dialect import NativeDialect as NativeDialect
    from meetcore.model.drafts import Draft as Draft
    from meetcore.model.drafts import LevelDraft as LevelDraft
    from meetcore.model.drafts import SegmentDraft as SegmentDraft
    from meetcore.model.errors import AmbiguousMeetingUrl as AmbiguousMeetingUrl
    from meetcore.model.errors import BusUnavailable as BusUnavailable
    from meetcore.model.errors import CapabilityMissing as CapabilityMissing
    from meetcore.model.errors import CommandFailed as CommandFailed
    from meetcore.model.errors import CommandInvalid as CommandInvalid
    from meetcore.model.errors import CommandRefused as CommandRefused
    from meetcore.model.errors import ConfigError as ConfigError
    from meetcore.model.errors import EncryptionKeyMissing as EncryptionKeyMissing
    from meetcore.model.errors import FileDamaged as FileDamaged
    from meetcore.model.errors import FleetFull as FleetFull
    from meetcore.model.errors import JoinTokenFailed as JoinTokenFailed
    from meetcore.model.errors import JournalBusy as JournalBusy
    from meetcore.model.errors import JournalDamaged as JournalDamaged
    from meetcore.model.errors import JournalError as JournalError
    from meetcore.model.errors import JournalFull as JournalFull
    from meetcore.model.errors import MediaRefused as MediaRefused
    from meetcore.model.errors import MeetcoreError as MeetcoreError
    from meetcore.model.errors import MeetingRefused as MeetingRefused
    from meetcore.model.errors import NoSuchFile as NoSuchFile
    from meetcore.model.errors import NoSynthesizer as NoSynthesizer
    from meetcore.model.errors import NotFetched as NotFetched
    from meetcore.model.errors import NotInAsyncio as NotInAsyncio
    from meetcore.model.errors import NotInTrio as NotInTrio
    from meetcore.model.errors import NotTakenOver as NotTakenOver
    from meetcore.model.errors import PluginError as PluginError
    from meetcore.model.errors import PluginVersionMismatch as PluginVersionMismatch
    from meetcore.model.errors import RecipientRefused as RecipientRefused
    from meetcore.model.errors import StorageUnavailable as StorageUnavailable
    from meetcore.model.errors import TranscriberError as TranscriberError
    from meetcore.model.errors import UnknownMeetingUrl as UnknownMeetingUrl
    from meetcore.model.errors import UnknownOption as UnknownOption
    from meetcore.model.errors import UnknownPlugin as UnknownPlugin
    from meetcore.model.events import ArtifactWritten as ArtifactWritten
    from meetcore.model.events import AudioLost as AudioLost
    from meetcore.model.events import BotReleased as BotReleased
    from meetcore.model.events import BotRequested as BotRequested
    from meetcore.model.events import BotTakenOver as BotTakenOver
    from meetcore.model.events import BotUnresponsive as BotUnresponsive
    from meetcore.model.events import CaptureDegraded as CaptureDegraded
    from meetcore.model.events import CaptureRestored as CaptureRestored
    from meetcore.model.events import CaptureStarted as CaptureStarted
    from meetcore.model.events import ChatReceived as ChatReceived
    from meetcore.model.events import CommandAnswered as CommandAnswered
    from meetcore.model.events import DeliveryAbandoned as DeliveryAbandoned
    from meetcore.model.events import DeliveryAttempted as DeliveryAttempted
    from meetcore.model.events import DiagnosticsCaptured as DiagnosticsCaptured
    from meetcore.model.events import EndingDetailed as EndingDetailed
    from meetcore.model.events import Event as Event
    from meetcore.model.events import EventLost as EventLost
    from meetcore.model.events import LedgerClosed as LedgerClosed
    from meetcore.model.events import LedgerEntry as LedgerEntry
    from meetcore.model.events import MediaLost as MediaLost
    from meetcore.model.events import NoticeShown as NoticeShown
    from meetcore.model.events import ParticipantExcluded as ParticipantExcluded
    from meetcore.model.events import ParticipantIncluded as ParticipantIncluded
    from meetcore.model.events import ParticipantJoined as ParticipantJoined
    from meetcore.model.events import ParticipantLeft as ParticipantLeft
    from meetcore.model.events import ParticipantUpdated as ParticipantUpdated
    from meetcore.model.events import PersonAnswered as PersonAnswered
    from meetcore.model.events import PersonAskedFor as PersonAskedFor
    from meetcore.model.events import PluginEvent as PluginEvent
    from meetcore.model.events import PluginFailed as PluginFailed
    from meetcore.model.events import PluginSlow as PluginSlow
    from meetcore.model.events import RosterDegraded as RosterDegraded
    from meetcore.model.events import RosterRestored as RosterRestored
    from meetcore.model.events import SegmentFinalized as SegmentFinalized
    from meetcore.model.events import SegmentWithheld as SegmentWithheld
    from meetcore.model.events import ShareStarted as ShareStarted
    from meetcore.model.events import ShareStopped as ShareStopped
    from meetcore.model.events import SpeakingStarted as SpeakingStarted
    from meetcore.model.events import SpeakingStopped as SpeakingStopped
    from meetcore.model.events import SpeechFinished as SpeechFinished
    from meetcore.model.events import SpeechInterrupted as SpeechInterrupted
    from meetcore.model.events import SpeechStarted as SpeechStarted
    from meetcore.model.events import StateChanged as StateChanged
    from meetcore.model.events import StepTaken as StepTaken
    from meetcore.model.events import TopicMarked as TopicMarked
    from meetcore.model.events import TrackClosed as TrackClosed
    from meetcore.model.events import TrackOpened as TrackOpened
    from meetcore.model.events import TrackOwnerIdentified as TrackOwnerIdentified
    from meetcore.model.events import TranscriberNotice as TranscriberNotice
    from meetcore.model.events import TranscriberRestarted as TranscriberRestarted
    from meetcore.model.events import TranscriberSwitched as TranscriberSwitched
    from meetcore.model.events import TranscriberUsage as TranscriberUsage
    from meetcore.model.events import TranscriptionGap as TranscriptionGap
    from meetcore.model.events import TranscriptionStopped as TranscriptionStopped
    from meetcore.model.events import UnknownEvent as UnknownEvent
    from meetcore.model.events import VideoDegraded as VideoDegraded
    from meetcore.model.events import VideoRestored as VideoRestored
    from meetcore.model.events import VoiceNamed as VoiceNamed
    from meetcore.model.history import BotHistory as BotHistory
    from meetcore.model.history import ChatEntry as ChatEntry
    from meetcore.model.history import Transition as Transition
    from meetcore.model.languages import LanguageRefused as LanguageRefused
    from meetcore.model.lifecycle import COMPLETING as COMPLETING
    from meetcore.model.lifecycle import IN_CALL as IN_CALL
    from meetcore.model.lifecycle import TERMINAL as TERMINAL
    from meetcore.model.lifecycle import EndReason as EndReason
    from meetcore.model.lifecycle import Evidence as Evidence
    from meetcore.model.lifecycle import State as State
    from meetcore.model.links import read_link as read_link
    from meetcore.model.meeting import MeetingLink as MeetingLink
    from meetcore.model.page_input import KeyInput as KeyInput
    from meetcore.model.page_input import MouseAction as MouseAction
    from meetcore.model.page_input import MouseButton as MouseButton
    from meetcore.model.page_input import MouseInput as MouseInput
    from meetcore.model.page_input import PageInput as PageInput
    from meetcore.model.page_input import PagePicture as PagePicture
    from meetcore.model.page_input import PictureFormat as PictureFormat
    from meetcore.model.page_input import TextInput as TextInput
    from meetcore.model.page_input import page_input_from_wire as page_input_from_wire
    from meetcore.model.plain import format_time as format_time
    from meetcore.model.plain import parse_time as parse_time
    from meetcore.model.plain import to_json as to_json
    from meetcore.model.roster import NameSource as NameSource
    from meetcore.model.roster import Participant as Participant
    from meetcore.model.roster import Roster as Roster
    from meetcore.model.roster import SpeakingTimeline as SpeakingTimeline
    from meetcore.model.secrets import Redactor as Redactor
    from meetcore.model.secrets import Secret as Secret
    from meetcore.model.settings import AudioSettings as AudioSettings
    from meetcore.model.settings import AutomaticLeaveSettings as AutomaticLeaveSettings
    from meetcore.model.settings import BotSettings as BotSettings
    from meetcore.model.settings import SpeechSettings as SpeechSettings
    from meetcore.model.settings import TranscriptionSettings as TranscriptionSettings
    from meetcore.model.signals import Admitted as Admitted
    from meetcore.model.signals import CallEnded as CallEnded
    from meetcore.model.signals import CaptionSeen as CaptionSeen
    from meetcore.model.signals import CaptureHealth as CaptureHealth
    from meetcore.model.signals import ChatArrived as ChatArrived
    from meetcore.model.signals import DiagnosticsWritten as DiagnosticsWritten
    from meetcore.model.signals import Knocked as Knocked
    from meetcore.model.signals import NoticeSeen as NoticeSeen
    from meetcore.model.signals import ParticipantAppeared as ParticipantAppeared
    from meetcore.model.signals import ParticipantChanged as ParticipantChanged
    from meetcore.model.signals import ParticipantGone as ParticipantGone
    from meetcore.model.signals import PersonNeeded as PersonNeeded
    from meetcore.model.signals import PictureHealth as PictureHealth
    from meetcore.model.signals import RecordingPermission as RecordingPermission
    from meetcore.model.signals import RosterHealth as RosterHealth
    from meetcore.model.signals import RosterSeen as RosterSeen
    from meetcore.model.signals import ShareSeen as ShareSeen
    from meetcore.model.signals import Signal as Signal
    from meetcore.model.signals import SpeakingIndicated as SpeakingIndicated
    from meetcore.model.signals import StepWorked as StepWorked
    from meetcore.model.signals import TrackAppeared as TrackAppeared
    from meetcore.model.signals import TrackGone as TrackGone
    from meetcore.model.signals import TrackIdentified as TrackIdentified
    from meetcore.model.transcript import Hypothesis as Hypothesis
    from meetcore.model.transcript import Segment as Segment
    from meetcore.model.transcript import Transcript as Transcript
    from meetcore.model.transcript import Word as Word
    from meetcore.model.transcription_cost import TranscriptionCost as TranscriptionCost
    from meetcore.plugin.bot_view import BotView as BotView
    from meetcore.plugin.bus import BotBus as BotBus
    from meetcore.plugin.bus import BusItem as BusItem
    from meetcore.plugin.bus import BusRequest as BusRequest
    from meetcore.plugin.exclusion import ExclusionRequest as ExclusionRequest
    from meetcore.plugin.exclusion import ExclusionRules as ExclusionRules
    from meetcore.plugin.health import HealthReport as HealthReport
    from meetcore.plugin.hooks import API_VERSION as API_VERSION
    from meetcore.plugin.hooks import DROP as DROP
    from meetcore.plugin.hooks import Drop as Drop
    from meetcore.plugin.hooks import hookimpl as hookimpl
    from meetcore.plugin.join_token import JoinToken as JoinToken
    from meetcore.plugin.launcher import BotSpec as BotSpec
    from meetcore.plugin.launcher import Launcher as Launcher
    from meetcore.plugin.launcher import RunningBot as RunningBot
    from meetcore.plugin.launcher import have_it_leave as have_it_leave
    from meetcore.plugin.options import NoOptions as NoOptions
    from meetcore.plugin.page_view import LookIn as LookIn
    from meetcore.plugin.page_view import PageView as PageView
    from meetcore.plugin.platform import Call as Call
    from meetcore.plugin.platform import CallEvents as CallEvents
    from meetcore.plugin.platform import CallRequest as CallRequest
    from meetcore.plugin.platform import Capability as Capability
    from meetcore.plugin.platform import Platform as Platform
    from meetcore.plugin.platform import SpeechOutput as SpeechOutput
    from meetcore.plugin.registry import Plugins as Plugins
    from meetcore.plugin.sink import JournalView as JournalView
    from meetcore.plugin.sink import Sink as Sink
    from meetcore.plugin.sink import SinkContext as SinkContext
    from meetcore.plugin.sink import SinkSpeech as SinkSpeech
    from meetcore.plugin.sink import SinkVoice as SinkVoice
    from meetcore.plugin.store import BotLog as BotLog
    from meetcore.plugin.store import BotRecord as BotRecord
    from meetcore.plugin.store import BotStore as BotStore
    from meetcore.plugin.store import Deletion as Deletion
    from meetcore.plugin.store import Lease as Lease
    from meetcore.plugin.store import MediaStore as MediaStore
    from meetcore.plugin.store import Runner as Runner
    from meetcore.plugin.store import StoredFile as StoredFile
    from meetcore.plugin.store import checked_bot_id as checked_bot_id
    from meetcore.plugin.store import checked_file_name as checked_file_name
    from meetcore.plugin.synthesizer import SynthesisRequest as SynthesisRequest
    from meetcore.plugin.synthesizer import Synthesizer as Synthesizer
    from meetcore.plugin.synthesizer import spoken_sentences as spoken_sentences
    from meetcore.plugin.transcriber import FileRequest as FileRequest
    from meetcore.plugin.transcriber import ProviderUsage as ProviderUsage
    from meetcore.plugin.transcriber import Readiness as Readiness
    from meetcore.plugin.transcriber import StreamRequest as StreamRequest
    from meetcore.plugin.transcriber import Transcriber as Transcriber
    from meetcore.plugin.transcriber import TranscriberCapabilities as TranscriberCapabilities
    from meetcore.plugin.transcriber import TranscriberContext as TranscriberContext
    from meetcore.plugin.transcriber import TranscriberStream as TranscriberStream
    from meetcore.plugin.transcriber import UntranscribedAudio as UntranscribedAudio
    from meetcore.plugin.utterances import UtteranceAudio as UtteranceAudio
    from meetcore.plugin.utterances import UtteranceText as UtteranceText
    from meetcore.plugin.utterances import UtteranceTranscriber as UtteranceTranscriber
    from meetcore.plugin.worker_frames import FrameError as FrameError
    from meetcore.plugin.worker_frames import WorkerAudio as WorkerAudio
    from meetcore.plugin.worker_frames import WorkerFrames as WorkerFrames
    from meetcore.plugin.worker_frames import WorkerMessage as WorkerMessage
    from meetcore.plugin.worker_frames import encode_frame as encode_frame

_HOMES: dict[str, tuple[str, ...]] = {
    "audio.chunk": ("Chunk", "Pcm", "SAMPLE_RATE_HZ"),
    "audio.clock": ("StreamClock",),
    "audio.media": ("MediaFragment",),
    "audio.mix": ("BareMix", "CallMix"),
    "audio.resample": ("BareResampler", "Resampler"),
    "bot.bot": ("Bot",),
    "bot.factory": ("OpenBotOptions", "open_bot"),
    "bot.recorded": ("RecordedTrack", "RecordedTranscript", "transcribe_recording"),
    "bot.speaking": ("Speech",),
    "fleet.fleet": ("Fleet", "StartOptions", "open_fleet"),
    "fleet.launching.bus_bot": ("BusBot",),
    "fleet.launching.cluster_launcher": ("ClusterBot", "ClusterLauncher", "finishing_s"),
    "fleet.launching.given_up": ("GivenUp", "note_given_up"),
    "fleet.launching.worker": ("spec_to_json",),
    "fleet.recovery": ("recover", "recover_bot"),
    "log.journal": ("Journal", "read_journal"),
    "log.remote_store": ("RemoteStore",),
    "log.slot_file": ("SlotFile",),
    "model.addresses": ("PrivateTargets",),
    "model.commands": (
        "AnswerPerson",
        "BargeIn",
        "Command",
        "ExcludeParticipant",
        "HidePicture",
        "IncludeParticipant",
        "InterruptSpeech",
        "MarkTopic",
        "NameVoice",
        "PauseRecording",
        "PersonAnswer",
        "Reconnect",
        "ResumeRecording",
        "SendChat",
        "ShareImage",
        "SharePage",
        "ShowImage",
        "ShowPage",
        "Speak",
        "Stop",
        "StopSharing",
        "WhenSpeaking",
    ),
    "model.config": (
        "AudioConfig",
        "AutomaticLeave",
        "BotConfig",
        "SpeechConfig",
        "ExclusionConfig",
        "RetentionConfig",
        "BusConfig",
        "StoreConfig",
        "TranscriptionConfig",
        "build_options",
        "load_config",
    ),
    "model.dialect": ("Dialect", "NativeDialect"),
    "model.errors": (
        "AmbiguousMeetingUrl",
        "CapabilityMissing",
        "CommandFailed",
        "CommandInvalid",
        "CommandRefused",
        "ConfigError",
        "FileDamaged",
        "FleetFull",
        "JoinTokenFailed",
        "JournalBusy",
        "JournalDamaged",
        "JournalError",
        "JournalFull",
        "EncryptionKeyMissing",
        "MediaRefused",
        "MeetcoreError",
        "MeetingRefused",
        "NoSuchFile",
        "NoSynthesizer",
        "NotFetched",
        "NotInAsyncio",
        "NotInTrio",
        "NotTakenOver",
        "PluginError",
        "PluginVersionMismatch",
        "RecipientRefused",
        "BusUnavailable",
        "StorageUnavailable",
        "TranscriberError",
        "UnknownMeetingUrl",
        "UnknownOption",
        "UnknownPlugin",
    ),
    "model.drafts": ("Draft", "LevelDraft", "SegmentDraft"),
    "model.events": (
        "ArtifactWritten",
        "AudioLost",
        "BotReleased",
        "BotRequested",
        "BotTakenOver",
        "BotUnresponsive",
        "CaptureDegraded",
        "CaptureRestored",
        "CaptureStarted",
        "ChatReceived",
        "CommandAnswered",
        "DeliveryAbandoned",
        "DeliveryAttempted",
        "DiagnosticsCaptured",
        "EndingDetailed",
        "Event",
        "EventLost",
        "LedgerClosed",
        "LedgerEntry",
        "MediaLost",
        "NoticeShown",
        "PersonAnswered",
        "PersonAskedFor",
        "ParticipantExcluded",
        "ParticipantIncluded",
        "ParticipantJoined",
        "ParticipantLeft",
        "ParticipantUpdated",
        "PluginEvent",
        "PluginFailed",
        "PluginSlow",
        "RosterDegraded",
        "RosterRestored",
        "SegmentFinalized",
        "SegmentWithheld",
        "SpeakingStarted",
        "SpeakingStopped",
        "SpeechFinished",
        "SpeechInterrupted",
        "SpeechStarted",
        "StateChanged",
        "StepTaken",
        "ShareStarted",
        "ShareStopped",
        "TopicMarked",
        "TrackClosed",
        "TrackOpened",
        "TrackOwnerIdentified",
        "TranscriberNotice",
        "TranscriberRestarted",
        "TranscriberSwitched",
        "TranscriberUsage",
        "TranscriptionGap",
        "TranscriptionStopped",
        "VideoDegraded",
        "VideoRestored",
        "VoiceNamed",
        "UnknownEvent",
    ),
    "model.history": ("BotHistory", "ChatEntry", "Transition"),
    "model.languages": ("LanguageRefused",),
    "model.lifecycle": ("COMPLETING", "EndReason", "Evidence", "IN_CALL", "State", "TERMINAL"),
    "model.links": ("read_link",),
    "model.meeting": ("MeetingLink",),
    "model.page_input": (
        "KeyInput",
        "MouseAction",
        "MouseButton",
        "MouseInput",
        "PageInput",
        "PagePicture",
        "PictureFormat",
        "TextInput",
        "page_input_from_wire",
    ),
    "model.plain": ("format_time", "parse_time", "to_json"),
    "model.roster": ("NameSource", "Participant", "Roster", "SpeakingTimeline"),
    "model.secrets": ("Redactor", "Secret"),
    "model.settings": (
        "AudioSettings",
        "AutomaticLeaveSettings",
        "BotSettings",
        "SpeechSettings",
        "TranscriptionSettings",
    ),
    "model.signals": (
        "Admitted",
        "CallEnded",
        "CaptionSeen",
        "CaptureHealth",
        "ChatArrived",
        "DiagnosticsWritten",
        "Knocked",
        "NoticeSeen",
        "PersonNeeded",
        "PictureHealth",
        "ParticipantAppeared",
        "ParticipantChanged",
        "ParticipantGone",
        "RecordingPermission",
        "RosterHealth",
        "RosterSeen",
        "ShareSeen",
        "Signal",
        "SpeakingIndicated",
        "StepWorked",
        "TrackAppeared",
        "TrackGone",
        "TrackIdentified",
    ),
    "model.transcript": ("Hypothesis", "Segment", "Transcript", "Word"),
    "model.transcription_cost": ("TranscriptionCost",),
    "plugin.bot_view": ("BotView",),
    "plugin.exclusion": ("ExclusionRequest", "ExclusionRules"),
    "plugin.health": ("HealthReport",),
    "plugin.hooks": ("API_VERSION", "DROP", "Drop", "hookimpl"),
    "plugin.launcher": ("BotSpec", "Launcher", "RunningBot", "have_it_leave"),
    "plugin.join_token": ("JoinToken",),
    "plugin.options": ("NoOptions",),
    "plugin.page_view": ("LookIn", "PageView"),
    "plugin.platform": (
        "Call",
        "CallEvents",
        "CallRequest",
        "Capability",
        "Platform",
        "SpeechOutput",
    ),
    "plugin.registry": ("Plugins",),
    "plugin.sink": ("JournalView", "Sink", "SinkContext", "SinkSpeech", "SinkVoice"),
    "plugin.bus": ("BotBus", "BusItem", "BusRequest"),
    "plugin.store": (
        "BotLog",
        "BotRecord",
        "BotStore",
        "Deletion",
        "Lease",
        "MediaStore",
        "Runner",
        "StoredFile",
        "checked_bot_id",
        "checked_file_name",
    ),
    "plugin.synthesizer": ("SynthesisRequest", "Synthesizer", "spoken_sentences"),
    "plugin.transcriber": (
        "FileRequest",
        "ProviderUsage",
        "Readiness",
        "StreamRequest",
        "Transcriber",
        "TranscriberCapabilities",
        "TranscriberContext",
        "TranscriberStream",
        "UntranscribedAudio",
    ),
    "plugin.worker_frames": (
        "FrameError",
        "WorkerAudio",
        "WorkerFrames",
        "WorkerMessage",
        "encode_frame",
    ),
    "plugin.utterances": ("UtteranceAudio", "UtteranceText", "UtteranceTranscriber"),
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

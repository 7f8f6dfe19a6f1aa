"""Entries of a journal about the bot's own work: what it did, made, lost and delivered."""

from __future__ import annotations

from typing import ClassVar

from attrs import field, frozen

from meetcore.model.event import Event

__all__ = [
    "REVISES",
    "ArtifactWritten",
    "AudioLost",
    "BotUnresponsive",
    "CommandAnswered",
    "DeliveryAbandoned",
    "DeliveryAttempted",
    "DiagnosticsCaptured",
    "EventLost",
    "LedgerClosed",
    "LedgerEntry",
    "MediaLost",
    "PluginEvent",
    "PluginFailed",
    "PluginSlow",
    "SpeechFinished",
    "SpeechInterrupted",
    "SpeechStarted",
    "StepTaken",
]


@frozen(kw_only=True)
class AudioLost(Event):
    """Audio that one consumer did not get: which samples of which track, and why.

    `samples` are lost from `start_sample` on. Of a live listener that is slow (`listener_behind`)
    they are so many of the 10 s from there on: it got those between.
    """

    type: ClassVar[str] = "audio.lost"
    track_id: str
    consumer: str
    start_sample: int
    samples: int
    cause: str


@frozen(kw_only=True)
class MediaLost(Event):
    """Media that one consumer did not get: `fragments` of a track from number `first` on."""

    type: ClassVar[str] = "media.lost"
    track_id: str
    consumer: str
    first: int
    fragments: int
    cause: str


@frozen
class LedgerEntry:
    """The account of one track for one consumer, in samples at 16 kHz, or in fragments of media.

    `captured == delivered + withheld + lost`: `withheld` is what was kept back on purpose,
    silence from a transcriber that asks for speech only, or everything while paused.
    """

    track_id: str
    consumer: str
    captured: int
    delivered: int
    withheld: int
    lost: int
    unit: str = "samples"


@frozen(kw_only=True)
class LedgerClosed(Event):
    """The account of audio and media of the whole attendance."""

    type: ClassVar[str] = "ledger.closed"
    entries: tuple[LedgerEntry, ...]
    balanced: bool


@frozen(kw_only=True)
class ArtifactWritten(Event):
    """A file for afterwards is complete; `path` is relative to the bot's folder."""

    type: ClassVar[str] = "artifact.written"
    kind: str
    path: str
    media_type: str
    size_bytes: int
    duration_s: float | None = None


@frozen(kw_only=True)
class DiagnosticsCaptured(Event):
    """A step failed; what the page looked like lies in `folder`."""

    type: ClassVar[str] = "diagnostics.captured"
    step: str
    folder: str
    detail: str = ""


@frozen(kw_only=True)
class StepTaken(Event):
    """A step of the join worked: which, and how."""

    type: ClassVar[str] = "step.taken"
    name: str
    detail: str = ""


@frozen(kw_only=True)
class CommandAnswered(Event):
    """A command from outside was carried out or refused.

    `command_id` is the command's own, or one that the bot made; `by` is who asked, a sink's name
    or `api`, empty for the program itself.
    """

    type: ClassVar[str] = "command.answered"
    command: str
    ok: bool
    error: str | None = None
    command_id: str = ""
    by: str = ""


@frozen(kw_only=True)
class SpeechStarted(Event):
    """The bot began to say something; `text` is empty where it is not known in words."""

    type: ClassVar[str] = "speech.started"
    speech_id: str
    text: str = ""
    by: str = ""


@frozen(kw_only=True)
class SpeechFinished(Event):
    """The bot said something to its end, which took `duration_s`."""

    type: ClassVar[str] = "speech.finished"
    speech_id: str
    duration_s: float
    text: str = ""


@frozen(kw_only=True)
class SpeechInterrupted(Event):
    """Something that the bot was to say was not said to its end, but for `position_s` seconds.

    `cause` is `interrupted` (somebody asked for it), `replaced` (something else was to be said),
    `barge_in` (somebody began to speak: `participant_id`, where it is known who), `leaving`,
    `timed_out` or `failed`; `detail` says more of the last two. `said` has the words of `text` that
    were heard: by the times that come with the sound, else by their share of its length.
    """

    type: ClassVar[str] = "speech.interrupted"
    speech_id: str
    position_s: float
    cause: str
    text: str = ""
    detail: str = ""
    said: str = ""
    participant_id: str | None = None


@frozen(kw_only=True)
class PluginFailed(Event):
    """A plugin raised or hung; the bot went on without that call.

    `frame` is the author's own last line on the way there, as `folder/file.py:12 function`.
    """

    type: ClassVar[str] = "plugin.failed"
    plugin: str
    where: str
    error: str
    detached: bool = False
    frame: str = ""


@frozen(kw_only=True)
class PluginSlow(Event):
    """A plugin held up the event loop or lags behind; `missed` items were not shown to it."""

    type: ClassVar[str] = "plugin.slow"
    plugin: str
    where: str
    seconds: float = 0.0
    missed: int = 0


@frozen(kw_only=True)
class DeliveryAttempted(Event):
    """One attempt to deliver one event to a target."""

    type: ClassVar[str] = "delivery.attempted"
    sink: str
    target: str
    event_seq: int
    attempt: int
    ok: bool
    status: int | None = None
    error: str | None = None
    next_try_s: float | None = None


@frozen(kw_only=True)
class DeliveryAbandoned(Event):
    """An event was not delivered within the schedule and went to the dead letters."""

    type: ClassVar[str] = "delivery.abandoned"
    sink: str
    target: str
    event_seq: int
    attempts: int
    error: str


REVISES = "revises"
"""The name of the event of a plugin that words do not pass by: so it is known afterwards."""


@frozen(kw_only=True)
class PluginEvent(Event):
    """Something a plugin has to say that the core has no word for."""

    type: ClassVar[str] = "plugin.event"
    plugin: str
    name: str
    data: dict[str, str] = field(factory=dict)


@frozen(kw_only=True)
class EventLost(Event):
    """An event that cannot be read any more: its line in the journal is damaged.

    It has the number of the event it stands for, so that no number is missing. Written by recovery
    in its place; shown by whoever reads a journal that nobody has recovered yet.
    """

    type: ClassVar[str] = "event.lost"
    detail: str


@frozen(kw_only=True)
class BotUnresponsive(Event):
    """The bot's process answered nothing for a time; what was said then may be lost.

    Of a bot in a cluster: the bus did not hear of it for a time.

    It writes this itself when it answers again, or recovery does after it was given up.
    """

    type: ClassVar[str] = "bot.unresponsive"
    silent_s: float

"""What the outside may ask of a bot, as immutable orders.

How they are carried out, one at a time and each with a deadline, is `meetcore.bot.command_runner`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from attrs import field, frozen
from attrs.converters import optional

from meetcore.model.lifecycle import EndReason
from meetcore.model.meeting import without_query

__all__ = [
    "COMMAND_TYPES",
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
]


@frozen
class Command:
    """Root of all commands. `type` is the name on the wire.

    Attributes:
        id: What makes it one command, however often it is given: the second time answers as the
            first did. Unique within the bot; the bot makes one where it is empty.
        by: Who asked, as far as known: a sink's name, `api`; empty for the program itself.
    """

    type: ClassVar[str]
    id: str = field(default="", kw_only=True, eq=False)
    by: str = field(default="", kw_only=True, eq=False)


@frozen
class Stop(Command):
    """Leave the meeting and finish."""

    type: ClassVar[str] = "stop"
    detail: str = ""
    reason: EndReason = EndReason.STOP_REQUESTED


@frozen
class SendChat(Command):
    """Send a chat message: to everybody in the meeting, or to one person alone.

    Attributes:
        text: The message.
        to: Whom it is for: a participant's id, or their name as the meeting shows it where only
            one has it; None for everybody.
    """

    type: ClassVar[str] = "send_chat"
    text: str
    to: str | None = None


class WhenSpeaking(StrEnum):
    """What becomes of something to be said while something else is being said."""

    APPEND = "append"
    INTERRUPT = "interrupt"
    REFUSE = "refuse"


class BargeIn(StrEnum):
    """What becomes of what the bot says when somebody begins to speak meanwhile.

    `stop`: the bot falls silent. `duck`: it goes on, quieter while they speak. `go_on`: nothing.
    """

    STOP = "stop"
    DUCK = "duck"
    GO_ON = "go_on"


@frozen
class Speak(Command):
    """Say something; done when it has its place among what is to be said.

    Attributes:
        pcm: PCM audio, int16 mono.
        sample_rate_hz: Its rate.
        text: What it says, or, where there is no `pcm`, what a synthesizer is to make of it.
        when_speaking: Whether it waits, interrupts or is refused while something is being said.
        barge_in: What becomes of it when somebody begins to speak meanwhile; None for what is
            configured.
    """

    type: ClassVar[str] = "speak"
    pcm: bytes = field(default=b"", repr=lambda pcm: f"<{len(pcm)} bytes>")
    sample_rate_hz: int = 16_000
    text: str = ""
    when_speaking: WhenSpeaking = field(default=WhenSpeaking.APPEND, converter=WhenSpeaking)
    barge_in: BargeIn | None = field(default=None, converter=optional(BargeIn))


@frozen
class InterruptSpeech(Command):
    """Be silent: what is being said ends, and what was to be said is not."""

    type: ClassVar[str] = "interrupt_speech"


@frozen
class ShowImage(Command):
    """Show a picture as the bot's camera: PNG, JPEG or GIF bytes."""

    type: ClassVar[str] = "show_image"
    image: bytes = field(repr=lambda image: f"<{len(image)} bytes>")
    media_type: str = "image/png"


@frozen
class ShowPage(Command):
    """Show a web page as the bot's camera, as it changes, until something else is shown.

    Attributes:
        url: Its address, http or https; its host has to be one that the operator listed.
    """

    type: ClassVar[str] = "show_page"
    url: str = field(repr=without_query)


@frozen
class HidePicture(Command):
    """Show nothing any more, neither a picture nor a page: the camera goes off."""

    type: ClassVar[str] = "hide_picture"


@frozen
class ShareImage(Command):
    """Share a picture as the bot's screen: PNG, JPEG or GIF bytes."""

    type: ClassVar[str] = "share_image"
    image: bytes = field(repr=lambda image: f"<{len(image)} bytes>")
    media_type: str = "image/png"


@frozen
class SharePage(Command):
    """Share a web page as the bot's screen, as it changes, until something else is shared.

    Attributes:
        url: Its address, http or https; its host has to be one that the operator listed.
    """

    type: ClassVar[str] = "share_page"
    url: str = field(repr=without_query)


@frozen
class StopSharing(Command):
    """Share no screen any more."""

    type: ClassVar[str] = "stop_sharing"


class PersonAnswer(StrEnum):
    """What a person says who was asked to do something that a bot cannot."""

    DONE = "done"
    GIVE_UP = "give_up"


@frozen
class AnswerPerson(Command):
    """Say that what a person was asked for (`PersonNeeded`) is done, or that nobody will do it.

    Attributes:
        answer: `done`: the page is looked at again at once. `give_up`: the bot ends for the reason
            that stood in its way.
    """

    type: ClassVar[str] = "answer_person"
    answer: PersonAnswer = field(default=PersonAnswer.DONE, converter=PersonAnswer)


@frozen
class Reconnect(Command):
    """Go on with the same meeting at another address, to which its platform has moved it.

    Attributes:
        url: The meeting's link, as it is now.
    """

    type: ClassVar[str] = "reconnect"
    url: str = field(repr=without_query)


@frozen
class NameVoice(Command):
    """Give a name to a voice that the transcriber told apart on a track, or take it back.

    What that voice said comes again with the name. It names whoever sits in a meeting room with
    others, or a voice that nothing names; it makes nobody a participant.

    Attributes:
        track_id: The segment's `track_id`.
        voice: The segment's `voice`.
        name: The name; empty to take it back.
    """

    type: ClassVar[str] = "name_voice"
    track_id: str
    voice: str
    name: str = ""


@frozen
class MarkTopic(Command):
    """Set a topic: from now on the meeting is about this. It begins a chapter of the recording.

    Attributes:
        topic: What it is about, in a line.
    """

    type: ClassVar[str] = "mark_topic"
    topic: str


@frozen
class ExcludeParticipant(Command):
    """Record and transcribe nothing of somebody from now on: neither sound, words nor chat.

    Attributes:
        participant_id: Who.
        since_start: Whether what was recorded of them before goes, too, as far as that can be.
        own_wish: Whether they asked for it: then their own word in the chat lifts it as well, where
            a plugin knows such a word.
    """

    type: ClassVar[str] = "exclude_participant"
    participant_id: str
    since_start: bool = False
    own_wish: bool = False


@frozen
class IncludeParticipant(Command):
    """Record and transcribe somebody again, who was excluded."""

    type: ClassVar[str] = "include_participant"
    participant_id: str


@frozen
class PauseRecording(Command):
    """Stop recording and transcribing for now; stay in the call."""

    type: ClassVar[str] = "pause"


@frozen
class ResumeRecording(Command):
    """Record and transcribe again."""

    type: ClassVar[str] = "resume"


COMMAND_TYPES: dict[str, type[Command]] = {
    cls.type: cls
    for cls in (
        Stop,
        SendChat,
        Speak,
        InterruptSpeech,
        ShowImage,
        ShowPage,
        HidePicture,
        ShareImage,
        SharePage,
        StopSharing,
        AnswerPerson,
        Reconnect,
        NameVoice,
        MarkTopic,
        ExcludeParticipant,
        IncludeParticipant,
        PauseRecording,
        ResumeRecording,
    )
}
"""Every command class by its name on the wire."""

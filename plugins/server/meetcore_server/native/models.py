"""The bodies of the native API, as attrs classes: what OpenAPI is generated from."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from attrs import Factory, frozen

from meetcore import BotHistory, Evidence, Segment
from meetcore.gateway import BotRow, DeliveryRow
from meetcore_server.storage.endpoints import EndpointRow

__all__ = [
    "About",
    "Bot",
    "BotList",
    "ChapterOut",
    "ChatMessage",
    "ChatSend",
    "CommandBody",
    "Delivery",
    "EndpointChange",
    "EndpointCreate",
    "EndpointOut",
    "EventPage",
    "ListedBot",
    "MountOut",
    "NewBot",
    "NewSocketToken",
    "ParticipantOut",
    "Recording",
    "SegmentOut",
    "SocketToken",
    "SpeechOut",
    "Transcript",
    "Transition",
    "WebhookRequest",
]


@frozen(kw_only=True)
class MountOut:
    """An API of another kind on this server, below `path`."""

    name: str
    title: str
    path: str
    docs: str


@frozen(kw_only=True)
class About:
    """What a server is.

    Where it rehearses every meeting link leads to a scripted meeting. `root` names the mount that
    lies at `/` too. `links` are examples of what the installed platforms' links look like.
    """

    version: str
    rehearsal: bool
    links: list[str]
    needs_key: bool
    mounts: list[MountOut]
    root: str | None


@frozen(kw_only=True)
class WebhookRequest:
    """Where events of this bot are POSTed, signed by Standard Webhooks where a secret is given.

    Attributes:
        url: The address, https:// unless the operator lists its host.
        secret: What messages are signed with, as `whsec_` and base64; without it they are not.
        events: Types of events, with `*` (`state.*`); empty for all.
    """

    url: str
    secret: str | None = None
    events: list[str] = Factory(list)


@frozen(kw_only=True)
class NewBot:
    """An order for a bot.

    Attributes:
        meeting_url: The link that guests of the meeting have.
        name: The name that the bot shows in the meeting; without it the server's default.
        transcriber: A plugin's name; `none` for no transcript; without it the server's own.
        language: What is spoken, as a tag such as `de`; without it the transcriber finds out, or
            takes its own default.
        join_at: When it joins, with a time zone; without it now.
        automatic_leave: Leave rules that are different for this bot, in seconds, by name.
        record: Whether it records and transcribes from the start.
        video: Whether the meeting is recorded as video, too; without it the server's own choice.
        entry_message: Sent to the meeting's chat once the bot is in the call.
        metadata: Your own keys and values; they come with the bot, and are in its journal.
        webhooks: Where events of this bot are sent, besides your user's endpoints.
        keep_hours: How many hours after its end what it left is deleted; without it the server's
            own.
        keep: `nothing` for a bot that works in memory and leaves nothing but numbers, on servers
            that leave it to the order (`as_ordered` in `[retention]`).
        exclusive: Whether it is refused while another such bot of your user is in that meeting.
        script: What a rehearsal plays; refused by servers that do not rehearse.
    """

    meeting_url: str
    name: str | None = None
    transcriber: str | None = None
    language: str | None = None
    join_at: datetime | None = None
    automatic_leave: dict[str, float | None] = Factory(dict)
    record: bool = True
    video: bool | None = None
    entry_message: str | None = None
    metadata: dict[str, str] = Factory(dict)
    webhooks: list[WebhookRequest] = Factory(list)
    keep_hours: float | None = None
    keep: Literal["all", "nothing"] | None = None
    exclusive: bool = False
    script: str | None = None


@frozen(kw_only=True)
class Transition:
    """One change of state."""

    state: str
    at: datetime
    seq: int
    reason: str | None = None
    evidence: str | None = None


@frozen(kw_only=True)
class TranscriberUse:
    """What one transcriber was sent for a bot, and what the provider says that it costs."""

    transcriber: str
    audio_s: float
    billed_s: float | None
    costs: dict[str, float]


@frozen(kw_only=True)
class ListedBot:
    """A bot as lists show it: without what is read from its journal."""

    id: str
    number: int
    state: str
    state_since: datetime
    reason: str | None
    platform: str
    native_id: str
    meeting_url: str
    name: str
    transcriber: str | None
    created_at: datetime
    scheduled_for: datetime | None
    in_call_at: datetime | None
    ended_at: datetime | None
    delete_after: datetime | None
    data_deleted_at: datetime | None
    metadata: dict[str, str]
    dialect: str
    replayed: bool

    @staticmethod
    def listed(row: BotRow) -> ListedBot:
        """Return a bot of a list."""
        return ListedBot(**_facts(row))


@frozen(kw_only=True)
class Bot(ListedBot):
    """A bot."""

    notes: list[str] = Factory(list)
    person_needed: str | None = None
    history: list[Transition] = Factory(list)
    transcription: list[TranscriberUse] = Factory(list)

    @classmethod
    def of(cls, row: BotRow, history: BotHistory | None = None, notes: tuple[str, ...] = ()) -> Bot:
        """Return a bot as the API shows it; with its history where the history is given."""
        told = [
            Transition(
                state=transition.state.value,
                at=transition.at,
                seq=transition.seq,
                reason=transition.reason.value if transition.reason else None,
                evidence=_in_words(transition.evidence),
            )
            for transition in (history.transitions if history else ())
        ]
        facts = _facts(row)
        if told:
            facts["state_since"] = told[-1].at
        return cls(
            **facts,
            notes=[*notes, *_troubles(history)],
            person_needed=history.person_needed if history and not history.ended else None,
            history=told,
            transcription=[
                TranscriberUse(
                    transcriber=total.transcriber,
                    audio_s=total.audio_s,
                    billed_s=total.billed_s,
                    costs=dict(total.costs),
                )
                for total in (history.transcription_cost.totals.values() if history else ())
            ],
        )


def _facts(row: BotRow) -> dict[str, Any]:
    """Return what a row says of a bot."""
    return {
        "id": row.bot_id,
        "number": row.number,
        "state": row.state.value,
        "state_since": row.ended_at or row.updated_at,
        "reason": row.reason.value if row.reason else None,
        "platform": row.platform,
        "native_id": row.native_id,
        "meeting_url": row.public_url,
        "name": row.name,
        "transcriber": row.transcriber,
        "created_at": row.created_at,
        "scheduled_for": row.scheduled_for,
        "in_call_at": row.in_call_at,
        "ended_at": row.ended_at,
        "delete_after": row.delete_after,
        "data_deleted_at": row.deleted_at,
        "metadata": dict(row.metadata),
        "dialect": row.dialect,
        "replayed": row.replayed,
    }


def _troubles(history: BotHistory | None) -> list[str]:
    if history is None:
        return []
    notes: list[str] = []
    if history.events_lost:
        notes.append(f"The journal is damaged: {history.events_lost} of its events cannot be read.")
    if history.transcription_trouble is not None:
        notes.append(f"The transcription has stopped: {history.transcription_trouble}")
    return notes


@frozen(kw_only=True)
class BotList:
    """A page of bots, newest first; `next_cursor` gives the next page, null for none."""

    bots: list[ListedBot]
    next_cursor: str | None


@frozen(kw_only=True)
class EventPage:
    """Events in the order of their `seq`, as they stand in the journal."""

    events: list[dict[str, Any]]
    next_after: int
    ended: bool


@frozen(kw_only=True)
class WordOut:
    """A word, with its place in the meeting."""

    text: str
    start_s: float
    end_s: float
    confidence: float | None


@frozen(kw_only=True)
class SegmentOut:
    """A stretch of transcript by one speaker.

    `voice` is the label on its track by which the transcriber told the speaker apart, null where
    that is not needed: the command `name_voice` gives it a name.
    """

    id: str
    track_id: str
    voice: str | None
    speaker: str | None
    participant_id: str | None
    speaker_source: str
    speaker_confidence: float
    text: str
    start_s: float
    end_s: float
    confidence: float | None
    language: str | None
    words: list[WordOut]

    @classmethod
    def of(cls, segment: Segment) -> SegmentOut:
        """Return a segment as the API shows it."""
        return cls(
            id=segment.id,
            track_id=segment.track_id,
            voice=segment.voice,
            speaker=segment.speaker_name,
            participant_id=segment.participant_id,
            speaker_source=segment.speaker_source.value,
            speaker_confidence=segment.speaker_confidence,
            text=segment.text,
            start_s=segment.start_s,
            end_s=segment.end_s,
            confidence=segment.confidence,
            language=segment.language,
            words=[
                WordOut(text=w.text, start_s=w.start_s, end_s=w.end_s, confidence=w.confidence)
                for w in segment.words
            ],
        )


@frozen(kw_only=True)
class Transcript:
    """The finalized segments, in the order they were finalized."""

    bot_id: str
    segments: list[SegmentOut]


@frozen(kw_only=True)
class Interval:
    """When somebody was there."""

    joined_at: datetime
    left_at: datetime | None


@frozen(kw_only=True)
class ParticipantOut:
    """Somebody who was in the meeting."""

    id: str
    name: str
    here: bool
    speaking: bool
    muted: bool | None
    is_bot: bool
    is_host: bool
    spoke_s: float
    intervals: list[Interval]


@frozen(kw_only=True)
class SpeechOut:
    """One stretch of speech, in seconds of meeting time."""

    participant_id: str
    name: str | None
    start_s: float
    end_s: float | None
    source: str


@frozen(kw_only=True)
class ChatMessage:
    """One chat message; a `direct` one was for one person alone, `to_id` (null: unknown), `to`."""

    id: str
    seq: int
    at: datetime
    meeting_s: float | None
    sender: str
    sender_id: str | None
    text: str
    by_bot: bool
    direct: bool
    to: str
    to_id: str | None


@frozen(kw_only=True)
class ChatSend:
    """A chat message to send.

    Attributes:
        text: What it says.
        to: One person alone, by id, or by name where only one in the meeting has it; without it
            the message is for everybody.
    """

    text: str
    to: str | None = None


@frozen(kw_only=True)
class CommandBody:
    """A command.

    `stop`, `send_chat`, `speak`, `interrupt_speech`, `show_image`, `show_page`, `hide_picture`,
    `share_image`, `share_page`, `stop_sharing`, `answer_person`, `reconnect`, `pause`, `resume`,
    `name_voice`, `mark_topic`, `exclude_participant`, `include_participant`.

    `send_chat` writes to everybody (`{"text": …}`), or with `to`, an id or a name, to one alone.

    `speak` says sound (`{"pcm": <base64>, "sample_rate_hz": …}`) or a text (`{"text": …}`), and
    `interrupt_speech` ends what is said and what waits.

    `exclude_participant` has somebody recorded and transcribed no more (`{"participant_id": …}`,
    with `since_start` what was recorded of them before goes, too), and `include_participant` has
    them recorded again.

    `name_voice` gives a voice that was told apart a name (`{"track_id": …, "voice": …, "name": …}`
    as a segment has them), or takes it back (an empty name).

    `show_page` shows a web page as the bot's camera (`{"url": …}`; the operator lists the hosts),
    `show_image` a picture (`{"image": <base64>}`: PNG, JPEG, GIF), and `hide_picture` ends either.
    `share_page` and `share_image` take the same and share it as the bot's screen, until
    `stop_sharing`.

    `mark_topic` says what the meeting is about from now on (`{"topic": …}`): a chapter begins.

    `answer_person` says that what the event `person.needed` asked for is done (`{"answer":
    "done"}`), or that nobody will do it (`give_up`).

    `reconnect` has the bot go on with the same meeting at another address (`{"url": …}`), where
    the platform has moved it: Zoom's streams alone know that.

    Attributes:
        type: Which command.
        data: What it needs, as above.
        id: Makes it one command, however often it is sent: again, it is answered as before.
    """

    type: str
    data: dict[str, Any] = Factory(dict)
    id: str = ""


@frozen(kw_only=True)
class Recording:
    """A file of a bot; `url` is good for an hour, for whoever has it."""

    kind: str
    path: str
    media_type: str
    size_bytes: int
    duration_s: float | None
    url: str


@frozen(kw_only=True)
class ChapterOut:
    """What began in the meeting, in seconds of its time: a state, somebody's coming, a topic.

    `end_s` is where the next chapter begins, or the recording ends; null while that is not known.
    """

    start_s: float
    end_s: float | None
    title: str


@frozen(kw_only=True)
class NewSocketToken:
    """A wish for a token with which a browser may open the WebSocket.

    Attributes:
        bot_ids: The bots that it may see; without it all of your user.
        write: Whether it may give commands, too.
        expires_s: How many seconds it can be used.
    """

    bot_ids: list[str] | None = None
    write: bool = False
    expires_s: float = 3600.0


@frozen(kw_only=True)
class SocketToken:
    """A token; give it as `?token=` to the WebSocket at `url`."""

    token: str
    url: str
    expires_s: float


@frozen(kw_only=True)
class EndpointCreate:
    """An endpoint that is told of every bot ordered from now on.

    Attributes:
        url: The address, https:// unless the operator lists its host.
        events: Types of events, with `*` (`state.*`); empty for all.
        secret: What messages are signed with, as `whsec_` and base64; without it one is made.
    """

    url: str
    events: list[str] = Factory(list)
    secret: str | None = None


@frozen(kw_only=True)
class EndpointChange:
    """Changes to an endpoint; what is left out stays.

    Attributes:
        url: Another address.
        events: Other types of events, with `*`; empty for all.
        enabled: Whether it is told anything.
    """

    url: str | None = None
    events: list[str] | None = None
    enabled: bool | None = None


@frozen(kw_only=True)
class EndpointOut:
    """A webhook endpoint."""

    id: str
    url: str
    events: list[str]
    created_at: datetime
    enabled: bool
    secret: str | None = None

    @classmethod
    def of(cls, row: EndpointRow, *, with_secret: bool = False) -> EndpointOut:
        """Return an endpoint as the API shows it; its secret only where it was just made."""
        return cls(
            id=row.id,
            url=row.url,
            events=list(row.events),
            created_at=row.created_at,
            enabled=row.disabled_at is None,
            secret=row.secret if with_secret else None,
        )


@frozen(kw_only=True)
class Delivery:
    """What became of one message to one target."""

    id: int
    bot_id: str
    target_id: int
    kind: str
    event_seq: int
    attempts: int
    status: int | None
    error: str | None
    delivered_at: datetime | None
    given_up_at: datetime | None
    next_try_at: datetime | None

    @classmethod
    def of(cls, row: DeliveryRow) -> Delivery:
        """Return a delivery as the API shows it."""
        return cls(
            id=row.id,
            bot_id=row.bot_id,
            target_id=row.target_id,
            kind=row.kind,
            event_seq=row.event_seq,
            attempts=row.attempts,
            status=row.status,
            error=row.error,
            delivered_at=row.delivered_at,
            given_up_at=row.given_up_at,
            next_try_at=row.next_try_at,
        )


def _in_words(evidence: Evidence | None) -> str | None:
    """Return what was seen, and what can be done about it."""
    if evidence is None:
        return None
    return " ".join(part for part in (evidence.detail or evidence.signal, evidence.hint) if part)

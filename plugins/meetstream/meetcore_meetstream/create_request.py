"""What a client asks of a bot: the body of create_bot, read and checked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import field, frozen

from meetcore import PrivateTargets
from meetcore.gateway import BodyFields
from meetcore.model import is_blank
from meetcore_meetstream.errors import wrong
from meetcore_meetstream.fields import (
    address,
    fields_of,
    printable_key,
    socket_address,
    time_of,
    webhook_address,
)
from meetcore_meetstream.limits import keep_s, leave_rules
from meetcore_meetstream.participant_webhooks import EVENTS
from meetcore_meetstream.providers import NO_STREAMING_PROVIDER, Provider, read_provider
from meetcore_meetstream.variants import Variant

__all__ = ["CreateBotRequest", "Endpoint", "parse_create_request"]

_LONGEST_NAME = 200
_SOCKETS = ("wss", "ws")
_VIEWS = {"speaker_view": "speaker", "grid_view": "gallery"}
"""For each layout of a video the view, as the browser's option has it."""

_ABSENT: Mapping[str, str] = {
    "agent_config_id": "Agent configuration not found",
    "workflow_config_ids": "Workflow configuration not found",
    "zoom": "Signed-in Zoom joins are not available on this server",
}
"""What is not offered here: asking for it is refused rather than ignored."""


@frozen
class Endpoint:
    """Where participant events go, and which."""

    url: str = field(repr=False)
    events: tuple[str, ...]


@frozen(kw_only=True)
class CreateBotRequest:
    """A bot as it was asked for."""

    meeting_link: str = field(repr=False)
    bot_name: str | None
    bot_message: str | None
    bot_image_url: str | None = field(repr=False)
    audio: bool
    video: bool | None
    video_view: str | None
    provider: Provider | None
    live_audio_url: str | None = field(repr=False)
    live_video_url: str | None = field(repr=False)
    transcript_webhook_url: str | None = field(repr=False)
    transcript_socket_url: str | None = field(repr=False)
    control_url: str | None = field(repr=False)
    join_at: datetime | None
    callback_url: str | None = field(repr=False)
    attributes: Mapping[str, Any] = field(repr=False)
    deduplication_key: str | None
    leave: Mapping[str, float | None]
    bot_detection: bool
    keep_s: float
    endpoints: tuple[Endpoint, ...]

    @property
    def live_text(self) -> bool:
        """Whether the transcript is wanted while the meeting goes on."""
        return bool(self.transcript_webhook_url or self.transcript_socket_url)


def parse_create_request(
    body: object, variant: Variant, private: PrivateTargets, *, plain_sockets: bool = False
) -> CreateBotRequest:
    """Return what a body asks for. Fields nobody knows are ignored, null is as good as absent.

    Args:
        body: The body, decoded.
        variant: Whose rules: the first API needs no streaming provider.
        private: Where webhooks may go that is not public.
        plain_sockets: Whether `ws://` is taken everywhere: on the own machine. For live video it
            always is.

    Raises:
        BadField, Refusal: A field is missing or wrong, or asks for what is not offered here.
    """
    fields = fields_of(body)
    _refuse_absent(fields)
    sockets = _SOCKETS if plain_sockets else ("wss",)
    live = fields.part("live_transcription_required")
    recording = fields.part("recording_config")
    for name in ("audio_separate_streams", "video_separate_streams"):
        fields.flag(name)
        recording.flag(name)
    video = fields.flag("video_required")
    recorded = recording.flag("video_required")
    layout = recording.text("video_layout")
    if layout is not None and layout not in _VIEWS:
        raise wrong(f"recording_config.video_layout must be one of {', '.join(_VIEWS)}")
    link_name = "meeting_link" if fields.get("meeting_link") is not None else "meeting_url"
    if fields.get(link_name) is None:
        raise wrong("meeting_link is required")
    create_request = CreateBotRequest(
        meeting_link=fields.required(link_name).strip(),
        bot_name=_name(fields),
        bot_message=fields.text("bot_message"),
        bot_image_url=address(fields, "bot_image_url"),
        audio=fields.flag("audio_required") is not False,
        video=recorded if video is None else video,
        video_view=None if layout is None else _VIEWS[layout],
        provider=read_provider(fields),
        live_audio_url=socket_address(fields, "live_audio_required", sockets),
        live_video_url=socket_address(fields, "live_video_required", _SOCKETS)
        or socket_address(fields, "liveVideoRequired", _SOCKETS),
        transcript_webhook_url=webhook_address(live, "webhook_url", private),
        transcript_socket_url=socket_address(fields, "live_transcription_required", sockets),
        control_url=socket_address(fields, "socket_connection_url", sockets, plain=True),
        join_at=time_of(fields, "join_at") if fields.get("join_at") else None,
        callback_url=webhook_address(fields, "callback_url", private),
        attributes=fields.part("custom_attributes").body,
        deduplication_key=printable_key(fields.get("deduplication_key"), "deduplication_key"),
        leave=leave_rules(fields, variant),
        bot_detection=bool(fields.part("automatic_leave").get("bot_detection")),
        keep_s=keep_s(fields, variant),
        endpoints=_endpoints(recording, private),
    )
    streaming = create_request.provider is not None and create_request.provider.streaming
    if create_request.live_text and not streaming and variant is Variant.CURRENT:
        raise wrong(NO_STREAMING_PROVIDER)
    return create_request


def _refuse_absent(fields: BodyFields) -> None:
    for name, sentence in _ABSENT.items():
        value = fields.get(name)
        if not value:
            continue
        if name == "zoom" and isinstance(value, Mapping):
            if value.get("zak_url") and value.get("obf_url"):
                raise wrong("zoom.zak_url and zoom.obf_url cannot both be provided")
            if not any(value.values()):
                continue
        raise wrong(sentence)
    for name in ("google_meet", "teams"):
        if fields.part(name).get("login_required"):
            raise wrong(f"{name}.login_required: signed-in joins are not available here")


def _name(fields: BodyFields) -> str | None:
    name = fields.text("bot_name")
    if name is not None and len(name.strip()) > _LONGEST_NAME:
        raise wrong(f"bot_name must not exceed {_LONGEST_NAME} characters")
    return None if name is None or is_blank(name) else name.strip()


def _endpoints(recording: BodyFields, private: PrivateTargets) -> tuple[Endpoint, ...]:
    given = recording.get("realtime_endpoints")
    if given is None:
        return ()
    if not isinstance(given, list) or len(given) > 10:
        raise wrong("recording_config.realtime_endpoints must be a list of at most 10")
    endpoints: list[Endpoint] = []
    for entry in given:
        if not isinstance(entry, Mapping):
            raise wrong("recording_config.realtime_endpoints must hold objects")
        if entry.get("type", "webhook") != "webhook":
            raise wrong("realtime_endpoints.type must be 'webhook'")
        url = webhook_address(fields_of(entry), "url", private)
        if url is None:
            raise wrong("realtime_endpoints.url is required")
        events = entry.get("events")
        if not isinstance(events, list) or not all(isinstance(name, str) for name in events):
            raise wrong("realtime_endpoints.events must be a list of strings")
        unknown = [name for name in events if name not in EVENTS]
        if unknown or not events:
            raise wrong(f"realtime_endpoints.events may hold {' and '.join(EVENTS)}")
        endpoints.append(Endpoint(url, tuple(dict.fromkeys(events))))
    return tuple(endpoints)

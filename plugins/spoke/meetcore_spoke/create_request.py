"""What a client asks of a bot: the body of POST /bots, read and checked. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from attrs import field, frozen

from meetcore import PrivateTargets
from meetcore.gateway import BodyFields, FieldWords, parse_utc, picture, picture_type

__all__ = [
    "AUDIO_ONLY",
    "CreateBotRequest",
    "RetranscribeRequest",
    "Streaming",
    "parse_create_request",
    "parse_retranscribe_request",
]

_WORDS = FieldWords(
    {
        "body": "The body must be a JSON object.",
        "required": "{name} is required, as a string.",
        "text": "{name} is no string.",
        "text_required": "{name} is required, as a string.",
        "zero": "{name} holds a zero character.",
        "choice": "{name} must be one of {known}.",
        "flag": "{name} must be true or false.",
        "whole": "automatic_leave.{name} must be a whole number of seconds.",
        "range": "automatic_leave.{name} must be between {least} and {most}.",
        "url": "{name} must be a URL that begins with {schemes}.",
        "webhook": "{name} {trouble}.",
        "picture": "{name} must be a URL, or a PNG, JPEG or GIF as base64.",
        "link": "{name} is not a link.",
        "time": "{name} must be seconds since 1970.",
        "part": "{name} must be an object.",
        "provider": "{name} must be a provider's name, or an object with `provider`.",
        "signed_in": "The URLs of streaming hold no name or password.",
    }
)
"""What is said of a field that is wrong."""

AUDIO_ONLY = "audio_only"
_GALLERY = "gallery_view"
_MODES = ("speaker_view", _GALLERY, AUDIO_ONLY)
_FREQUENCIES = {"16khz": 16_000, "24khz": 24_000}
_LEAVE = {
    "waiting_room_timeout": (120, 1800, 600),
    "noone_joined_timeout": (120, 1800, 600),
    "silence_timeout": (300, 1800, 600),
}
"""For each limit the least, the most and the default, in seconds."""

_LONGEST_STAY_S = 4 * 3600.0
_MILLISECONDS_FROM = 10**11
_LATEST_S = 253_402_300_799


@frozen(kw_only=True)
class Streaming:
    """Sockets the bot dials.

    Attributes:
        output: Where the meeting's sound goes.
        input: Where sound to speak comes from.
        sample_rate_hz: Of both.
    """

    output: str | None = field(repr=False)
    input: str | None = field(repr=False)
    sample_rate_hz: int


@frozen(kw_only=True)
class CreateBotRequest:
    """A bot as it was asked for; `provider` is None for no transcript.

    Attributes:
        bot_image: Settings of the sink `picture`: a `url`, or an `image` as base64.
    """

    meeting_url: str = field(repr=False)
    bot_name: str
    provider: str | None
    recording_mode: str
    video: bool | None
    bot_image: Mapping[str, str] | None = field(repr=False)
    entry_message: str | None
    waiting_room_timeout_s: int
    noone_joined_timeout_s: int
    silence_timeout_s: int
    deduplication_key: str | None
    webhook_url: str | None = field(repr=False)
    streaming: Streaming | None
    extra: Any
    start_time: datetime | None

    @property
    def video_view(self) -> str | None:
        """Who is seen in a video, as the browser's option; None where the body does not say."""
        if self.video is None:
            return None
        return "gallery" if self.recording_mode == _GALLERY else "speaker"

    @property
    def automatic_leave(self) -> dict[str, float | None]:
        """The leave rules, by meetcore's names."""
        return {
            "waiting_room_s": float(self.waiting_room_timeout_s),
            "nobody_joined_s": float(self.noone_joined_timeout_s),
            "silence_s": float(self.silence_timeout_s),
            "max_duration_s": _LONGEST_STAY_S,
        }


@frozen(kw_only=True)
class RetranscribeRequest:
    """A recording to be transcribed once more; `provider` is None for the server's own."""

    bot_uuid: str
    provider: str | None
    webhook_url: str | None = field(repr=False)


def parse_create_request(body: object, private: PrivateTargets) -> CreateBotRequest:
    """Return what a body asks for. Fields nobody knows are ignored, null is as good as absent.

    Args:
        body: The body, decoded.
        private: Where webhooks may go that is not public.

    Raises:
        BadField: A field is missing or wrong.
    """
    fields = BodyFields.of(body, _WORDS)
    fields.required("meeting_url")
    bot_name = fields.required("bot_name")
    meeting_url = fields.link("meeting_url")
    fields.flag("reserved")
    mode = fields.choice("recording_mode", _MODES)
    leave = fields.part("automatic_leave")
    limits = {
        name: default if (given := leave.whole(name, least, most)) is None else given
        for name, (least, most, default) in _LEAVE.items()
    }
    return CreateBotRequest(
        meeting_url=meeting_url,
        bot_name=bot_name.strip(),
        provider=_provider(fields),
        recording_mode=mode or _MODES[0],
        video=None if mode is None else mode != AUDIO_ONLY,
        bot_image=_picture(fields),
        entry_message=fields.text("entry_message") or None,
        waiting_room_timeout_s=limits["waiting_room_timeout"],
        noone_joined_timeout_s=limits["noone_joined_timeout"],
        silence_timeout_s=limits["silence_timeout"],
        deduplication_key=fields.text("deduplication_key"),
        webhook_url=_webhook(fields, private),
        streaming=_streaming(fields.part("streaming")),
        extra=fields.body.get("extra"),
        start_time=_start_time(fields),
    )


def parse_retranscribe_request(body: object, private: PrivateTargets) -> RetranscribeRequest:
    """Return what a body of POST /bots/retranscribe asks for.

    Args:
        body: The body, decoded.
        private: Where webhooks may go that is not public.

    Raises:
        BadField: A field is missing or wrong.
    """
    fields = BodyFields.of(body, _WORDS)
    return RetranscribeRequest(
        bot_uuid=fields.required("bot_uuid"),
        provider=_provider(fields),
        webhook_url=_webhook(fields, private),
    )


def _address(fields: BodyFields, name: str, schemes: tuple[str, ...]) -> str | None:
    """Return a URL; an empty one is as good as none."""
    return None if fields.body.get(name) == "" else fields.url(name, schemes, ascii_only=True)


def _picture(fields: BodyFields) -> dict[str, str] | None:
    """Return a picture: the URL of one, or one as base64, alone or as a data URL."""
    given = fields.text("bot_image")
    if not given:
        return None
    if given[:8].lower().startswith(("http://", "https://")):
        url = _address(fields, "bot_image", ("http", "https"))
        return None if url is None else {"url": url}
    head, _, encoded = given.rpartition(";base64,")
    try:
        image = base64.b64decode("".join(encoded.split()), validate=True)
    except ValueError:
        image = b""
    if (head and not head.startswith("data:")) or picture_type(image) is None:
        fields.wrong("bot_image", "picture")
    picture(image)
    return {"image": base64.b64encode(image).decode()}


def _webhook(fields: BodyFields, private: PrivateTargets) -> str | None:
    """Return where webhooks go; an empty URL is as good as none."""
    if fields.body.get("webhook_url") == "":
        return None
    return fields.webhook("webhook_url", private, ascii_only=True)


def _provider(fields: BodyFields) -> str | None:
    """Return who is to transcribe; a provider's name alone, or an object with it."""
    value = fields.get("speech_to_text")
    if isinstance(value, Mapping):
        value = fields.part("speech_to_text").required("provider")
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or "\x00" in value:
        fields.wrong("speech_to_text", "provider")
    return str(value).strip().lower()


def _streaming(given: BodyFields) -> Streaming | None:
    output = _address(given, "output", ("ws", "wss"))
    spoken = _address(given, "input", ("ws", "wss"))
    frequency = given.choice("audio_frequency", _FREQUENCIES) or "24khz"
    for url in (output, spoken):
        if url is not None and urlsplit(url).username is not None:
            given.wrong("output", "signed_in")
    if output is None and spoken is None:
        return None
    return Streaming(output=output, input=spoken, sample_rate_hz=_FREQUENCIES[frequency])


def _start_time(fields: BodyFields) -> datetime | None:
    """Return when to join: seconds or milliseconds since 1970, or ISO 8601."""
    value = fields.get("start_time")
    if value is None:
        return None
    try:
        if isinstance(value, str):
            return parse_utc(value)
        whole = isinstance(value, (int, float)) and value == value // 1
        if whole and not isinstance(value, bool):
            seconds = value / 1000 if value >= _MILLISECONDS_FROM else value
            if 0 <= seconds <= _LATEST_S:
                return datetime.fromtimestamp(seconds, UTC)
    except ValueError:
        pass
    fields.wrong("start_time", "time")
    return None

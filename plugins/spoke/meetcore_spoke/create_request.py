"""What a client asks of a bot: the body of POST /bots, read and checked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from attrs import field, frozen

from meetcore.model.links import read_link
from meetcore.model.plain import parse_time
from meetcore.model.printable import is_blank

__all__ = [
    "BadCreateRequest",
    "CreateBotRequest",
    "Streaming",
    "parse_create_request",
    "web_address",
]

_MODES = ("speaker_view", "gallery_view", "audio_only")
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


class BadCreateRequest(Exception):
    """A body that cannot be used.

    Attributes:
        error: The word for it, or the sentence.
    """

    def __init__(self, error: str, message: str = "") -> None:
        super().__init__(error)
        self.error, self.message = error, message or error


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
    """A bot as it was asked for; `provider` is None for no transcript."""

    meeting_url: str = field(repr=False)
    bot_name: str
    provider: str | None
    recording_mode: str
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
    def automatic_leave(self) -> dict[str, float | None]:
        """The leave rules, by meetcore's names."""
        return {
            "waiting_room_s": float(self.waiting_room_timeout_s),
            "nobody_joined_s": float(self.noone_joined_timeout_s),
            "silence_s": float(self.silence_timeout_s),
            "max_duration_s": _LONGEST_STAY_S,
        }


def parse_create_request(body: object) -> CreateBotRequest:
    """Return what a body asks for. Fields nobody knows are ignored, null is as good as absent.

    Raises:
        BadCreateRequest: A field is missing or wrong.
    """
    if not isinstance(body, Mapping):
        raise BadCreateRequest("The body must be a JSON object.")
    meeting_url = _text(body, "meeting_url", required=True)
    bot_name = _text(body, "bot_name", required=True)
    assert meeting_url is not None
    assert bot_name is not None
    if read_link(meeting_url) is None and not web_address(meeting_url):
        raise BadCreateRequest("InvalidMeetingUrl", "meeting_url is not a link.")
    for name in ("reserved",):
        if not isinstance(body.get(name), (bool, type(None))):
            raise BadCreateRequest(f"{name} must be true or false.")
    _text(body, "bot_image")
    limits = _limits(body)
    return CreateBotRequest(
        meeting_url=meeting_url,
        bot_name=bot_name.strip(),
        provider=_provider(body),
        recording_mode=_choice(body, "recording_mode", _MODES, "speaker_view"),
        entry_message=_text(body, "entry_message") or None,
        waiting_room_timeout_s=limits["waiting_room_timeout"],
        noone_joined_timeout_s=limits["noone_joined_timeout"],
        silence_timeout_s=limits["silence_timeout"],
        deduplication_key=_text(body, "deduplication_key"),
        webhook_url=_address(body, "webhook_url", ("http", "https")),
        streaming=_streaming(body),
        extra=body.get("extra"),
        start_time=_start_time(body),
    )


def web_address(text: str, schemes: tuple[str, ...] = ("http", "https")) -> bool:
    """Whether a text is a URL with a host and one of the schemes."""
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  raises for a port that is none
    except ValueError:
        return False
    bare = not any(character.isspace() or ord(character) < 32 for character in text)
    return bare and parts.scheme in schemes and bool(parts.hostname)


def _text(body: Mapping[str, Any], name: str, *, required: bool = False) -> str | None:
    value = body.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str) or (required and is_blank(value)):
        raise BadCreateRequest(
            f"{name} is required, as a string." if required else f"{name} is no string."
        )
    if "\x00" in value:
        raise BadCreateRequest(f"{name} holds a zero character.")
    return value


def _choice(body: Mapping[str, Any], name: str, known: tuple[str, ...], default: str) -> str:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, str) or value not in known:
        raise BadCreateRequest(f"{name} must be one of {', '.join(known)}.")
    return value


def _address(body: Mapping[str, Any], name: str, schemes: tuple[str, ...]) -> str | None:
    value = _text(body, name)
    if not value:
        return None
    if not web_address(value, schemes) or not value.isascii():
        raise BadCreateRequest(f"{name} must be a URL that begins with {' or '.join(schemes)}.")
    return value


def _part(body: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    value = body.get(name)
    if value is not None and not isinstance(value, Mapping):
        raise BadCreateRequest(f"{name} must be an object.")
    return value


def _provider(body: Mapping[str, Any]) -> str | None:
    """Return who is to transcribe; a provider's name alone, or an object with it."""
    value = body.get("speech_to_text")
    if isinstance(value, Mapping):
        value = _text(value, "provider", required=True)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or "\x00" in value:
        raise BadCreateRequest(
            "speech_to_text must be a provider's name, or an object with `provider`."
        )
    return value.strip().lower()


def _limits(body: Mapping[str, Any]) -> dict[str, int]:
    given = _part(body, "automatic_leave") or {}
    limits: dict[str, int] = {}
    for name, (least, most, default) in _LEAVE.items():
        value = given.get(name)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value // 1:
            raise BadCreateRequest(f"automatic_leave.{name} must be a whole number of seconds.")
        if not least <= value <= most:
            raise BadCreateRequest(f"automatic_leave.{name} must be between {least} and {most}.")
        limits[name] = int(value)
    return limits


def _streaming(body: Mapping[str, Any]) -> Streaming | None:
    given = _part(body, "streaming")
    if given is None:
        return None
    output = _address(given, "output", ("ws", "wss"))
    spoken = _address(given, "input", ("ws", "wss"))
    frequency = _choice(given, "audio_frequency", tuple(_FREQUENCIES), "24khz")
    for url in (output, spoken):
        if url is not None and urlsplit(url).username is not None:
            raise BadCreateRequest("The URLs of streaming hold no name or password.")
    if output is None and spoken is None:
        return None
    return Streaming(output=output, input=spoken, sample_rate_hz=_FREQUENCIES[frequency])


def _start_time(body: Mapping[str, Any]) -> datetime | None:
    """Return when to join: seconds or milliseconds since 1970, or ISO 8601."""
    value = body.get("start_time")
    if value is None:
        return None
    if isinstance(value, str):
        try:
            at = parse_time(value)
            return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        except (ValueError, OverflowError) as error:
            raise BadCreateRequest("start_time must be seconds since 1970.") from error
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value // 1:
        raise BadCreateRequest("start_time must be seconds since 1970.")
    seconds = value / 1000 if value >= _MILLISECONDS_FROM else value
    if not 0 <= seconds <= _LATEST_S:
        raise BadCreateRequest("start_time must be seconds since 1970.")
    return datetime.fromtimestamp(seconds, UTC)

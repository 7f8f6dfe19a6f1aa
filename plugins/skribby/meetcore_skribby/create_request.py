"""What a client asks of a bot: the body of POST and PATCH, read and checked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypedDict

from attrs import field, frozen

from meetcore import PrivateTargets
from meetcore.gateway import BodyFields, FieldWords

__all__ = [
    "FIELDS",
    "SERVICES",
    "WORDS",
    "CreateBotRequest",
    "StopOptions",
    "parse_create_request",
    "vocabulary",
]

SERVICES = {"gmeet": 60, "teams": 50, "zoom": 64}
"""The meeting services, and how many characters of a name each shows."""

FIELDS = frozenset(
    {
        "transcription_model",
        "service",
        "meeting_url",
        "bot_name",
        "lang",
        "webhook_url",
        "store_recording_for_1_year",
        "scheduled_start_time",
        "scheduled_for",
        "time_limit",
        "initial_chat_message",
        "custom_metadata",
        "realtime_audio",
        "stop_options",
        "video",
        "bot_avatar_url",
        "custom_vocabulary",
    }
)
"""The fields that have an effect here."""

WORDS = FieldWords(
    {
        "required": "The {label} field is required.",
        "text": "The {label} field must be a string.",
        "long": "The {label} field must not be greater than {most} characters.",
        "zero": "The {label} field format is invalid.",
        "choice": "The selected {label} is invalid.",
        "flag": "The {label} field must be true or false.",
        "whole": "The {label} field must be an integer.",
        "range": "The {label} field must be between {least} and {most}.",
        "url": "The {label} field must be a valid URL.",
        "webhook": "The {label} field {trouble}.",
        "link": "The {label} field must be a valid URL.",
        "time": "The {label} field must be a valid date.",
        "part": "The {label} field must be an array.",
        "list": "The {label} field must be an array.",
        "many": "The {label} field must not have more than {most} items.",
    },
    collects=True,
    loose=True,
    longest=10_000,
)
"""What is said of a field that is wrong."""

_PARTS = ("authentication", "custom_metadata", "stop_options")
_MOST_TERMS = 1000
_LONGEST_TERM = 200
_EMPTIED = ("authentication", "stop_options")
"""Objects in which an empty text is as good as none, too."""

_LONGEST_URL = 2048
_LONGEST_VALUE = 500
_MOST_METADATA = 50
_SECONDS_OF_MINUTE = 60
_LATEST = 253_402_300_799
_LONGEST_LIMIT_S = 720 * 60


class StopOptions(TypedDict):
    """When the bot leaves by itself, in minutes; 0 for never where that is allowed."""

    time_limit: int
    waiting_room_timeout: int
    empty_meeting_timeout: int
    last_person_detection: int
    silence_detection: int


_BOUNDS: dict[str, tuple[int, int, int]] = {
    "time_limit": (1, 720, 720),
    "waiting_room_timeout": (1, 60, 10),
    "empty_meeting_timeout": (0, 60, 10),
    "last_person_detection": (0, 60, 2),
    "silence_detection": (0, 60, 15),
}
"""For each stop option the lowest and highest value, and the default."""


@frozen(kw_only=True)
class CreateBotRequest:
    """A bot as it was asked for."""

    model: str
    service: str
    meeting_url: str = field(repr=False)
    bot_name: str
    lang: str | None
    webhook_url: str | None = field(repr=False)
    keep_a_year: bool
    scheduled_for: datetime | None
    time_limit_s: int | None
    initial_chat_message: str | None
    custom_metadata: dict[str, str]
    realtime_audio: bool
    stop_options: StopOptions
    video: bool = False
    avatar_url: str | None = field(default=None, repr=False)
    vocabulary: tuple[str, ...] = ()

    @property
    def automatic_leave(self) -> dict[str, float | None]:
        """The leave rules, by meetcore's names."""
        options = self.stop_options
        limit_s = self.time_limit_s or options["time_limit"] * _SECONDS_OF_MINUTE
        return {
            "max_duration_s": float(limit_s),
            "waiting_room_s": _seconds(options["waiting_room_timeout"]),
            "nobody_joined_s": _seconds(options["empty_meeting_timeout"]),
            "everyone_left_s": _seconds(options["last_person_detection"]),
            "silence_s": _seconds(options["silence_detection"]),
        }


def _seconds(minutes: int) -> float | None:
    return float(minutes * _SECONDS_OF_MINUTE) or None


def parse_create_request(body: object, private: PrivateTargets) -> CreateBotRequest:
    """Return what a body asks for.

    Fields nobody knows are ignored, and so are `[]` for an object and an empty text.

    Args:
        body: The body, decoded.
        private: Where webhooks may go that is not public.

    Raises:
        BadField: Fields are missing or wrong.
    """
    given = body if isinstance(body, Mapping) else {}
    fields = BodyFields({name: _sent(name, value) for name, value in given.items()}, WORDS)
    model = fields.required("transcription_model", longest=200)
    service = fields.choice("service", SERVICES, required=True)
    meeting_url = fields.link("meeting_url", longest=_LONGEST_URL)
    bot_name = fields.required("bot_name")
    lang = fields.text("lang", longest=35)
    webhook_url = fields.webhook("webhook_url", private, longest=_LONGEST_URL)
    keep_a_year = fields.flag("store_recording_for_1_year")
    start = fields.whole("scheduled_start_time", 0, _LATEST)
    scheduled_for = fields.time("scheduled_for", longest=64)
    time_limit_s = fields.whole("time_limit", 1, _LONGEST_LIMIT_S)
    chat = fields.text("initial_chat_message")
    metadata = _metadata(fields)
    realtime_audio = fields.flag("realtime_audio")
    stop_options = _stop_options(fields.part("stop_options"))
    video = fields.flag("video")
    avatar_url = fields.url("bot_avatar_url", longest=_LONGEST_URL)
    terms = vocabulary(fields)
    _check_the_rest(fields)
    fields.check()
    assert service is not None
    return CreateBotRequest(
        model=model.strip(),
        service=service,
        meeting_url=meeting_url,
        bot_name=bot_name.strip()[: SERVICES[service]].strip(),
        lang=lang or None,
        webhook_url=webhook_url,
        keep_a_year=bool(keep_a_year),
        scheduled_for=scheduled_for if start is None else datetime.fromtimestamp(start, UTC),
        time_limit_s=time_limit_s,
        initial_chat_message=chat or None,
        custom_metadata=metadata,
        realtime_audio=realtime_audio is not False,
        stop_options=stop_options,
        video=bool(video),
        avatar_url=avatar_url,
        vocabulary=terms,
    )


def _sent(name: str, value: Any) -> Any:
    """Return a field's value; None for one that is as good as not sent."""
    if value == "" or (name in _PARTS and value == []):
        return None
    if name in _EMPTIED and isinstance(value, Mapping):
        return {inner: None if each == "" else each for inner, each in value.items()}
    return value


def vocabulary(fields: BodyFields) -> tuple[str, ...]:
    """Return the terms of `custom_vocabulary`; what is wrong with them is noted."""
    terms = fields.list("custom_vocabulary")
    if len(terms) > _MOST_TERMS:
        fields.wrong("custom_vocabulary", "many", most=_MOST_TERMS)
    for index, term in enumerate(terms):
        if not isinstance(term, str) or not term.strip():
            fields.wrong_at(("custom_vocabulary", index), "text")
        elif len(term) > _LONGEST_TERM:
            fields.wrong_at(("custom_vocabulary", index), "long", most=_LONGEST_TERM)
        elif "\x00" in term:
            fields.wrong_at(("custom_vocabulary", index), "zero")
    return tuple(term.strip() for term in terms if isinstance(term, str))


def _metadata(fields: BodyFields) -> dict[str, str]:
    part = fields.part("custom_metadata")
    if len(part.body) > _MOST_METADATA:
        fields.wrong("custom_metadata", "many", most=_MOST_METADATA)
        return {}
    if any("\x00" in key for key in part.body):
        fields.wrong("custom_metadata", "zero")
        return {}
    values = {key: part.text(key, longest=_LONGEST_VALUE) for key in part.body}
    return {key: value for key, value in values.items() if value is not None}


def _stop_options(given: BodyFields) -> StopOptions:
    read = {
        name: (given.whole(name, lowest, highest), default)
        for name, (lowest, highest, default) in _BOUNDS.items()
    }
    given.whole("recording_start_timeout", 1, 60)
    chosen: Any = {name: default if own is None else own for name, (own, default) in read.items()}
    options: StopOptions = chosen
    return options


def _check_the_rest(fields: BodyFields) -> None:
    """Check what is taken and has no effect here; see the README."""
    fields.flag("profanity_filter")
    fields.text("transcription_credentials", longest=200)
    fields.choice("recording_start_mode", ("automatic",))
    authentication = fields.part("authentication")
    authentication.text("account_id", longest=200)
    authentication.text("zoom_zak_token")
    authentication.flag("always_authenticate")

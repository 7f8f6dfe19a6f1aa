"""What a client asks of a bot: the body of POST and PATCH, read and checked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypedDict

from attrs import field, frozen

from meetcore_skribby.form import Form

__all__ = [
    "FIELDS",
    "SERVICES",
    "BadCreateRequest",
    "CreateBotRequest",
    "StopOptions",
    "parse_create_request",
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
    }
)
"""The fields that have an effect here."""

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


class BadCreateRequest(Exception):
    """A body that cannot be used; `errors` says for each field what is wrong."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        super().__init__(str(errors))
        self.errors = errors


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


def parse_create_request(body: object) -> CreateBotRequest:
    """Return what a body asks for. Fields nobody knows are ignored.

    Raises:
        BadCreateRequest: A field is missing or wrong.
    """
    form = Form(body if isinstance(body, Mapping) else {})
    model = form.text("transcription_model", required=True, longest=200)
    service = form.choice("service", SERVICES, required=True)
    meeting_url = form.link("meeting_url")
    bot_name = form.text("bot_name", required=True)
    lang = form.text("lang", longest=35)
    webhook_url = form.url("webhook_url")
    keep_a_year = form.flag("store_recording_for_1_year")
    start = form.whole("scheduled_start_time", 0, _LATEST)
    scheduled_for = form.time("scheduled_for")
    time_limit_s = form.whole("time_limit", 1, _LONGEST_LIMIT_S)
    chat = form.text("initial_chat_message")
    metadata = form.texts("custom_metadata", most=50, longest=500)
    realtime_audio = form.flag("realtime_audio")
    stop_options = _stop_options(form)
    _check_the_rest(form)
    if form.errors or model is None or service is None or meeting_url is None or bot_name is None:
        raise BadCreateRequest(form.errors)
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
    )


def _stop_options(form: Form) -> StopOptions:
    given = form.part("stop_options") or Form({}, form.errors, "stop_options")
    read = {
        name: (given.whole(name, lowest, highest), default)
        for name, (lowest, highest, default) in _BOUNDS.items()
    }
    given.whole("recording_start_timeout", 1, 60)
    chosen: Any = {name: default if own is None else own for name, (own, default) in read.items()}
    options: StopOptions = chosen
    return options


def _check_the_rest(form: Form) -> None:
    """Check what is taken and has no effect here; see the README."""
    form.flag("video")
    form.flag("profanity_filter")
    form.list_of_texts("custom_vocabulary", longest=500)
    form.text("transcription_credentials", longest=200)
    form.url("bot_avatar_url")
    form.choice("recording_start_mode", ("automatic",))
    authentication = form.part("authentication")
    if authentication is not None:
        authentication.text("account_id", longest=200)
        authentication.text("zoom_zak_token", longest=10_000)
        authentication.flag("always_authenticate")

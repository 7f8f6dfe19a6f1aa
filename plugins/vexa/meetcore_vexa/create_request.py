"""The body of POST /bots: checked by hand, tolerant of unknown fields, never of wrong types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from meetcore import LanguageRefused, read_link
from meetcore.gateway import BodyFields, FieldWords, is_web_address
from meetcore.model import (
    NoLinkFromId,
    build_link,
    is_blank,
    is_teams_host,
    known_id,
    language_tag,
    with_passcode,
)
from meetcore_vexa.errors import invalid
from meetcore_vexa.languages import LANGUAGES
from meetcore_vexa.links import LOOSE_ID, NATIVE_IDS, MeetingPlace
from meetcore_vexa.variants import Variant

__all__ = [
    "CreateBotRequest",
    "fields_of",
    "flag_of",
    "place_wished",
    "whole_of",
    "wish_from",
    "yes_or_no",
]

_WORDS = FieldWords(
    {
        "body": "Input should be a valid dictionary or object",
        "body_missing": "Field required",
        "required": "Field required",
        "text": "Input should be a valid string",
        "long": "String should have at most {most} characters",
        "flag": "Input should be a valid boolean",
        "time": "Input should be a valid datetime",
    },
    is_absent=lambda text: text == "",
    longest=2000,
)
"""What is said of a field that is wrong."""

_LEAVE = {
    "max_bot_time": "max_duration_s",
    "max_wait_for_admission": "waiting_room_s",
    "max_time_left_alone": "everyone_left_s",
    "no_one_joined_timeout": "nobody_joined_s",
}
_OLD_LEAVE = {
    "waiting_room_timeout": "waiting_room_s",
    "everyone_left_timeout": "everyone_left_s",
}
"""Older names; they count only where the newer one is not there."""

_FLAGS: Mapping[bool, tuple[float | str, ...]] = {
    True: (1, "1", "true", "t", "yes", "y", "on"),
    False: (0, "0", "false", "f", "no", "n", "off"),
}
"""What the vendor's schema takes as yes or no besides a boolean; texts in any case."""

_WHOLE = re.compile(r"[+-]?[0-9]{1,15}(\.0{1,15})?")
_TEAMS_PASSCODE = re.compile(r"[A-Za-z0-9]{4,20}")
_LONGEST_MS = 7 * 24 * 3600 * 1000


@frozen(kw_only=True)
class CreateBotRequest:
    """A bot that somebody wants, in Vexa's words.

    Attributes:
        place: Where; its platform is empty where only the server can tell it from the URL.
        url: The link.
        from_url: Whether the client gave the link itself.
        automatic_leave: By meetcore's names, in seconds.
    """

    place: MeetingPlace
    url: str = field(repr=False)
    from_url: bool = False
    bot_name: str | None = None
    language: str | None = None
    task: str = "transcribe"
    transcribe: bool = True
    recording: bool | None = None
    video: bool | None = None
    avatar_url: str | None = field(default=None, repr=False)
    automatic_leave: Mapping[str, float] = field(factory=dict)
    script: str | None = None


def fields_of(body: object) -> BodyFields:
    """Return the fields of a request's body.

    Raises:
        BadField: It is no object.
    """
    return BodyFields.of(body, _WORDS)


def yes_or_no(value: Any) -> bool | None:
    """Return the yes or no a value means to the vendor's schema; None for neither."""
    if isinstance(value, str):
        value = value.lower()
    elif not isinstance(value, (bool, int, float)):
        return None
    return next((meant for meant, values in _FLAGS.items() if value in values), None)


def flag_of(body: BodyFields, name: str) -> bool | None:
    """Return the yes or no of a field, None where it is not there.

    Raises:
        BadField: It is neither.
    """
    meant = yes_or_no(body.get(name))
    return body.flag(name) if meant is None else meant


def whole_of(value: Any) -> int | None:
    """Return the whole number a value means to the vendor's schema; None for none.

    A text of digits and 7.0 are one; true is none.
    """
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value.strip().partition(".")[0])
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if value == value // 1 else None


def language_wished(body: BodyFields) -> str | None:
    """Return the language of a body; None for whatever is spoken.

    Raises:
        Refusal: It is none of those that Vexa knows.
    """
    given = body.text("language", longest=50)
    if given is None or given in LANGUAGES:
        return given
    try:
        tag = language_tag(given)
    except LanguageRefused:
        tag = ""
    if tag is not None and tag.partition("-")[0] not in LANGUAGES:
        raise invalid(["body", "language"], f"Language '{given[:20]}' is not supported")
    return tag


def place_wished(
    platform: str, native_id: str, passcode: str | None, variant: Variant
) -> MeetingPlace:
    """Return a meeting that is named by platform and native id.

    Raises:
        Refusal: They do not fit the platform.
    """
    if platform not in NATIVE_IDS:
        wanted = "'google_meet', 'zoom' or 'teams'"
        raise invalid(["body", "platform"], f"Input should be {wanted}", "enum")
    pattern, hint = NATIVE_IDS[platform]
    if variant is Variant.E4:
        pattern = LOOSE_ID
        hint = "at most 255 characters, no blanks and none of ? # & = /"
    if not pattern.fullmatch(native_id):
        raise invalid(["body", "native_meeting_id"], hint)
    if passcode and variant is not Variant.E4:
        if platform == "google_meet":
            raise invalid(["body", "passcode"], "Google Meet meetings have no passcode")
        if platform == "teams" and not _TEAMS_PASSCODE.fullmatch(passcode):
            raise invalid(["body", "passcode"], "Teams passcode must be 4 to 20 letters and digits")
    return MeetingPlace(
        platform=platform, native_id=known_id(platform, native_id), passcode=passcode or None
    )


def wish_from(raw: Any, variant: Variant) -> CreateBotRequest:
    """Return what a POST /bots asks for.

    Raises:
        Refusal: It cannot be understood, or asks for what is not there.
    """
    body = fields_of(raw)
    place, url, from_url = _place(body, variant)
    language = language_wished(body)
    task = body.text("task") or "transcribe"
    if task not in ("transcribe", "translate"):
        raise invalid(["body", "task"], "Task must be 'transcribe' or 'translate'")
    if task == "translate":
        raise invalid(["body", "task"], "Task 'translate' is not available on this server")
    tier = body.text("transcription_tier")
    if tier not in (None, "realtime", "deferred"):
        raise invalid(["body", "transcription_tier"], "Input should be 'realtime' or 'deferred'")
    for name in ("authenticated", "dry_run"):
        if flag_of(body, name):
            raise invalid(["body", name], f"'{name}' is not available on this server")
    flag_of(body, "voice_agent_enabled")
    avatar = body.text("default_avatar_url")
    if avatar is not None and not is_web_address(avatar):
        raise invalid(["body", "default_avatar_url"], "Input should be a valid URL", "url_parsing")
    shown = body.text("bot_name", longest=200)
    return CreateBotRequest(
        place=place,
        url=url,
        from_url=from_url,
        bot_name=None if shown is None or is_blank(shown) else shown.strip(),
        language=language,
        task=task,
        transcribe=flag_of(body, "transcribe_enabled") is not False,
        recording=flag_of(body, "recording_enabled"),
        video=flag_of(body, "video"),
        avatar_url=avatar,
        automatic_leave=_leave(body.get("automatic_leave")),
        script=body.text("rehearsal_script"),
    )


def _place(body: BodyFields, variant: Variant) -> tuple[MeetingPlace, str, bool]:
    platform = body.text("platform", longest=50)
    native_id = body.text("native_meeting_id", longest=255)
    passcode = body.text("passcode", longest=255)
    host = _teams_host(body)
    given = body.text("meeting_url")
    if given is not None:
        return *_place_of_link(given, platform, native_id, passcode), True
    if platform is None or native_id is None:
        missing = "platform" if platform is None else "native_meeting_id"
        raise invalid(["body", missing], "Field required", "missing")
    place = place_wished(platform, native_id, passcode, variant)
    try:
        link = build_link(place.platform, place.native_id, place.passcode, host=host)
    except NoLinkFromId as error:
        raise invalid(
            ["body", "native_meeting_id"], f"{error.message} Send 'meeting_url'."
        ) from error
    return place, link.url, False


def _place_of_link(
    given: str, platform: str | None, native_id: str | None, passcode: str | None
) -> tuple[MeetingPlace, str]:
    """Return where a link leads; under the client's own id, where it sent one."""
    if native_id is not None and not LOOSE_ID.fullmatch(native_id):
        hint = "at most 255 characters, no blanks and none of ? # & = /"
        raise invalid(["body", "native_meeting_id"], hint)
    link = read_link(given)
    if link is None:
        if not given.startswith(("https://", "http://")) or any(c.isspace() for c in given):
            raise invalid(["body", "meeting_url"], "Input should be a valid URL", "url_parsing")
        return MeetingPlace(
            platform=platform or "", native_id=native_id or "", passcode=passcode
        ), given
    if platform not in (None, link.platform):
        raise invalid(
            ["body", "meeting_url"], f"This is a link of '{link.platform}', not '{platform}'"
        )
    whole = with_passcode(link, passcode)
    place = MeetingPlace(
        platform=link.platform,
        native_id=known_id(link.platform, native_id or link.native_id),
        passcode=whole.passcode,
    )
    return place, given if whole.url == link.url else whole.url


def _teams_host(body: BodyFields) -> str | None:
    """Return where Teams ids are looked for: private accounts have another host than companies."""
    given = body.text("teams_base_host", longest=255)
    if given is None:
        return None
    host = given.strip().lower().removeprefix("https://").rstrip("/")
    if not is_teams_host(host):
        raise invalid(
            ["body", "teams_base_host"], "Input should be a host of Teams, like teams.microsoft.com"
        )
    return host


def _leave(raw: Any) -> dict[str, float]:
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise invalid(["body", "automatic_leave"], "Input should be an object", "dict_type")
    rules: dict[str, float] = {}
    older: dict[str, float] = {}
    for name, value in raw.items():
        loc: list[str | int] = ["body", "automatic_leave", str(name)]
        if name not in _LEAVE and name not in _OLD_LEAVE:
            raise invalid(loc, "Extra inputs are not permitted", "extra_forbidden")
        if value is None:
            continue
        number = whole_of(value)
        if number is None:
            raise invalid(loc, "Input should be a valid integer", "int_type")
        if not 0 < number <= _LONGEST_MS:
            raise invalid(loc, f"Input should be between 1 and {_LONGEST_MS}")
        if name in _LEAVE:
            rules[_LEAVE[name]] = number / 1000
        else:
            older[_OLD_LEAVE[name]] = number / 1000
    return older | rules

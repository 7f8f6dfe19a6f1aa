"""The body of POST /bots: checked by hand, tolerant of unknown fields, never of wrong types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from meetcore.model.languages import LanguageRefused, language_tag
from meetcore.model.links import (
    NoLinkFromId,
    build_link,
    is_teams_host,
    known_id,
    read_link,
    with_passcode,
)
from meetcore.model.printable import is_blank
from meetcore_vexa.languages import LANGUAGES
from meetcore_vexa.links import LOOSE_ID, NATIVE_IDS, MeetingPlace
from meetcore_vexa.refusals import invalid
from meetcore_vexa.variants import Variant

__all__ = ["CreateBotRequest", "body_object", "place_wished", "wish_from"]

_LEAVE = {
    "max_bot_time": "max_duration_s",
    "max_wait_for_admission": "waiting_room_s",
    "waiting_room_timeout": "waiting_room_s",
    "max_time_left_alone": "everyone_left_s",
    "everyone_left_timeout": "everyone_left_s",
    "no_one_joined_timeout": "nobody_joined_s",
}
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
    automatic_leave: Mapping[str, float] = field(factory=dict)
    script: str | None = None


def body_object(body: Any) -> Mapping[str, Any]:
    """Return a request's body as an object.

    Raises:
        Refused: It is none.
    """
    if not isinstance(body, dict):
        kind = "missing" if body is None else "model_attributes_type"
        msg = "Field required" if body is None else "Input should be a valid dictionary or object"
        raise invalid(["body"], msg, kind)
    return body


def text_of(body: Mapping[str, Any], name: str, *, longest: int = 2000) -> str | None:
    """Return a text field; None where it is missing, null or empty.

    Raises:
        Refused: It is something else, or too long.
    """
    value = body.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise invalid(["body", name], "Input should be a valid string", "string_type")
    if len(value) > longest:
        raise invalid(
            ["body", name], f"String should have at most {longest} characters", "string_too_long"
        )
    return value


def flag_of(body: Mapping[str, Any], name: str) -> bool | None:
    """Return a yes or no; None where it is missing or null.

    Raises:
        Refused: It is something else.
    """
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise invalid(["body", name], "Input should be a valid boolean", "bool_type")
    return value


def language_wished(body: Mapping[str, Any]) -> str | None:
    """Return the language of a body; None for whatever is spoken.

    Raises:
        Refused: It is none of those that Vexa knows.
    """
    given = text_of(body, "language", longest=50)
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
        Refused: They do not fit the platform.
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
        Refused: It cannot be understood, or asks for what is not there.
    """
    body = body_object(raw)
    place, url, from_url = _place(body, variant)
    language = language_wished(body)
    task = text_of(body, "task") or "transcribe"
    if task not in ("transcribe", "translate"):
        raise invalid(["body", "task"], "Task must be 'transcribe' or 'translate'")
    if task == "translate":
        raise invalid(["body", "task"], "Task 'translate' is not available on this server")
    tier = text_of(body, "transcription_tier")
    if tier not in (None, "realtime", "deferred"):
        raise invalid(["body", "transcription_tier"], "Input should be 'realtime' or 'deferred'")
    for name in ("video", "authenticated", "dry_run"):
        if flag_of(body, name):
            raise invalid(["body", name], f"'{name}' is not available on this server")
    flag_of(body, "voice_agent_enabled")
    shown = text_of(body, "bot_name", longest=200)
    return CreateBotRequest(
        place=place,
        url=url,
        from_url=from_url,
        bot_name=None if shown is None or is_blank(shown) else shown.strip(),
        language=language,
        task=task,
        transcribe=flag_of(body, "transcribe_enabled") is not False,
        recording=flag_of(body, "recording_enabled"),
        automatic_leave=_leave(body.get("automatic_leave")),
        script=text_of(body, "rehearsal_script"),
    )


def _place(body: Mapping[str, Any], variant: Variant) -> tuple[MeetingPlace, str, bool]:
    platform = text_of(body, "platform", longest=50)
    native_id = text_of(body, "native_meeting_id", longest=255)
    passcode = text_of(body, "passcode", longest=255)
    host = _teams_host(body)
    given = text_of(body, "meeting_url")
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


def _teams_host(body: Mapping[str, Any]) -> str | None:
    """Return where Teams ids are looked for: private accounts have another host than companies."""
    given = text_of(body, "teams_base_host", longest=255)
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
    for name, value in raw.items():
        loc: list[str | int] = ["body", "automatic_leave", str(name)]
        if name not in _LEAVE:
            raise invalid(loc, "Extra inputs are not permitted", "extra_forbidden")
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int):
            raise invalid(loc, "Input should be a valid integer", "int_type")
        if not 0 < value <= _LONGEST_MS:
            raise invalid(loc, f"Input should be between 1 and {_LONGEST_MS}")
        rules[_LEAVE[name]] = value / 1000
    return rules

"""The links of Google Meet, Zoom and Microsoft Teams: one grammar, to read and to write. Pure.

Whoever asks which meeting a text means asks `read_link`; whoever has an id and wants a link asks
`build_link`. What is read is written anew on a host that is known, so nothing of a text but an id,
a passcode and a few named parameters goes on.

People send more than the platforms' own buttons give: a link without `https://`, in a sentence, in
a mail scanner's or a search engine's wrapper, from the page that starts an app, or with its id
percent-encoded. All of these are one meeting. A host that only looks like one (in the user part,
as the end of another name, in a query) is none. Hosts of governments and of private accounts stay
as they are: an id is good on its own host only.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

from attrs import evolve, frozen

from meetcore.model.errors import MeetcoreError
from meetcore.model.meeting import MeetingLink

__all__ = [
    "GOOGLE_MEET",
    "TEAMS",
    "TEAMS_HOST",
    "ZOOM",
    "NoLinkFromId",
    "build_link",
    "is_teams_host",
    "known_id",
    "read_link",
    "with_passcode",
]

GOOGLE_MEET, ZOOM, TEAMS = "google_meet", "zoom", "teams"

TEAMS_HOST = "teams.live.com"
"""Where a Teams id is looked for if nobody says where."""

_LONGEST = 8192
_WRAPPED_AT_MOST = 3
_CODE = re.compile(r"[a-z]{3}-[a-z]{4}-[a-z]{3}")
_MISTYPED_CODE = re.compile(r"(?=(?:-?[a-z]){10}$)[a-z]{3,4}-[a-z]{3,4}-[a-z]{3,4}")
_NICKNAME = re.compile(r"[a-z0-9][a-z0-9-]{3,38}[a-z0-9]")
_ACCOUNT = re.compile(r"[0-9]{1,2}")
_NO_NICKNAMES = frozenset(
    {"about", "calling", "download", "error", "getalink", "landing", "lookup", "settings",
     "stream", "unsupported", "whoops"}
)  # fmt: skip
_ZOOM_PATH = re.compile(r"/(?:[jsw]|wc(?:/join)?)/([0-9][0-9 -]*)(?:/(?:join|start)?)?")
_ZOOM_ID = re.compile(r"[0-9]{9,11}")
_ZOOM_GROUPS = re.compile(r"[0-9]{3}([ -])[0-9]{3,4}\1[0-9]{3,4}")
_TEAMS_ID = re.compile(r"[0-9]{10,15}")
_TEAMS_MEET = re.compile(r"/meet/([0-9]{10,15})/?")
_TEAMS_THREAD = re.compile(r"19:[A-Za-z0-9_=+.-]{1,200}@thread\.(?:v2|tacv2|skype)")
_TEAMS_JOIN = re.compile(rf"/l/meetup-join/({_TEAMS_THREAD.pattern})(?:/([0-9]{{1,20}}))?/?")
_TYPED_PASSCODE = re.compile(
    r"(?:pass(?:code|word)|Kenncode|Código de acceso|パスコード)\s*[:：]\s*([^\s<>\"]{1,64})",
    re.IGNORECASE,
)
_OPENING, _CLOSING = "([{'“„「（", ")]}'”“」）"
_AROUND = "<>()[]{}\"'`“”„‘’,;!"
_EQUALS = re.compile("%3d", re.IGNORECASE)
_BARE_HOST = re.compile(r"[A-Za-z0-9.-]+\.[A-Za-z]{2,}/")
# An address that stands in another one's path or query is a part of that.
_ADDRESS = re.compile(
    r"(?<![A-Za-z0-9_/=&?%@.#+~-])https?(?::|%(?:25)*3a)[^\s<>\"`“”„「」『』（）【】、。，；！？]+",
    re.IGNORECASE,
)


class NoLinkFromId(MeetcoreError):
    """No link can be made from this id of this platform."""

    code = "no_link_from_id"


def known_id(platform: str, native_id: str) -> str:
    """Return the one form of an id that may be written in several."""
    if platform == GOOGLE_MEET:
        return native_id.lower()
    if platform == ZOOM:
        bare = native_id.replace(" ", "").replace("-", "")
        return bare if _ZOOM_ID.fullmatch(bare) else native_id
    if platform == TEAMS:
        plain = _decoded(native_id)
        return plain if _TEAMS_THREAD.fullmatch(plain) else native_id
    return native_id


def is_teams_host(host: str) -> bool:
    """Whether Teams meetings are held there."""
    known = ("teams.microsoft.com", "teams.live.com", "teams.cloud.microsoft")
    return host in known or host.endswith(".teams.microsoft.us")


def build_link(
    platform: str, native_id: str, passcode: str | None = None, *, host: str | None = None
) -> MeetingLink:
    """Return the link of a meeting of which the id is known.

    Args:
        platform: One of the three.
        native_id: In any of its forms.
        passcode: What guests are asked for.
        host: Where a Teams id is good; None for where private accounts meet.

    Raises:
        NoLinkFromId: The platform is none of them, or its links need more than that id.
    """
    key = known_id(platform, native_id)
    if platform == GOOGLE_MEET and _meet_id(key) is not None:
        return _meet(key)
    if platform == ZOOM and _ZOOM_ID.fullmatch(key):
        return _zoom("zoom.us", key, passcode)
    where = TEAMS_HOST if host is None else host
    if platform == TEAMS and _TEAMS_ID.fullmatch(key) and is_teams_host(where):
        return _teams_meet(where, key, passcode)
    raise NoLinkFromId(
        f"No link can be made from the id {native_id[:100]!r} of {platform[:50] or 'no platform'}.",
        "Send the meeting's whole link.",
    )


def read_link(text: str) -> MeetingLink | None:
    """Return the one meeting of the three platforms that a text means; None for none or several."""
    text = text.strip()
    if len(text) > _LONGEST:
        return None
    if _CODE.fullmatch(text.lower()):
        return _meet(text.lower())
    if _ZOOM_GROUPS.fullmatch(text):
        return _zoom("zoom.us", known_id(ZOOM, text), None)
    found: dict[tuple[str, str], MeetingLink] = {}
    for word in text.split():
        for address in _addresses(word):
            link = _read_address(address.strip(_AROUND).rstrip(".:"))
            if link is not None:
                found.setdefault((link.platform, link.native_id), link)
    link = _one_of(list(found.values()))
    typed = _TYPED_PASSCODE.search(text)
    return with_passcode(link, _bare(typed[1])) if link is not None and typed else link


def _addresses(word: str) -> list[str]:
    """Return the addresses in a word: mail programs glue them to labels and to punctuation."""
    if _BARE_HOST.match(word.strip(_AROUND)):
        return [word]
    return [found[0] for found in _ADDRESS.finditer(word)]


def _one_of(links: list[MeetingLink]) -> MeetingLink | None:
    """Return the meeting that is meant; an invitation to Teams has its short and its long link."""
    short = [link for link in links if _TEAMS_ID.fullmatch(link.native_id)]
    if len(links) == 2 and len(short) == 1 and {link.platform for link in links} == {TEAMS}:
        return short[0]
    return links[0] if len(links) == 1 else None


def _bare(passcode: str) -> str:
    """Return a typed passcode without what a sentence puts around it."""
    for opening, closing in zip(_OPENING, _CLOSING, strict=True):
        passcode = passcode.rstrip(".,;。、，")
        if passcode[:1] == opening and passcode[1:].endswith(closing):
            passcode = passcode[1:-1]
        elif passcode.endswith(closing) and opening not in passcode[:-1]:
            passcode = passcode[:-1]
    return passcode.rstrip(".,;。、，")


def with_passcode(link: MeetingLink, passcode: str | None) -> MeetingLink:
    """Return a link that `read_link` or `build_link` gave, with a passcode if it had none."""
    if not passcode or link.passcode:
        return link
    host = urlsplit(link.url).hostname or ""
    if link.platform == ZOOM and "?" not in link.url:
        return _zoom(host, link.native_id, passcode)
    if link.platform == TEAMS and _TEAMS_ID.fullmatch(link.native_id):
        return _teams_meet(host, link.native_id, passcode)
    return evolve(link, passcode=passcode)


def _decoded(text: str) -> str:
    for _ in range(_WRAPPED_AT_MOST):
        plain = unquote(text)
        if plain == text:
            break
        text = plain
    return text


# --- an address -------------------------------------------------------------------------


@frozen
class _Address:
    """An address on a host that was looked at: its path is decoded, its query's newest values."""

    host: str
    path: str
    query: Mapping[str, str]
    fragment: str = ""
    raw: str = ""


def _address(text: str) -> _Address | None:
    if any(c.isspace() or not c.isprintable() or c == "\\" for c in text):
        return None
    if "://" not in text and _BARE_HOST.match(text):
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    usual = {"https": (None, 443), "http": (None, 80)}.get(parts.scheme, ())
    if port not in usual or not parts.hostname or "@" in parts.netloc:
        return None
    return _Address(
        parts.hostname, _decoded(parts.path), _query(parts.query), parts.fragment, _rest(parts)
    )


def _query(text: str) -> dict[str, str]:
    text = text if "=" in text else unquote(text)
    # Of one that was written beside others the sign alone may be encoded.
    parts = (part if "=" in part else _EQUALS.sub("=", part, count=1) for part in text.split("&"))
    text = "&".join(parts)
    try:
        return {name: values[-1] for name, values in parse_qs(text, max_num_fields=100).items()}
    except ValueError:
        return {}


def _rest(parts: SplitResult) -> str:
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _read_address(text: str) -> MeetingLink | None:
    for _ in range(_WRAPPED_AT_MOST):
        if re.match(r"https?%(?:25)*3a", text, re.IGNORECASE):
            text = _decoded(text)
        address = _address(text)
        if address is None:
            return None
        inner = _wrapped(address)
        if inner is None:
            reader = _reader_of(address.host)
            return None if reader is None else reader(address)
        text = inner
    return None


def _wrapped(address: _Address) -> str | None:
    """Return the address that a mail scanner or a search engine put into its own, if it is one."""
    host, query = address.host, address.query
    if host in ("google.com", "www.google.com") and address.path == "/url":
        return query.get("q") or query.get("url")
    if host.endswith(".safelinks.protection.outlook.com"):
        return query.get("url")
    if host == "statics.teams.cdn.office.net" and address.path.endswith("/atp-safelinks.html"):
        return query.get("url")
    return None


def _reader_of(host: str) -> Callable[[_Address], MeetingLink | None] | None:
    if host == "meet.google.com":
        return _read_meet
    if is_teams_host(host):
        return _read_teams
    if host.endswith(("zoom.us", "zoom.com", "zoomgov.com")):
        return _read_zoom
    return None


# --- Google Meet ------------------------------------------------------------------------


def _meet(native_id: str) -> MeetingLink:
    return MeetingLink(
        platform=GOOGLE_MEET, native_id=native_id, url=f"https://meet.google.com/{native_id}"
    )


def _meet_id(text: str) -> str | None:
    """Return a code, or the nickname of a room in an organisation."""
    key = text.lower()
    if _CODE.fullmatch(key):
        return key
    nickname = _NICKNAME.fullmatch(key) and not _MISTYPED_CODE.fullmatch(key)
    return key if nickname and key not in _NO_NICKNAMES else None


def _read_meet(address: _Address) -> MeetingLink | None:
    native_id = _meet_id(address.path.removeprefix("/").removesuffix("/"))
    if native_id is None:
        return None
    account = address.query.get("authuser", "")  # of several that a browser is signed in with
    link = _meet(native_id)
    return (
        evolve(link, url=f"{link.url}?authuser={account}") if _ACCOUNT.fullmatch(account) else link
    )


# --- Zoom -------------------------------------------------------------------------------


def _quoted(text: str) -> str:
    """Return a text as the end of a link, where a full stop would be taken for a sentence's."""
    quoted = quote(text, safe="", errors="replace")
    ends = len(quoted) - len(quoted.rstrip("."))
    return quoted.rstrip(".") + "%2E" * ends


def _zoom(host: str, native_id: str, passcode: str | None) -> MeetingLink:
    secret = f"?pwd={_quoted(passcode)}" if passcode else ""
    url = f"https://{host}/j/{native_id}{secret}"
    return MeetingLink(platform=ZOOM, native_id=native_id, url=url, passcode=passcode or None)


def _read_zoom(address: _Address) -> MeetingLink | None:
    host = address.host
    if not re.fullmatch(r"(?:[a-z0-9-]+\.)*(?:zoom\.us|zoom\.com|zoomgov\.com)", host):
        return None
    found = _ZOOM_PATH.fullmatch(address.path)
    native_id = known_id(ZOOM, found[1]) if found else ""
    if not _ZOOM_ID.fullmatch(native_id):
        return None
    if host == "zoom.com" or host.endswith(".zoom.com"):
        host = host.removesuffix("com") + "us"
    passcode = address.query.get("pwd") or address.query.get("password")
    link = _zoom(host, native_id, passcode)
    if "tk" in address.query:  # a registrant's token is good for the address it was sent with
        return evolve(link, url=f"https://{host}{address.raw}")
    return link


# --- Teams ------------------------------------------------------------------------------


def _teams_meet(host: str, native_id: str, passcode: str | None) -> MeetingLink:
    secret = f"?p={_quoted(passcode)}" if passcode else ""
    url = f"https://{host}/meet/{native_id}{secret}"
    return MeetingLink(platform=TEAMS, native_id=native_id, url=url, passcode=passcode or None)


def _teams_thread(host: str, thread: str, message: str, context: str | None) -> MeetingLink:
    whose = f"?context={_quoted(context)}" if context else ""
    url = f"https://{host}/l/meetup-join/{quote(thread, safe='')}/{message or '0'}{whose}"
    return MeetingLink(platform=TEAMS, native_id=thread, url=url)


def _read_teams(address: _Address, within: int = 0) -> MeetingLink | None:
    host, path, query = address.host, address.path, address.query
    if within > _WRAPPED_AT_MOST:
        return None
    if address.fragment.startswith("/") and path in ("", "/", "/_", "/v2", "/v2/"):
        inner = _address(f"https://{host}{address.fragment}")
        return None if inner is None else _read_teams(inner, within + 1)
    if path == "/dl/launcher/launcher.html":
        target = query.get("url", "")
        inner = _address(f"https://{host}{target}") if target.startswith("/") else None
        return None if inner is None else _read_teams(inner, within + 1)
    if path == "/light-meetings/launch":
        return _read_coordinates(host, query.get("coords", ""), within)
    meet, join = _TEAMS_MEET.fullmatch(path), _TEAMS_JOIN.fullmatch(path)
    if meet is not None:
        return _teams_meet(host, meet[1], query.get("p"))
    if join is not None:
        return _teams_thread(host, join[1], join[2], query.get("context"))
    return None


def _read_coordinates(host: str, text: str, within: int) -> MeetingLink | None:
    """Return the meeting of a light client's page: JSON in base64 says which."""
    coded = text.replace(" ", "+").rstrip("=")
    try:
        raw = base64.b64decode(coded + "=" * (-len(coded) % 4), altchars=None)
        said = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    facts = {str(name): value for name, value in said.items() if isinstance(value, str)}
    inner = _address(facts.get("meetingUrl", ""))
    if inner is not None:
        link = _read_teams(inner, within + 1) if is_teams_host(inner.host) else None
        return link and with_passcode(link, facts.get("passcode"))
    if _TEAMS_ID.fullmatch(facts.get("meetingCode", "")):
        return _teams_meet(host, facts["meetingCode"], facts.get("passcode"))
    thread = _decoded(facts.get("conversationId", ""))
    if not _TEAMS_THREAD.fullmatch(thread):
        return None
    who = {"Tid": facts.get("tenantId"), "Oid": facts.get("organizerId")}
    known = {name: value for name, value in who.items() if value}
    message = facts.get("messageId", "")
    context = json.dumps(known, separators=(",", ":")) if known else None
    return _teams_thread(host, thread, message if message.isdecimal() else "0", context)

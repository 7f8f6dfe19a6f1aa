"""Naming a voice of a bot that is in a call at a server, over its API. Blocks."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from attrs import field, frozen

from meetcore.model import nearest
from meetcore_files.naming import NamingRefused, ShownSpeaker

__all__ = ["BotAtServer"]

_TIMEOUT_S = 30.0
_MOST_BYTES = 64 << 20


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Takes no key to another place."""

    def redirect_request(self, *args: Any, **named: Any) -> None:
        """Follow nothing."""


@frozen
class BotAtServer:
    """A bot at a server.

    Attributes:
        url: Its address in the server's API, `http://host:port/v1/bots/ID`.
        key: The API key; None where the server asks for none.
    """

    url: str
    key: str | None = field(default=None, repr=False)

    def speakers(self) -> list[ShownSpeaker]:
        """Return the voices that can be named, in the order of their first words.

        Raises:
            NamingRefused: The server does not answer, or refuses.
        """
        found: dict[tuple[str, str], ShownSpeaker] = {}
        for segment in self._voices():
            key = str(segment["speaker"] or segment["voice"]), str(segment["track_id"])
            known, count = found.get(key), len(str(segment["text"]).split())
            found[key] = ShownSpeaker(
                name=key[0],
                track_id=key[1],
                words=count + (known.words if known else 0),
                first=known.first if known else str(segment["text"]),
            )
        return list(found.values())

    def name(self, shown: str, name: str, track_id: str | None = None) -> None:
        """Give a voice a name: what it said comes again with it.

        Args:
            shown: The name that is shown for it, or the transcriber's label.
            name: The new one; empty to take a name back.
            track_id: On which track alone; needed where the same name is on several.

        Raises:
            NamingRefused: No such voice, or the server does not answer, or refuses.
        """
        voices = self._voices()
        meant = {
            (str(each["track_id"]), str(each["voice"]))
            for each in voices
            if shown in (each["speaker"], each["voice"]) and track_id in (None, each["track_id"])
        }
        if not meant:
            names = list(dict.fromkeys(str(each["speaker"] or each["voice"]) for each in voices))
            guess = nearest(shown, names)
            hint = f"Did you mean {guess!r}? " if guess else ""
            raise NamingRefused(
                f"No voice is shown as {shown!r}.",
                f"{hint}There are: {', '.join(names) or 'none that were told apart'}.",
            )
        if len(meant) > 1:
            tracks = ", ".join(sorted(f"{track} ({voice})" for track, voice in meant))
            raise NamingRefused(
                f"{shown!r} is several voices: {tracks}.",
                "Say which with --track, or by the transcriber's label in brackets.",
            )
        ((track, voice),) = meant
        command = {
            "type": "name_voice",
            "data": {"track_id": track, "voice": voice, "name": name.strip()},
        }
        self._ask("POST", f"{self.url.rstrip('/')}/commands", command)

    def _voices(self) -> list[dict[str, Any]]:
        body = self._ask("GET", f"{self.url.rstrip('/')}/transcript")
        try:
            return [each for each in body["segments"] if each["voice"] is not None]
        except (KeyError, TypeError) as error:
            raise NamingRefused(f"{self._place} is no bot at a server of meetcore.") from error

    @property
    def _place(self) -> str:
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path}"

    def _ask(self, method: str, url: str, body: Any = None) -> Any:
        headers = {"accept": "application/json"}
        if self.key:
            headers["authorization"] = f"Bearer {self.key}"
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["content-type"] = "application/json"
        asked = urllib.request.Request(url, data, headers, method=method)
        opener = urllib.request.build_opener(_NoRedirects)
        try:
            with opener.open(asked, timeout=_TIMEOUT_S) as answer:
                raw = answer.read(_MOST_BYTES)
        except urllib.error.HTTPError as error:
            raise NamingRefused(
                f"{self._place} answers {error.code}: {_sentence(error)}",
                _REMEDIES.get(error.code, ""),
            ) from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise NamingRefused(
                f"{self._place} cannot be reached: {reason}.", "Is the server running there?"
            ) from error
        try:
            return json.loads(raw) if raw else None
        except ValueError as error:
            raise NamingRefused(f"{self._place} is no bot at a server of meetcore.") from error


_REMEDIES = {
    401: "Give its key with --api-key, or in MEETCORE_API_KEY.",
    403: "The key needs the scope 'write'.",
    409: "A bot that has ended is named in its folder: meetcore name FOLDER.",
}


def _sentence(error: urllib.error.HTTPError) -> str:
    """Return what the server said, as far as it can be read."""
    try:
        body = json.loads(error.read(1 << 16))
        return str(body.get("detail") or body.get("title") or error.reason)
    except (OSError, ValueError, AttributeError):
        return str(error.reason)

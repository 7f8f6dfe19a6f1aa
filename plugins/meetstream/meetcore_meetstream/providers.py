"""Transcription providers by MeetStream's names, and who transcribes for them here. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from meetcore.gateway import BodyFields
from meetcore_meetstream.errors import wrong

__all__ = ["NO_STREAMING_PROVIDER", "Provider", "read_provider"]

_STREAMING = "_streaming"
_CAPTIONS = "meeting_captions"
_OURS = ("meetstream", _CAPTIONS)
_LANGUAGE_FIELDS = ("language", "language_code", "language_codes")

NO_STREAMING_PROVIDER = (
    "live_transcription_required.webhook_url is provided but no streaming provider found. "
    "Please provide at least one streaming provider (deepgram_streaming, assemblyai_streaming, "
    "jigsawstack_streaming, meetstream_streaming, or meeting_captions)."
)


@frozen
class Provider:
    """Who is to transcribe, as the client named it, with its settings."""

    name: str
    settings: Mapping[str, Any] = field(factory=dict, repr=False)

    @property
    def streaming(self) -> bool:
        """Whether it is one of those that transcribe live."""
        return self.name.endswith(_STREAMING) or self.name == _CAPTIONS

    @property
    def plugin(self) -> str:
        """The transcriber: `default` for MeetStream's own, which is the server's own here."""
        bare = self.name.removesuffix(_STREAMING)
        return "default" if bare in _OURS else bare

    @property
    def language(self) -> str | None:
        """The language wished for, as the client names it; None for none, or several."""
        wished = (self.settings.get(name) for name in _LANGUAGE_FIELDS)
        return next((value for value in wished if isinstance(value, str) and value.strip()), None)


def read_provider(fields: BodyFields) -> Provider | None:
    """Return the provider a body asks for; the oldest place is the top-level `transcription`.

    Raises:
        Refusal: There is more than one, or it is none.
    """
    given = fields.part("recording_config").part("transcript").part("provider")
    return only_provider(given.body or fields.part("transcription").body)


def only_provider(given: Mapping[str, Any]) -> Provider | None:
    """Return the one provider of an object such as `{"deepgram": {…}}`, None for an empty one.

    Raises:
        Refusal: There is more than one, or it is none.
    """
    if not given:
        return None
    if len(given) > 1:
        raise wrong("recording_config.transcript.provider must contain exactly one provider")
    ((name, settings),) = given.items()
    if not name.isidentifier() or not name.isascii():
        raise wrong("Unknown transcription provider")
    if settings is not None and not isinstance(settings, Mapping):
        raise wrong(f"The settings of {name} must be an object")
    return Provider(name.lower(), settings or {})

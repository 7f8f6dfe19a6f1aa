"""The plugin's options, `[plugins.openai]`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

from attrs import field, frozen

from meetcore import ConfigError, Secret

__all__ = ["OPENAI_URL", "OpenAIOptions"]

OPENAI_URL = "https://api.openai.com/v1"
KEY_VARIABLE = "OPENAI_API_KEY"
_OPENAI_HOST = "api.openai.com"
_WHERE = "[plugins.openai]"


def _check_url(name: str, url: str, schemes: tuple[str, str]) -> None:
    """Refuse what is no address of an API; a URL's own text is not repeated, it may have a key.

    Raises:
        ConfigError: It is none.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if not host or parts.scheme not in schemes:
        raise ConfigError(
            f"{name} in {_WHERE} is no address that begins with {schemes[0]}:// or {schemes[1]}://.",
            f"Write it as in {name} = {OPENAI_URL!r}, without /audio/transcriptions.",
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(
            f"{name} in {_WHERE} has a user, a query or a fragment.",
            "Write the address alone; a key belongs into api_key.",
        )
    if host == _OPENAI_HOST and parts.scheme != schemes[1]:
        raise ConfigError(
            f"{name} in {_WHERE} would send your key to {host} unencrypted.",
            f"Begin it with {schemes[1]}://.",
        )


@frozen(kw_only=True)
class OpenAIOptions:
    """Which endpoint transcribes, and how.

    Attributes:
        base_url: The API's address up to and with `/v1`: OpenAI's, or a server of your own
            (whisper servers, vLLM, LiteLLM, Groq, FunASR).
        api_key: The key. Without one, the environment's `OPENAI_API_KEY` is used, and only for
            OpenAI's own address. A key goes to no other host than that of the address.
        model: The model's name there.
        response_format: `verbose_json` gives word times where the server has them, `json` only the
            text. `auto` asks for the first, and for the second from then on if it is refused.
        prompt: Text that the model takes to have come before; the bot's vocabulary follows it.
        temperature: The sampling temperature, None to send none.
        guard: Whether text is dropped that the model itself takes for no speech, or that repeats
            itself (`no_speech_prob` above 0.6, `compression_ratio` above 2.4).
        draft_every_s: How much speech lies between two drafts, in seconds; each is a request with
            everything said so far. None for no drafts.
        max_concurrent: How many requests are on their way at once, over all tracks of a bot.
        price_per_minute: What a minute of sound costs, for the account of costs; None for unknown.
        currency: ISO 4217 code of the price.
        max_cost: What a bot may cost at most, at that price; then it stops to transcribe, or
            another transcriber takes over. None for no limit.
        connect_timeout_s: How long a connection may take.
        request_timeout_s: How long one request may take.
        final_timeout_s: How long after an utterance its text may come, waiting included.
        realtime: Whether the realtime WebSocket is used, which gives text while it decodes, but no
            word times.
        realtime_url: Its address; by default that of `base_url`, with `wss` and `/realtime`.
        speech_url: The API that says texts, up to and with `/v1`; by default `base_url`.
        speech_model: The model that says them.
        voice: Its voice.
        speed: How fast it speaks, 0.25 to 4; None to send none.
        instructions: How it is to speak, for models that heed that.
        speech_format: What it sends: `pcm` (int16 mono, raw), or `wav` with the same in it.
        speech_rate_hz: The rate of that, in Hz; OpenAI's is 24000.
    """

    base_url: str = OPENAI_URL
    api_key: Secret | None = None
    model: str = "whisper-1"
    response_format: Literal["auto", "verbose_json", "json"] = "auto"
    prompt: str = ""
    temperature: float | None = 0.0
    guard: bool = True
    draft_every_s: float | None = None
    max_concurrent: int = 4
    price_per_minute: float | None = None
    currency: str = "USD"
    max_cost: float | None = None
    connect_timeout_s: float = 5.0
    request_timeout_s: float = 30.0
    final_timeout_s: float = 60.0
    realtime: bool = False
    realtime_url: str | None = field(default=None)
    speech_url: str | None = None
    speech_model: str = "gpt-4o-mini-tts"
    voice: str = "alloy"
    speed: float | None = None
    instructions: str = ""
    speech_format: Literal["pcm", "wav"] = "pcm"
    speech_rate_hz: int = 24_000

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: Which option, and why; never with a key.
        """
        _check_url("base_url", self.base_url, ("http", "https"))
        if self.realtime_url is not None:
            _check_url("realtime_url", self.realtime_url, ("ws", "wss"))
        if self.speech_url is not None:
            _check_url("speech_url", self.speech_url, ("http", "https"))
        for name in ("model", "speech_model", "voice"):
            if not getattr(self, name).strip():
                raise ConfigError(f"{name} in {_WHERE} is empty.", f"Name a {name} of the server.")
        if self.speed is not None and not 0.25 <= self.speed <= 4:
            raise ConfigError(f"speed in {_WHERE} is {self.speed!r}.", "It can be 0.25 to 4.")
        if not 8_000 <= self.speech_rate_hz <= 48_000:
            raise ConfigError(
                f"speech_rate_hz in {_WHERE} is {self.speech_rate_hz!r}.",
                "It can be 8000 to 48000; OpenAI's is 24000.",
            )
        for name in (
            "draft_every_s",
            "max_concurrent",
            "max_cost",
            "connect_timeout_s",
            "request_timeout_s",
            "final_timeout_s",
        ):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"{name} in {_WHERE} must be greater than 0, not {value!r}.")
        if self.price_per_minute is not None and self.price_per_minute < 0:
            raise ConfigError(f"price_per_minute in {_WHERE} is {self.price_per_minute!r}.")
        if self.max_cost is not None and not self.price_per_minute:
            raise ConfigError(
                f"max_cost in {_WHERE} needs to know what a minute costs.",
                "Set price_per_minute, too.",
            )

    @property
    def host(self) -> str:
        """Whom the key is for, as it may be shown."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def is_openai(self) -> bool:
        """Whether it is OpenAI's own service."""
        return self.host == _OPENAI_HOST

    @property
    def speech_address(self) -> str:
        """Where texts are said, without a slash at its end."""
        return (self.speech_url or self.base_url).rstrip("/")

    @property
    def speech_host(self) -> str:
        """Who says texts, as it may be shown."""
        return urlsplit(self.speech_address).hostname or ""

    @property
    def speech_is_openai(self) -> bool:
        """Whether OpenAI's own service says them."""
        return self.speech_host == _OPENAI_HOST

    def speech_key(self, environ: Mapping[str, str] | None = None) -> Secret | None:
        """Return the key for who says texts: none, where that is another host than `base_url`'s."""
        return self.key(environ) if self.speech_host == self.host else None

    @property
    def realtime_address(self) -> str:
        """Where the realtime WebSocket is."""
        if self.realtime_url is not None:
            return self.realtime_url
        scheme, _, rest = self.base_url.rstrip("/").partition("://")
        return f"{'wss' if scheme == 'https' else 'ws'}://{rest}/realtime"

    def key(self, environ: Mapping[str, str] | None = None) -> Secret | None:
        """Return the key to send, None for none.

        Args:
            environ: Instead of the process's environment.
        """
        if self.api_key is not None:
            return self.api_key
        found = (os.environ if environ is None else environ).get(KEY_VARIABLE, "").strip()
        return Secret(found) if found and self.is_openai else None

    def realtime_key(self, environ: Mapping[str, str] | None = None) -> Secret | None:
        """Return the key for the WebSocket: none, where that is another host than `base_url`'s."""
        same = urlsplit(self.realtime_address).hostname == self.host
        return self.key(environ) if same else None

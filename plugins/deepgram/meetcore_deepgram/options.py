"""The plugin's options, `[plugins.deepgram]`."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen
from attrs.validators import in_

from meetcore import ConfigError
from meetcore_speech_api.options import ProviderOptions, in_range

__all__ = ["GLOBAL_URL", "DeepgramOptions"]

GLOBAL_URL = "https://api.deepgram.com"


@frozen(kw_only=True)
class DeepgramOptions(ProviderOptions):
    """How Deepgram transcribes.

    Attributes:
        url: Where it is. In the EU: `https://api.eu.deepgram.com`; there are also `api.au` and
            `api.in`.
        model: A Nova model. (Flux is made for voice agents; Deepgram itself does not advise it for
            meetings.)
        language: What is spoken where the bot's `language` says nothing: a BCP-47 tag, or `multi`
            for several languages in one meeting.
        smart_format: Whether numbers, dates and the like are written as people write them.
        punctuate: Whether there is punctuation.
        numerals: Whether numbers are written in digits.
        profanity_filter: Whether profanity is masked.
        redact: What is blotted out, for instance `pii`, `pci`, `numbers`.
        diarize_model: Which one tells voices apart, where `[transcription] diarize` asks for it.
        endpointing_ms: How much silence makes Deepgram end a sentence of its own accord.
        mip_opt_out: Whether the audio is kept out of Deepgram's model improvement program.
        tags: Labels for your usage reports at Deepgram.
    """

    url: str = GLOBAL_URL
    model: str = "nova-3"
    language: str = "multi"
    smart_format: bool = True
    punctuate: bool = True
    numerals: bool = False
    profanity_filter: bool = False
    redact: tuple[str, ...] = ()
    diarize_model: Literal["latest", "v1"] = field(
        default="latest", validator=in_(("latest", "v1"))
    )
    endpointing_ms: int = 300
    mip_opt_out: bool = False
    tags: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        """Refuse values that cannot work.

        Raises:
            ConfigError: A value is out of range.
        """
        super().__attrs_post_init__()
        in_range("endpointing_ms", self.endpointing_ms, 10, 10_000)
        if self.model.startswith("flux"):
            raise ConfigError(
                f"The model {self.model!r} is not one of Deepgram's `/v1/listen`.",
                "Take a Nova model: Flux has another protocol and is made for voice agents.",
            )

    @property
    def takes_keyterms(self) -> bool:
        """Whether the model takes names and terms as `keyterm` (Nova-3 alone)."""
        return self.model.startswith("nova-3")

    @property
    def takes_configure(self) -> bool:
        """Whether terms can be set by a message: Nova-3, and not at the regional hosts.

        Since 2026-10-02, by Deepgram's change log.
        """
        regional = any(f"//api.{region}." in self.url for region in ("eu", "au", "in"))
        return self.takes_keyterms and not regional

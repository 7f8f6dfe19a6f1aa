"""The plugin's options, `[plugins.assemblyai]`."""

from __future__ import annotations

from typing import Literal

from attrs import evolve, field, frozen
from attrs.validators import in_, optional

from meetcore_speech_api.options import ProviderOptions, in_range

__all__ = ["AssemblyAIOptions"]


@frozen(kw_only=True)
class AssemblyAIOptions(ProviderOptions):
    """How AssemblyAI transcribes.

    Attributes:
        url: Where it streams. In the EU: `https://streaming.eu.assemblyai.com`.
        files_url: Where whole files go. In the EU: `https://api.eu.assemblyai.com`.
        model: The model for streams: `universal-3-6-pro`, `universal-3-5-pro`,
            `universal-streaming-english`, `universal-streaming-multilingual`, `whisper-rt`.
        files_models: The models for whole files, the first that can do it is taken.
        format_turns: Whether there are punctuation and capitals (a Universal-3 model always
            writes them).
        min_turn_silence_ms: How much silence may end a turn.
        max_turn_silence_ms: How much ends it in any case.
        end_of_turn_confidence: From which confidence a turn ends early (`universal-streaming`
            models only).
        vad_threshold: From which probability sound is speech.
        max_speakers: How many voices are told apart at most, where `diarize` asks for it.
        mode: What matters more, where the model knows modes.
        voice_focus: Whether one voice that is near, or those that are far, are listened to.
        filter_profanity: Whether profanity is masked.
        redact_pii: Whether what identifies persons is blotted out.
    """

    url: str = "https://streaming.assemblyai.com"
    files_url: str = "https://api.assemblyai.com"
    model: str = "universal-3-6-pro"
    files_models: tuple[str, ...] = ("universal",)
    format_turns: bool = True
    min_turn_silence_ms: int | None = None
    max_turn_silence_ms: int | None = None
    end_of_turn_confidence: float | None = None
    vad_threshold: float | None = None
    max_speakers: int | None = None
    mode: Literal["max_accuracy", "balanced", "min_latency"] | None = field(
        default=None, validator=optional(in_(("max_accuracy", "balanced", "min_latency")))
    )
    voice_focus: Literal["near-field", "far-field"] | None = field(
        default=None, validator=optional(in_(("near-field", "far-field")))
    )
    filter_profanity: bool = False
    redact_pii: bool = False

    def __attrs_post_init__(self) -> None:
        """Refuse values that cannot work.

        Raises:
            ConfigError: A value is out of range.
        """
        super().__attrs_post_init__()
        if self.files_url != self.url:
            evolve(self, url=self.files_url)  # is held to the same as `url`
        in_range("min_turn_silence_ms", self.min_turn_silence_ms, 0, 10_000)
        in_range("max_turn_silence_ms", self.max_turn_silence_ms, 0, 60_000)
        in_range("end_of_turn_confidence", self.end_of_turn_confidence, 0, 1)
        in_range("vad_threshold", self.vad_threshold, 0, 1)
        in_range("max_speakers", self.max_speakers, 1, 10)

    @property
    def formats_after(self) -> bool:
        """Whether an ended turn comes twice, the second time as it is written."""
        return self.format_turns and self.model.startswith("universal-streaming")

    def configured(self) -> dict[str, object]:
        """Return what was wished for, by the names that a session's `Begin` confirms."""
        wished: dict[str, object] = {"model": self.model}
        if self.mode is not None:
            wished["mode"] = self.mode
        if self.voice_focus is not None:
            wished["voice_focus"] = self.voice_focus
        if self.filter_profanity:
            wished["filter_profanity"] = True
        if self.redact_pii:
            wished["redact_pii"] = True
        return wished

    def query(self) -> list[tuple[str, str]]:
        """Return what was set, as the query of a stream."""
        query = [("speech_model", self.model), ("format_turns", str(self.format_turns).lower())]
        for name, value in (
            ("min_turn_silence", self.min_turn_silence_ms),
            ("max_turn_silence", self.max_turn_silence_ms),
            ("end_of_turn_confidence_threshold", self.end_of_turn_confidence),
            ("vad_threshold", self.vad_threshold),
            ("mode", self.mode),
            ("voice_focus", self.voice_focus),
        ):
            if value is not None:
                query.append((name, str(value)))
        switches = ("filter_profanity", "redact_pii")
        return query + [(name, "true") for name in switches if getattr(self, name)]

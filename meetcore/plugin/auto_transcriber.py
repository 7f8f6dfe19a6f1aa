"""`transcriber = "auto"`: the best that is installed and usable, and why it was taken."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from meetcore.model.errors import ConfigError
from meetcore.model.languages import LanguageRefused, spoken_language
from meetcore.plugin.transcriber import Transcriber

__all__ = ["AUTO", "ChosenTranscriber", "choose_transcriber"]

AUTO = "auto"
"""The name that stands for whichever transcriber is the best here."""


@frozen(kw_only=True)
class ChosenTranscriber:
    """A transcriber that `auto` stands for.

    Attributes:
        transcriber: It.
        because: What spoke for it, and against those before it, in a sentence for people.
    """

    transcriber: Transcriber
    because: str


def choose_transcriber(
    candidates: Iterable[Transcriber], *, captions: bool, language: str | None = None
) -> ChosenTranscriber:
    """Return the first usable transcriber in the order that each class says (`auto_order`).

    Args:
        candidates: Those that are installed, with their settings.
        captions: Whether the platform gives captions to make a transcript of.
        language: What is spoken, None where that is not known.

    Raises:
        ConfigError: None can be used; says of each what is missing.
    """
    passed: list[str] = []
    remedies: list[str] = []
    ordered = [each for each in candidates if each.auto_order is not None]
    for each in sorted(ordered, key=lambda one: (one.auto_order or 0, one.name)):
        if each.capabilities.wants == "captions" and not captions:
            passed.append(f"{each.name}: the platform gives none")
            continue
        try:
            spoken_language(language, each.capabilities.languages, each.name)
        except LanguageRefused:
            passed.append(f"{each.name}: does not speak {language}")
            continue
        ready = each.readiness()
        if ready.usable:
            because = f"chosen, since {ready.because}"
            if passed:
                because += f" (passed over {'; '.join(passed)})"
            return ChosenTranscriber(transcriber=each, because=because)
        passed.append(f"{each.name}: {ready.because}")
        if ready.remedy:
            remedies.append(f"{each.name}: {ready.remedy}")
    missing = f" {'; '.join(passed)}." if passed else " None is installed."
    raise ConfigError(
        f"No transcriber can be used here.{missing}",
        " ".join(remedies) or "Install one, for instance meetcore[whisper], or set none.",
    )

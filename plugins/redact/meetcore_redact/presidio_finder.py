"""What Microsoft's Presidio finds in a text, where somebody has installed it and asks for it.

By itself it knows patterns (passports, driving licences, bank accounts, coins' addresses). With a
model of spaCy's it finds names of people and places as well. Nothing is fetched: neither a model,
which has to be there, nor the list of domains that Presidio would ask for to check an address,
which this plugin finds itself.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from meetcore import ConfigError
from meetcore_redact.left_out import LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from presidio_analyzer import AnalyzerEngine

    from meetcore_redact.options import RedactOptions

__all__ = ["found_by_presidio", "load_presidio"]

_FETCHES = ("EmailRecognizer", "UrlRecognizer")


def load_presidio(options: RedactOptions) -> None:
    """Load what is asked for, before the first words come: a model takes seconds.

    Raises:
        ConfigError: Presidio or its model is not installed, or does not know an entity.
    """
    engine = _engine(options.presidio_language, options.presidio_model)
    known = engine.get_supported_entities(options.presidio_language)
    for entity in options.presidio_entities:
        if entity not in known:
            raise ConfigError(
                f"presidio_entities in [plugins.redact] has {entity!r}, which Presidio does not "
                "find.",
                f"It finds {', '.join(sorted(known))}.",
            )


def found_by_presidio(text: str, options: RedactOptions) -> Iterator[LeftOut]:
    """Yield what Presidio finds, named as it names it: `us passport`, `person`."""
    engine = _engine(options.presidio_language, options.presidio_model)
    for each in engine.analyze(
        text=text,
        language=options.presidio_language,
        entities=list(options.presidio_entities) or None,
        score_threshold=options.presidio_score,
    ):
        yield LeftOut(each.start, each.end, each.entity_type.lower().replace("_", " "))


@lru_cache(maxsize=8)
def _engine(language: str, model: str | None) -> AnalyzerEngine:
    try:
        import spacy
        from presidio_analyzer import AnalyzerEngine
        from presidio_analyzer.nlp_engine import SpacyNlpEngine
    except ImportError as error:
        raise ConfigError(
            "presidio in [plugins.redact] is set, and Presidio is not installed.",
            "Run: pip install meetcore-redact[presidio]",
        ) from error
    if model is not None and not spacy.util.is_package(model):
        raise ConfigError(
            f"The model {model!r} of spaCy, in [plugins.redact], is not installed.",
            f"Run: python -m spacy download {model}",
        )
    named = [{"lang_code": language, "model_name": model or "blank"}]
    reader = SpacyNlpEngine(models=named)
    try:
        reader.nlp = {language: spacy.load(model) if model else spacy.blank(language)}
    except ImportError as error:
        raise ConfigError(
            f"presidio_language in [plugins.redact] is {language!r}, which spaCy does not know.",
            "Use two small letters of ISO 639, for instance en, de, es.",
        ) from error
    engine = AnalyzerEngine(nlp_engine=reader, supported_languages=[language])
    for name in _FETCHES:
        engine.registry.remove_recognizer(name)
    return engine

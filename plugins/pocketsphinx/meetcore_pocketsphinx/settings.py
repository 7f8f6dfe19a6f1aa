"""What the worker needs to know, as JSON-ready data: the wire form of the plugin's options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ["SAMPLE_RATE_HZ", "WorkerSettings"]

SAMPLE_RATE_HZ = 16_000


@attrs.frozen
class WorkerSettings:
    """How the worker decodes.

    Args:
        lm: Path of an n-gram language model (ARPA or binary); None takes the bundled one.
        jsgf: Path of a JSGF grammar to use instead of a language model.
        kws: Path of a keyphrase list to use instead of a language model.
        dictionary: Path of a pronunciation dictionary; None takes the bundled one.
        hmm: Folder of an acoustic model for 16 kHz; None takes the bundled one.
        extra_words: Words the dictionary lacks, with their phones ("M IY T K AO R").
        fwdflat: Whether a second, flat-lexicon pass runs at the end of an utterance.
        bestpath: Whether the lattice is searched at the end of an utterance; gives the posteriors.
        max_hmms: How many hypotheses are kept per 10 ms of speech.
        max_decoders: How many talkers are decoded at once; about 91 MB each.
        partial_every_ms: Audio between two partial hypotheses.
        preload: Whether the first decoder is built when the worker starts.
    """

    lm: str | None = None
    jsgf: str | None = None
    kws: str | None = None
    dictionary: str | None = None
    hmm: str | None = None
    extra_words: Mapping[str, str] = attrs.field(factory=dict)
    fwdflat: bool = False
    bestpath: bool = True
    max_hmms: int = 3000
    max_decoders: int = 4
    partial_every_ms: int = 200
    preload: bool = True

    def to_json(self) -> Mapping[str, Any]:
        """Return a JSON object that `from_json` reads back."""
        return attrs.asdict(self)

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> WorkerSettings:
        """Build the settings from what `to_json` gave."""
        return cls(**body)

"""The plugin's options, `[plugins.pocketsphinx]`."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from meetcore import ConfigError
from meetcore_pocketsphinx.settings import WorkerSettings

__all__ = ["PocketsphinxOptions"]


@frozen(kw_only=True)
class PocketsphinxOptions:
    """How pocketsphinx transcribes.

    At most one of `lm`, `jsgf` and `kws` can be given. A grammar or keyphrase list turns the
    dictation into a command spotter that is right nearly always, but a grammar *forces* a match:
    speech outside of it gives wrong sentences with low confidence.

    Attributes:
        lm: Path of an n-gram language model instead of the bundled US English one.
        jsgf: Path of a JSGF grammar: only its sentences are recognised.
        kws: Path of a keyphrase list: only its phrases are spotted.
        dictionary: Path of a pronunciation dictionary instead of the bundled one.
        hmm: Folder of an acoustic model for 16 kHz instead of the bundled one.
        extra_words: Words the dictionary lacks, with their ARPABET phones.
        fwdflat: Whether a second pass runs at the end of an utterance: about 70 ms later, about
            one word in a hundred better.
        bestpath: Whether the lattice is searched at the end: gives words their confidence.
        max_hmms: How many hypotheses are kept per 10 ms of speech. pocketsphinx's own 30,000 takes
            twice the time for one word less wrong in 170 (LibriVox and the bundled rehearsal).
        max_decoders: How many people are decoded at once; about 91 MB of memory each.
        partial_every_ms: How much speech lies between two drafts.
        preload: Whether the first decoder is built before anyone speaks.
        start_timeout_s: How long the worker may take to get ready.
        answer_timeout_s: How long the worker may owe an answer in silence before it is killed.
        window_s: How much audio of a track may be on its way to the worker.
        patience_s: How long a track waits for room in that window before audio is given up.
        final_timeout_s: How long after its end an utterance's final result may take; then it is
            given up and declared.
    """

    lm: str | None = None
    jsgf: str | None = None
    kws: str | None = None
    dictionary: str | None = None
    hmm: str | None = None
    extra_words: Mapping[str, str] = field(factory=dict)
    fwdflat: bool = False
    bestpath: bool = True
    max_hmms: int = 3000
    max_decoders: int = 4
    partial_every_ms: int = 200
    preload: bool = True
    start_timeout_s: float = 20.0
    answer_timeout_s: float = 10.0
    window_s: float = 3.0
    patience_s: float = 8.0
    final_timeout_s: float = 15.0

    def __attrs_post_init__(self) -> None:
        """Refuse values that cannot work together.

        Raises:
            ConfigError: A value is out of range, or two exclude each other.
        """
        chosen = [name for name in ("lm", "jsgf", "kws") if getattr(self, name) is not None]
        if len(chosen) > 1:
            raise ConfigError(
                f"[plugins.pocketsphinx] has {' and '.join(chosen)}.", "Keep one of them."
            )
        for name, least in (
            ("max_hmms", 100),
            ("max_decoders", 1),
            ("partial_every_ms", 20),
            ("start_timeout_s", 0.1),
            ("answer_timeout_s", 0.1),
            ("window_s", 0.1),
            ("patience_s", 0.0),
            ("final_timeout_s", 0.1),
        ):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"[plugins.pocketsphinx] {name} is {getattr(self, name)}.",
                    f"It must be at least {least}.",
                )

    def worker_settings(self) -> WorkerSettings:
        """Return what the worker process needs to know."""
        return WorkerSettings(
            lm=self.lm,
            jsgf=self.jsgf,
            kws=self.kws,
            dictionary=self.dictionary,
            hmm=self.hmm,
            extra_words=dict(self.extra_words),
            fwdflat=self.fwdflat,
            bestpath=self.bestpath,
            max_hmms=self.max_hmms,
            max_decoders=self.max_decoders,
            partial_every_ms=self.partial_every_ms,
            preload=self.preload,
        )

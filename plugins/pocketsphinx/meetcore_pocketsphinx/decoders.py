"""Builds pocketsphinx decoders and lends them to the tracks that speak (in the worker process).

A decoder costs about 91 MB and 0.25 s, so there are as many as people have talked at once, never
more than `max_decoders`, and those that idle for a minute go again. One adapts to its speaker's
level (cepstral mean); that state is kept per track and put back when the track speaks again.

`LiveSpeech` and `AudioFile` of pocketsphinx are never touched: they want PortAudio.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from meetcore_pocketsphinx.grammar import jsgf_words, keyphrase_words
from meetcore_pocketsphinx.settings import SAMPLE_RATE_HZ, WorkerSettings

__all__ = ["DecoderPool", "ModelRefused", "build_decoder"]

_SEARCH = "meetcore"
_IDLE_LIMIT_S = 60.0


class ModelRefused(Exception):
    """Options that pocketsphinx cannot work with.

    Args:
        message: What was wrong, with the value.
        remedy: What to do about it.
    """

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy


def build_decoder(settings: WorkerSettings) -> Any:
    """Build a decoder with its dictionary first and its search last, so that words can be checked.

    Raises:
        ModelRefused: A file is missing or unusable, or a word is in no dictionary.
    """
    import pocketsphinx

    for name in ("lm", "jsgf", "kws", "dictionary", "hmm"):
        path = getattr(settings, name)
        if path is not None and not Path(path).exists():
            raise ModelRefused(f"{name} {path!r} does not exist.", "Correct the path.")
    chosen = {"hmm": settings.hmm, "dict": settings.dictionary}
    try:
        decoder = pocketsphinx.Decoder(
            lm=None,
            loglevel="FATAL",
            samprate=float(SAMPLE_RATE_HZ),
            fwdflat=settings.fwdflat,
            bestpath=settings.bestpath,
            maxhmmpf=settings.max_hmms,
            **{name: path for name, path in chosen.items() if path is not None},
        )
    except RuntimeError as error:
        raise ModelRefused(
            f"pocketsphinx cannot load the acoustic model or dictionary ({error}): "
            f"hmm={settings.hmm!r}, dictionary={settings.dictionary!r}.",
            "hmm is a folder with mdef, feat.params …; dictionary is a text file.",
        ) from error
    _add_words(decoder, settings)
    _add_search(decoder, settings, pocketsphinx.get_model_path("en-us/en-us.lm.bin"))
    return decoder


def _add_words(decoder: Any, settings: WorkerSettings) -> None:
    for word, phones in settings.extra_words.items():
        if decoder.lookup_word(word) is not None:
            continue
        try:
            decoder.add_word(word, phones, True)
        except RuntimeError as error:
            raise ModelRefused(
                f"extra_words: pocketsphinx refuses {word!r} with the phones {phones!r}.",
                'Write ARPABET phones with spaces between them, for instance "M IY T K AO R".',
            ) from error


def _add_search(decoder: Any, settings: WorkerSettings, bundled_lm: str) -> None:
    kind, path = "lm", settings.lm or bundled_lm
    if settings.jsgf is not None:
        kind, path = "jsgf", settings.jsgf
        _refuse_unknown_words(decoder, kind, path, jsgf_words(_text(kind, path)))
    elif settings.kws is not None:
        kind, path = "kws", settings.kws
        _refuse_unknown_words(decoder, kind, path, keyphrase_words(_text(kind, path)))
    add = {"lm": decoder.add_lm_file, "jsgf": decoder.add_jsgf_file, "kws": decoder.add_kws}[kind]
    try:
        add(_SEARCH, path)
        decoder.activate_search(_SEARCH)
    except RuntimeError as error:
        raise ModelRefused(
            f"pocketsphinx cannot use {kind} {path!r} ({error}).",
            "Check the file's format.",
        ) from error


def _text(kind: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelRefused(
            f"{kind} {path!r} cannot be read: {error}.", "It is a text file."
        ) from error


def _refuse_unknown_words(decoder: Any, kind: str, path: str, words: list[str]) -> None:
    missing = [word for word in words if decoder.lookup_word(word) is None]
    if missing:
        raise ModelRefused(
            f"{kind} {path!r} uses words that are in no dictionary: {', '.join(missing)}.",
            "Write them in small letters, as dictionaries do, or give their phones in extra_words.",
        )


class DecoderPool:
    """Lends decoders to tracks; at most `max_decoders` are out at once."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._idle: list[tuple[float, Any]] = []
        self._lent: dict[int, Any] = {}
        self._speaker_state: dict[int, str] = {}
        self._fresh_state: str | None = None

    @property
    def decoders(self) -> int:
        """How many decoders exist."""
        return len(self._idle) + len(self._lent)

    @property
    def can_lend(self) -> bool:
        """Whether a track that starts to speak gets a decoder at once."""
        return bool(self._idle) or self.decoders < self._settings.max_decoders

    def preload(self) -> None:
        """Build the first decoder, so that bad options show now and the first word is not late."""
        if not self.decoders:
            self._idle.append((time.monotonic(), build_decoder(self._settings)))

    def lend(self, track: int) -> Any | None:
        """Return a decoder for a track that starts to speak, or None while all are out."""
        if self._idle:
            _, decoder = self._idle.pop()
        elif self.decoders < self._settings.max_decoders:
            decoder = build_decoder(self._settings)
        else:
            return None
        if self._fresh_state is None:
            self._fresh_state = decoder.get_cmn()
        decoder.set_cmn(self._speaker_state.get(track, self._fresh_state))
        self._lent[track] = decoder
        return decoder

    def give_back(self, track: int) -> None:
        """Take the decoder of a track that stopped speaking; the longest idle ones may go."""
        decoder = self._lent.pop(track)
        self._speaker_state[track] = decoder.get_cmn(True)
        now = time.monotonic()
        self._idle.append((now, decoder))
        while len(self._idle) > 1 and now - self._idle[0][0] > _IDLE_LIMIT_S:
            del self._idle[0]

    def discard(self, track: int) -> None:
        """Throw away the decoder of a track: it failed and is not trusted again."""
        del self._lent[track]

    def forget(self, track: int) -> None:
        """Drop what is kept of a track that is gone."""
        self._speaker_state.pop(track, None)

"""Speech to text.

Every method here is called on the Trio thread, inside a deadline that the core sets, and in a
task of the plugin's own: what it does wrong becomes an event and touches nobody else.
`meetcore.testing` has a conformance class for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from attrs import field, frozen

from meetcore.model.errors import TranscriberError
from meetcore.model.secrets import Redactor
from meetcore.model.transcript import Hypothesis
from meetcore.plugin.options import Configured, OptionsT

if TYPE_CHECKING:
    from meetcore.audio.chunk import Chunk

__all__ = [
    "FileRequest",
    "ProviderUsage",
    "Readiness",
    "StreamRequest",
    "Transcriber",
    "TranscriberCapabilities",
    "TranscriberContext",
    "TranscriberStream",
    "UntranscribedAudio",
]


@frozen(kw_only=True)
class TranscriberCapabilities:
    """What a transcriber can do.

    Attributes:
        partials: Whether it gives drafts before the final.
        word_times: Whether words have times.
        confidence: Whether words or utterances have a confidence.
        languages: BCP-47 tags, empty for 'whatever the provider detects'.
        wants: `utterances` for speech only, `continuous` for everything between, too, `captions`
            for the platform's own captions: then the core makes the segments, and no stream is
            opened.
        max_streams: How many streams at once, None for no limit of its own. The core opens no
            more; what becomes of further tracks is said in `TranscriptionConfig.streams`.
        open_timeout_s: How long opening a stream may take.
        call_timeout_s: How long a call of a stream, or closing it, may take before it counts as
            hung.
        final_timeout_s: How long after an utterance's end its final may come: a model on a CPU
            needs longer than a provider's socket.
        idle_timeout_s: A stream that had nothing to do for so long is closed, and opened again
            at speech; None to keep it. Providers charge for open connections.
        files: Whether it transcribes whole files (`Transcriber.transcribe_file`).
        tells_speech: Whether a final without words means that nobody spoke, so that noise and hold
            music keep no bot in an empty meeting.
    """

    partials: bool = True
    word_times: bool = True
    confidence: bool = True
    languages: tuple[str, ...] = ()
    wants: Literal["utterances", "continuous", "captions"] = "utterances"
    max_streams: int | None = None
    open_timeout_s: float = 30.0
    call_timeout_s: float = 30.0
    final_timeout_s: float = 20.0
    idle_timeout_s: float | None = 60.0
    tells_speech: bool = False
    files: bool = False


@frozen(kw_only=True)
class UntranscribedAudio:
    """Speech a transcriber had to give up, in samples of the call's clock at 16 kHz."""

    start_sample: int
    end_sample: int
    cause: str


@frozen(kw_only=True)
class ProviderUsage:
    """What a stream used, as the provider says; what one stream tells is added up.

    Attributes:
        billed_s: Seconds that are charged for.
        cost: What they cost, None where the provider does not say.
        currency: ISO 4217 code of the cost, for instance `USD`.
    """

    billed_s: float
    cost: float | None = None
    currency: str | None = None


@frozen(kw_only=True)
class Readiness:
    """Whether a transcriber could begin here and now, as far as can be told without starting it.

    Attributes:
        usable: Whether it has what it needs: its library, its model, its key.
        because: What speaks for it, or what is missing, in a few words.
        remedy: What a person does where something is missing.
    """

    usable: bool
    because: str
    remedy: str = ""


Notice = Callable[[str, str], None]
"""Tells a person something: its kind (see `TranscriberNotice`), and a sentence."""


def _untold(kind: str, detail: str) -> None:
    """Tell nobody."""


@frozen(kw_only=True)
class TranscriberContext:
    """What a transcriber gets for one bot.

    Attributes:
        bot_id: The bot's id.
        folder: The bot's folder.
        redactor: Takes secrets out of text.
        notice: Tells something about the whole transcription, as `transcriber.notice`.
    """

    bot_id: str
    folder: Path
    redactor: Redactor = field(factory=Redactor)
    notice: Notice = _untold


@frozen(kw_only=True)
class StreamRequest:
    """One track to transcribe.

    Attributes:
        bot_id: The bot's id.
        track_id: The track's id.
        emit: Takes results, at any time, on the Trio thread; returns at once.
        used: Takes what the provider says was used, at any time until the stream is closed.
        notice: Tells something about this track, as `transcriber.notice`; the same once only.
        wants_drafts: Says whether anybody would see a draft just now; who pays for each with a
            decode or a request asks it.
        language: BCP-47 tag wished for, None for the transcriber's own choice.
        vocabulary: Names and terms that are likely to be said, for those who can use them.
        terms: Gives the vocabulary and, where `transcription.offer_names` holds, the names of those
            who are in the meeting at the moment; for those who can use them for each utterance.
        diarize: Whether several people may be heard on the track, and `Word.speaker` is wanted.
    """

    bot_id: str
    track_id: str
    emit: Callable[[Hypothesis | UntranscribedAudio], None]
    used: Callable[[ProviderUsage], None] = lambda usage: None
    notice: Notice = _untold
    wants_drafts: Callable[[], bool] = lambda: True
    language: str | None = None
    vocabulary: tuple[str, ...] = ()
    terms: Callable[[], tuple[str, ...]] = tuple
    diarize: bool = False


@frozen(kw_only=True)
class FileRequest:
    """A whole file to transcribe.

    Attributes:
        path: Where it is.
        media_type: What it is, for instance `audio/wav`.
        language: BCP-47 tag wished for, None for the transcriber's own choice.
        vocabulary: Names and terms that are likely to be said.
        diarize: Whether several people may be heard in it, and `Word.speaker` is wanted.
        notice: Tells something about it, as `StreamRequest.notice` does.
    """

    path: Path
    media_type: str
    language: str | None = None
    vocabulary: tuple[str, ...] = ()
    diarize: bool = False
    notice: Notice = _untold


class TranscriberStream(ABC):
    """One track being transcribed.

    The core calls these from one supervised task per track, in order, never two at a time,
    each under a deadline. When one raises `TranscriberError` the core closes the stream, opens
    another after a pause, and replays the utterance that was not finalized (once).
    """

    @abstractmethod
    async def begin_utterance(self, utterance_id: str, start_sample: int) -> None:
        """Speech begins; results about it carry `utterance_id`."""

    @abstractmethod
    async def feed(self, chunk: Chunk) -> None:
        """Take audio, 16 kHz. In `continuous` mode it also comes between utterances."""

    @abstractmethod
    async def end_utterance(self, utterance_id: str, end_sample: int, cause: str) -> None:
        """Speech ended, by `cause`.

        `silence`, `max_length`, `gap`, `paused`, `track_closed`, or `handed_over`: what follows is
        heard on another stream.

        A final `Hypothesis` (maybe with empty text) or an `UntranscribedAudio` must follow,
        here or later.
        """

    async def flush(self) -> None:
        """Return when everything fed so far has had its final result."""


class Transcriber(Configured[OptionsT], ABC):
    """Turns the speech of tracks into text.

    Attributes:
        name: Name of the transcriber, as in configuration and journals.
        capabilities: What it can do, and how long it may take.
        auto_order: Its place among those that `transcriber = "auto"` chooses from: the lowest that
            is usable is taken. 10 is for providers (whose key was set for a reason), 20 for good
            models on this machine, 30 for the platform's captions, 40 for makeshifts. None: it is
            taken only when it is named.
    """

    name: ClassVar[str]
    capabilities: ClassVar[TranscriberCapabilities] = TranscriberCapabilities()
    auto_order: ClassVar[int | None] = None

    def readiness(self) -> Readiness:
        """Say whether it could begin here and now: at once, without a network, starting nothing."""
        return Readiness(usable=True, because="it is installed")

    @asynccontextmanager
    async def open(self, context: TranscriberContext) -> AsyncIterator[None]:
        """Hold what one bot's streams share, for instance a worker process."""
        yield

    @abstractmethod
    def stream(self, request: StreamRequest) -> AbstractAsyncContextManager[TranscriberStream]:
        """Open a stream for one track.

        Raises:
            TranscriberError: It cannot be opened now, or ever (`retryable`).
        """

    async def transcribe_file(self, request: FileRequest) -> tuple[Hypothesis, ...]:
        """Transcribe a whole file; only where the capabilities say `files`.

        It has no deadline: it takes as long as the file needs, and can be cancelled.

        Returns:
            What was said, in order of time: final ones, whose times are seconds of the file.

        Raises:
            TranscriberError: It cannot be transcribed, now or ever (`retryable`).
        """
        raise TranscriberError(
            "bad_request",
            f"{self.name} transcribes no whole file, so not {request.path.name!r} either.",
            retryable=False,
            remedy="Take a transcriber that does; the capability page says which.",
        )

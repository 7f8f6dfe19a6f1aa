"""A platform's captions to finished text: lines that grow, are rewritten, scroll away, come again.

A caption line is shown while it is still being recognised. What is on the screen is the whole line
as it is believed now, so each sight of it is held against the one before:

* words behind those that were there are new speech;
* words between them that changed are a correction, also of what was finished before;
* words that are missing at the front have scrolled out of view, and stay as they were;
* a line that has not changed for a while is finished; what it grows by after that is new text;
* a line that shows, whole and at once, what a line of the same speaker showed a moment ago is that
  line, drawn again;
* a key that suddenly has nothing of its old words is used for another line.

What was on the screen while the recording was paused was said in private: it is kept in mind, so
that it can be told from what follows, and goes nowhere. Captions come late, so what comes in the
first seconds after a pause counts as said in it.

Pure: the caller says what time it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from difflib import SequenceMatcher

from attrs import define, field, frozen

from meetcore.model.signals import CaptionSeen

__all__ = ["CaptionReader", "CaptionText"]

_KNOWN_LINES = 200
_RECENT_LINES = 20
_RECENT_S = 60.0
_TELLING_WORDS = 4
_RELATED = 0.3
_ALIKE = 0.5
_SENTENCE_ENDS = (".", "?", "!", "。", "？", "！")


@frozen(kw_only=True)
class CaptionText:
    """A stretch of one line: a draft, a finished one, or a later revision of a finished one.

    Attributes:
        id: Stable over all revisions.
        revision: Counts up from 1.
        final: Whether it is finished.
        participant_id: Who speaks, as the platform says, None where it does not.
        name: The name in the caption.
        text: What they say.
        start_s: When it was first seen, on the clock of `CaptionReader.see`'s `at_s`.
        end_s: When it last grew, on that clock.
    """

    id: str
    revision: int
    final: bool
    participant_id: str | None
    name: str
    text: str
    start_s: float
    end_s: float


@define
class _CaptionPart:
    """A stretch of a line that becomes one segment."""

    id: str
    start_s: float
    end_s: float
    private: bool
    words: list[str]
    revision: int = 0
    finished: bool = False


@define(eq=False)
class _CaptionLine:
    """A line of captions: the words of its parts, one after the other, are what it has shown.

    The first `scrolled` of them are out of view.
    """

    participant_id: str | None
    name: str
    changed_at: float
    parts: list[_CaptionPart] = field(factory=list)
    scrolled: int = 0

    @property
    def open(self) -> _CaptionPart | None:
        """The part that is not finished."""
        return self.parts[-1] if self.parts and not self.parts[-1].finished else None

    @property
    def private(self) -> bool:
        """Whether it has words that go nowhere."""
        return any(part.private for part in self.parts)

    @property
    def words(self) -> list[str]:
        """All that it has shown."""
        return [word for part in self.parts for word in part.words]

    def visible(self) -> list[str]:
        """Return the words that may still be in view."""
        return self.words[self.scrolled :]

    def forget_scrolled(self) -> None:
        """Let go of parts that are finished and out of view: nothing corrects them any more."""
        while len(self.parts) > 1 and self.scrolled >= len(self.parts[0].words):
            self.scrolled -= len(self.parts.pop(0).words)


class CaptionReader:
    """Makes text of what captions show.

    Args:
        settle_s: A line that has not changed for so long is finished.
        longest_s: A stretch is cut after so long, at the end of a sentence if it has one.
        lag_s: How late captions come at most: what comes within it after a pause is private.
    """

    def __init__(self, settle_s: float = 3.0, longest_s: float = 30.0, lag_s: float = 3.0) -> None:
        self._settle_s = settle_s
        self._longest_s = longest_s
        self._lag_s = lag_s
        self._lines: dict[tuple[str, str], _CaptionLine] = {}
        self._recent: deque[_CaptionLine] = deque(maxlen=_RECENT_LINES)
        self._count = 0
        self._paused = False
        self._private_until = float("-inf")

    # --- what is seen ------------------------------------------------------------------

    def see(self, caption: CaptionSeen, at_s: float, now_s: float) -> list[CaptionText]:
        """Take what a line shows now; return what is new in it.

        Args:
            caption: The line.
            at_s: When it was said or shown, for the text's times, in seconds.
            now_s: The time now, on the clock of `settle`, in seconds.
        """
        shown = caption.text.split()
        if not shown:
            return []
        out: list[CaptionText] = []
        place = (caption.key, "" if caption.key else _speaker(caption))
        line = self._lines.pop(place, None)
        if line is not None and _is_another(line, caption, shown):
            out += self._finish(line)
            # A few private words that became others may be the same ones, heard better.
            doubtful = line.private and len(line.visible()) < _TELLING_WORDS
            line = self._private_line(caption, shown, now_s) if doubtful else None
        if line is None:
            line = self._drawn_again(caption, shown, now_s)
        if line is None:
            for other in self._recent:
                if _speaker(other) == _speaker(caption):
                    out += self._finish(other)
            line = _CaptionLine(caption.participant_id, caption.name, now_s)
            self._recent.append(line)
        self._lines[place] = line  # at the end: the line seen last is forgotten last
        while len(self._lines) > _KNOWN_LINES:
            out += self._finish(self._lines.pop(next(iter(self._lines))))
        out += self._named(line, caption)
        out += self._shows(line, shown, at_s, now_s)
        if caption.final:
            out += self._finish(line)
        return out

    def _drawn_again(
        self, caption: CaptionSeen, shown: Sequence[str], now_s: float
    ) -> _CaptionLine | None:
        """Return the line that this one, which appears whole, is, if it was seen before."""
        new = _heard(shown)
        if len(new) < _TELLING_WORDS:
            return None
        alike = False
        newest = True
        for line in reversed(self._recent):
            if _speaker(line) != _speaker(caption) or line.changed_at < now_s - _RECENT_S:
                continue
            old = _heard(line.words)
            common = _overlap(old, new)
            if common == len(new) or (newest and common >= _TELLING_WORDS):
                line.scrolled = len(old) - common
                return line
            alike = alike or (line.private and _kept(old, new) >= _ALIKE)
            newest = False
        return self._private_line(caption, shown, now_s) if alike else None

    def _private_line(
        self, caption: CaptionSeen, shown: Sequence[str], now_s: float
    ) -> _CaptionLine:
        """Return a line whose words so far go nowhere."""
        line = _CaptionLine(caption.participant_id, caption.name, now_s)
        line.parts.append(_CaptionPart("", now_s, now_s, True, list(shown), finished=True))
        self._recent.append(line)
        return line

    def _named(self, line: _CaptionLine, caption: CaptionSeen) -> list[CaptionText]:
        """Take another name of the speaker, also for what of the line is told already."""
        whose = caption.participant_id or line.participant_id
        if (whose, caption.name) == (line.participant_id, line.name):
            return []
        line.participant_id, line.name = whose, caption.name
        return [self._told(line, part) for part in line.parts if part.words and not part.private]

    # --- what changed --------------------------------------------------------------------

    def _shows(
        self, line: _CaptionLine, shown: list[str], at_s: float, now_s: float
    ) -> list[CaptionText]:
        had = line.visible()
        gone, cut = _scrolled(had, shown)
        line.scrolled += gone
        had, shown = had[gone:], shown[cut:]
        if had == shown:
            return []
        out: list[CaptionText] = []
        private = self._paused or now_s < self._private_until
        if line.open is not None and line.open.private is not private:
            out += self._finish(line)
        line.changed_at = now_s
        codes = _opcodes(had, shown)
        out_of_view, known, end = line.scrolled, 0, 0
        for part in line.parts:
            kept = min(out_of_view, len(part.words))
            out_of_view -= kept
            known += len(part.words) - kept
            begin, end = end, len(shown) if part is line.open else _moved(codes, known)
            words = part.words[:kept] + shown[begin:end]
            if words != part.words:
                out += self._reworded(line, part, words, at_s, private=private)
        if end < len(shown):
            out += self._begun(line, shown[end:], at_s, private=private)
        out += self._cut(line, at_s)
        line.forget_scrolled()
        return out

    def _reworded(
        self,
        line: _CaptionLine,
        part: _CaptionPart,
        words: list[str],
        at_s: float,
        *,
        private: bool,
    ) -> list[CaptionText]:
        part.words = words
        if part.finished and private:
            # What was told stays as it is: a correction of it may have private words in it.
            part.private = True
        if not part.finished:
            part.end_s = max(part.end_s, at_s)
        return [] if part.private or not words else [self._told(line, part)]

    def _begun(
        self, line: _CaptionLine, words: list[str], at_s: float, *, private: bool
    ) -> list[CaptionText]:
        self._count += 1
        part = _CaptionPart(f"caption-{self._count:04d}", at_s, at_s, private, words)
        line.parts.append(part)
        return [] if private else [self._told(line, part)]

    def _cut(self, line: _CaptionLine, at_s: float) -> list[CaptionText]:
        """End a part that is long enough after its last whole sentence, or where it is."""
        part = line.open
        if part is None or at_s - part.start_s < self._longest_s:
            return []
        ends = [n for n, word in enumerate(part.words, 1) if word.endswith(_SENTENCE_ENDS)]
        at = ends[-1] if ends else len(part.words)
        rest, part.words = part.words[at:], part.words[:at]
        out = self._finish(line)
        return out + self._begun(line, rest, at_s, private=part.private) if rest else out

    def _finish(self, line: _CaptionLine) -> list[CaptionText]:
        part = line.open
        if part is None:
            return []
        part.finished = True
        return [] if part.private or not part.words else [self._told(line, part)]

    @staticmethod
    def _told(line: _CaptionLine, part: _CaptionPart) -> CaptionText:
        part.revision += 1
        return CaptionText(
            id=part.id,
            revision=part.revision,
            final=part.finished,
            participant_id=line.participant_id,
            name=line.name,
            text=" ".join(part.words),
            start_s=part.start_s,
            end_s=part.end_s,
        )

    # --- time ------------------------------------------------------------------------------

    @property
    def due_s(self) -> float:
        """When `settle` has something to do, at the earliest; infinity for never."""
        changed = (line.changed_at for line in self._lines.values() if line.open is not None)
        return min(changed, default=float("inf")) + self._settle_s

    def settle(self, now_s: float) -> list[CaptionText]:
        """Finish the lines that have not changed for a while."""
        return [
            text
            for line in self._lines.values()
            if now_s - line.changed_at >= self._settle_s
            for text in self._finish(line)
        ]

    def finish(self) -> list[CaptionText]:
        """Finish every line: nothing follows."""
        return [text for line in self._lines.values() for text in self._finish(line)]

    def pause(self) -> list[CaptionText]:
        """Keep back what comes from now on; return what was said until now, finished."""
        out = self.finish()
        self._paused = True
        return out

    def resume(self, now_s: float) -> None:
        """Keep back no more than what is late."""
        if self._paused:
            self._paused = False
            self._private_until = now_s + self._lag_s


def _speaker(of: CaptionSeen | _CaptionLine) -> str:
    return of.participant_id or f"name:{of.name}"


def _is_another(line: _CaptionLine, caption: CaptionSeen, shown: Sequence[str]) -> bool:
    """Whether a key that a line had is used for another line now."""
    old, new = _heard(line.visible()), _heard(shown)
    related = 1.0 if _overlap(old, new) > 1 else _kept(old, new)
    if related == 0 and line.open is None:
        return True
    doubtful = len(old) >= _TELLING_WORDS or _speaker(line) != _speaker(caption)
    return doubtful and related < _RELATED


def _heard(words: Sequence[str]) -> list[str]:
    """Return words without what is not heard: `Hello,` and `hello` are one word."""
    return ["".join(c for c in word.casefold() if c.isalnum()) or word for word in words]


def _overlap(old: Sequence[str], new: Sequence[str]) -> int:
    """Return how many words `old` ends with are those that `new` begins with."""
    longest = min(len(old), len(new))
    return next((n for n in range(longest, 0, -1) if old[-n:] == new[:n]), 0)


def _kept(old: Sequence[str], new: Sequence[str]) -> float:
    """Return which share of the shorter one is in both, in order: 0 to 1."""
    equal = sum(i2 - i1 for tag, i1, i2, _, _ in _opcodes(old, new) if tag == "equal")
    return equal / max(1, min(len(old), len(new)))


_Opcode = tuple[str, int, int, int, int]


def _opcodes(old: Sequence[str], new: Sequence[str]) -> list[_Opcode]:
    """Return how `new` comes of `old`, as `difflib` says it; quick where it only grows."""
    old, new = _heard(old), _heard(new)
    same = 0
    for a, b in zip(old, new, strict=False):
        if a != b:
            break
        same += 1
    rest = SequenceMatcher(None, old[same:], new[same:], autojunk=False).get_opcodes()
    codes: list[_Opcode] = [("equal", 0, same, 0, same)] if same else []
    for tag, i1, i2, j1, j2 in rest:
        codes.append((tag, i1 + same, i2 + same, j1 + same, j2 + same))
    return codes


def _moved(codes: Sequence[_Opcode], place: int) -> int:
    """Return where the boundary before the old word number `place` is among the new words.

    Words that came in right at it are behind it.
    """
    for _, i1, i2, j1, j2 in codes:
        if i1 < place <= i2:
            return j2 if place == i2 else min(j2, j1 + place - i1)
    return 0


def _scrolled(had: Sequence[str], shown: Sequence[str]) -> tuple[int, int]:
    """Return how many old words went out of view at the front, and how many new ones are a cut one.

    Several words that are missing there, or became one, are out of view. Fewer are a correction.
    """
    codes = _opcodes(had, shown)
    if len(codes) < 2:
        return 0, 0
    tag, _, gone, _, came = codes[0]
    out_of_view = tag == "delete" or (tag == "replace" and gone >= 3 and came <= 1)
    return (gone, came) if out_of_view else (0, 0)

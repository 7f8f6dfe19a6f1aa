"""What a transcription has finalized so far, in a file, so that a broken run goes on. Blocks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from meetcore import Hypothesis, Word
from meetcore.log import private_file

__all__ = ["KeptFinals"]


class KeptFinals:
    """The file with what is finalized.

    It belongs to one recording and one way of transcribing it: what was kept for another is not
    taken.

    Args:
        path: The file.
        about: What the recording and the transcription are; compared as JSON.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self.path = path
        told = json.dumps(about, sort_keys=True, default=str)
        self._about = hashlib.sha256(told.encode()).hexdigest()

    def read(self) -> dict[tuple[str, int], Hypothesis]:
        """Return what an earlier run finalized, by track and first sample of the utterance.

        A last line that was cut off is passed over.
        """
        try:
            lines = self.path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return {}
        kept: dict[tuple[str, int], Hypothesis] = {}
        if not lines or lines[0] != self._about:
            return {}
        for line in lines[1:]:
            try:
                track, start, body = json.loads(line)
                words = tuple(Word(**word) for word in body.pop("words"))
                kept[str(track), int(start)] = Hypothesis(**body, words=words)
            except (ValueError, TypeError, KeyError):
                break
        return kept

    def begin(self, kept: Mapping[tuple[str, int], Hypothesis]) -> None:
        """Begin the file anew with what is kept.

        Raises:
            OSError: It cannot be written.
        """
        lines = [self._about, *(_line(*key, heard) for key, heard in kept.items())]
        private_file(self.path).write_text("\n".join(lines) + "\n", "utf-8")

    def add(self, track: str, start: int, hypothesis: Hypothesis) -> None:
        """Add a final.

        Raises:
            OSError: It cannot be written.
        """
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_line(track, start, hypothesis) + "\n")

    def remove(self) -> None:
        """Remove the file: the transcript is written."""
        self.path.unlink(missing_ok=True)


def _line(track: str, start: int, hypothesis: Hypothesis) -> str:
    body = attrs.asdict(hypothesis)
    parts: Sequence[Any] = (track, start, body)
    return json.dumps(parts, ensure_ascii=False)

"""Whoever is shown under one name in a transcript gets another: a new transcript, the old stays.

The transcript as JSON is the source; every format that it lies beside is written again. Blocks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import define, evolve, frozen

from meetcore import MeetcoreError, NameSource, Segment, Word
from meetcore.model import nearest
from meetcore_files.completion import write_transcripts
from meetcore_files.formats import FORMATS
from meetcore_files.manifest import MANIFEST_NAME, Manifest
from meetcore_files.transcription_run import base_of, enter_in_manifest, newest_stem, next_stem

__all__ = ["NamingRefused", "ShownSpeaker", "WrittenTranscript"]

_UNNAMED = "Unknown"
_LONGEST_NAME = 200


class NamingRefused(MeetcoreError):
    """Nobody can be named so: no transcript, no such name, or it is on several tracks."""

    code = "invalid"


@frozen(kw_only=True)
class ShownSpeaker:
    """Whoever is shown under one name, on one track.

    Attributes:
        name: The name.
        track_id: The track.
        words: How many words they said.
        first: What they said first.
    """

    name: str
    track_id: str
    words: int
    first: str


@define
class WrittenTranscript:
    """A transcript in files, as JSON and maybe more.

    Attributes:
        folder: Where.
        base: The files' name without number and ending: `transcript`.
        stem: The same with the number: `transcript-2`.
        about: What stands before the segments.
        segments: What was said.
    """

    folder: Path
    base: str
    stem: str
    about: dict[str, Any]
    segments: list[Segment]

    @classmethod
    def of(cls, where: Path) -> WrittenTranscript:
        """Return the newest transcript of a bot's folder, or that of a JSON file.

        Raises:
            NamingRefused: There is none, it cannot be read, or the bot has not ended.
        """
        if where.is_file():
            folder, stem = where.parent, where.stem
            base = base_of(stem)
        else:
            folder, base = _bots_files(where), "transcript"
            newest = newest_stem(folder, base, ".json")
            if newest is None:
                raise NamingRefused(
                    f"{where} has no transcript as JSON.",
                    f"`meetcore transcribe {where}` makes one.",
                )
            stem = newest
        path = folder / f"{stem}.json"
        try:
            body = json.loads(path.read_bytes())
            segments = [_segment(each) for each in body.pop("segments")]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise NamingRefused(
                f"{path} is no transcript that can be read: {error}.",
                "Name a bot's folder, or a transcript as JSON.",
            ) from error
        return cls(folder, base, stem, body, segments)

    @property
    def speakers(self) -> list[ShownSpeaker]:
        """Whoever speaks, in the order of their first words."""
        found: dict[tuple[str, str], ShownSpeaker] = {}
        for segment in self.segments:
            key = segment.speaker_name or _UNNAMED, segment.track_id
            known = found.get(key)
            count = len(segment.text.split())
            if known is None:
                found[key] = ShownSpeaker(
                    name=key[0], track_id=key[1], words=count, first=segment.text
                )
            else:
                found[key] = evolve(known, words=known.words + count)
        return list(found.values())

    def name(self, shown: str, name: str, track_id: str | None = None) -> Sequence[Path]:
        """Write the next transcript, in which whoever is shown under one name has another.

        Args:
            shown: The name that stands there; `Unknown` for whoever has none.
            name: The new one.
            track_id: On which track alone; needed where the same name is on several.

        Returns:
            The files that were written.

        Raises:
            NamingRefused: There is nobody of that name, or on several tracks.
            OSError: A file could not be written.
        """
        name = " ".join(name.split())
        if not 0 < len(name) <= _LONGEST_NAME:
            raise NamingRefused(f"A name has 1 to {_LONGEST_NAME} characters.")
        meant = [
            each
            for each in self.speakers
            if each.name == shown and track_id in (None, each.track_id)
        ]
        if not meant:
            names = list(dict.fromkeys(each.name for each in self.speakers))
            guess = nearest(shown, names)
            hint = f"Did you mean {guess!r}? " if guess else ""
            on = f" on the track {track_id!r}" if track_id else ""
            raise NamingRefused(
                f"Nobody is shown as {shown!r}{on} in {self.stem}.json.",
                f"{hint}There are: {', '.join(names)}.",
            )
        if len(meant) > 1:
            tracks = ", ".join(each.track_id for each in meant)
            raise NamingRefused(
                f"{shown!r} is on several tracks, and may be several people: {tracks}.",
                "Say which with --track.",
            )
        renamed = [
            evolve(each, speaker_name=name, revision=each.revision + 1)
            if (each.speaker_name or _UNNAMED) == shown and each.track_id == meant[0].track_id
            else each
            for each in self.segments
        ]
        kinds = [
            style.name
            for style in FORMATS
            if (self.folder / f"{self.stem}{Path(style.file_name).suffix}").is_file()
        ]
        given = {"track_id": meant[0].track_id, "shown": shown, "name": name}
        about = {
            **self.about,
            "named": [*self.about.get("named", []), given],
            "named_at": datetime.now(UTC).isoformat(),
        }
        stem = next_stem(self.folder, self.base)
        entries = write_transcripts(self.folder, renamed, about, kinds, stem=stem)
        enter_in_manifest(self.folder, entries)
        return [self.folder / entry.path for entry in entries]


def _bots_files(where: Path) -> Path:
    """Return the folder with a bot's files.

    Raises:
        NamingRefused: It is no bot's, or the bot has not ended.
    """
    for folder in (where, where / "files"):
        manifest = Manifest.read(folder)
        if manifest is None:
            continue
        if not manifest.complete:
            raise NamingRefused(
                f"The bot in {where} has not ended, or was killed.",
                "While it is in the call, voices are named by the command name_voice, for instance "
                f"with `meetcore name http://…/v1/bots/{manifest.bot_id}`. What a killed bot left "
                f"is finished by `meetcore recover {where}`.",
            )
        return folder
    raise NamingRefused(
        f"{where} is neither a bot's folder (it has no {MANIFEST_NAME}) nor a file.",
        "Name a bot's folder, a transcript as JSON, or a bot's address at a server.",
    )


def _segment(body: dict[str, Any]) -> Segment:
    known = dict(body)
    words = tuple(Word(**word) for word in known.pop("words"))
    source = NameSource(known.pop("speaker_source"))
    return Segment(**known, finalized=True, speaker_source=source, words=words)

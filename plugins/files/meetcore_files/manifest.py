"""`manifest.json`: every file there is, with media type, size, length and checksum.

It is begun with the first file (`complete` is false, sizes unknown), so that recovery knows which
file holds which track, and completed at the end.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from attrs import asdict, define, field, frozen

from meetcore_files.atomic import write_atomically

__all__ = ["MANIFEST_NAME", "Manifest", "ManifestEntry", "sha256_of"]

MANIFEST_NAME = "manifest.json"
_READ_BYTES = 1 << 20


@frozen(kw_only=True)
class ManifestEntry:
    """One file.

    Attributes:
        path: Relative to the manifest's folder.
        kind: `audio.track`, `audio.own` for what the bot said, `audio.mix`, `video`,
            `video.share` for a screen that was shared, `still.share` for a still of it, `shares`
            for their index, or `transcript`.
        media_type: What is in it.
        size_bytes: Its size, None until it is complete.
        sha256: Its checksum in hexadecimal, None until it is complete.
        duration_s: How long it plays, None for what does not play.
        track_id: The track, for a track's recording, or the share.
        participant_id: Whose track it is, None where unknown.
        speaker_name: Their name, None where unknown.
    """

    path: str
    kind: str
    media_type: str
    size_bytes: int | None = None
    sha256: str | None = None
    duration_s: float | None = None
    track_id: str | None = None
    participant_id: str | None = None
    speaker_name: str | None = None


@define(kw_only=True)
class Manifest:
    """What is in the folder.

    Attributes:
        bot_id: The bot's id.
        complete: Whether everything is there and checked.
        offset_s: Where sample 0 of the call's audio clock lies in the meeting; it is already in
            the files as silence, so that time in a file is meeting time.
        files: The files.
    """

    bot_id: str
    complete: bool = False
    offset_s: float = 0.0
    files: list[ManifestEntry] = field(factory=list)

    def write(self, folder: Path) -> None:
        """Write it, atomically; blocks.

        Raises:
            OSError: It cannot be written.
        """
        data = json.dumps({"version": 1, **asdict(self)}, ensure_ascii=False, indent=2)
        write_atomically(folder / MANIFEST_NAME, data.encode() + b"\n")

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """Return the manifest of a folder, or None where there is none that can be read."""
        try:
            body: dict[str, Any] = json.loads((folder / MANIFEST_NAME).read_bytes())
            body.pop("version")
            files = [ManifestEntry(**entry) for entry in body.pop("files")]
            return cls(**body, files=files)
        except (OSError, ValueError, KeyError, TypeError):
            return None


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal; blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_READ_BYTES):
            digest.update(data)
    return digest.hexdigest()

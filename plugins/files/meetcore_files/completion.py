"""What is written when a meeting is over, and what recovery makes good: the same, from the journal.

Transcripts come from the journal's finalized segments alone, so a killed bot's are as whole as
any. Blocks; runs on a thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import define, evolve, field

from meetcore.audio.chunk import SAMPLE_RATE_HZ
from meetcore.events import (
    BotRequested,
    CaptureStarted,
    Event,
    ParticipantJoined,
    ParticipantUpdated,
    SegmentFinalized,
    TrackOpened,
)
from meetcore.transcript import Transcript
from meetcore_files.atomic import write_atomically
from meetcore_files.audio_file import FlacFile, OpusFile
from meetcore_files.formats import FORMATS
from meetcore_files.manifest import Manifest, ManifestEntry, sha256_of
from meetcore_files.playback import played_duration_s, remake
from meetcore_files.recorder import MIX_STEM, RecordedFile

__all__ = ["Meeting", "audio_entry", "complete", "recover_audio"]


@define
class Meeting:
    """What a journal says about the meeting, as far as files need it. A reducer.

    Attributes:
        about: The head of the JSON transcript.
        offset_s: Where sample 0 of the audio clock lies in the meeting.
        transcript: The finalized segments.
        owners: For each track its participant, None where unknown.
        names: Participants' newest names.
    """

    about: dict[str, Any] = field(factory=dict)
    offset_s: float = 0.0
    transcript: Transcript = field(factory=Transcript)
    owners: dict[str, str | None] = field(factory=dict)
    names: dict[str, str] = field(factory=dict)

    def take(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, BotRequested):
            self.about = {
                "bot_id": event.bot_id,
                "platform": event.platform,
                "meeting": event.public_url,
                "requested_at": event.at.isoformat(),
            }
        elif isinstance(event, CaptureStarted):
            self.offset_s = event.offset_s
        elif isinstance(event, SegmentFinalized):
            self.transcript.finalized(event.segment)
        elif isinstance(event, TrackOpened):
            self.owners[event.track_id] = event.participant_id
        elif isinstance(event, ParticipantJoined | ParticipantUpdated):
            self.names[event.participant.id] = event.participant.name


def audio_entry(file: RecordedFile, meeting: Meeting | None = None) -> ManifestEntry:
    """Return the manifest's entry of a recording that may still be growing."""
    owner = meeting.owners.get(file.track_id) if meeting and file.track_id else None
    return ManifestEntry(
        path=file.path.name,
        kind="audio.mix" if file.track_id is None else "audio.track",
        media_type=file.media_type,
        duration_s=round(file.samples / SAMPLE_RATE_HZ, 3) if file.samples else None,
        track_id=file.track_id,
        participant_id=owner,
        speaker_name=meeting.names.get(owner) if meeting and owner else None,
    )


def complete(
    folder: Path, bot_id: str, meeting: Meeting, audio: Iterable[ManifestEntry], *, sound: bool
) -> Manifest:
    """Write the transcripts and the finished manifest.

    Args:
        folder: The sink's folder.
        bot_id: The bot's id.
        meeting: What the journal says.
        audio: The recordings.
        sound: Whether the recordings were completed as they should; if not, the manifest stays
            incomplete and recovery has another try.

    Raises:
        OSError: Something could not be written; what was there before is untouched.
    """
    entries = [_measured(folder, entry) for entry in audio]
    for style in FORMATS:
        text = style.write(meeting.transcript.segments, meeting.about)
        write_atomically(folder / style.file_name, text.encode())
        entry = ManifestEntry(path=style.file_name, kind="transcript", media_type=style.media_type)
        entries.append(_measured(folder, entry))
    manifest = Manifest(bot_id=bot_id, complete=sound, offset_s=meeting.offset_s, files=entries)
    manifest.write(folder)
    return manifest


def _measured(folder: Path, entry: ManifestEntry) -> ManifestEntry:
    path = folder / entry.path
    return evolve(entry, size_bytes=path.stat().st_size, sha256=sha256_of(path))


def recover_audio(folder: Path, meeting: Meeting) -> tuple[list[ManifestEntry], list[str]]:
    """Make whole files of what a killed process left.

    Returns:
        The entries of the files that hold sound, and a line for each file looked at.

    Raises:
        OSError: A file could not be rewritten; it is as it was.
    """
    known = Manifest.read(folder)
    tracks = {entry.path: entry.track_id for entry in known.files} if known else {}
    entries, lines = [], []
    for kind in (OpusFile, FlacFile):
        for path in sorted(folder.glob(f"[!.]*{kind.suffix}")):
            before_s = played_duration_s(path)
            if not before_s:
                lines.append(f"{path.name} holds no sound and is left out of the manifest.")
                continue
            remake(path)
            is_mix = path.stem == MIX_STEM
            track_id = tracks.get(path.name) or (
                None if is_mix else path.stem.removeprefix("track-")
            )
            file = RecordedFile(path, kind.media_type, track_id)
            duration_s = played_duration_s(path)
            entries.append(evolve(audio_entry(file, meeting), duration_s=duration_s))
            lines.append(f"{path.name} plays {duration_s:.1f} s.")
    return entries, lines

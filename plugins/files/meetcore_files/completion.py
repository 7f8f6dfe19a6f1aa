"""What is written when a meeting is over, and what recovery makes good: the same, from the journal.

Transcripts come from the journal's finalized segments alone, so a killed bot's are as whole as
any. Blocks; runs on a thread.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from errno import EIO
from pathlib import Path
from typing import Any

from attrs import define, evolve, field

from meetcore import (
    SAMPLE_RATE_HZ,
    BotRequested,
    CaptureStarted,
    Event,
    ParticipantJoined,
    ParticipantUpdated,
    Segment,
    SegmentFinalized,
    TrackOpened,
    TrackOwnerIdentified,
    Transcript,
)
from meetcore.model import Chapters, without_fillers
from meetcore_files.atomic import write_atomically
from meetcore_files.audio_file import AUDIO_FILES
from meetcore_files.chapter_marks import has_chapters
from meetcore_files.formats import FORMATS
from meetcore_files.manifest import Manifest, ManifestEntry, sha256_of
from meetcore_files.media import MediaUnreadable
from meetcore_files.options import FilesOptions
from meetcore_files.playback import played_duration_s, remake
from meetcore_files.recorder import MIX_STEM, RecordedFile, stem_for_track
from meetcore_files.shared_screen import (
    INDEX_NAME,
    SHARE_KIND,
    STILL_KIND,
    STILL_TYPE,
    SharesSeen,
    remove_shares,
    stills_of,
    write_index,
)
from meetcore_files.silencing import ExcludedSound, silence_excluded
from meetcore_files.video_file import VIDEO_NAME, VIDEO_TYPE, finish_video, plays_until_s

__all__ = [
    "MeetingFacts",
    "audio_entry",
    "complete",
    "file_name_part",
    "recover_audio",
    "silence_recordings",
    "write_transcripts",
]

_NAME_BYTES = 80
_CLIPPED = re.compile(r"-\d{6,}-(\d{6,}|end)$")
"""How `meetcore clip` names a stretch of a recording."""


@define
class MeetingFacts:
    """What a journal says about the meeting, as far as files need it. A reducer.

    Attributes:
        about: The head of the JSON transcript.
        offset_s: Where sample 0 of the audio clock lies in the meeting.
        transcript: The finalized segments.
        owners: For each track its participant, None where unknown.
        own_tracks: Those with what the bot itself said.
        names: Participants' newest names.
        excluded: Where somebody is heard who was excluded.
        chapters: What a player of the whole meeting lists.
        shares: Who shared a screen when.
    """

    about: dict[str, Any] = field(factory=dict)
    offset_s: float = 0.0
    transcript: Transcript = field(factory=Transcript)
    owners: dict[str, str | None] = field(factory=dict)
    own_tracks: set[str] = field(factory=set)
    names: dict[str, str] = field(factory=dict)
    excluded: ExcludedSound = field(factory=ExcludedSound)
    chapters: Chapters = field(factory=Chapters)
    shares: SharesSeen = field(factory=SharesSeen)

    def take(self, event: Event) -> None:
        """Take one event."""
        self.excluded.take(event)
        self.chapters.take(event)
        self.shares.take(event)
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
        elif isinstance(event, TrackOpened | TrackOwnerIdentified):
            self.owners[event.track_id] = event.participant_id
            if isinstance(event, TrackOpened) and event.kind == "own":
                self.own_tracks.add(event.track_id)
        elif isinstance(event, ParticipantJoined | ParticipantUpdated):
            self.names[event.participant.id] = event.participant.name

    def name_of(self, track_id: str) -> str | None:
        """Return the name of whom a track belongs to, None where unknown."""
        return self.names.get(self.owners.get(track_id) or "")

    def tags_of(self, track_id: str | None) -> dict[str, str]:
        """Return the tags of a track's file, and for None those of the mix."""
        place = str(self.about.get("meeting", ""))
        name = self.name_of(track_id) if track_id is not None else None
        what = "Everybody" if track_id is None else name or f"Track {track_id}"
        tags = {"title": f"{what}, {place}" if place else what, "album": place}
        if track_id is not None:
            tags["comment"] = f"track {track_id}"
        if name is not None:
            tags["artist"] = name
        if "requested_at" in self.about:
            tags["date"] = str(self.about["requested_at"])[:10]
        return {key: value for key, value in tags.items() if value}


def file_name_part(name: str) -> str:
    """Return a person's name as it may stand in a file's name: letters, digits and dashes."""
    plain = re.sub(r"[^\w]+", "-", unicodedata.normalize("NFC", name)).strip("-_")
    return plain.encode()[:_NAME_BYTES].decode(errors="ignore").strip("-_")


def audio_entry(file: RecordedFile, meeting: MeetingFacts | None = None) -> ManifestEntry:
    """Return the manifest's entry of a recording that may still be growing."""
    owner = meeting.owners.get(file.track_id) if meeting and file.track_id else None
    kind = "audio.mix" if file.track_id is None else "audio.track"
    if meeting is not None and file.track_id in meeting.own_tracks:
        kind = "audio.own"
    elif file.is_video:
        kind = "video" if file.track_id is None else SHARE_KIND
        if meeting is not None and file.track_id is not None:
            owner, _ = meeting.shares.sharer(file.track_id)
    return ManifestEntry(
        path=file.path.name,
        kind=kind,
        media_type=file.media_type,
        duration_s=round(file.samples / SAMPLE_RATE_HZ, 3) if file.samples else None,
        track_id=file.track_id,
        participant_id=owner,
        speaker_name=meeting.names.get(owner) if meeting and owner else None,
    )


def complete(
    folder: Path,
    bot_id: str,
    meeting: MeetingFacts,
    audio: Iterable[ManifestEntry],
    options: FilesOptions,
    *,
    sound: bool,
) -> Manifest:
    """Name the tracks' files after people, write the transcripts and the finished manifest.

    Where nothing was transcribed there are no transcripts.

    Args:
        folder: The sink's folder.
        bot_id: The bot's id.
        meeting: What the journal says.
        audio: The recordings.
        options: What the transcript is written as.
        sound: Whether the recordings were completed as they should; if not, the manifest stays
            incomplete and recovery has another try.

    Raises:
        OSError: Something could not be written; what was there before is untouched.
    """
    audio = [_named(folder, entry) if sound else entry for entry in audio]
    audio, stills = _with_stills(folder, meeting, audio)
    entries = [_measured(folder, entry) for entry in audio]
    written = write_transcripts(
        folder,
        meeting.transcript.segments,
        meeting.about,
        options.transcripts,
        fillers=options.fillers,
    )
    entries += [_measured(folder, entry) for entry in (*written, *stills)]
    manifest = Manifest(bot_id=bot_id, complete=sound, offset_s=meeting.offset_s, files=entries)
    manifest.write(folder)
    return manifest


def _with_stills(
    folder: Path, meeting: MeetingFacts, files: list[ManifestEntry]
) -> tuple[list[ManifestEntry], list[ManifestEntry]]:
    """Return the files that stay, and the entries of the shared screens' stills and their index.

    Screens of whoever was excluded since the beginning do not stay.
    """
    numbers = {
        int(Path(each.path).stem.rpartition("-")[2]): each
        for each in files
        if each.kind == SHARE_KIND
    }
    gone = [n for n, each in numbers.items() if meeting.shares.gone_with(each.track_id)]
    remove_shares(folder, gone)
    lost = {numbers.pop(number).path for number in gone}
    shares = {number: each.track_id for number, each in numbers.items()}
    stills = [
        ManifestEntry(
            path=path.name,
            kind=STILL_KIND,
            media_type=STILL_TYPE,
            track_id=each.track_id,
            participant_id=each.participant_id,
            speaker_name=each.speaker_name,
        )
        for number, each in numbers.items()
        for _, path in stills_of(folder, number)
    ]
    if write_index(folder, shares, meeting.shares, meeting.transcript.segments):
        index = ManifestEntry(path=INDEX_NAME, kind="shares", media_type="application/json")
        stills.append(index)
    return [each for each in files if each.path not in lost], stills


def write_transcripts(
    folder: Path,
    segments: Sequence[Segment],
    about: Mapping[str, Any],
    kinds: Iterable[str],
    *,
    stem: str = "transcript",
    fillers: bool = True,
) -> list[ManifestEntry]:
    """Write a transcript in some formats; none where nothing was said.

    Args:
        folder: Where to.
        segments: Finalized segments.
        about: What stands before them.
        kinds: Names of formats.
        stem: The files' name without its ending.
        fillers: Whether words like "um" stay in what is written for people.

    Raises:
        OSError: A file could not be written.
    """
    entries: list[ManifestEntry] = []
    wanted = set(kinds)
    for style in FORMATS if segments else ():
        if style.name not in wanted:
            continue
        shown = segments
        if not fillers and style.for_people:
            shown = [evolve(s, text=without_fillers(s.text, s.language)) for s in segments]
        path = folder / f"{stem}{Path(style.file_name).suffix}"
        write_atomically(path, style.write(shown, about).encode())
        entries.append(
            ManifestEntry(path=path.name, kind="transcript", media_type=style.media_type)
        )
    return entries


def silence_recordings(
    folder: Path,
    meeting: MeetingFacts,
    audio: Sequence[ManifestEntry],
    options: FilesOptions,
) -> int:
    """Take out of complete recordings what they have of people who were excluded.

    Returns:
        How many files were written anew.

    Raises:
        OSError: A file cannot be read or written; it is as it was.
    """
    if not meeting.excluded.due:
        return 0
    tracks = {
        each.track_id: folder / each.path
        for each in audio
        if each.track_id is not None and each.kind != SHARE_KIND
    }
    mix = next((folder / each.path for each in audio if each.kind == "audio.mix"), None)
    video = next((folder / each.path for each in audio if each.kind == "video"), None)
    tags = {track_id: meeting.tags_of(track_id) for track_id in (*tracks, None)}
    rate = options.bit_rate_kbps
    try:
        silenced = silence_excluded(tracks, mix, meeting.excluded, rate, tags, video)
    except MediaUnreadable as error:
        raise OSError(EIO, error.message) from error
    if silenced and mix is not None and has_chapters(mix):  # it was made anew
        remake(mix, chapters=meeting.chapters.until(played_duration_s(mix)))
    return silenced


def _named(folder: Path, entry: ManifestEntry) -> ManifestEntry:
    """Put the person's name into the name of a track's file, if it is known and not there yet."""
    if entry.kind == SHARE_KIND:
        return entry
    if entry.track_id is None or not (name := file_name_part(entry.speaker_name or "")):
        return entry
    old = folder / entry.path
    new = old.with_name(f"{stem_for_track(entry.track_id)}-{name}{old.suffix}")
    if new != old and not new.exists():
        old.rename(new)
        return evolve(entry, path=new.name)
    return entry


def _measured(folder: Path, entry: ManifestEntry) -> ManifestEntry:
    path = folder / entry.path
    return evolve(entry, size_bytes=path.stat().st_size, sha256=sha256_of(path))


def _track_of(stem: str, known_ids: Iterable[str]) -> str:
    """Return which track a file holds; its name may already have the person's name in it."""
    fitting = [
        track_id
        for track_id in known_ids
        if stem == stem_for_track(track_id) or stem.startswith(f"{stem_for_track(track_id)}-")
    ]
    return max(fitting, key=len, default=stem.removeprefix("track-"))


def _is_recording(
    path: Path, known: Manifest | None, ids: Iterable[str], meeting: MeetingFacts
) -> bool:
    """Whether a sound file is one that the bot recorded, by the manifest or else by its name."""
    if known is not None and path.name in {each.path for each in known.files}:
        return True
    names = {each: file_name_part(meeting.name_of(each) or "") for each in {*ids, *meeting.owners}}
    own = {f"{stem_for_track(each)}-{name}" for each, name in names.items()}
    if path.stem in {MIX_STEM, *own, *map(stem_for_track, names)}:
        return True
    if _CLIPPED.search(path.stem) or not path.stem.startswith("track-"):
        return False
    stems = [stem_for_track(track_id) for track_id in ids]
    return known is None or any(path.stem == s or path.stem.startswith(f"{s}-") for s in stems)


def recover_audio(folder: Path, meeting: MeetingFacts) -> tuple[list[ManifestEntry], list[str]]:
    """Make whole files of what a killed process left.

    Returns:
        The entries of the files that hold sound, and a line for each file looked at.

    Raises:
        OSError: A file could not be rewritten; it is as it was.
    """
    known = Manifest.read(folder)
    ids = [e.track_id for e in known.files if e.track_id is not None] if known else []
    entries, lines = [], []
    for kind in AUDIO_FILES:
        for path in sorted(folder.glob(f"[!.]*{kind.suffix}")):
            if not _is_recording(path, known, ids, meeting):
                continue  # somebody's clip, or a file of their own
            before_s = played_duration_s(path)
            if not before_s:
                lines.append(f"{path.name} holds no sound and is left out of the manifest.")
                continue
            track_id = None if path.stem == MIX_STEM else _track_of(path.stem, ids)
            chapters = meeting.chapters.until(before_s) if path.stem == MIX_STEM else ()
            remake(path, meeting.tags_of(track_id), chapters=chapters)
            file = RecordedFile(path, kind.media_type, track_id)
            duration_s = played_duration_s(path)
            entries.append(evolve(audio_entry(file, meeting), duration_s=duration_s))
            lines.append(f"{path.name} plays {duration_s:.1f} s.")
    video = folder / VIDEO_NAME
    if video.exists():
        duration_s = finish_video(video, meeting.chapters.until(plays_until_s(video)))
        if duration_s:
            file = RecordedFile(video, VIDEO_TYPE, None)
            entries.append(evolve(audio_entry(file, meeting), duration_s=duration_s))
            lines.append(f"{VIDEO_NAME} plays {duration_s:.1f} s.")
        else:
            lines.append(f"{VIDEO_NAME} holds no picture and is left out of the manifest.")
    shares = {e.path: e.track_id for e in known.files if e.kind == SHARE_KIND} if known else {}
    for name, share_id in shares.items():
        duration_s = finish_video(folder / name) if (folder / name).exists() else 0.0
        if duration_s:
            file = RecordedFile(folder / name, VIDEO_TYPE, share_id)
            entries.append(evolve(audio_entry(file, meeting), duration_s=duration_s))
            lines.append(f"{name} plays {duration_s:.1f} s.")
    return entries, lines

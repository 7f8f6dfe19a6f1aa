"""A recording, transcribed and written in every format; goes on where it was broken off. Blocks."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import trio
from attrs import define, field

from meetcore import (
    BotConfig,
    ConfigError,
    Hypothesis,
    PluginEvent,
    Plugins,
    RecordedTranscript,
    Transcriber,
    read_journal,
    transcribe_recording,
)
from meetcore.log import make_private_folder
from meetcore.model import REVISES, spoken_language
from meetcore_files.completion import write_transcripts
from meetcore_files.kept_finals import KeptFinals
from meetcore_files.manifest import Manifest, ManifestEntry, sha256_of
from meetcore_files.media import RecordedMedia
from meetcore_files.silencing import journal_of, without_excluded

__all__ = [
    "TranscriptionRun",
    "base_of",
    "enter_in_manifest",
    "listening_transcriber",
    "newest_stem",
    "next_stem",
    "revision_stem",
    "target_of",
]


def revision_stem(number: int) -> str:
    """Return the name, without an ending, of a bot's transcript of a number."""
    return f"transcript-{number}"


def _numbered(folder: Path, base: str, ending: str = ".*") -> dict[int, str]:
    """Return the transcripts of a name that are there, by number; the first is number 1."""
    number = re.compile(re.escape(base) + r"-([0-9]{1,9})")
    found = {1: base} if any(folder.glob(glob.escape(base) + ending)) else {}
    for path in folder.glob(f"{glob.escape(base)}-*{ending}"):
        if match := number.fullmatch(path.stem):
            found[int(match[1])] = path.stem
    return found


def base_of(stem: str) -> str:
    """Return a transcript's name without its number."""
    base, dash, number = stem.rpartition("-")
    return base if dash and number.isdigit() else stem


def newest_stem(folder: Path, base: str, ending: str) -> str | None:
    """Return the newest transcript's name, without its ending; None where there is none."""
    found = _numbered(folder, base, ending)
    return found[max(found)] if found else None


def next_stem(folder: Path, base: str) -> str:
    """Return the name, without an ending, of the next transcript; none is ever written over."""
    found = _numbered(folder, base)
    return f"{base}-{max(max(found), 1) + 1}" if found else base


def target_of(
    recording: RecordedMedia, out_dir: Path | None, taken: set[str] | None = None
) -> tuple[Path, str]:
    """Return the folder to write to, and the files' name without its ending.

    Args:
        recording: What is transcribed.
        out_dir: Where to, None for beside it.
        taken: The names that other recordings of this run have, but for their numbers: another
            file whose name is the same but for its ending gets that, too. It is added to.
    """
    taken = set() if taken is None else taken
    if recording.folder is not None:
        folder, base = out_dir or recording.folder, "transcript"
    else:
        source = recording.source
        path = Path(source.rpartition("/")[2].partition("?")[0] if "://" in source else source)
        folder = out_dir or (Path() if "://" in source else path.parent)
        base = f"{path.stem or 'recording'}.transcript"
        if str(folder / base) in taken:
            base = f"{path.name}.transcript"
    taken.add(str(folder / base))
    return folder, next_stem(folder, base)


def listening_transcriber(plugins: Plugins, config: BotConfig) -> Transcriber:
    """Return who transcribes a recording.

    Raises:
        ConfigError: Nobody is named, or the one who is does not listen.
        UnknownPlugin: There is none of that name.
        LanguageRefused: It does not speak the language.
    """
    if config.transcriber is None:
        raise ConfigError("There is no transcriber.", "Name one with --transcriber.")
    transcriber = plugins.transcriber(config.transcriber, config)
    spoken_language(config.language, transcriber.capabilities.languages, transcriber.name)
    if transcriber.capabilities.wants == "captions":
        raise ConfigError("A recording has no captions.", "Name a transcriber that listens.")
    return transcriber


def _identity(recording: RecordedMedia) -> dict[str, Any]:
    """Return by what a recording is known again: its names, lengths and times of change."""
    path = Path(recording.source)
    files = [path] if path.is_file() else sorted(path.glob("**/*.opus")) if path.is_dir() else []
    stats = [(str(each), each.stat().st_size, each.stat().st_mtime_ns) for each in files]
    return {"source": recording.source, "files": stats, "tracks": len(recording.tracks)}


@define
class TranscriptionRun:
    """One transcription of a recording.

    Attributes:
        recording: What is transcribed.
        transcriber: By whom.
        config: How.
        folder: Where to.
        stem: The files' name without its ending.
        plugins: Those whose revisers see each segment before it is written.
        known: What an earlier run finalized, by track and first sample of the utterance.
        as_heard: Whether words that did not pass by a plugin in the call may do so now.
    """

    recording: RecordedMedia
    transcriber: Transcriber
    config: BotConfig
    folder: Path
    stem: str
    plugins: Plugins
    known: Mapping[tuple[str, int], Hypothesis] = field(factory=dict)
    as_heard: bool = False

    def _kept(self) -> KeptFinals:
        options = self.transcriber.options
        return KeptFinals(
            self.folder / f".{self.stem}.finals.jsonl",
            {
                "recording": _identity(self.recording),
                "transcriber": self.transcriber.name,
                "options": attrs.asdict(options) if options else None,
                "language": self.config.language,
                "vocabulary": self.config.vocabulary,
                "audio": attrs.asdict(self.config.audio),
                "diarize": self.config.transcription.diarize,
            },
        )

    @property
    def _keeps(self) -> bool:
        """Whether what is finalized may be on the disk before it is revised."""
        revisers = self.plugins.implementations("meetcore_revise_segment")
        return not any(each.fail_closed and self._is_set(each.plugin_name) for each in revisers)

    def _is_set(self, plugin: str) -> bool:
        """Whether a plugin has settings; one from a file may do its part without."""
        installed = any(each.name == plugin and each.installed for each in self.plugins.infos)
        return plugin in self.config.plugins or not installed

    def _check_revisers(self) -> None:
        """Refuse to write what a plugin took out of the call's words and would not be asked for.

        Raises:
            ConfigError: Such a plugin is not set now.
            JournalDamaged: It cannot be known.
        """
        folder, source = self.recording.folder, Path(self.recording.source)
        if folder is None and source.is_file():
            folder = source.parent  # a file that was named by itself
        journal = journal_of(folder)
        if journal is None:
            return
        events = read_journal(journal)
        names = {e.plugin for e in events if isinstance(e, PluginEvent) and e.name == REVISES}
        revisers = self.plugins.implementations("meetcore_revise_segment")
        now = {each.plugin_name for each in revisers if self._is_set(each.plugin_name)}
        if missing := sorted(names - now):
            raise ConfigError(
                f"In the call no word passed by {' and '.join(missing)}; a new transcript would.",
                "Give the call's configuration (--config, or the server's own) and its plugins "
                "(--plugin); or --as-heard on purpose.",
            )

    def take_up(self) -> None:
        """Read what an earlier run of the same kind finalized."""
        self.known = self._kept().read() if self._keeps else {}

    def transcribe(self, progress: Callable[[str, float], None]) -> RecordedTranscript:
        """Return what is said, revised; what is finalized is kept until `write`.

        Where a reviser that must not be passed by is set, nothing is kept: it is not revised yet.

        Args:
            progress: Told of each number of seconds of a track that was taken.

        Raises:
            UnknownOption, PluginError, ConfigError: A plugin with settings is not there, or not
                rightly set.
            TranscriberError: The transcriber cannot be used, or stopped for good.
            MediaUnreadable: A track cannot be read.
            JournalDamaged: It cannot be known who was excluded.
            OSError: What was finalized cannot be kept.
        """
        self.plugins.check_namespaces(self.config)
        config = self.plugins.configure(self.config)
        if not self.as_heard:
            self._check_revisers()
        nobodys = config.exclusion.over_a_mix != "keep"
        tracks = without_excluded(self.recording, nobodys=nobodys)
        make_private_folder(self.folder)
        kept, keeps = self._kept(), self._keeps
        kept.remove()
        if keeps:
            kept.begin(self.known)

        def finalized(track: str, start: int, hypothesis: Hypothesis) -> None:
            if keeps:
                kept.add(track, start, hypothesis)

        async def run() -> RecordedTranscript:
            return await transcribe_recording(
                tracks,
                self.transcriber,
                config,
                kept=self.known,
                finalized=finalized,
                progress=progress,
                plugins=self.plugins,
            )

        return trio.run(run)

    def write(
        self, result: RecordedTranscript, kinds: Iterable[str], *, fillers: bool
    ) -> list[ManifestEntry]:
        """Write the transcript, and enter a bot's in its manifest; none where nothing was said.

        Raises:
            OSError: A file could not be written.
        """
        about = {
            "source": self.recording.source,
            "transcriber": self.transcriber.name,
            "language": self.config.language,
            "transcribed_at": datetime.now(UTC).isoformat(),
            "audio_s": round(result.audio_s, 3),
            "gaps": [
                {"track_id": gap.track_id, "start_s": gap.start_s, "end_s": gap.end_s}
                for gap in result.gaps
            ],
        }
        if result.withheld:
            about["withheld"] = [
                {
                    "track_id": each.track_id,
                    "start_s": each.start_s,
                    "end_s": each.end_s,
                    "plugin": each.plugin,
                    "cause": each.cause,
                }
                for each in result.withheld
            ]
        entries = write_transcripts(
            self.folder, result.segments, about, kinds, stem=self.stem, fillers=fillers
        )
        if self.recording.folder is not None and self.folder == self.recording.folder:
            enter_in_manifest(self.folder, entries)
        self._kept().remove()
        return entries


def enter_in_manifest(folder: Path, entries: list[ManifestEntry]) -> None:
    """Enter a bot's new transcript in its manifest, where there is one; each file once."""
    manifest = Manifest.read(folder)
    if manifest is None:
        return
    names = {entry.path for entry in entries}
    manifest.files = [entry for entry in manifest.files if entry.path not in names]
    for entry in entries:
        path = folder / entry.path
        manifest.files.append(
            attrs.evolve(entry, size_bytes=path.stat().st_size, sha256=sha256_of(path))
        )
    manifest.write(folder)

"""`meetcore transcribe`: any recording to a transcript in every format, once more if need be."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import click

from meetcore import ConfigError, MeetcoreError
from meetcore.cli import plugin_options, transcriber_names
from meetcore.model import language_tag, spoken_language
from meetcore_files.options import FilesOptions

__all__ = ["transcribe"]

_KINDS = ("json", "srt", "vtt", "txt", "md", "html")
_REVISION = re.compile(r"transcript-([0-9]+)")


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="FILE|FOLDER|URL...")
@click.option(
    "--transcriber",
    metavar="NAME",
    help="Who transcribes; by default the configuration's, else the best that is usable.",
    shell_complete=transcriber_names,
)
@click.option("--language", help="What is spoken, as a tag like 'de'; found out by default.")
@click.option("--vocabulary", multiple=True, metavar="TERM", help="A name or term that is said.")
@click.option("--diarize", is_flag=True, help="Tell voices on one track apart.")
@click.option("--split-channels", is_flag=True, help="Each channel is somebody's own.")
@click.option(
    "--format",
    "kinds",
    multiple=True,
    type=click.Choice(_KINDS),
    default=("json", "srt", "vtt", "txt"),
    help="What to write; may be given more than once.  [default: json, srt, vtt, txt]",
)
@click.option("--no-fillers", is_flag=True, help="Leave words like 'um' out of txt, md and html.")
@click.option(
    "--out",
    "out_dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to write to; beside the recording by default.",
)
@click.option("--fresh", is_flag=True, help="Begin anew where an earlier run was broken off.")
@plugin_options
def transcribe(sources: tuple[str, ...], **options: Any) -> None:
    """Transcribe recordings: any audio or video FILE, a bot's FOLDER, a folder of files, a URL.

    A bot's tracks keep their speakers; its new transcript gets a number, the old one stays. Ctrl-C
    keeps what is finalized: the same command goes on from there.
    """
    from meetcore.cli import config_from_options, plugins_from_options
    from meetcore_files.media import recording_of

    plugins = plugins_from_options(**options)
    try:
        config = config_from_options({"transcriber": "auto"}, **options)
        config = attrs.evolve(
            config,
            vocabulary=(*config.vocabulary, *options["vocabulary"]),
            language=language_tag(options["language"] or config.language),
            transcription=attrs.evolve(
                config.transcription,
                diarize=options["diarize"] or config.transcription.diarize,
            ),
        )
        failed = 0
        for source in _each(sources):
            recording = recording_of(source, split_channels=options["split_channels"])
            try:
                for line in _one(recording, plugins, config, options):
                    click.echo(line)
            except KeyboardInterrupt:
                click.echo("\nBroken off. The same command goes on from there.", err=True)
                sys.exit(130)
            except MeetcoreError as error:
                failed += 1
                click.echo(f"{source}: {error.message} {error.remedy}".rstrip(), err=True)
    except MeetcoreError as error:
        raise click.ClickException(f"{error.message} {error.remedy}".strip()) from error
    sys.exit(1 if failed else 0)


def _each(sources: tuple[str, ...]) -> Iterator[str]:
    """Yield recordings: those of a folder that is not a bot's one by one."""
    from meetcore_files.manifest import MANIFEST_NAME
    from meetcore_files.media import MEDIA_SUFFIXES

    for source in sources:
        path = Path(source)
        bots = path.is_dir() and any(
            (each / MANIFEST_NAME).is_file() for each in (path, path / "files")
        )
        found = [] if bots or not path.is_dir() else sorted(path.iterdir())
        media = [str(each) for each in found if each.suffix.lower() in MEDIA_SUFFIXES]
        yield from media or [source]


def _one(recording: Any, plugins: Any, config: Any, options: dict[str, Any]) -> Iterator[str]:
    """Transcribe one recording; yield lines about what came of it."""
    import trio

    from meetcore import TranscriptionGap, transcribe_recording
    from meetcore.cli import line_of
    from meetcore_files.completion import write_transcripts
    from meetcore_files.kept_finals import KeptFinals

    if config.transcriber is None:
        raise ConfigError("There is no transcriber.", "Name one with --transcriber.")
    transcriber = plugins.transcriber(config.transcriber, config)
    spoken_language(config.language, transcriber.capabilities.languages, transcriber.name)
    if transcriber.capabilities.wants == "captions":
        raise ConfigError("A recording has no captions.", "Name a transcriber that listens.")
    folder, stem = _target(recording, options["out_dir"])
    folder.mkdir(parents=True, exist_ok=True)
    kept = KeptFinals(
        folder / f".{stem}.finals.jsonl",
        {
            "recording": _identity(recording),
            "transcriber": transcriber.name,
            "options": attrs.asdict(transcriber.options) if transcriber.options else None,
            "language": config.language,
            "vocabulary": config.vocabulary,
            "audio": attrs.asdict(config.audio),
            "diarize": config.transcription.diarize,
        },
    )
    known = {} if options["fresh"] else kept.read()
    kept.begin(known)
    label = f"{Path(recording.source).name or recording.source} by {transcriber.name}"
    if known:
        label += f", going on after {len(known)} utterances"
    with click.progressbar(
        length=max(1, round(recording.duration_s or 0)),
        label=label,
        file=sys.stderr,
        show_percent=recording.duration_s is not None,
    ) as bar:
        taken = 0.0

        def progress(track_id: str, seconds: float) -> None:
            nonlocal taken
            before, taken = int(taken), taken + seconds
            bar.update(int(taken) - before)

        async def run() -> Any:
            return await transcribe_recording(
                recording.tracks,
                transcriber,
                config,
                kept=known,
                finalized=kept.add,
                progress=progress,
            )

        result = trio.run(run)
    about = {
        "source": recording.source,
        "transcriber": transcriber.name,
        "language": config.language,
        "transcribed_at": datetime.now(UTC).isoformat(),
        "audio_s": round(result.audio_s, 3),
    }
    entries = write_transcripts(
        folder,
        result.segments,
        about,
        options["kinds"],
        stem=stem,
        fillers=FilesOptions().fillers and not options["no_fillers"],
    )
    if recording.folder is not None and folder == recording.folder:
        _enter(folder, entries)
    kept.remove()
    for event in result.events:
        if isinstance(event, TranscriptionGap):
            yield line_of(event, "recording")
    words = sum(len(segment.text.split()) for segment in result.segments)
    yield (
        f"{recording.source}: {words} words in {result.audio_s:.0f} s of sound, "
        f"{result.speech_s:.0f} s of speech"
    )
    if not entries:
        yield "  nothing was said; no transcript is written"
    for entry in entries:
        yield f"  {folder / entry.path}"


def _identity(recording: Any) -> dict[str, Any]:
    """Return by what a recording is known again: its names, lengths and times of change."""
    path = Path(recording.source)
    files = [path] if path.is_file() else sorted(path.glob("**/*.opus")) if path.is_dir() else []
    stats = [(str(each), each.stat().st_size, each.stat().st_mtime_ns) for each in files]
    return {"source": recording.source, "files": stats, "tracks": len(recording.tracks)}


def _target(recording: Any, out_dir: Path | None) -> tuple[Path, str]:
    """Return the folder to write to, and the files' name without its ending."""
    if recording.folder is None:
        source = recording.source
        path = Path(source.rpartition("/")[2].partition("?")[0] if "://" in source else source)
        beside = Path() if "://" in source else path.parent
        return out_dir or beside, f"{path.stem or 'recording'}.transcript"
    folder = out_dir or recording.folder
    numbers = [
        int(match[1])
        for path in folder.glob("transcript-*.*")
        if (match := _REVISION.fullmatch(path.stem))
    ]
    first = not any(folder.glob("transcript.*"))
    return folder, "transcript" if first else f"transcript-{max(numbers, default=1) + 1}"


def _enter(folder: Path, entries: list[Any]) -> None:
    """Enter a bot's new transcript in its manifest."""
    from meetcore_files.manifest import Manifest, sha256_of

    manifest = Manifest.read(folder)
    if manifest is None:
        return
    for entry in entries:
        path = folder / entry.path
        manifest.files.append(
            attrs.evolve(entry, size_bytes=path.stat().st_size, sha256=sha256_of(path))
        )
    manifest.write(folder)

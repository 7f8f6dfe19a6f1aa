"""`meetcore transcribe`: any recording to a transcript in every format, once more if need be."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import click

from meetcore import MeetcoreError
from meetcore.cli import plugin_options, transcriber_names
from meetcore.model import language_tag
from meetcore_files.options import FilesOptions

__all__ = ["transcribe"]

_KINDS = ("json", "srt", "vtt", "txt", "md", "html")


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
    from meetcore import TranscriptionGap
    from meetcore.cli import line_of
    from meetcore_files.transcription_run import (
        TranscriptionRun,
        listening_transcriber,
        target_of,
    )

    transcriber = listening_transcriber(plugins, config)
    folder, stem = target_of(recording, options["out_dir"])
    run = TranscriptionRun(recording, transcriber, config, folder, stem)
    if not options["fresh"]:
        run.take_up()
    label = f"{Path(recording.source).name or recording.source} by {transcriber.name}"
    if run.known:
        label += f", going on after {len(run.known)} utterances"
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

        result = run.transcribe(progress)
    fillers = FilesOptions().fillers and not options["no_fillers"]
    entries = run.write(result, options["kinds"], fillers=fillers)
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

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
@click.option(
    "--as-heard",
    is_flag=True,
    help="Write the words as they are heard, also where `redact` or the like had taken some out.",
)
@plugin_options
def transcribe(sources: tuple[str, ...], **options: Any) -> None:
    """Transcribe recordings: any audio or video FILE, a bot's FOLDER, a folder of files, a URL.

    A bot's tracks keep their speakers; its new transcript gets a number, the old one stays. Ctrl-C
    keeps what is finalized: the same command goes on from there, unless `redact` or another
    plugin that must see every word is set.
    """
    from meetcore.cli import config_from_options, opened_folder, plugins_from_options
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
        plugins.check_namespaces(config)
        if config.transcription.fallback:
            click.echo("`fallback` is for bots; a recording is transcribed by one.", err=True)
        failed, taken = 0, set[str]()
        for source in _each(sources):
            with opened_folder(Path(source), config) as opened:
                given = source if opened == Path(source) else str(opened)
                recording = recording_of(given, split_channels=options["split_channels"])
                try:
                    for line in _one(recording, plugins, config, options, taken):
                        click.echo(line.replace(given, source))
                except MeetcoreError as error:
                    failed += 1
                    click.echo(f"{source}: {error.message} {error.remedy}".rstrip(), err=True)
                except OSError as error:
                    failed += 1
                    click.echo(f"{source}: {error.filename or ''} {error.strerror}.", err=True)
    except MeetcoreError as error:
        raise click.ClickException(f"{error.message} {error.remedy}".strip()) from error
    except (KeyboardInterrupt, BaseExceptionGroup) as error:
        if isinstance(error, BaseExceptionGroup) and error.subgroup(KeyboardInterrupt) is None:
            raise
        click.echo("\nBroken off; what is finalized is kept. The same command goes on.", err=True)
        sys.exit(130)
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


def _one(
    recording: Any, plugins: Any, config: Any, options: dict[str, Any], taken: set[str]
) -> Iterator[str]:
    """Transcribe one recording; yield lines about what came of it.

    Raises:
        TranscriberError: There was speech, and none of it was transcribed.
    """
    from meetcore import TranscriberError, TranscriberNotice, TranscriberRestarted, TranscriptionGap
    from meetcore_files.transcription_run import (
        TranscriptionRun,
        base_of,
        listening_transcriber,
        newest_stem,
        target_of,
    )

    transcriber = listening_transcriber(plugins, config)
    folder, stem = target_of(recording, options["out_dir"], taken)
    run = TranscriptionRun(recording, transcriber, config, folder, stem, plugins)
    run.as_heard = options["as_heard"]
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
        heard = 0.0

        def progress(track_id: str, seconds: float) -> None:
            nonlocal heard
            before, heard = int(heard), heard + seconds
            bar.update(int(heard) - before)

        result = run.transcribe(progress)
    causes = [event for event in result.events if isinstance(event, TranscriberRestarted)]
    if result.gaps and not result.segments:
        why = causes[-1].detail if causes else result.gaps[-1].cause
        kind = causes[-1].kind if causes else "server"
        raise TranscriberError(
            kind,
            f"None of {result.speech_s:.0f} s of speech could be transcribed. {why}",
            retryable=True,
            remedy=f"`meetcore doctor {transcriber.name}` says what is wrong.",
        )
    fillers = FilesOptions().fillers and not options["no_fillers"]
    entries = run.write(result, options["kinds"], fillers=fillers)
    for event in result.events:
        if isinstance(event, TranscriptionGap):
            why = causes[-1].detail if causes else event.cause
            yield (
                f"  not transcribed: {_clock(event.start_s)} to {_clock(event.end_s)} of track "
                f"{event.track_id}: {why}"
            )
        elif isinstance(event, TranscriberNotice) and event.kind in ("ignored", "model"):
            yield f"  {event.transcriber}: {event.detail}"
    for withheld in result.withheld:
        yield (
            f"  withheld: {_clock(withheld.start_s)} to {_clock(withheld.end_s)} of track "
            f"{withheld.track_id}: {withheld.plugin} {withheld.cause.replace('_', ' ')}"
        )
    words = sum(len(segment.text.split()) for segment in result.segments)
    yield (
        f"{recording.source}: {words} words in {result.audio_s:.0f} s of sound, "
        f"{result.speech_s:.0f} s of speech"
    )
    if not entries:
        before = newest_stem(folder, base_of(stem), ".*")
        stays = f"; {folder / before}.* stays as it was" if before else ""
        yield f"  nothing was said; no transcript is written{stays}"
    for entry in entries:
        yield f"  {folder / entry.path}"


def _clock(seconds: float) -> str:
    whole = max(0.0, seconds)
    return f"{int(whole // 3600):02d}:{int(whole // 60 % 60):02d}:{whole % 60:04.1f}"

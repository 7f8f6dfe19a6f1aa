"""`meetcore clip`: a stretch of a recording, and of its transcript, as files of their own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from meetcore import MeetcoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["clip_command"]

_KINDS = ("json", "srt", "vtt", "txt", "md", "html")


@click.command("clip")
@click.argument("where", metavar="FOLDER|FILE", type=click.Path(exists=True, path_type=Path))
@click.option("--from", "start", required=True, metavar="TIME", help="Where it begins: 90, 1:30.")
@click.option("--to", "end", required=True, metavar="TIME", help="Where it ends: 95.5, 1:02:03.")
@click.option("--track", metavar="ID|NAME", help="One person's sound alone; by default all.")
@click.option(
    "--out",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file; its ending says the format: .opus, .flac, .wav, .mp3 or .m4a.  "
    "[default: an .m4a beside the recording]",
)
@click.option(
    "--transcript",
    "kinds",
    multiple=True,
    type=click.Choice(_KINDS),
    help="Write what was said there beside it, too; may be given more than once.",
)
def clip_command(
    where: Path,
    start: str,
    end: str,
    track: str | None,
    target: Path | None,
    kinds: tuple[str, ...],
) -> None:
    """Cut a clip out of a recording: of a bot's FOLDER, or of any media FILE.

    Times are those of the recording, which are those of the meeting and of the transcript. A bot
    that is recording still can be clipped up to now. For instance:

    meetcore clip meetings/20260102-090000-abc123 --from 12:30 --to 13:05 --out decision.mp3
    """
    from meetcore_files.clip import cut, recording_in, seconds_of

    try:
        start_s, end_s = seconds_of(start), seconds_of(end)
        recording = recording_in(where, track)
        if target is None:
            name = f"{recording.stem}-{_named(start_s)}-{_named(end_s)}.m4a"
            target = recording.with_name(name)
        with click.progressbar(
            length=max(1, round(end_s - start_s)), label=target.name, file=sys.stderr
        ) as bar:
            done = 0

            def progress(seconds: float) -> None:
                nonlocal done
                step, done = int(seconds) - done, int(seconds)
                bar.update(step)

            length_s = cut(recording, target, start_s, end_s, progress)
        click.echo(target)
        for path in _transcripts(where, target, start_s, start_s + length_s, kinds):
            click.echo(path)
    except MeetcoreError as error:
        raise click.ClickException(f"{error.message} {error.remedy}".strip()) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename or where}: {error.strerror}.") from error


def _named(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60:02d}{minutes % 60:02d}{rest:02d}"


def _transcripts(
    where: Path, target: Path, start_s: float, end_s: float, kinds: Sequence[str]
) -> list[Path]:
    """Write what was said in a clip beside it."""
    if not kinds:
        return []
    from meetcore_files.atomic import write_atomically
    from meetcore_files.clip import heard_between
    from meetcore_files.formats import FORMATS
    from meetcore_files.naming import WrittenTranscript

    transcript = WrittenTranscript.of(where)
    said = heard_between(transcript.segments, start_s, end_s)
    about = {**transcript.about, "clip": {"start_s": start_s, "end_s": end_s}}
    paths: list[Path] = []
    for each in FORMATS:
        if each.name in kinds:
            path = target.with_suffix(f".{each.name}")
            write_atomically(path, each.write(said, about).encode())
            paths.append(path)
    return paths

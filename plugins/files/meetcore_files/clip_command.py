"""`meetcore clip`: a stretch of a recording, and of its transcript, as files of their own."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from math import inf, isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import click

from meetcore import MeetcoreError, load_config

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from meetcore_files.naming import WrittenTranscript

__all__ = ["clip_command"]

_KINDS = ("json", "srt", "vtt", "txt", "md", "html")


@click.command("clip")
@click.argument("where", metavar="FOLDER|FILE", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    envvar="MEETCORE_CONFIG",
    help="TOML file with the configuration, for a FOLDER that is encrypted.",
)
@click.option(
    "--from", "start", metavar="TIME", help="Where it begins: 90, 1:30.  [default: its beginning]"
)
@click.option(
    "--to", "end", metavar="TIME", help="Where it ends: 95.5, 1:02:03.  [default: its end]"
)
@click.option("--track", metavar="ID|NAME", help="One person's sound alone; by default all.")
@click.option(
    "--out",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file; its ending says the format: .mp4 with the picture, where there is one; "
    ".opus, .flac, .wav, .mp3 or .m4a for sound.  [default: an .m4a beside the recording]",
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
    config_file: Path | None,
    start: str | None,
    end: str | None,
    track: str | None,
    target: Path | None,
    kinds: tuple[str, ...],
) -> None:
    """Cut a clip out of a recording: of a bot's FOLDER, or of any media FILE.

    Times are those of the recording, which are those of the meeting and of the transcript. A bot
    that is recording still can be clipped up to now. For instance:

    meetcore clip meetings/20260102-090000-abc123 --from 12:30 --to 13:05 --out decision.mp3

    Without --from and --to it is the whole recording in another format. A clip of the video is
    copied, not encoded again: a player that knows no edit lists begins up to a key frame earlier.

    Of a FOLDER that is encrypted the clip is encrypted as well, unless --out names another place.
    """
    from meetcore.cli import opened_folder, path_in

    try:
        with opened_folder(where, load_config(config_file)) as opened:
            for path in _clipped(opened, start, end, track, target, kinds):
                click.echo(path_in(where, opened, path))
    except MeetcoreError as error:
        raise click.ClickException(f"{error.message} {error.remedy}".strip()) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename or where}: {error.strerror}.") from error


def _clipped(
    where: Path,
    start: str | None,
    end: str | None,
    track: str | None,
    target: Path | None,
    kinds: tuple[str, ...],
) -> Iterator[Path]:
    """Make a clip, and its transcripts; yield each file once it is there."""
    from meetcore_files.clip import (
        VIDEO_SUFFIX,
        check_format,
        check_stretch,
        cut,
        recording_in,
        seconds_of,
    )
    from meetcore_files.naming import WrittenTranscript
    from meetcore_files.playback import played_duration_s

    start_s = seconds_of(start) if start is not None else 0.0
    end_s = seconds_of(end) if end is not None else inf
    check_stretch(start_s, end_s)
    if target is not None:
        check_format(target)
    video = target is not None and target.suffix.lower() == VIDEO_SUFFIX
    recording = recording_in(where, track, video=video)
    if target is None:
        edges = "" if start is end is None else f"-{_named(start_s)}-{_named(end_s)}"
        target = recording.with_name(f"{recording.stem}{edges}.m4a")
    transcript = WrittenTranscript.of(where) if kinds else None
    length_s = end_s - start_s if end is not None else played_duration_s(recording) - start_s
    bar = click.progressbar(length=max(1, round(length_s)), label=target.name, file=sys.stderr)
    with ExitStack() as shown:
        done = 0

        def progress(seconds: float) -> None:
            nonlocal done
            step = int(seconds) - done
            if step and not done:
                shown.enter_context(bar)  # not before: what is refused has no progress
            if step:
                bar.update(step)
            done += step

        length_s = cut(recording, target, start_s, end_s, progress)
    yield target
    if transcript is not None:
        yield from _transcripts(transcript, target, start_s, start_s + length_s, kinds, track)


def _named(seconds: float) -> str:
    if not isfinite(seconds):
        return "end"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60:02d}{minutes % 60:02d}{rest:02d}"


def _transcripts(
    transcript: WrittenTranscript,
    target: Path,
    start_s: float,
    end_s: float,
    kinds: Sequence[str],
    track: str | None,
) -> list[Path]:
    """Write what was said in a clip beside it: by everybody, or on its track."""
    from meetcore_files.atomic import write_atomically
    from meetcore_files.clip import heard_between
    from meetcore_files.formats import FORMATS

    segments = [
        each
        for each in transcript.segments
        if track is None or track in (each.track_id, each.speaker_name)
    ]
    said = heard_between(segments, start_s, end_s)
    about = {**transcript.about, "clip": {"start_s": start_s, "end_s": end_s}}
    paths: list[Path] = []
    for each in FORMATS:
        if each.name in kinds:
            path = target.with_suffix(f".{each.name}")
            write_atomically(path, each.write(said, about).encode())
            paths.append(path)
    return paths

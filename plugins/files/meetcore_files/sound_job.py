"""`meetcore sound-job`: encoded sound on its input, PCM on its output; what a server runs.

What a stranger sends is decoded here and not in the server: a process that a damaged file brings
down, or that takes too much, ends alone.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from typing import Any

import click

__all__ = ["sound_job"]

_MOST_BYTES = 16 * 1024 * 1024
_MOST_MEMORY = 2 * 1024**3
_MOST_CPU_S = 60


@click.command("sound-job", hidden=True)
@click.option("--rate", type=click.IntRange(8_000, 48_000), default=24_000)
@click.option("--longest", "longest_s", type=click.IntRange(1, 3_600), default=300)
def sound_job(rate: int, longest_s: int) -> None:
    """Decode the sound on standard input to int16 mono PCM on standard output."""
    _bound_this_process()
    data = sys.stdin.buffer.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise click.ClickException(f"Sound may have {_MOST_BYTES} bytes.")
    left = rate * longest_s * 2
    for piece in _decoded(data, rate):
        if len(piece) > left:
            raise click.ClickException(f"Sound may take {longest_s} s.")
        left -= len(piece)
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def _bound_this_process() -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    for what, most in ((resource.RLIMIT_AS, _MOST_MEMORY), (resource.RLIMIT_CPU, _MOST_CPU_S)):
        _, hard = resource.getrlimit(what)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (bound, hard))


def _decoded(data: bytes, rate: int) -> Iterator[bytes]:
    import av

    given = False
    try:
        container: Any
        with av.open(io.BytesIO(data)) as container:
            resampler = av.AudioResampler("s16", "mono", rate)
            for frame in container.decode(audio=0):
                frame.pts = None
                for made in resampler.resample(frame):
                    given = True
                    yield made.to_ndarray().tobytes()
            for made in resampler.resample(None):
                yield made.to_ndarray().tobytes()
    except (av.FFmpegError, IndexError, ValueError, OSError) as error:
        if not given:
            why = str(error) or type(error).__name__
            raise click.ClickException(f"It holds no sound that can be decoded: {why}") from error

"""Sound decoded and recordings cut in a process of their own: nothing hostile is opened here.

The commands are those of the plugin `files`: `meetcore sound-job` and `meetcore clip`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import trio
from attrs import field, frozen

from meetcore import BotHistory, MediaRefused, MediaStore, NoSuchFile
from meetcore.gateway import BotFile, BotGone
from meetcore.log import temporary_folder

__all__ = ["MEDIA_TYPES", "MediaProcesses", "recorded_as"]

MEDIA_TYPES = {
    ".m4a": "audio/mp4",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".opus": "audio/ogg; codecs=opus",
    ".flac": "audio/flac",
    ".wav": "audio/wav",
}
"""What a recording can be had as, by a file's ending."""

_COMMAND: Sequence[str] = (sys.executable, "-m", "meetcore")
_AT_ONCE = 2
_DECODE_WITHIN_S = 30.0
_CUT_WITHIN_S = 600.0
_LONGEST_SOUND_S = 300
_LAST_WORDS = 300


def recorded_as(history: BotHistory, name: str) -> str | None:
    """Return the recording of which a file of another format can be made; None for none."""
    wanted = PurePosixPath(name)
    if wanted.suffix not in MEDIA_TYPES or wanted.suffix == ".mp4":
        return None
    for file in history.artifacts.values():
        path = PurePosixPath(file.path)
        if file.kind.startswith("audio.") and path.with_suffix("") == wanted.with_suffix(""):
            return file.path
    return None


@frozen
class MediaProcesses:
    """Runs them, two at a time; who comes later waits.

    Attributes:
        command: How meetcore is run.
    """

    command: Sequence[str] = _COMMAND
    _room: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(_AT_ONCE))

    async def pcm_of(self, data: bytes, sample_rate_hz: int) -> bytes:
        """Return the sound of a media file as int16 mono PCM.

        Raises:
            MediaRefused: It holds none that can be decoded.
        """
        job = ["sound-job", "--rate", str(sample_rate_hz), "--longest", str(_LONGEST_SOUND_S)]
        pcm = await self._run(job, data, _DECODE_WITHIN_S)
        if len(pcm) < 2:
            raise MediaRefused("It holds no sound.")
        return pcm[: len(pcm) // 2 * 2]

    async def cut(
        self, media: MediaStore, source: str, target: Path, start_s: float, end_s: float | None
    ) -> None:
        """Write a stretch of a recording, or the whole of it, into a local file.

        Args:
            media: The bot's files.
            source: The recording.
            target: The file; its ending says its format.
            start_s: Where it begins.
            end_s: Where it ends, None for the recording's end.

        Raises:
            NoSuchFile: There is no such recording.
            MediaRefused: There is nothing in that stretch, or it cannot be read.
        """
        job = ["--out", str(target)]
        if start_s or end_s is not None:
            job += ["--from", f"{start_s:.3f}"]
        if end_s is not None:
            job += ["--to", f"{end_s:.3f}"]
        async with media.local(source) as path:
            await self._run(["clip", *job, "--", str(path)], b"", _CUT_WITHIN_S)

    async def derived(self, media: MediaStore, source: str, name: str) -> BotFile:
        """Return a recording in another format; it is made when it is first asked for, and kept.

        Args:
            media: The bot's files.
            source: The recording.
            name: What it is to be called; the ending says the format.

        Raises:
            BotGone: There is no such recording any more.
            MediaRefused: It cannot be read.
        """
        about = await media.stat(name)
        if about is None:
            try:
                with temporary_folder() as folder:
                    made = folder / PurePosixPath(name).name
                    await self.cut(media, source, made, 0.0, None)
                    about = await media.put(name, made)
            except NoSuchFile as error:
                raise BotGone(f"There is no file {source[:200]!r} any more.") from error
        return BotFile(media, about)

    async def _run(self, arguments: Sequence[str], given: bytes, within_s: float) -> bytes:
        async with self._room:
            with trio.move_on_after(within_s):
                done = await trio.run_process(
                    [*self.command, *arguments],
                    stdin=given,
                    capture_stdout=True,
                    capture_stderr=True,
                    check=False,
                    start_new_session=True,
                )
                if done.returncode == 0:
                    return bytes(done.stdout)
                words = " ".join(done.stderr.decode("utf-8", "replace").split())
                raise MediaRefused(words.rpartition("Error: ")[2][-_LAST_WORDS:])
        raise MediaRefused(f"It was not done within {within_s:g} s.")

"""A rehearsing server in a process of its own, as somebody starts it in a terminal."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE

import trio

from meetcore.log.journal import JOURNAL_NAME, read_journal
from meetcore.model.events import SegmentFinalized, StateChanged
from meetcore.model.lifecycle import EndReason, State
from meetcore.model.transcript import spoken_order
from tests.plugins.server.short_script import ENDS_S, write_short_script

UP_WITHIN_S = 60.0
GONE_WITHIN_S = 30.0


@asynccontextmanager
async def rehearsing(
    folder: Path, key: str, *options: str, ends_s: float = ENDS_S
) -> AsyncIterator[str]:
    """Run `meetcore serve --rehearsal` with a short script on a random port; gives its URL."""
    script = write_short_script(folder / "script", ends_s=ends_s)
    command = [
        sys.executable, "-m", "meetcore", "serve", "--rehearsal", "--script", str(script),
        "--port", "0", "--out", str(folder / "bots"), "--api-key", key, *options,
    ]  # fmt: skip
    process = await trio.lowlevel.open_process(command, stderr=PIPE, cwd=folder)
    try:
        async with trio.open_nursery() as nursery:
            with trio.fail_after(UP_WITHIN_S):
                url = await _address(process)
            nursery.start_soon(_drain, process)
            yield url
            nursery.cancel_scope.cancel()
    finally:
        process.terminate()
        with trio.CancelScope(shield=True):
            with trio.move_on_after(GONE_WITHIN_S):
                await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()
            assert process.stderr is not None
            await process.stderr.aclose()


async def _address(process: trio.Process) -> str:
    assert process.stderr is not None
    said = ""
    while not (found := re.search(r"serving at (http://\S+)\n", said)):
        piece = await process.stderr.receive_some()
        assert piece, said
        said += bytes(piece).decode()
    return found[1]


async def _drain(process: trio.Process) -> None:
    """Read on, so that it never waits for somebody to read what it says."""
    assert process.stderr is not None
    async for _ in process.stderr:
        continue


def journal_of(folder: Path) -> Path:
    """Return the journal of the one bot of a rehearsing server."""
    (journal,) = (folder / "bots").rglob(JOURNAL_NAME)
    return journal


def was_in_the_call_to_its_end(folder: Path) -> bool:
    """Tell whether the one bot of a rehearsing server got in and stayed until the host ended."""
    changes = [each for each in read_journal(journal_of(folder)) if isinstance(each, StateChanged)]
    got_in = any(each.state is State.IN_CALL for each in changes)
    return got_in and changes[-1].reason is EndReason.MEETING_ENDED


def finals_of(folder: Path) -> list[str]:
    """Return the texts that the one bot of a rehearsing server wrote down, in its order."""
    segments = {
        event.segment.id: event.segment
        for event in read_journal(journal_of(folder))
        if isinstance(event, SegmentFinalized)
    }
    return [segment.text for segment in sorted(segments.values(), key=spoken_order)]

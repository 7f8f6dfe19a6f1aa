"""Journals as somebody else writes them: read in threads, a piece at a time, skipping cheaply.

`FolderLog` is the log of a bot whose journal lies on this machine.

A line begins with its type and number, so that what is not wanted is passed over without being
decoded: to read the segments only costs little. Its checksum is looked at all the same: what is
damaged is logged and counted, whoever reads. Where every 256th line ends is remembered, so that
whoever goes on in a long journal, as those who follow it do at each event, does not pass over it
from its beginning.

Decoding holds the interpreter. With many threads at it the event loop would wait for its turn
among them; so two read at a time, whoever waits for them.
"""

from __future__ import annotations

import logging
import os
import re
from array import array
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

import trio

from meetcore.log.folders import journal_path
from meetcore.log.journal import decode_line, is_whole, pieces
from meetcore.log.salvage import lost
from meetcore.log.threads import Threads
from meetcore.model.events import Event, EventLost, SegmentFinalized
from meetcore.model.history import BotHistory
from meetcore.plugin.store import BotLog

__all__ = ["FolderLog", "in_thread", "read_lines", "walk"]

T = TypeVar("T")
E = TypeVar("E", bound=Event)

_HEAD = re.compile(rb'\{"type":"([^"]*)","seq":(\d+),')
_WITHDRAWN = b'"text":"","words":[]'
_SEGMENT_ID = re.compile(rb'"segment":\{"id":"((?:[^"\\]|\\.)*)"')
_NUMBER = rb"(-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
_TIMES = re.compile(rb'"start_s":' + _NUMBER + rb',"end_s":' + _NUMBER + rb"[,}]")
_AT_A_TIME = 200
_BYTES_AT_A_TIME = 64 * 1024
_SEGMENT = SegmentFinalized.type.encode()
_LOST = EventLost.type.encode()
_LOG = logging.getLogger("meetcore.log")
_REMEMBERED_EVERY = 256
_JOURNALS_REMEMBERED = 1024
_THREADS = 2
_READ_WITHIN_S = 30.0
_URGENT_THREADS = 4
_threads: trio.lowlevel.RunVar[Threads] = trio.lowlevel.RunVar("journal readers")
_urgent: trio.lowlevel.RunVar[Threads] = trio.lowlevel.RunVar("journal readers of supervisions")


async def in_thread(read: Callable[[], T], *, urgent: bool = False) -> T:
    """Return what a function gives that reads a journal, in one of the few threads for that.

    Args:
        read: The function.
        urgent: Whether it is for a bot's supervision, which does not stand in line with clients.

    Raises:
        trio.TooSlowError: It did not come back within 30 s.
    """
    which = _urgent if urgent else _threads
    try:
        threads = which.get()
    except LookupError:
        threads = Threads(_URGENT_THREADS if urgent else _THREADS)
        which.set(threads)
    return await threads.run(read, within_s=_READ_WITHIN_S)


@lru_cache(maxsize=_JOURNALS_REMEMBERED)
def _ends(path: Path) -> dict[int, int]:
    """Return where in a journal some lines end: the n-th entry is that of line n times 256.

    Several threads add to it, each what it comes by, in order: there is no hole in it.
    """
    return {}


def _go_on(file: BinaryIO, ends: dict[int, int], after: int) -> int:
    """Go to the last line end that is remembered up to a number, if it is still that one.

    Returns the number that the next line should have.
    """
    known = min(after // _REMEMBERED_EVERY, len(ends))
    if not known:
        return 1
    file.seek(ends[known] - 1)
    ended, following = file.readline() == b"\n", file.readline()
    head = _HEAD.match(following)
    expected = known * _REMEMBERED_EVERY + 1
    same = ended and (not following or (head is not None and int(head[2]) == expected))
    file.seek(ends[known] if same else 0)
    return expected if same else 1


def _lines(path: Path, after: int) -> Iterator[tuple[bytes, int, int, bytes]]:
    """Yield type, number, first byte and line of each whole line after a number.

    Where a line is damaged, what of it can be read is yielded, and in place of each event that
    cannot be, which is logged, a line of the type `event.lost`: the damaged one, or an empty one.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    ends = _ends(path)
    with file:
        expected, damaged = _go_on(file, ends, after), False
        at = file.tell()
        for read in file:
            line = read
            if not line.endswith(b"\n"):
                break  # it is being written, or torn; or its newline is damaged
            head = _HEAD.match(line)
            next_one = head is not None and int(head[2]) == expected
            whole = next_one and (expected <= after or is_whole(line))
            if next_one and not whole:  # it may have been written over while we read
                line = os.pread(file.fileno(), len(line), at)
                whole = is_whole(line)
            if head is not None and whole:
                expected, damaged = expected + 1, False
                if expected > after + 1:
                    yield head[1], expected - 1, at, line
            else:
                damaged = True
                for begin, piece, event in pieces(line):
                    for missing in range(expected, event.seq):
                        if missing > after:
                            _say_damaged(path, missing)
                            yield _LOST, missing, at, b""
                    if event.seq >= expected:
                        expected, damaged = event.seq + 1, False
                        if event.seq > after:
                            yield event.type.encode(), event.seq, at + begin, piece
                if damaged and next_one:
                    _say_damaged(path, expected)
                    yield _LOST, expected, at, line
                    expected, damaged = expected + 1, False
            at += len(line)
            if expected % _REMEMBERED_EVERY == 1 and not damaged:
                number = expected // _REMEMBERED_EVERY
                if 0 < number <= len(ends) + 1:
                    ends[number] = at
        if damaged and expected > after:
            _say_damaged(path, expected)
            yield _LOST, expected, at, b""


def _decoded(line: bytes, seq: int, near: Event | None) -> Event:
    """Return the event of a line, or what stands for it where it cannot be read."""
    return decode_line(line) or lost(seq, near)


@lru_cache(maxsize=_JOURNALS_REMEMBERED)
def _say_damaged(path: Path, seq: int) -> None:
    """Log damage, once."""
    _LOG.error("the journal %s is damaged: event %d cannot be read", path, seq)


def walk(path: Path, after: int = 0, *, only: Collection[bytes] | None = None) -> Iterator[Event]:
    """Yield the events of a journal after a number, of some types only if they are given.

    Ends at a last line that is not whole: it is being written, or the end is torn. For an event
    whose line is damaged `event.lost` is yielded.
    """
    for event, _ in _sized(path, after, only):
        yield event


def _sized(path: Path, after: int, only: Collection[bytes] | None) -> Iterator[tuple[Event, int]]:
    """Yield what `walk` does, each with the length of its line."""
    near: Event | None = None
    for kind, seq, _, line in _lines(path, after):
        if only is not None and kind not in only:
            continue
        near = _decoded(line, seq, near)
        if only is None or near.type.encode() in only:
            yield near, len(line)


def _take_sized(events: Iterator[tuple[Event, int]]) -> list[Event]:
    """Return the next events, as many as are some 64 KiB as lines."""
    taken: list[Event] = []
    size = 0
    while len(taken) < _AT_A_TIME and size < _BYTES_AT_A_TIME:
        event, length = next(events, (None, 0))
        if event is None:
            break
        taken.append(event)
        size += length
    return taken


def _take(events: Iterator[E]) -> list[E]:
    return list(islice(events, _AT_A_TIME))


def _times(line: bytes) -> tuple[float, float]:
    """Return start and end of the segment in a line; they stand after its words, so last."""
    found = _TIMES.match(line, line.rfind(b'"start_s":'))
    if found is not None:
        return float(found[1]), float(found[2])
    event = decode_line(line)
    if not isinstance(event, SegmentFinalized):
        return 0.0, 0.0
    return event.segment.start_s, event.segment.end_s


def _withdrawn_in(line: bytes) -> str | None:
    """Return the id of the segment that a damaged line takes back, as far as it can be read."""
    found = _SEGMENT_ID.search(line) if _WITHDRAWN in line else None
    return found[1].decode(errors="replace") if found is not None else None


def _newest(path: Path, after: int) -> array[int]:
    """Return where the newest event of each segment lies, in the order of speech; cheaply.

    Where that cannot be read any more, it is the newest before it, unless what is left of it says
    that the segment was withdrawn.
    """
    newest: dict[str, tuple[float, float, int, int]] = {}
    for kind, seq, begin, line in _lines(path, 0):
        if kind == _SEGMENT:
            found = _SEGMENT_ID.search(line)
            if found is not None:
                newest[found[1].decode()] = *_times(line), seq, begin
        elif kind == _LOST and (withdrawn := _withdrawn_in(line)) is not None:
            newest.pop(withdrawn, None)
    spoken = sorted(
        (start, end, key, begin) for key, (start, end, seq, begin) in newest.items() if seq > after
    )
    return array("Q", (begin for *_, begin in spoken))


def _at(path: Path, places: Iterable[int]) -> Iterator[SegmentFinalized]:
    """Yield the events whose lines begin there."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        for place in places:
            file.seek(place)
            line = file.readline()
            event = decode_line(line) or next((each for *_, each in pieces(line)), None)
            if isinstance(event, SegmentFinalized):
                yield event
            else:
                _LOG.error("the journal %s was damaged at byte %d while it was read", path, place)


def _history(path: Path) -> BotHistory:
    history = BotHistory()
    near: Event | None = None
    for kind, seq, _, line in _lines(path, 0):
        if kind == _SEGMENT:
            found = _SEGMENT_ID.search(line)
            if found is not None:
                known = history.segment_ids
                change = known.discard if _WITHDRAWN in line else known.add
                change(found[1].decode())
            history.last_seq = seq
            continue
        if kind == _LOST and (withdrawn := _withdrawn_in(line)) is not None:
            history.segment_ids.discard(withdrawn)
        near = _decoded(line, seq, near)
        history.take(near)
    return history


def read_lines(folder: Path, after: int = 0) -> list[tuple[int, bytes]]:
    """Return the whole lines of the journal in a folder after a number, each with its number.

    For stores that keep lines elsewhere: `decode_line` reads one. Blocks.
    """
    lines = _lines(journal_path(folder), after)
    return [(seq, line) for _, seq, _, line in lines if line]


class FolderLog(BotLog):
    """The log of a bot in a folder of this machine.

    Args:
        folder: The folder.
        urgent: As in `BotStore.log`.
    """

    def __init__(self, folder: Path, *, urgent: bool = False) -> None:
        self.bot_id = folder.name
        self._path = journal_path(folder)
        self._urgent = urgent

    async def exists(self) -> bool:
        """Return whether there is a journal."""
        await trio.lowlevel.checkpoint()
        return self._path.is_file()

    async def read(
        self, after: int = 0, *, types: Collection[type[Event]] | None = None
    ) -> AsyncGenerator[Event, None]:
        """Yield the events there are now, a few in memory at a time."""
        only = {each.type.encode() for each in types} if types is not None else None
        events = _sized(self._path, after, only)
        while batch := await in_thread(partial(_take_sized, events), urgent=self._urgent):
            for event in batch:
                yield event

    async def finalized(self, after: int = 0) -> AsyncGenerator[SegmentFinalized, None]:
        """Yield the newest event of each segment, in the order of speech.

        Keeps in memory where each of them lies, not the segments; each is decoded once.
        """
        events = _at(self._path, await in_thread(partial(_newest, self._path, after)))
        while batch := await in_thread(partial(_take, events)):
            for event in batch:
                if after or not event.segment.withdrawn:
                    yield event

    async def history(self) -> BotHistory:
        """Return what the journal says so far."""
        return await in_thread(partial(_history, self._path), urgent=self._urgent)

"""The recorder on a thread of its own, behind a queue that is bounded in samples.

The thread looks at the queue every quarter of a second, or at once when it is half full: encoding
in batches costs a fraction of a wake-up per chunk. `put` waits while the queue is full; the sink's
own mailbox then drops the oldest and the core declares it, so audio never waits for a disk.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

import trio

from meetcore import SAMPLE_RATE_HZ, Chunk, MediaFragment, StorageUnavailable
from meetcore_files.recorder import MissingPictures, Recorder

__all__ = ["EncoderThread", "Recordable"]

_BATCH_S = 0.25
_LIMIT_SAMPLES = 20 * SAMPLE_RATE_HZ
# However many bots record, only so many encode at the same moment: fifty threads that all want the
# interpreter would keep the event loop from it for seconds.
_AT_WORK = threading.BoundedSemaphore(max(1, (os.cpu_count() or 2) // 2))


Recordable: TypeAlias = Chunk | MediaFragment | MissingPictures


def _samples(item: Recordable) -> int:
    """Return how much of the queue's room something takes."""
    if isinstance(item, Chunk):
        return item.samples
    return round(item.duration_s * SAMPLE_RATE_HZ) if isinstance(item, MediaFragment) else 0


class EncoderThread:
    """Feeds a recorder from a Trio task.

    Args:
        start_recorder: Makes the recorder, on the thread, when the first chunk is there.
    """

    def __init__(self, start_recorder: Callable[[], Recorder]) -> None:
        self._start_recorder = start_recorder
        self._recorder: Recorder | None = None
        self._news = threading.Condition()
        self._items: deque[Recordable] = deque()
        self._waiting_samples = 0
        self._unwritten: list[Recordable] = []
        self._closing = False
        self._error: OSError | None = None
        self._room: trio.Event | None = None
        self._ended = trio.Event()
        self._token: trio.lowlevel.TrioToken | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the thread until `close`; a cancelled caller has it write what waits and end."""
        self._token = trio.lowlevel.current_trio_token()
        task_status.started()
        closer = trio.CancelScope()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._close_when_cancelled, closer)
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self._loop, limiter=trio.CapacityLimiter(1))
            closer.cancel()
        self._ended.set()

    async def _close_when_cancelled(self, scope: trio.CancelScope) -> None:
        with scope:
            try:
                await trio.sleep_forever()
            finally:
                self._ask_to_close()

    async def put(self, item: Recordable) -> None:
        """Queue a chunk or a picture, waiting while there is no room; the caller sets the deadline.

        Raises:
            StorageUnavailable: Recording has stopped.
        """
        while self._waiting_samples >= _LIMIT_SAMPLES and self._error is None:
            self._room = trio.Event()
            await self._room.wait()
        self.check()
        with self._news:
            self._items.append(item)
            self._waiting_samples += _samples(item)
            if self._waiting_samples > _LIMIT_SAMPLES // 2:
                self._news.notify()

    def check(self) -> None:
        """Raise what stopped the recording, if anything did.

        Raises:
            StorageUnavailable: Recording has stopped.
        """
        if self._error is not None:
            reason = self._error.strerror or str(self._error)
            raise StorageUnavailable(
                f"Recording has stopped: {reason}. What was recorded before is kept.",
                "Make room or choose another folder with --out.",
            ) from self._error

    def take_unwritten(self) -> list[Recordable]:
        """Return, once, what was taken but came into no file."""
        with self._news:
            unwritten, self._unwritten = self._unwritten, []
        return unwritten

    async def close(self) -> None:
        """Return when everything queued is in the files and they are complete.

        Raises:
            StorageUnavailable: Recording had stopped, or stopped now.
        """
        self._ask_to_close()
        await self._ended.wait()
        self.check()

    def _ask_to_close(self) -> None:
        with self._news:
            self._closing = True
            self._news.notify()

    # --- on the thread -------------------------------------------------------------------

    def _loop(self) -> None:
        closing = False
        while not closing:
            with self._news:
                if not self._closing:
                    self._news.wait(_BATCH_S)
                closing = self._closing
                batch = list(self._items)
                self._items.clear()
                self._waiting_samples = 0
            if batch:
                with _AT_WORK:
                    self._write(batch)
            self._tell_of_room()
        if self._recorder is not None:
            try:
                self._recorder.close()
            except OSError as error:
                self._error = self._error or error

    def _write(self, batch: list[Recordable]) -> None:
        for index, item in enumerate(batch):
            if self._error is None:
                try:
                    if self._recorder is None:
                        self._recorder = self._start_recorder()
                    if isinstance(item, Chunk):
                        self._recorder.hear(item)
                    else:
                        self._recorder.see(item)
                except OSError as error:
                    self._error = error
            if self._error is not None:
                with self._news:
                    self._unwritten.extend(batch[index:])
                return

    def _tell_of_room(self) -> None:
        if self._room is not None and self._token is not None:
            self._token.run_sync_soon(self._let_in)

    def _let_in(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None

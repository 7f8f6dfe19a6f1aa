"""Memory that a bot used goes back to the system, where the library of C can do that."""

from __future__ import annotations

import ctypes
import platform
import threading

import psutil

from meetcore.bot.memory import give_memory_back

BLOCKS, SIZE = 20_000, 1_000


def leave_free_memory_behind() -> None:
    """Use 20 MB on a thread of its own, and leave one block at the end of its arena."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]

    def use() -> None:
        blocks = [libc.malloc(SIZE) for _ in range(BLOCKS)]
        for block in blocks:
            libc.memset(block, 1, SIZE)
        for block in blocks[:-1]:
            libc.free(block)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()


def test_what_is_free_in_a_threads_arena_goes_back() -> None:
    process = psutil.Process()
    leave_free_memory_behind()
    before = process.memory_info().rss
    given = give_memory_back()
    after = process.memory_info().rss
    if platform.libc_ver()[0] == "glibc":
        assert given
        assert before - after > BLOCKS * SIZE / 2
    else:
        assert not given

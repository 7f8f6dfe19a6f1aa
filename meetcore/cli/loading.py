"""How what a command stands on is imported: Ctrl-C ends it, and the garbage collector rests."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["loading"]

_COLLECT_EVERY = 10_000
"""Python's 700 has it look through what was imported dozens of times: a fifth of the start."""


@contextmanager
def loading() -> Iterator[None]:
    """Have Ctrl-C end the process where Python would raise KeyboardInterrupt."""
    if gc.get_threshold()[0] < _COLLECT_EVERY:
        gc.set_threshold(_COLLECT_EVERY, *gc.get_threshold()[1:])
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)

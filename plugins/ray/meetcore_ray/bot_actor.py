"""The actor that holds a bot: runs in a process of Ray's, on whichever node has room.

It has the bot as a process of its own, and says how that ended to whoever asks. Ray gives it
threads; nothing of meetcore and nothing of Trio runs here.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from typing import Any

__all__ = ["BotActor"]

_BEGUN_WITHIN_S = 120.0
_LOOK_EVERY_S = 1.0
_LINGER_S = 5.0
_KILLED_WITHIN_S = 5.0
_LAST_LINES = 30
_MOST_WORDS = 500


class BotActor:
    """Holds one bot, and ends a few seconds after it; with it, the bot ends at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun = threading.Event()
        self._over = threading.Event()
        self._result: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._held = -1
        self._raylet = os.getppid()
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)
        threading.Thread(target=self._mind_the_node, daemon=True).start()

    def _mind_the_node(self) -> None:
        """End where nobody begins the bot, and where the node's raylet is gone."""
        waited_s = 0.0
        while os.getppid() == self._raylet:
            if not self._begun.wait(_LOOK_EVERY_S):
                waited_s += _LOOK_EVERY_S
                if waited_s > _BEGUN_WITHIN_S:
                    break
            else:
                self._over.wait(_LOOK_EVERY_S)
        os._exit(1)

    def up(self) -> bool:
        """Say that the actor is on a node."""
        return True

    def begin(self, order: str, longest_s: float | None) -> None:
        """Start the bot; asked again, nothing happens.

        Args:
            order: Its order, a line of JSON. It has secrets.
            longest_s: After how long it is ended in any case; None for never.
        """
        with self._lock:
            if self._begun.is_set():
                return
            self._begun.set()
            other_end, self._held = os.pipe()
            command = [sys.executable, "-m", "meetcore_ray.bot_process", str(other_end)]
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    pass_fds=(other_end,),
                    start_new_session=True,
                )
            except OSError as error:
                self._settle({"code": 1, "words": f"no process can be started: {error}"})
                return
            finally:
                os.close(other_end)
        threading.Thread(target=self._pass_on_words, daemon=True).start()
        threading.Thread(target=self._wait, args=(longest_s,), daemon=True).start()
        assert self._process.stdin is not None
        with suppress(OSError), self._process.stdin as stdin:
            stdin.write(order.encode() + b"\n")

    def _pass_on_words(self) -> None:
        """Write what the bot logs to the actor's own log, and remember its last words."""
        assert self._process is not None
        assert self._process.stderr is not None
        for line in self._process.stderr:
            text = line.decode("utf-8", "replace")
            self._lines.append(text.rstrip())
            with suppress(OSError, ValueError):
                sys.stderr.write(text)

    def _wait(self, longest_s: float | None) -> None:
        assert self._process is not None
        process, late = self._process, False
        try:
            process.wait(longest_s)
        except subprocess.TimeoutExpired:
            late = True
            self._kill_group()
            process.wait()
        else:
            self._kill_group()  # what it started and left
        result: dict[str, Any] = {"code": process.returncode, "words": self._last_words()}
        if late and longest_s is not None:
            result["late_s"] = longest_s
        self._settle(result)

    def _last_words(self) -> str:
        """Return what the process said it ended for, else its last line."""
        lines = [line for line in self._lines if line]
        errors = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
        return next(reversed(errors or lines), "")[:_MOST_WORDS]

    def _settle(self, result: dict[str, Any]) -> None:
        """Tell whoever waits, and end when they have had time to hear it."""
        self._result = result
        self._over.set()
        timer = threading.Timer(_LINGER_S, os._exit, (0,))
        timer.daemon = True
        timer.start()

    def ended(self, within_s: float) -> dict[str, Any] | None:
        """Return how the bot's process ended; None where it has not within a time."""
        return dict(self._result) if self._over.wait(within_s) else None

    def leave(self) -> None:
        """Tell the bot to leave, by a signal."""
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self._process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End the bot at once."""
        self._begun.set()  # nobody begins it any more
        if self._process is not None:
            self._kill_group()
            self._over.wait(_KILLED_WITHIN_S)

    def _kill_group(self) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

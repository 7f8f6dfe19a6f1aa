"""A bot's process on a node: `python -m meetcore_ray.bot_process FD`, its order on standard input.

It is the leader of a session of its own, and ends with whoever holds the other end of FD: then it
is killed, with everything it started. An actor can be killed at any moment, and leaves nothing.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


def _end_with(fd: int) -> None:
    """Wait until the other end is closed, then kill this process and all that it started."""
    while True:
        try:
            if os.read(fd, 1) == b"":
                break
        except InterruptedError:
            continue
        except OSError:
            break
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Run the bot whose order is on standard input."""
    fd = int(sys.argv[1])
    os.set_inheritable(fd, False)  # what the bot starts must not hold it open
    threading.Thread(target=_end_with, args=(fd,), daemon=True).start()
    sys.argv = sys.argv[:1]
    runpy.run_module("meetcore.fleet.launching.worker", run_name="__main__")


if __name__ == "__main__":
    main()

"""The blob server of this process, started when somebody asks for it."""

from __future__ import annotations

import atexit
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent


@cache
def blob_server() -> str:
    """Return the URL of a blob server in a process of its own, which ends with this one."""
    folder = tempfile.TemporaryDirectory(prefix="meetcore-blobs-")
    command = [sys.executable, str(HERE / "blob_server.py"), folder.name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)

    def end() -> None:
        process.terminate()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
        folder.cleanup()

    atexit.register(end)
    assert process.stdout is not None
    return f"http://127.0.0.1:{int(process.stdout.readline())}"

"""Environments of their own for programs of other people's, whose pins are nobody else's business.

`.venv/NAME` holds what `requirements/NAME.txt` pins. `python -m tests.own_environment NAME …` makes
them before the tests run.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

__all__ = ["own_environment"]

ROOT = Path(__file__).parents[1]
_INSTALL_S = 600


def own_environment(name: str) -> Path:
    """Return the folder with an environment's programs; install it where a pin has changed."""
    home, pins = ROOT / ".venv" / name, ROOT / "requirements" / f"{name}.txt"
    stamp, wanted = home / "installed.txt", pins.read_text("utf-8")
    with pins.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        if not stamp.exists() or stamp.read_text("utf-8") != wanted:
            subprocess.run([sys.executable, "-m", "venv", home], check=True, timeout=_INSTALL_S)
            pip = [home / "bin" / "pip", "install", "-q", "--disable-pip-version-check", "-r", pins]
            done = subprocess.run(pip, capture_output=True, text=True, timeout=_INSTALL_S)
            assert done.returncode == 0, done.stderr
            stamp.write_text(wanted, "utf-8")
    return home / "bin"


if __name__ == "__main__":
    for each in sys.argv[1:]:
        own_environment(each)

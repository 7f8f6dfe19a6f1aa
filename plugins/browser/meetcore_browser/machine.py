"""What a browser needs of the machine it runs on: shared libraries, and which packages bring them.

Playwright's driver is a Node.js that its distribution carries, linked against libraries that a slim
container lacks; the dynamic loader says so on the driver's standard error, which nobody reads.
`python -m meetcore_browser.machine` prints what is missing as names of Debian packages.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from meetcore_browser.errors import ChromiumMissing
from meetcore_browser.finder import find_chromium

__all__ = ["driver_program", "missing_libraries", "packages_for", "remedy_for"]

_LOADER_TIMEOUT_S = 20.0

# soname -> Debian package, for what Node.js and a Chromium of Playwright's link against. Debian 13
# renamed some with a suffix (libasound2t64); apt-get takes the old names for them.
_PACKAGES = {
    "libX11.so.6": "libx11-6",
    "libXcomposite.so.1": "libxcomposite1",
    "libXdamage.so.1": "libxdamage1",
    "libXext.so.6": "libxext6",
    "libXfixes.so.3": "libxfixes3",
    "libXrandr.so.2": "libxrandr2",
    "libasound.so.2": "libasound2",
    "libatk-1.0.so.0": "libatk1.0-0",
    "libatk-bridge-2.0.so.0": "libatk-bridge2.0-0",
    "libatomic.so.1": "libatomic1",
    "libatspi.so.0": "libatspi2.0-0",
    "libcairo.so.2": "libcairo2",
    "libcups.so.2": "libcups2",
    "libdbus-1.so.3": "libdbus-1-3",
    "libdrm.so.2": "libdrm2",
    "libexpat.so.1": "libexpat1",
    "libgbm.so.1": "libgbm1",
    "libgcc_s.so.1": "libgcc-s1",
    "libgio-2.0.so.0": "libglib2.0-0",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgobject-2.0.so.0": "libglib2.0-0",
    "libnspr4.so": "libnspr4",
    "libnss3.so": "libnss3",
    "libnssutil3.so": "libnss3",
    "libpango-1.0.so.0": "libpango-1.0-0",
    "libsmime3.so": "libnss3",
    "libstdc++.so.6": "libstdc++6",
    "libudev.so.1": "libudev1",
    "libxcb.so.1": "libxcb1",
    "libxkbcommon.so.0": "libxkbcommon0",
}

_NOT_FOUND = re.compile(r"^\s*(\S+) => not found", re.MULTILINE)
_LOADER_SAID = re.compile(r"error while loading shared libraries: (\S+?):")


def driver_program() -> Path:
    """Return the Node.js that Playwright's driver runs on: its own, or $PLAYWRIGHT_NODEJS_PATH."""
    from playwright._impl._driver import compute_driver_executable

    return Path(compute_driver_executable()[0])


def missing_libraries(program: Path) -> tuple[str, ...]:
    """Return the shared libraries that a program links against and this machine lacks.

    Asks `ldd` for all of them; where there is none, the loader itself, which names the first. What
    is no dynamic program (a script, another system's) misses nothing.

    Args:
        program: Its path.
    """
    found = _NOT_FOUND.findall(_output("ldd", str(program)))
    found += _LOADER_SAID.findall(_output(str(program), "--version"))
    return tuple(dict.fromkeys(found))


def _output(*command: str) -> str:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LOADER_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout + b"\n" + done.stderr).decode(errors="replace")


def packages_for(libraries: tuple[str, ...]) -> tuple[str, ...]:
    """Return the Debian packages that bring libraries, as far as they are known here."""
    return tuple(dict.fromkeys(_PACKAGES[each] for each in libraries if each in _PACKAGES))


def remedy_for(libraries: tuple[str, ...]) -> str:
    """Return what a person can do about missing libraries."""
    unknown = [each for each in libraries if each not in _PACKAGES]
    steps = []
    if packages := packages_for(libraries):
        steps.append(f"On Debian or Ubuntu run `apt-get install {' '.join(packages)}`.")
    if unknown:
        steps.append(f"Install the package of your system that holds {', '.join(unknown)}.")
    return " ".join(steps)


def _missing_packages() -> tuple[str, ...]:
    programs = [driver_program()]
    missing: list[str] = []
    try:
        programs.append(find_chromium().path)
    except ChromiumMissing:
        missing.append("chromium")
    for program in programs:
        missing += packages_for(missing_libraries(program))
    return tuple(dict.fromkeys(missing))


if __name__ == "__main__":
    if lacking := _missing_packages():
        print(" ".join(lacking))
        sys.exit(1)

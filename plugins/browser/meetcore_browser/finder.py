"""Finds a Chromium on this machine, or says in a sentence how to get one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import frozen

from meetcore_browser.errors import ChromiumMissing

__all__ = ["ENV_NAME", "FoundChromium", "chromium_version", "find_chromium"]

ENV_NAME = "MEETCORE_CHROMIUM"

_COMMANDS = ("chromium", "google-chrome-stable", "google-chrome", "chromium-browser", "chrome")

_PLACES: dict[str, tuple[str, ...]] = {
    "darwin": (
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "~/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "~/Applications/Chromium.app/Contents/MacOS/Chromium",
    ),
    "win32": (
        r"%ProgramFiles%\Google\Chrome\Application\chrome.exe",
        r"%ProgramFiles(x86)%\Google\Chrome\Application\chrome.exe",
        r"%LocalAppData%\Google\Chrome\Application\chrome.exe",
        r"%LocalAppData%\Chromium\Application\chrome.exe",
    ),
    "linux": ("/usr/bin/chromium", "/opt/google/chrome/chrome", "/snap/bin/chromium"),
}

_PLAYWRIGHT_CACHE = {
    "darwin": "~/Library/Caches/ms-playwright",
    "win32": r"%LocalAppData%\ms-playwright",
    "linux": "~/.cache/ms-playwright",
}
_PLAYWRIGHT_BINARIES = (
    "chromium-*/chrome-linux*/chrome",
    "chromium-*/chrome-mac*/*.app/Contents/MacOS/*",
    "chromium-*/chrome-win*/chrome.exe",
)

_REMEDY = {
    "darwin": "Install Google Chrome, or run `playwright install chromium`.",
    "win32": "Install Google Chrome, or run `playwright install chromium`.",
    "linux": "On Debian or Ubuntu run `apt-get install chromium`; elsewhere install Google Chrome"
    " or run `playwright install chromium`.",
}


@frozen
class FoundChromium:
    """A Chromium, and how it was found: `option`, `environment`, `system` or `playwright`."""

    path: Path
    found_by: str


def find_chromium(
    path: str | Path | None = None,
    *,
    env: Mapping[str, str] | None = None,
    platform: str = sys.platform,
) -> FoundChromium:
    """Find a Chromium: a given path, `$MEETCORE_CHROMIUM`, the system's, Playwright's own.

    Args:
        path: Where a person said it is; nothing else is tried then.
        env: The environment, `os.environ` by default.
        platform: As in `sys.platform`.

    Raises:
        ChromiumMissing: There is none; the remedy fits the operating system.
    """
    env = os.environ if env is None else env
    remedy = _REMEDY.get(platform, _REMEDY["linux"])
    for given, found_by, said_by in (
        (path, "option", "the configuration"),
        (env.get(ENV_NAME), "environment", f"${ENV_NAME}"),
    ):
        if given:
            return _given(Path(given), found_by, said_by, env, remedy)
    for command in _COMMANDS:
        if found := shutil.which(command, path=env.get("PATH", "")):
            return FoundChromium(Path(found), "system")
    for place in _PLACES.get(platform, ()):
        if (candidate := _expand(place, env)) and _runs(candidate):
            return FoundChromium(candidate, "system")
    for candidate in _playwrights_own(env, platform):
        return FoundChromium(candidate, "playwright")
    raise ChromiumMissing(
        "No Chromium or Google Chrome was found on this machine.",
        f"{remedy} A browser in an unusual place is named with ${ENV_NAME}.",
    )


def _given(
    path: Path, found_by: str, said_by: str, env: Mapping[str, str], remedy: str
) -> FoundChromium:
    if _runs(path):
        return FoundChromium(path, found_by)
    if path.name == str(path) and (found := shutil.which(path.name, path=env.get("PATH", ""))):
        return FoundChromium(Path(found), found_by)
    state = "cannot be executed" if path.exists() else "does not exist"
    raise ChromiumMissing(f"The Chromium named by {said_by}, {str(path)!r}, {state}.", remedy)


def _runs(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _expand(place: str, env: Mapping[str, str]) -> Path | None:
    variables = re.findall(r"%([^%]+)%", place)
    if any(name not in env for name in variables):
        return None
    place = re.sub(r"%([^%]+)%", lambda match: env[match.group(1)], place)
    if place.startswith("~/"):
        place = env.get("HOME", "~") + place[1:]
    return Path(place)


def _playwrights_own(env: Mapping[str, str], platform: str) -> Iterator[Path]:
    given = env.get("PLAYWRIGHT_BROWSERS_PATH", "0")
    default = _PLAYWRIGHT_CACHE.get(platform, _PLAYWRIGHT_CACHE["linux"])
    root = Path(given) if given != "0" else _expand(default, env)
    if root is None or not root.is_dir():
        return
    for pattern in _PLAYWRIGHT_BINARIES:
        newest_first = sorted(root.glob(pattern), key=_build_number, reverse=True)
        yield from (path for path in newest_first if _runs(path))


def _build_number(path: Path) -> int:
    match = re.search(r"chromium-(\d+)", str(path))
    return int(match.group(1)) if match else 0


def chromium_version(path: Path, timeout_s: float = 10.0) -> str:
    """Ask a Chromium for its version, for instance `156.0.8078.79`.

    Raises:
        ChromiumMissing: It does not answer like a Chromium.
    """
    try:
        answer = subprocess.run(
            [str(path), "--version"], capture_output=True, text=True, timeout=timeout_s, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ChromiumMissing(f"{path} did not tell its version: {error}.") from error
    if match := re.search(r"\d+\.\d+\.\d+\.\d+", answer):
        return match.group(0)
    raise ChromiumMissing(f"{path} is not a Chromium: it answered {answer.strip()[:80]!r}.")


if __name__ == "__main__":
    try:
        print(find_chromium().path)
    except ChromiumMissing as missing:
        sys.exit(str(missing))

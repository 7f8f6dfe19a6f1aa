"""Finding a meeting script: one that is bundled, by its name, or a file."""

from __future__ import annotations

from pathlib import Path

from meetcore.model import nearest
from meetcore.testing import Script, load_script
from meetcore_rehearsal.errors import UnknownScript

__all__ = ["DEFAULT_SCRIPT", "bundled_scripts", "find_script", "script_path"]

SCRIPTS = Path(__file__).parent / "scripts"
DEFAULT_SCRIPT = "planning"


def bundled_scripts() -> dict[str, Path]:
    """Return the scripts that come with this plugin, by name."""
    return {path.parent.name: path for path in sorted(SCRIPTS.glob("*/script.toml"))}


def script_path(name: str | Path) -> Path:
    """Return where a bundled script lies, by its name, or any script, by its path.

    Raises:
        UnknownScript: There is neither.
    """
    bundled = bundled_scripts()
    if str(name) in bundled:
        return bundled[str(name)]
    if Path(name).is_file():
        return Path(name)
    guess = nearest(str(name), bundled)
    hint = f"Did you mean {guess!r}? " if guess else ""
    raise UnknownScript(
        f"There is no meeting script {str(name)!r}.",
        f"{hint}Bundled: {', '.join(bundled)}. Or give the path of a TOML file.",
    )


def find_script(name: str | Path) -> Script:
    """Load a bundled script by its name, or any script by its path.

    Raises:
        UnknownScript: There is neither.
        ScriptError: It cannot be played.
    """
    return load_script(script_path(name))

"""Settings in files of a folder, one option in each: as secrets come to a container or a service.

Docker and Kubernetes mount secrets as files, systemd hands them out in `$CREDENTIALS_DIRECTORY`.
What is in a file is in no environment, which every child process inherits and `ps` may show.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from meetcore.model.errors import ConfigError

__all__ = ["settings_in_files"]

_FOLDER_VARIABLE = "MEETCORE_SECRETS_FOLDER"
_MOST_BYTES = 64 * 1024


def settings_in_files(environ: Mapping[str, str], known: Collection[str]) -> dict[str, str]:
    """Return what the files of `$MEETCORE_SECRETS_FOLDER` hold, by name in capitals.

    A file is named like the variable of its option without `MEETCORE_`, in small letters or in
    capitals: `plugins__server__api_key`. Spaces and line ends around its text are taken off. What
    begins with a dot is passed over (Kubernetes keeps links of its own there), and so is a folder.

    Args:
        environ: The environment that names the folder.
        known: What the first parts of options may be.

    Raises:
        ConfigError: The folder or a file of it cannot be read, is empty, is no text or names no
            option. What is in a file is never said.
    """
    named = environ.get(_FOLDER_VARIABLE, "").strip()
    if not named:
        return {}
    try:
        files = sorted(path for path in Path(named).iterdir() if _is_one(path))
    except OSError as error:
        raise ConfigError(
            f"The folder {named} of {_FOLDER_VARIABLE} cannot be read: {error.strerror}.",
            "Mount it, or leave the variable out.",
        ) from error
    for path in files:
        if path.name.lower().partition("__")[0] not in known:
            raise ConfigError(
                f"The file {path.name} in the folder of {_FOLDER_VARIABLE} names no option.",
                "An option of a plugin is named like plugins__server__api_key.",
            )
    return {path.name.upper(): _text_of(path) for path in files}


def _is_one(path: Path) -> bool:
    return not path.name.startswith(".") and not path.is_dir()


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        text = data.decode("utf-8").strip()
    except OSError as error:
        raise ConfigError(f"The file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise ConfigError(f"The file {path} is not text in UTF-8.") from None
    if len(data) > _MOST_BYTES:
        raise ConfigError(f"The file {path} is longer than {_MOST_BYTES // 1024} KiB.")
    if not text:
        raise ConfigError(f"The file {path} is empty.", "Write the value, or take the file away.")
    return text

"""Where a provider's key comes from: an option, the environment, or a file of secrets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from meetcore import ConfigError, Secret

__all__ = ["ProviderKey", "find_key", "read_secrets_file"]


@frozen
class ProviderKey:
    """A key, and where it was found, in words that a person may see."""

    secret: Secret
    where: str


def find_key(
    option: Secret | None,
    variable: str,
    secrets_file: Path | None,
    environ: Mapping[str, str] | None = None,
) -> ProviderKey | None:
    """Return the first key there is: the option's, the variable's, the file's; None for none.

    Args:
        option: The option `key`.
        variable: Name of the environment variable, and of the line in the file.
        secrets_file: The option `secrets_file`.
        environ: The environment, by default this process's.

    Raises:
        ConfigError: The file cannot be read, or is no file of secrets.
    """
    if option is not None:
        return ProviderKey(option, "the option key")
    value = (os.environ if environ is None else environ).get(variable, "").strip()
    if value:
        return ProviderKey(Secret(value), f"the variable {variable}")
    if secrets_file is not None:
        value = read_secrets_file(secrets_file).get(variable, "")
        if value:
            return ProviderKey(Secret(value), f"{variable} in {secrets_file}")
    return None


def read_secrets_file(path: Path) -> dict[str, str]:
    """Read a file of `NAME=value` lines; `#` begins a comment, quotes around a value go.

    Raises:
        ConfigError: It cannot be read, or has another line than these; its text is not told.
    """
    try:
        lines = path.expanduser().read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigError(f"The secrets file {path} cannot be read: {why}.") from None
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.strip().replace("_", "a").isalnum():
            raise ConfigError(
                f"Line {number} of the secrets file {path} is not NAME=value.",
                "Write a line for each key, for instance DEEPGRAM_API_KEY=…",
            )
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        found[name.strip()] = value
    return found

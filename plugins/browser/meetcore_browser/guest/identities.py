"""Signed-in accounts for bots: kept encrypted, used by name, one bot at a time.

What a browser keeps of a session (cookies, local storage) opens the account. It is encrypted with
a key that lies in the system's keyring where there is one, else in a file of its own that only its
owner can read; it is written to no log and no journal.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import define, evolve, field, frozen
from cryptography.fernet import Fernet, InvalidToken

from meetcore.log import make_private_folder, private_file
from meetcore_browser.errors import BrowserError

__all__ = [
    "FOLDER_ENV_NAME",
    "KEY_ENV_NAME",
    "Identity",
    "IdentityInUse",
    "IdentityLost",
    "IdentityStore",
    "LentIdentity",
    "UnknownIdentity",
    "identities_folder",
]

FOLDER_ENV_NAME = "MEETCORE_IDENTITIES"
KEY_ENV_NAME = "MEETCORE_IDENTITY_KEY_FILE"
KEYRING_SERVICE, KEYRING_USER = "meetcore", "identities"

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class UnknownIdentity(BrowserError):
    """No account was signed in under this name, or not for this platform."""


class IdentityInUse(BrowserError):
    """Every account that was named is with another bot just now."""


class IdentityLost(BrowserError):
    """An account cannot be read: another key, or a damaged file."""


@frozen
class Identity:
    """A signed-in account.

    Attributes:
        name: What it is called here.
        platform: The platform it is for.
        state: What the browser keeps of the session; opens the account.
        saved_at: When it was last written.
        expired: Whether the platform asked for signing in again.
        shown_as: What it is called in meetings, by which a bot knows itself there; empty for the
            name that the bot was ordered with.
    """

    name: str
    platform: str
    state: Mapping[str, Any] = field(repr=False)
    saved_at: datetime = field(factory=lambda: datetime.now(UTC))
    expired: bool = False
    shown_as: str = ""


@define
class LentIdentity:
    """An account that this bot has for now.

    Attributes:
        identity: The account.
        passed_over: Why the ones that were named before it were not taken, by name.
    """

    identity: Identity
    passed_over: Mapping[str, str]


def identities_folder(env: Mapping[str, str] | None = None, platform: str = sys.platform) -> Path:
    """Return where accounts are kept: `$MEETCORE_IDENTITIES`, or a folder of the user's."""
    env = os.environ if env is None else env
    if given := env.get(FOLDER_ENV_NAME):
        return Path(given)
    home = Path(env.get("HOME") or ".")
    if platform == "darwin":
        return home / "Library" / "Application Support" / "meetcore" / "identities"
    return Path(env.get("XDG_DATA_HOME") or home / ".local" / "share") / "meetcore" / "identities"


class IdentityStore:
    """The accounts in one folder.

    Args:
        folder: Where they are; `identities_folder()` by default.
        key_file: Where the key is, in place of the keyring; `$MEETCORE_IDENTITY_KEY_FILE` by
            default.
    """

    def __init__(self, folder: Path | None = None, key_file: Path | None = None) -> None:
        self.folder = identities_folder() if folder is None else folder
        given = os.environ.get(KEY_ENV_NAME)
        self._key_file = key_file or (Path(given) if given else None)

    def names(self, platform: str | None = None) -> list[str]:
        """Return the names of the accounts, of one platform or of all."""
        if not self.folder.is_dir():
            return []
        names = sorted(path.stem for path in self.folder.glob("*.identity"))
        return [name for name in names if platform is None or self._platform(name) == platform]

    def _platform(self, name: str) -> str | None:
        with suppress(BrowserError):
            return self.load(name).platform
        return None

    def save(self, identity: Identity) -> None:
        """Write an account, in place of what was there.

        Raises:
            UnknownIdentity: The name cannot be one.
            IdentityLost: The key cannot be had.
        """
        path = self._path(identity.name)
        make_private_folder(self.folder)
        plain = {
            "platform": identity.platform,
            "saved_at": identity.saved_at.isoformat(),
            "expired": identity.expired,
            "shown_as": identity.shown_as,
            "state": dict(identity.state),
        }
        sealed = Fernet(self._key(make=True)).encrypt(json.dumps(plain).encode())
        part = private_file(path.with_suffix(".part"))
        part.write_bytes(sealed)
        part.replace(path)

    def load(self, name: str) -> Identity:
        """Read an account.

        Raises:
            UnknownIdentity: There is none of that name.
            IdentityLost: It cannot be read with this key, or is damaged.
        """
        path = self._path(name)
        try:
            sealed = path.read_bytes()
        except FileNotFoundError as error:
            known = ", ".join(self.names()) or "none"
            raise UnknownIdentity(
                f"No account is signed in as {name!r}.",
                f"There are: {known}. `meetcore login PLATFORM --identity {name}` makes one.",
            ) from error
        try:
            plain = json.loads(Fernet(self._key(make=False)).decrypt(sealed))
            return Identity(
                name,
                str(plain["platform"]),
                dict(plain["state"]),
                datetime.fromisoformat(plain["saved_at"]),
                plain["expired"] is True,
                str(plain.get("shown_as", "")),
            )
        except (InvalidToken, ValueError, KeyError, TypeError) as error:
            raise IdentityLost(
                f"The account {name!r} cannot be read: it was written with another key, or the file"
                " is damaged.",
                f"Sign in again: `meetcore login PLATFORM --identity {name}`.",
            ) from error

    def remove(self, name: str) -> bool:
        """Forget an account; return whether there was one."""
        path = self._path(name)
        there = path.is_file()
        for gone in (path, path.with_suffix(".lock"), path.with_suffix(".part")):
            gone.unlink(missing_ok=True)
        return there

    @contextmanager
    def lend(self, names: Sequence[str], platform: str) -> Iterator[LentIdentity]:
        """Take the first of several accounts that is free and not expired, for as long as it lasts.

        Raises:
            UnknownIdentity: None of them is there for this platform.
            IdentityInUse: All that could be used are with other bots.
        """
        passed: dict[str, str] = {}
        for name in names:
            try:
                identity = self.load(name)
            except BrowserError as error:
                passed[name] = error.message
                continue
            if identity.platform != platform:
                passed[name] = f"is for {identity.platform}"
            elif identity.expired:
                passed[name] = "expired"
            else:
                lock = self._lock(name)
                if lock is None:
                    passed[name] = "in use"
                    continue
                try:
                    yield LentIdentity(identity, passed)
                finally:
                    os.close(lock)
                return
        why = "; ".join(f"{name}: {said}" for name, said in passed.items())
        if "in use" in passed.values():
            raise IdentityInUse(
                f"No account is free ({why}).",
                "Wait until another bot has left, or sign in one more.",
            )
        raise UnknownIdentity(
            f"No account can be used ({why or 'none was named'}).",
            f"`meetcore login {platform} --identity NAME` signs one in.",
        )

    def write_back(self, identity: Identity, state: Mapping[str, Any] | None) -> None:
        """Keep what a session has become, or that it has expired (None)."""
        now = datetime.now(UTC)
        if state is None:
            self.save(evolve(identity, expired=True, saved_at=now))
        else:
            self.save(evolve(identity, state=state, expired=False, saved_at=now))

    def _lock(self, name: str) -> int | None:
        path = private_file(self._path(name).with_suffix(".lock"))
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        return descriptor

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise UnknownIdentity(
                f"{name[:80]!r} cannot be the name of an account.",
                "Take small letters, digits, dots and dashes.",
            )
        return self.folder / f"{name}.identity"

    # --- the key ------------------------------------------------------------------------

    def _key(self, *, make: bool) -> bytes:
        if self._key_file is None:
            kept = _keyring_key(make=make)
            if kept is not None:
                return kept
        path = self._key_file or self.folder / "key"
        try:
            return path.read_bytes().strip()
        except FileNotFoundError as error:
            if not make:
                raise IdentityLost(
                    f"The key of the accounts is not there ({path}).",
                    f"Give its place with ${KEY_ENV_NAME}, or sign in again.",
                ) from error
        key = Fernet.generate_key()
        make_private_folder(path.parent)
        private_file(path).write_bytes(key)
        return key


def _keyring_key(*, make: bool) -> bytes | None:
    """Return the key in the system's keyring; None where there is no keyring that can be used."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    try:
        found = keyring.get_password(KEYRING_SERVICE, KEYRING_USER)
        if found is None and make:
            found = Fernet.generate_key().decode()
            keyring.set_password(KEYRING_SERVICE, KEYRING_USER, found)
    except KeyringError:
        return None
    return None if found is None else found.encode()

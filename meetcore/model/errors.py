"""Everything meetcore can refuse or fail at: types to catch, and text a person can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import ClassVar, TypeVar

__all__ = [
    "AmbiguousMeetingUrl",
    "BusUnavailable",
    "CapabilityMissing",
    "CommandFailed",
    "CommandInvalid",
    "CommandRefused",
    "ConfigError",
    "EncryptionKeyMissing",
    "FileDamaged",
    "FleetFull",
    "IllegalTransition",
    "JoinTokenFailed",
    "JournalBusy",
    "JournalDamaged",
    "JournalError",
    "JournalFull",
    "MediaRefused",
    "MeetcoreError",
    "MeetingRefused",
    "NoSuchFile",
    "NoSynthesizer",
    "NotFetched",
    "NotInAsyncio",
    "NotInTrio",
    "NotTakenOver",
    "PluginError",
    "PluginVersionMismatch",
    "RecipientRefused",
    "StorageUnavailable",
    "TranscriberError",
    "UnknownMeetingUrl",
    "UnknownOption",
    "UnknownPlugin",
    "brief",
    "found_in",
    "nearest",
]

E = TypeVar("E", bound=BaseException)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that looks most like `word`, or None when none comes near.

    Of those that look alike it is the one that the fewest slips of a hand are away from.
    """
    alike = difflib.get_close_matches(word, list(known), n=10, cutoff=0.5)  # most alike first
    return min(alike, key=lambda each: _slips(word, each), default=None)


def _slips(written: str, meant: str) -> int:
    """Return how many letters were left out, added, mistaken or swapped with the next one."""
    before: list[int] = []
    row = list(range(len(meant) + 1))
    for i, letter in enumerate(written, 1):
        last, before, row = before, row, [i]
        for j, other in enumerate(meant, 1):
            least = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == meant[j - 2] and other == written[i - 2]:
                least = min(least, last[j - 2] + 1)
            row.append(least)
    return row[-1]


def brief(error: BaseException) -> str:
    """Return an error in a line: our own words, or a stranger's type and words."""
    if isinstance(error, MeetcoreError):
        return str(error)[:2000]
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(brief(inner) for inner in error.exceptions)
    return f"{type(error).__name__}: {error}"[:2000]


def found_in(error: BaseException, kind: type[E]) -> E | None:
    """Return an error of a kind: this one, or the first within this exception group."""
    if isinstance(error, kind):
        return error
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            found = found_in(inner, kind)
            if found is not None:
                return found
    return None


def _shown(url: str) -> str:
    """Return a link as it may be shown: what stands behind `?` or `#` can be a passcode."""
    shown = url.partition("?")[0].partition("#")[0]
    return shown if shown == url else f"{shown}?…"


class MeetcoreError(Exception):
    """Root of every error meetcore raises on purpose.

    Args:
        message: What was wrong, with the value that was wrong.
        remedy: What the reader can do about it; empty when there is nothing to do.

    Attributes:
        code: A word for the kind of error that stays the same from release to release: what an API
            answers is looked up by it, see `meetcore.gateway.ErrorTable`. A class without one of
            its own has that of the class above it.
    """

    code: ClassVar[str] = "refused"

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()

    @classmethod
    def codes(cls) -> list[str]:
        """Return its code, then those of the classes above: the nearest that a table has counts."""
        above = [each.code for each in cls.__mro__ if issubclass(each, MeetcoreError)]
        return list(dict.fromkeys(above))


class ConfigError(MeetcoreError):
    """A configuration value that cannot be used."""

    code = "invalid"


class UnknownOption(ConfigError):
    """An option that nobody declared; the nearest known one is named.

    Args:
        option: The option as it was written.
        known: The options that exist in its place.
        where: The place it stood, for instance `[automatic_leave]`.
    """

    code = "unknown_option"

    def __init__(self, option: str, known: Iterable[str], where: str) -> None:
        known = sorted(known)
        guess = nearest(option, known)
        remedy = (
            f"Did you mean {guess!r}?" if guess else f"Known here: {', '.join(known) or 'none'}."
        )
        super().__init__(f"Unknown option {option!r} in {where}.", remedy)
        self.option = option
        self.nearest = guess


_WELL_KNOWN_HOSTS = {
    "meet.google.com": "Google Meet",
    "zoom.us": "Zoom",
    "zoom.com": "Zoom",
    "teams.live.com": "Microsoft Teams",
    "teams.microsoft.com": "Microsoft Teams",
    "teams.cloud.microsoft": "Microsoft Teams",
}


_PLATFORM_OF = {"Google Meet": "meet", "Zoom": "zoom", "Microsoft Teams": "teams"}


def _well_known(url: str) -> str | None:
    """Return whose meetings a link's host has, None for a host that is not well known."""
    host = url.strip().rpartition("://")[2].partition("/")[0].partition("?")[0].partition("#")[0]
    host = host.rpartition("@")[2].partition(":")[0].lower()
    while host and host not in _WELL_KNOWN_HOSTS:
        host = host.partition(".")[2]
    return _WELL_KNOWN_HOSTS.get(host)


def _listed(examples: Mapping[str, list[str]]) -> str:
    lines = [f"  {name}: {', '.join(shown)}" for name, shown in examples.items() if shown]
    return "\n".join(lines) or "  (no platform plugin is installed)"


class UnknownMeetingUrl(MeetcoreError):
    """A link that no installed platform recognises."""

    code = "unknown_meeting_url"

    def __init__(self, url: str, platforms: Iterable[tuple[str, Iterable[str]]]) -> None:
        examples = {name: [*shown] for name, shown in platforms}
        whose = _well_known(url)
        installed = _PLATFORM_OF.get(whose or "")
        if installed is not None and installed in examples:
            remedy = (
                f"It is on a host of {whose}, but no meeting's link: copy the whole link. "
                f"They look like this:\n{_listed({installed: examples[installed]})}"
            )
        else:
            remedy = f"Links of the installed platforms look like this:\n{_listed(examples)}"
        if whose is not None and installed not in examples:
            remedy = (
                f"A platform plugin for {whose} has to be installed; `meetcore plugins` lists "
                "those there are.\nWithout one, `meetcore serve --rehearsal` plays a scripted "
                f"meeting for such a link.\n{remedy}"
            )
        super().__init__(
            f"No installed platform recognises the meeting link {_shown(url)!r}.", remedy
        )


class AmbiguousMeetingUrl(MeetcoreError):
    """A link that two platforms claim."""

    code = "ambiguous_meeting_url"

    def __init__(self, url: str, platforms: Iterable[str]) -> None:
        names = sorted(platforms)
        super().__init__(
            f"The meeting link {_shown(url)!r} is claimed by {' and '.join(names)}.",
            f"Switch one of them off, for instance with --without {names[-1]}.",
        )


class NotInAsyncio(MeetcoreError):
    """Something of `meetcore.from_asyncio` was called where no asyncio loop runs.

    Args:
        what: What was called, for instance `open_bot`.
    """

    code = "not_in_asyncio"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"meetcore.from_asyncio.{what} runs under asyncio, and no asyncio loop runs here.",
            f"In a Trio program use meetcore.{what}, in a blocking one meetcore.blocking.{what}; "
            "both take the same.",
        )
        self.what = what


class NotInTrio(MeetcoreError):
    """Something of the Trio side was called where Trio does not run.

    Args:
        what: What was called, for instance `open_bot`.
        elsewhere: Whether `meetcore.from_asyncio` and `meetcore.blocking` have it, too.
    """

    code = "not_in_trio"

    def __init__(self, what: str, *, elsewhere: bool = True) -> None:
        super().__init__(
            f"meetcore.{what} runs under Trio, and no Trio runs here.",
            f"In an asyncio program use meetcore.from_asyncio.{what}, in a blocking one "
            f"meetcore.blocking.{what}; both take the same."
            if elsewhere
            else f"Run it with trio.run, in an asyncio program in a thread of its own: "
            f"await asyncio.to_thread(trio.run, functools.partial(meetcore.{what}, …)).",
        )
        self.what = what


class PluginError(MeetcoreError):
    """A plugin that cannot be loaded or used."""

    code = "plugin_error"


class UnknownPlugin(PluginError):
    """A name under which nothing is registered."""

    code = "not_installed"

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        guess = nearest(name, known)
        hint = f"Did you mean {guess!r}? " if guess else ""
        super().__init__(
            f"There is no {kind} named {name!r}.",
            f"{hint}Installed: {', '.join(known) or 'none'}. `meetcore plugins` lists them all.",
        )


class PluginVersionMismatch(PluginError):
    """A plugin written for a hook API that this core does not speak."""

    code = "plugin_version_mismatch"

    def __init__(self, plugin: str, written_for: str, ours: str) -> None:
        super().__init__(
            f"Plugin {plugin!r} was written for hook API {written_for}; "
            f"this meetcore speaks {ours}.",
            "Install a release of the plugin made for this meetcore, or switch it off.",
        )


class IllegalTransition(MeetcoreError):
    """A change of state that the lifecycle table does not have."""

    code = "illegal_transition"


class JournalError(MeetcoreError):
    """Something about a journal file."""

    code = "journal_error"


class JournalDamaged(JournalError):
    """A journal whose middle does not read back as it was written."""

    code = "journal_damaged"


class JournalBusy(JournalError):
    """A journal that another process is writing."""

    code = "journal_busy"


class JournalFull(JournalError):
    """The disk took no more; everything written before is kept."""

    code = "journal_full"


class JoinTokenFailed(MeetcoreError):
    """The token with which a bot was to join could not be had, or is of no use to the platform.

    Args:
        source: The plugin that was to give it, or the platform that cannot use it.
        why: What it did, with nothing of the token.
    """

    code = "join_token_failed"

    def __init__(self, source: str, why: str) -> None:
        super().__init__(
            f"{source} {why}, where a token to join with was wanted.",
            "Look at what the hook `meetcore_join_token` does and returns.",
        )


class NoSuchFile(MeetcoreError):
    """A bot has no file of that name."""

    code = "no_such_file"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no file {name[:200]!r} of this bot.")
        self.name = name


class MediaRefused(MeetcoreError):
    """Sound or a picture that is not what it should be: of no known kind, damaged, too large."""

    code = "media_refused"


class NotFetched(MeetcoreError):
    """What somebody named by its URL could not be had; the URL itself, often a key, is not told."""

    code = "not_fetched"


class StorageUnavailable(MeetcoreError):
    """A folder that cannot be written."""

    code = "storage_unavailable"


class EncryptionKeyMissing(StorageUnavailable):
    """A bot is encrypted, and no key that is named in the configuration is the one it needs."""

    code = "encryption_key_missing"


class FileDamaged(StorageUnavailable):
    """An encrypted file that is not as it was written: damaged, cut off, or that of another bot."""

    code = "file_damaged"


class BusUnavailable(MeetcoreError):
    """The bus between machines does not answer; bots go on, and what they tell comes later."""

    code = "bus_unavailable"


class MeetingRefused(MeetcoreError):
    """A meeting that cannot be joined at all; carries the end reason for the journal.

    Platforms raise it from `open_call` when the trouble shows before there is a call.
    """

    code = "meeting_refused"

    def __init__(self, reason: str, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.reason = reason


class CommandRefused(MeetcoreError):
    """A command that makes no sense in the bot's present state."""

    code = "command_refused"


class CommandInvalid(CommandRefused):
    """What was sent is no command: of no known type, or with other fields than its type has."""

    code = "command_invalid"


class NoSynthesizer(CommandRefused):
    """A text that is to be said where no synthesizer is configured."""

    code = "no_synthesizer"


class RecipientRefused(CommandRefused):
    """A message for one person, who is not there, or of whose name there are several."""

    code = "recipient_refused"


class CommandFailed(MeetcoreError):
    """A command that was tried and did not work, or did not work in time."""

    code = "command_failed"


class NotTakenOver(CommandRefused):
    """Something is to be done in a bot's page by a person who has not taken it over, or no more."""

    code = "not_taken_over"

    def __init__(self) -> None:
        super().__init__("Mouse and keyboard are the bot's own now.", "Take it over first.")


class CapabilityMissing(CommandRefused):
    """A command that this platform cannot carry out (yet)."""

    code = "not_supported"

    def __init__(self, platform: str, capability: str) -> None:
        super().__init__(
            f"The platform {platform!r} cannot {capability.replace('_', ' ')}.",
            "The capability page says what each platform can do.",
        )
        self.capability = capability


class FleetFull(MeetcoreError):
    """More bots were asked for than the fleet's limit allows, or than there is room for.

    Args:
        message: What is full.
        remedy: What a person can do.
        retry_after_s: After how long another try is worth it, in seconds: a while where a cluster
            has to be asked; None for at once.
    """

    code = "no_room"

    def __init__(
        self, message: str, remedy: str = "", *, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, remedy)
        self.retry_after_s = retry_after_s


TROUBLE_KINDS = {
    "auth": "the credentials are not taken",
    "quota": "what was paid for is used up",
    "bad_request": "the provider does not take what it was sent, for instance a language",
    "rate": "too much was asked at once; `retry_after_s` says for how long",
    "network": "the provider cannot be reached, or did not answer in time",
    "server": "the provider has trouble of its own",
    "protocol": "it answered what cannot be understood",
    "crashed": "the transcriber, or a worker of it, broke off",
}
"""The kinds of a transcriber's trouble, and when each is meant."""


class TranscriberError(MeetcoreError):
    """A transcriber's trouble, sorted so that the supervisor knows what to do.

    Args:
        kind: One of `TROUBLE_KINDS`: `auth`, `quota`, `bad_request`, `rate`, `network`, `server`,
            `protocol`, `crashed`.
        message: What happened.
        retryable: Whether another try may work.
        retry_after_s: How long the provider asks to wait, in seconds.
        remedy: What a person can do.

    Raises:
        PluginError: There is no such kind.
    """

    code = "transcriber_error"

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        retryable: bool,
        retry_after_s: float | None = None,
        remedy: str = "",
    ) -> None:
        if kind not in TROUBLE_KINDS:
            raise PluginError(
                f"There is no kind {kind!r} of a transcriber's trouble.",
                f"Known: {', '.join(TROUBLE_KINDS)}.",
            )
        super().__init__(message, remedy)
        self.kind = kind
        self.retryable = retryable
        self.retry_after_s = retry_after_s

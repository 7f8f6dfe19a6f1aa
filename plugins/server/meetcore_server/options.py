"""How a server is set: the table `[plugins.server]`, and what embedding shares with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import Factory, field, frozen

from meetcore import ConfigError, Secret

__all__ = ["ServerSettings", "SharedOptions"]


_LONGEST_HOURS = 24 * 366 * 100


def _port(instance: object, attribute: Any, value: int) -> None:
    if not 0 <= value <= 65535:
        raise ConfigError(f"port must be 0 to 65535, not {value}.")


def _some(instance: object, attribute: Any, value: int | None) -> None:
    if value is not None and value < 1:
        raise ConfigError(f"{attribute.name} must be 1 or more, not {value}.")


def _hours(instance: object, attribute: Any, value: float | None) -> None:
    if value is not None and not 0 <= value <= _LONGEST_HOURS:
        raise ConfigError(
            f"{attribute.name} must be 0 to {_LONGEST_HOURS}, not {value}.",
            "Leave it out to keep everything.",
        )


def _not_negative(instance: object, attribute: Any, value: float) -> None:
    if value < 0:
        raise ConfigError(f"{attribute.name} must be 0 or more, not {value:g}.")


@frozen(kw_only=True)
class SharedOptions:
    """What a server is set by, embedded or on the command line.

    Attributes:
        host: Address to listen on. Any but this machine's own needs a key.
        port: Port, 0 for any that is free.
        root: Name of a dialect that is mounted at `/` too.
        public_url: Where clients see the server, where that is not what they send as `Host`.
        max_bots: How many bots at once, in all; 50 where it is left out.
        max_bots_per_user: The same for each user who has no limit of their own.
        max_bots_per_key: The same for each key that has no limit of its own.
        max_scheduled_per_user: How many bots of a user may wait for their time.
        private_targets: Hosts and networks that are not public and that webhooks and sockets may
            go to, also unencrypted: `["crm.internal", "10.1.0.0/16"]`; `["*"]` for all. A
            rehearsal's may go to this machine, too.
        requests_per_s: How many requests each key (or address without one) may make a second;
            five seconds' worth at once. `none` (in code: None) for any number.
        connections_per_address: How many connections each address may have at once; None for a
            quarter of what the process can serve. Behind a proxy every client has the proxy's.
        keep_hours: How long a bot's data is kept after its end, where its order does not say so;
            `none` (in code: None) for ever.
        links_lead_on: Whether a link to a file leads on to one that the store itself gives (of a
            bucket), so that the file does not pass through this server. Whoever has that one has
            the file until it expires, ten minutes at most, whatever becomes of the key meanwhile.
        transcriptions_at_once: How many recordings are transcribed once more at the same time, each
            in a process of its own.
        allowed_origins: Origins of web pages that may use the server from a browser, for instance
            `["https://app.example.org"]`; `["*"]` for any, where a key is needed.
        dialects: Options of the dialects, a table each.
        drain_s: For so long after SIGTERM, or where it is drained, it goes on serving its clients,
            while `/ready` and new orders are answered 503: whatever parts requests between servers
            has time to notice.
        finish_within_s: For so long a bot's process may go on after its last word, where it carries
            the recording to a store elsewhere; then it is ended. One that carries nothing has a
            minute.
    """

    host: str = "127.0.0.1"
    port: int = field(default=8080, validator=_port)
    root: str | None = None
    public_url: str | None = None
    max_bots: int | None = None
    max_bots_per_user: int | None = None
    max_bots_per_key: int | None = None
    max_scheduled_per_user: int | None = 1000
    private_targets: tuple[str, ...] = ()
    requests_per_s: float | None = 100.0
    connections_per_address: int | None = field(default=None, validator=_some)
    keep_hours: float | None = field(default=None, validator=_hours)
    links_lead_on: bool = False
    transcriptions_at_once: int = field(default=1, validator=_some)
    allowed_origins: tuple[str, ...] = ()
    dialects: Mapping[str, Any] = Factory(dict)
    drain_s: float = field(default=0.0, validator=_not_negative)
    finish_within_s: float = field(default=3600.0, validator=_not_negative)


@frozen(kw_only=True)
class ServerSettings(SharedOptions):
    """How `meetcore serve` is set; its options on the command line win.

    Attributes:
        database: URL of the database; by default SQLite in the bots' folder.
        api_key: A key that is valid beside those that were made.
        default_transcriber: Who transcribes where neither order nor configuration says.
        unresponsive_limit_s: A bot whose process answers nothing for so long is ended, and
            recovered. It is noticed after 15 s. `none` for never.
        rehearsal_script: What a rehearsal plays.
        rehearsal_scripts: The same by native id of the meeting.
    """

    database: str | None = None
    api_key: Secret | None = field(default=None, repr=False)
    default_transcriber: str | None = "auto"
    unresponsive_limit_s: float | None = 60.0
    rehearsal_script: str = "planning"
    rehearsal_scripts: Mapping[str, str] = Factory(dict)

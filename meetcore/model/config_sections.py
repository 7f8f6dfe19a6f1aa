"""Sections of the configuration about what is kept, and of whom."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import attrs
from attrs import field, frozen

from meetcore.model.errors import ConfigError

__all__ = ["BusConfig", "ExclusionConfig", "RetentionConfig", "StoreConfig"]


@frozen(kw_only=True)
class BusConfig:
    """What carries the events of bots, and what is asked of them, between machines.

    Attributes:
        url: The bus, for instance `redis://broker:6379`, or of several brokers with a part of the
            bots each `redis://one:6379,two:6379`; its scheme is the name of the bus. None
            where everything is on one machine. What a bus needs besides is in `[plugins.SCHEME]`: a
            password, for instance, which is refused in a URL.
    """

    __config_section__ = "bus"

    url: str | None = field(default=None, repr=lambda url: repr(url and url.partition(":")[0]))

    def __attrs_post_init__(self) -> None:
        """Check that the URL has a scheme and no password.

        Raises:
            ConfigError: It has none, or one.
        """
        if self.url is None:
            return
        if not re.match(r"[a-z][a-z0-9+.-]*:", self.url):
            raise ConfigError(
                f"url in [bus] is {self.url!r}, which does not begin with a scheme.",
                "Write for instance redis://broker:6379.",
            )
        scheme, _, rest = self.url.partition("://")
        if ":" in rest.partition("/")[0].rpartition("@")[0]:
            raise ConfigError(
                "url in [bus] has a password in it, which would be seen wherever a URL is.",
                f"Write it as password under [plugins.{scheme}], or as "
                f"MEETCORE_PLUGINS__{scheme.upper()}__PASSWORD.",
            )


@frozen(kw_only=True)
class ExclusionConfig:
    """What becomes of somebody's sound who is excluded, where it cannot be parted from others'.

    Attributes:
        over_a_mix: On a track that the platform mixes of everybody. `pause`: while they are known
            to speak nothing of it is recorded or transcribed, and encoded media that passes by is
            kept back while they are there. `drop_words`: only what they say, and what nobody is
            known to have said while they are there, is left out of the transcript. `keep`: only
            what they say is.
    """

    __config_section__ = "exclusion"

    over_a_mix: Literal["pause", "drop_words", "keep"] = field(
        default="pause", validator=attrs.validators.in_(("pause", "drop_words", "keep"))
    )


@frozen(kw_only=True)
class RetentionConfig:
    """What is kept of a bot.

    Attributes:
        keep: `all`, or `nothing`: then the bot works in memory, whoever watches or gets events and
            sound while it runs gets them as ever, and a tombstone with counts is all that stays.
            `as_ordered`, for servers and fleets: what each order says, and all where it says
            nothing of it.
        memory: A folder in memory (of a tmpfs), for `nothing` and for bots that are encrypted.
    """

    __config_section__ = "retention"

    keep: Literal["all", "nothing", "as_ordered"] = field(
        default="all", validator=attrs.validators.in_(("all", "nothing", "as_ordered"))
    )
    memory: Path = field(default=Path("/dev/shm"), converter=Path)


@frozen(kw_only=True)
class StoreConfig:
    """Where what bots leave is kept.

    Attributes:
        url: The store, for instance `folder:///var/lib/meetcore`; its scheme is the name of the
            store. None for the folder `out_dir`. What a store needs besides is in
            `[plugins.SCHEME]`: a password, for instance, which is better not in a URL.
        encrypt: Where the key is with which a folder of bots is encrypted: `file:PATH` or
            `env:NAME`, never the key itself. It is 32 bytes in base64 or hexadecimal, as
            `openssl rand -base64 32` makes it. None for a folder in the clear.
        decrypt: Where older keys are: what was encrypted with them is read, and nothing more is.
    """

    __config_section__ = "store"

    url: str | None = field(default=None, repr=lambda url: repr(url and url.partition(":")[0]))
    encrypt: str | None = None
    decrypt: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        """Check that the URL has a scheme, and that keys are named and not written there.

        Raises:
            ConfigError: It has none, or a key is no reference; what was written is not told.
        """
        for name, reference in (("encrypt", self.encrypt), *(("decrypt", d) for d in self.decrypt)):
            if reference is not None and not re.match(r"(file|env):\S", reference):
                raise ConfigError(
                    f"{name} in [store] does not say where a key is; what is there is not shown, "
                    "it may be a key.",
                    "Write file:/run/secrets/meetcore-key, or env:NAME for a variable.",
                )
        if self.decrypt and self.encrypt is None:
            raise ConfigError(
                "decrypt in [store] names older keys, and encrypt no current one.",
                "Name the key that new bots are encrypted with as encrypt.",
            )
        if self.url is not None and not re.match(r"[a-z][a-z0-9+.-]*:", self.url):
            raise ConfigError(
                f"url in [store] is {self.url!r}, which does not begin with a scheme.",
                "Write for instance folder:///var/lib/meetcore.",
            )

"""Sections of the configuration about what is kept, and of whom."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import attrs
from attrs import field, frozen

from meetcore.model.errors import ConfigError

__all__ = ["BusConfig", "ExclusionConfig", "RetentionConfig"]


@frozen(kw_only=True)
class BusConfig:
    """What carries the events of bots, and what is asked of them, between machines.

    Attributes:
        url: The bus, for instance `redis://broker:6379`; its scheme is the name of the bus. None
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
        memory: A folder in memory (of a tmpfs), for `nothing`.
    """

    __config_section__ = "retention"

    keep: Literal["all", "nothing"] = field(
        default="all", validator=attrs.validators.in_(("all", "nothing"))
    )
    memory: Path = field(default=Path("/dev/shm"), converter=Path)

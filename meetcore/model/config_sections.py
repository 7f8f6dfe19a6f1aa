"""Sections of the configuration about what is kept, and of whom."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import attrs
from attrs import field, frozen

__all__ = ["ExclusionConfig", "RetentionConfig"]


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

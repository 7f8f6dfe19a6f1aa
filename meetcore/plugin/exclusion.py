"""Who is left out of recording and transcript: what a plugin decides, one object for each bot."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from meetcore.model.roster import Participant

__all__ = ["ExclusionRequest", "ExclusionRules"]


class ExclusionRequest(StrEnum):
    """What somebody asks for, for themselves, by a message in the chat."""

    EXCLUDE = "exclude"
    EXCLUDE_SINCE_START = "exclude_since_start"
    INCLUDE = "include"


class ExclusionRules:
    """Decides who is excluded. `meetcore_exclusion_rules` returns one for a bot.

    Both methods are called on the Trio thread, in the moment in which somebody appears or writes,
    before anything of them is recorded: they return at once. Whoever `excludes` raises for is
    excluded; a message that `requested` raises for asks for nothing. Both are told as
    `plugin.failed`, without the error's words.

    Attributes:
        judges_people: Whether `excludes` may say yes. Then sound whose owner is not known yet is
            held back until they are, from the first sample on.
    """

    judges_people: ClassVar[bool] = True

    def excludes(self, participant: Participant) -> bool:
        """Return whether somebody is excluded, who appeared or of whom something changed.

        Once excluded they stay so, whatever they are called later, until they are included.
        """
        return False

    def requested(self, text: str) -> ExclusionRequest | None:
        """Return what a message in the chat asks for whoever wrote it, None for nothing.

        It is asked of everybody's messages, those of excluded people too, which nobody else sees.
        """
        return None

"""Whether a bot may record now: the one place that says so. Pure."""

from __future__ import annotations

from attrs import define

from meetcore.model.errors import CommandRefused

__all__ = ["RecordingRules"]


@define
class RecordingRules:
    """What decides whether anything is recorded: what is wanted, and what the meeting allows.

    Attributes:
        wanted: Whether to record: as configured, then as the last pause or resume said.
        allowed: Whether the meeting allows it; None while it was asked and has not answered.
    """

    wanted: bool = True
    allowed: bool | None = True

    @property
    def may_record(self) -> bool:
        """Whether what is heard may be recorded and transcribed."""
        return self.wanted and self.allowed is True

    def pause(self) -> None:
        """Record nothing from now on.

        Raises:
            CommandRefused: Nothing is recorded.
        """
        if not self.may_record:
            raise CommandRefused("The bot is not recording, so there is nothing to pause.")
        self.wanted = False

    def resume(self) -> None:
        """Record again.

        Raises:
            CommandRefused: It records already, or the meeting does not allow it.
        """
        if self.may_record:
            raise CommandRefused("The bot is recording already.")
        if self.allowed is not True:
            raise CommandRefused("The meeting has not given leave to record yet.")
        self.wanted = True

    def answered(self, allowed: bool | None) -> None:
        """Take what the meeting says: True or False, None while it is being asked."""
        self.allowed = allowed

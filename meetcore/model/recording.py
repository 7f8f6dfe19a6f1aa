"""Whether a bot may record now. Pure."""

from __future__ import annotations

from attrs import define

__all__ = ["RecordingRules"]


@define
class RecordingRules:
    """What decides whether anything is recorded: what is wanted, and what the meeting allows.

    Attributes:
        wanted: Whether to record: as configured, then as the last pause or resume said.
        permission_pending: Whether the meeting was asked for leave to record and has not answered.
    """

    wanted: bool = True
    permission_pending: bool = False

    @property
    def may_record(self) -> bool:
        """Whether what is heard may be recorded and transcribed."""
        return self.wanted and not self.permission_pending

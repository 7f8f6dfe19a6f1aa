"""What can go wrong with the rehearsal site, as types."""

from __future__ import annotations

from meetcore import ConfigError, MeetcoreError

__all__ = ["CastFailed", "PortTaken", "RehearsalError", "UnknownScript"]


class RehearsalError(MeetcoreError):
    """Root of this plugin's errors."""


class PortTaken(RehearsalError):
    """The site cannot listen where it was told to."""


class UnknownScript(RehearsalError, ConfigError):
    """There is neither a bundled script nor a file of that name."""


class CastFailed(RehearsalError):
    """The scripted people could not come, or broke off."""

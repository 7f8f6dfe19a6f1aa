"""What can go wrong with the database, as errors a person can act on."""

from __future__ import annotations

from meetcore import MeetcoreError, StorageUnavailable

__all__ = ["DatabaseTooNew", "DatabaseUnavailable", "EmailTaken"]


class DatabaseUnavailable(StorageUnavailable):
    """The database cannot be opened, or went away, or takes no more."""


class DatabaseTooNew(DatabaseUnavailable):
    """The database was written by a newer meetcore."""


class EmailTaken(MeetcoreError):
    """Another user has that email."""

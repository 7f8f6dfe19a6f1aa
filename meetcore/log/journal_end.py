"""How the journal of a bot ends that nobody runs any more, or ever did.

What is written for a bot whose process was killed is decided in `meetcore.fleet.recovery`.
"""

from __future__ import annotations

from pathlib import Path

from meetcore.log.folders import journal_path
from meetcore.log.journal import Journal
from meetcore.model.events import StateChanged
from meetcore.model.history import BotHistory
from meetcore.model.lifecycle import EndReason, Evidence

__all__ = ["write_end", "write_end_in"]


def write_end(
    journal: Journal, history: BotHistory, reason: EndReason, evidence: Evidence
) -> StateChanged:
    """Append the terminal entry of a bot.

    Args:
        journal: Its journal, held by the caller.
        history: What the journal says.
        reason: Why the bot ends.
        evidence: What shows it.

    Raises:
        IllegalTransition: It has ended already.
        JournalFull: No entry goes in any more.
        StorageUnavailable: Or it cannot be written.
    """
    end = journal.append(history.end_event(reason, evidence))
    assert isinstance(end, StateChanged)
    return end


def write_end_in(
    folder: Path, reason: EndReason, evidence: Evidence, *, fsync: bool = True
) -> None:
    """Append the terminal entry of the bot in a folder, down to the disk. Blocks.

    Raises:
        JournalBusy: Somebody runs it.
        IllegalTransition, JournalFull, StorageUnavailable: As `write_end`.
    """
    journal = Journal(journal_path(folder), folder.name, fsync=fsync)
    try:
        history = BotHistory()
        for event in journal.read():
            history.take(event)
        write_end(journal, history, reason, evidence)
    finally:
        journal.close()

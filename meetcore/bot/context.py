"""What the parts of one bot share: its records, and how they are written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import attrs
import trio
from attrs import define, field

from meetcore.audio.ledger import Ledger
from meetcore.bot.exclusion import Exclusions
from meetcore.bot.leaving import LeaveRules
from meetcore.log.journal import Journal
from meetcore.log.mailbox import Wake
from meetcore.log.subscription import Drafts
from meetcore.model.config import BotConfig
from meetcore.model.drafts import Draft
from meetcore.model.errors import JournalFull, MeetcoreError, StorageUnavailable
from meetcore.model.events import (
    Event,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
    SegmentFinalized,
    TranscriberNotice,
)
from meetcore.model.lifecycle import Evidence
from meetcore.model.plain import rounded_s
from meetcore.model.roster import Roster, SpeakingTimeline
from meetcore.model.secrets import Redactor
from meetcore.model.transcript import Hypothesis, Transcript
from meetcore.plugin.failures import FailureReports

__all__ = ["BotContext"]

_MOST_NOTICES = 500


@define(eq=False, kw_only=True)
class BotContext:
    """The records of one bot, for its parts.

    Attributes:
        id: The bot's id.
        folder: Where everything of it lies.
        config: Its configuration.
        journal: The log.
        redactor: Knows the secrets that go into no record.
        random: The bot's source of chance.
        cannot_write: Called when the journal takes no more.
        ledger: The account of audio.
        media_ledger: The account of media that passes by.
        roster: Who is in the meeting.
        timeline: Who spoke when.
        transcript: What was said.
        drafts: Where drafts come from.
        leave_rules: What is known about the end of the attendance.
        rules_wake: Set when the leave rules are to be looked at again.
        in_call_at: When the bot was first in the call, on Trio's clock, in seconds.
        plugin_failed: Where a plugin's failure is told.
        exclusions: Who is excluded.
    """

    id: str
    folder: Path
    config: BotConfig
    journal: Journal
    redactor: Redactor
    random: Random
    cannot_write: Callable[[MeetcoreError], None]
    ledger: Ledger = field(init=False, factory=Ledger)
    media_ledger: Ledger = field(init=False, factory=lambda: Ledger("fragments"))
    roster: Roster = field(init=False, factory=Roster)
    timeline: SpeakingTimeline = field(init=False, factory=SpeakingTimeline)
    transcript: Transcript = field(init=False, factory=Transcript)
    drafts: Drafts = field(init=False, factory=Drafts)
    leave_rules: LeaveRules = field(init=False)
    rules_wake: Wake = field(init=False, factory=Wake)
    in_call_at: float | None = field(init=False, default=None)
    plugin_failed: FailureReports = field(init=False)
    exclusions: Exclusions = field(init=False)
    _noticed: set[tuple[str | None, str, str]] = field(init=False, factory=set)

    def __attrs_post_init__(self) -> None:
        self.leave_rules = LeaveRules(self.config.automatic_leave)
        self.plugin_failed = FailureReports(self.id, self.record, self.redactor.redact)
        self.exclusions = Exclusions(
            record=self.record,
            roster=self.roster,
            now=self.meeting_now,
            plugin_failed=self.plugin_failed,
            over_a_mix=self.config.exclusion.over_a_mix,
        )
        self.journal.meeting_clock = self._journal_time

    def meeting_now(self) -> float | None:
        """Return the meeting time in seconds, None before the call."""
        return None if self.in_call_at is None else trio.current_time() - self.in_call_at

    def _journal_time(self) -> float | None:
        now = self.meeting_now()
        return None if now is None else rounded_s(now)

    def record(self, event: Event) -> Event:
        """Append an event and let the reducers have it; a journal that takes none ends the bot."""
        try:
            event = self.journal.append(_scrubbed(event, self.redactor.redact))
        except (JournalFull, StorageUnavailable) as error:
            self.cannot_write(error)
            return event
        if isinstance(event, SegmentFinalized):
            self.transcript.finalized(event.segment)
        elif isinstance(event, (ParticipantJoined, ParticipantUpdated, ParticipantLeft)):
            self.leave_rules.roster_changed(
                others=len(self.roster.others),
                people=len(self.roster.people),
                now=trio.current_time(),
            )
            self.rules_changed()
        if self.journal.disk_full:
            self.cannot_write(
                JournalFull(
                    f"The disk that holds {self.folder} is full.", "Make room; the bot has to end."
                )
            )
        return event

    def publish(self, draft: Draft) -> None:
        """Show a draft to whoever wants drafts."""
        if not self.drafts.wanted:
            return
        draft = attrs.evolve(
            draft,
            bot_id=self.id,
            at=self.journal.wall_clock(),
            meeting_s=self._journal_time(),
            after_seq=self.journal.last_seq,
        )
        self.drafts.publish(draft)

    def transcriber_notice(
        self, transcriber: str, kind: str, detail: str, *, track_id: str | None = None
    ) -> None:
        """Tell a person something about the transcription; the same thing once only."""
        told = (track_id, kind, detail)
        if told in self._noticed or len(self._noticed) >= _MOST_NOTICES:
            return
        self._noticed.add(told)
        self.record(
            TranscriberNotice(transcriber=transcriber, kind=kind, detail=detail, track_id=track_id)
        )

    def heard_speech(self, track_id: str, *, speaking: bool) -> None:
        """Tell the leave rules that speech begins or ends on a track."""
        self.leave_rules.quiet.speech(track_id, speaking=speaking, now=trio.current_time())
        self.rules_changed()

    def understood(self, track_id: str, hypothesis: Hypothesis) -> None:
        """Tell the leave rules whether what was heard on a track has words."""
        if hypothesis.text:
            self.leave_rules.quiet.words(track_id, trio.current_time())
        elif hypothesis.final:
            self.leave_rules.quiet.no_words(track_id)
        self.rules_changed()

    def rules_changed(self) -> None:
        """Have the leave rules looked at again."""
        self.rules_wake.set()


def _scrubbed(event: Event, redact: Callable[[str], str]) -> Event:
    """Return an event whose words about trouble (and evidence) went through a redactor.

    What people said and wrote is theirs and stays as it is.
    """
    changes: dict[str, Any] = {}
    for name in ("error", "detail"):
        text = getattr(event, name, None)
        if isinstance(text, str) and text:
            changes[name] = redact(text)
    evidence = getattr(event, "evidence", None)
    if isinstance(evidence, Evidence):
        changes["evidence"] = attrs.evolve(evidence, detail=redact(evidence.detail))
    return attrs.evolve(event, **changes) if changes else event

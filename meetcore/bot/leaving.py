"""When a bot leaves by itself, or gives up joining or waiting to be let in: deadlines over facts.

`LeaveRules` is pure: tell it what happened and when, ask it what is due. Only `keep_leave_rules`
waits. 'Everyone left' and 'silence' are concluded from healthy sources only: while the roster or
the audio path is not healthy, or nothing is recorded, what they would show is unknown, and the
count begins anew when they recover.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import trio
from attrs import define, field

from meetcore.bot.quiet import Quiet
from meetcore.log.mailbox import Wake
from meetcore.model.config import AutomaticLeave
from meetcore.model.lifecycle import IN_CALL, EndReason, Evidence, State

__all__ = ["LeaveRules", "keep_leave_rules"]

PERSON_WAIT_S = 600.0
"""How long a person is waited for where the platform does not say."""


@define
class LeaveRules:
    """What is due when. All times are seconds on one clock.

    Attributes:
        config: The timeouts.
        longest_join_s: How long joining may take in all, by what the platform says; None for
            `join_s` alone.
        host_missing: Whether a bot that waits to be let in waits for the meeting to begin.
        quiet: Since when nobody has spoken.
    """

    config: AutomaticLeave
    longest_join_s: float | None = None
    host_missing: bool = False
    _state: State | None = None
    _state_since: float = 0.0
    _in_call_since: float | None = None
    _others: int = 0
    _people: int = 0
    _anyone_came: bool = False
    _alone_since: float | None = None
    _bots_only_since: float | None = None
    _roster_healthy: bool = True
    quiet: Quiet = field(factory=Quiet)
    _audio_healthy_since: float | None = None
    _permission_asked_at: float | None = None
    _person_acts_since: float | None = None

    def state_changed(self, state: State, now: float) -> None:
        """The bot is in another state now."""
        was_in_call = self._state in IN_CALL
        self._state = state
        if state is State.RECORDING:
            self.quiet.listens(now)
        if state in IN_CALL:
            if not was_in_call:
                self._state_since = now
                if self._in_call_since is None:
                    self._in_call_since = now
                self._alone_since = None if self._others else now
                self._bots_only_since = now if self._others and not self._people else None
        else:
            self._state_since = now

    def roster_changed(self, *, others: int, people: int, now: float) -> None:
        """Who is here now: everybody but us, and how many of them are people."""
        if others:
            self._anyone_came = True
        if others == 0 and (self._others or self._alone_since is None):
            self._alone_since = now
        elif others:
            self._alone_since = None
        if others and not people and (self._people or not self._others):
            self._bots_only_since = now
        elif people or not others:
            self._bots_only_since = None
        self._others, self._people = others, people

    def roster_health(self, *, healthy: bool, now: float) -> None:
        """Whether the roster can be believed; on recovery counts begin anew."""
        if healthy and not self._roster_healthy:
            self._alone_since = now if self._alone_since is not None else None
            self._bots_only_since = now if self._bots_only_since is not None else None
        self._roster_healthy = healthy

    def audio_health(self, *, healthy: bool, now: float) -> None:
        """Whether audio arrives as it should."""
        if not healthy:
            self._audio_healthy_since = None
        elif self._audio_healthy_since is None:
            self._audio_healthy_since = now

    def permission_asked(self, *, waiting: bool, now: float) -> None:
        """Whether leave to record has been asked for and not answered yet."""
        if not waiting:
            self._permission_asked_at = None
        elif self._permission_asked_at is None:
            self._permission_asked_at = now

    def person_needed(self, *, needed: bool, wait_s: float | None, now: float) -> None:
        """Whether the page waits for a person: until they are done, the count has not begun."""
        given_s = PERSON_WAIT_S if wait_s is None else wait_s
        self._state_since = now + (given_s if needed else 0.0)

    def person_acts(self, *, acting: bool, now: float) -> None:
        """Whether a person has taken the page over: their time is none of the bot's."""
        if acting:
            self._person_acts_since = now
        elif self._person_acts_since is not None:
            since = max(self._person_acts_since, self._state_since)
            self._state_since += max(0.0, now - since)
            self._person_acts_since = None

    def due(self) -> list[tuple[float, EndReason, Evidence]]:
        """Return when each rule that applies now would end the attendance, earliest first."""
        rules = self._admission_rules() if self._state not in IN_CALL else self._call_rules()
        found = [
            (since + after, reason, Evidence("leave_rule", f"{detail} for {after:g} s"))
            for since, after, reason, detail in rules
            if since is not None and after is not None
        ]
        return sorted(found, key=lambda item: item[0])

    def _admission_rules(self) -> list[tuple[float | None, float | None, EndReason, str]]:
        config, since = self.config, self._state_since
        if self._person_acts_since is not None:
            return []  # whoever has taken the page over and does nothing loses it soon
        if self._state is State.JOINING:
            limit_s = max(config.join_s, self.longest_join_s or 0.0)
            return [(since, limit_s, EndReason.CLIENT_NEVER_LOADED, "joining")]
        if self._state is State.AWAITING_ADMISSION:
            reason, detail = EndReason.ADMISSION_TIMEOUT, "in the waiting room"
            if self.host_missing:
                reason, detail = EndReason.MEETING_NOT_STARTED, "waiting for the host to come"
            return [(since, config.waiting_room_s, reason, detail)]
        return []

    def _call_rules(self) -> list[tuple[float | None, float | None, EndReason, str]]:
        config = self.config
        rules: list[tuple[float | None, float | None, EndReason, str]] = [
            (self._in_call_since, config.max_duration_s, EndReason.MAX_DURATION, "in the call"),
            (
                self._permission_asked_at,
                config.recording_permission_s,
                EndReason.RECORDING_PERMISSION_DENIED,
                "leave to record not given",
            ),
        ]
        if self._roster_healthy:
            if self._anyone_came:
                rules.append(
                    (
                        self._alone_since,
                        config.everyone_left_s,
                        EndReason.EVERYONE_LEFT,
                        "nobody else in the call",
                    )
                )
            else:
                rules.append(
                    (
                        self._alone_since,
                        config.nobody_joined_s,
                        EndReason.NOBODY_JOINED,
                        "nobody came",
                    )
                )
            rules.append(
                (
                    self._bots_only_since,
                    config.only_bots_s,
                    EndReason.EVERYONE_LEFT,
                    "only bots in the call",
                )
            )
        heard = self._state is State.RECORDING and self._audio_healthy_since is not None
        if heard and not self.quiet.speaking:
            quiet = max(self.quiet.since or 0.0, self._audio_healthy_since or 0.0)
            rules.append((quiet, config.silence_s, EndReason.SILENCE, "nobody spoke"))
        return rules


async def keep_leave_rules(
    rules: LeaveRules, changed: Wake, conclude: Callable[[EndReason, Evidence], None]
) -> None:
    """Wait for the next deadline or change, for ever; conclude when one is due."""
    while True:
        due = rules.due()
        if due and due[0][0] <= trio.current_time():
            _, reason, evidence = due[0]
            conclude(reason, evidence)
            return
        with trio.move_on_at(due[0][0] if due else inf):
            await changed.wait()

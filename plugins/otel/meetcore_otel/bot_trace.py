"""What a bot's events say about where its time went: spans, without any library for them.

A span has its name, two times and facts that are nobody's words: no text, no name, no link of a
meeting, no detail of an error (a provider's answer may quote what was said). The times are those of
the events, so a trace says the same whether it is made while the bot runs or from its journal.

`ordered → joined → admitted` are the states of the bot's life. `first word → final` is what its
segments say: a span from the word to the final, and in it one from the end of what was said to the
final. That one is the provider's share, with the silence that shows that an utterance is over, and
the way there and back. The journal has no time at which a provider was asked, so it is not split.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypeAlias

from attrs import define, field, frozen

from meetcore import (
    AudioLost,
    BotRequested,
    BotUnresponsive,
    CaptureDegraded,
    CaptureRestored,
    DeliveryAbandoned,
    Event,
    EventLost,
    MediaLost,
    PluginFailed,
    PluginSlow,
    SegmentFinalized,
    SegmentWithheld,
    State,
    StateChanged,
    TranscriberNotice,
    TranscriberRestarted,
    TranscriberSwitched,
    TranscriptionGap,
    TranscriptionStopped,
    __version__,
)

__all__ = ["BotTrace", "SpanMark", "TraceSpan", "percentile"]

Fact: TypeAlias = str | bool | int | float

_STATES = {
    State.REQUESTED: "start",
    State.JOINING: "join",
    State.AWAITING_ADMISSION: "admission",
    State.LEAVING: "leave",
    State.PROCESSING: "processing",
}
_TERMINAL = (State.COMPLETED, State.FAILED)
_TROUBLES = (
    AudioLost,
    BotUnresponsive,
    CaptureDegraded,
    CaptureRestored,
    DeliveryAbandoned,
    EventLost,
    MediaLost,
    PluginFailed,
    PluginSlow,
    SegmentWithheld,
    TranscriberRestarted,
    TranscriberSwitched,
    TranscriptionGap,
    TranscriptionStopped,
)
# Fields of these events that are words of ours, or numbers.
_PLAIN = [
    "attempt",
    "attempts",
    "cause",
    "detached",
    "fragments",
    "kind",
    "missed",
    "plugin",
    "previous",
    "samples",
    "seconds",
    "silent_s",
    "sink",
    "transcriber",
    "where",
]
_MOST_MARKS = 128


@frozen
class SpanMark:
    """Something that happened at one moment of a span: an event's type, with plain facts."""

    name: str
    at: datetime
    facts: Mapping[str, Fact] = field(factory=dict)


@frozen(kw_only=True)
class TraceSpan:
    """A stretch of a bot's life that is over.

    Attributes:
        key: Tells it from the others of the bot; `bot` is the whole.
        parent: The key of the one it is part of, None for the whole.
        name: What it is called.
        begun: When it began, aware.
        ended: When it ended, not before it began.
        facts: What is known about it.
        failed: Whether the bot failed in it.
        marks: What happened in it.
    """

    key: str
    parent: str | None
    name: str
    begun: datetime
    ended: datetime
    facts: Mapping[str, Fact] = field(factory=dict)
    failed: bool = False
    marks: tuple[SpanMark, ...] = ()


def percentile(values: list[float], share: float) -> float:
    """Return the smallest value that a share of all is not above; 0 of none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


@define
class BotTrace:
    """Takes a bot's events in order, and gives the spans that each of them ends.

    Attributes:
        all_segments: Whether each segment has spans, and not the first alone.
        over: Whether its last span was given.
    """

    all_segments: bool = False
    _facts: dict[str, Fact] = field(factory=dict, init=False)
    _begun: datetime | None = field(default=None, init=False)
    _state: tuple[State, datetime] | None = field(default=None, init=False)
    _in_call: datetime | None = field(default=None, init=False)
    _counted: int = field(default=0, init=False)
    _segments: set[str] = field(factory=set, init=False)
    _delays_s: list[float] = field(factory=list, init=False)
    _marks: list[SpanMark] = field(factory=list, init=False)
    _unmarked: int = field(default=0, init=False)
    _transcriber: str | None = field(default=None, init=False)
    over: bool = field(default=False, init=False)

    def take(self, event: Event) -> list[TraceSpan]:
        """Take the next event; return the spans that it ends, the bot's own as the last of all."""
        if self.over:
            return []
        if self._begun is None:
            self._begun = event.at
        if isinstance(event, BotRequested):
            self._take_request(event)
        elif isinstance(event, StateChanged):
            return self._take_state(event)
        elif isinstance(event, SegmentFinalized):
            return self._take_segment(event)
        elif isinstance(event, TranscriberNotice) and event.kind == "chosen":
            self._transcriber = event.transcriber
        elif isinstance(event, _TROUBLES):
            self._mark(event)
            if isinstance(event, TranscriberSwitched):
                self._transcriber = event.transcriber
        return []

    def _take_request(self, event: BotRequested) -> None:
        self._begun = event.at
        self._transcriber = event.transcriber
        self._facts = {
            "meetcore.bot.id": event.bot_id,
            "meetcore.platform": event.platform,
            "meetcore.version": event.meetcore_version or __version__,
            "meetcore.scheduled": event.scheduled_for is not None,
        }

    def _take_state(self, event: StateChanged) -> list[TraceSpan]:
        spans = []
        if event.state is State.REQUESTED and event.previous is State.SCHEDULED:
            self._begun = event.at  # until then it had nothing to do but to wait for its time
        elif self._state is not None and self._state[0] in _STATES:
            spans.append(self._state_span(*self._state, event))
        self._state = (event.state, event.at)
        if event.state is State.IN_CALL and self._in_call is None:
            self._in_call = event.at
        if event.state in _TERMINAL:
            self.over = True
            spans.append(self._whole(event))
        return spans

    def _state_span(self, state: State, since: datetime, event: StateChanged) -> TraceSpan:
        self._counted += 1
        begun = self._begun if state is State.REQUESTED and self._begun else since
        return TraceSpan(
            key=f"state-{self._counted}",
            parent="bot",
            name=_STATES[state],
            begun=min(begun, event.at),
            ended=event.at,
            facts={"meetcore.next_state": event.state.value},
            failed=event.state is State.FAILED,
        )

    def _take_segment(self, event: SegmentFinalized) -> list[TraceSpan]:
        segment = event.segment
        if event.meeting_s is None or segment.by_bot or segment.correction or not segment.text:
            return []
        if segment.id in self._segments:
            return []
        self._segments.add(segment.id)
        said_from = event.at - _seconds(event.meeting_s - segment.start_s)
        said_to = max(event.at - _seconds(event.meeting_s - segment.end_s), said_from)
        self._delays_s.append((event.at - said_to).total_seconds())
        first = len(self._segments) == 1
        if not (first or self.all_segments):
            return []
        number = len(self._segments)
        facts: dict[str, Fact] = {"meetcore.segment.number": number}
        if self._transcriber is not None:
            facts["meetcore.transcriber"] = self._transcriber
        spans = []
        if first and self._in_call is not None:
            spans.append(
                TraceSpan(
                    key="first-word",
                    parent="bot",
                    name="until_first_word",
                    begun=min(self._in_call, said_from),
                    ended=said_from,
                )
            )
        whole = TraceSpan(
            key=f"segment-{number}",
            parent="bot",
            name="segment",
            begun=said_from,
            ended=event.at,
            facts=facts,
        )
        share = TraceSpan(
            key=f"transcription-{number}",
            parent=whole.key,
            name="transcription",
            begun=said_to,
            ended=event.at,
            facts=facts,
        )
        return [*spans, share, whole]

    def _mark(self, event: Event) -> None:
        if len(self._marks) >= _MOST_MARKS:
            self._unmarked += 1
            return
        facts: dict[str, Fact] = {
            f"meetcore.{name}": value
            for name in _PLAIN
            if isinstance(value := getattr(event, name, None), str | bool | int | float)
        }
        self._marks.append(SpanMark(event.type, event.at, facts))

    def _whole(self, end: StateChanged) -> TraceSpan:
        facts = dict(self._facts)
        facts["meetcore.state"] = end.state.value
        if end.reason is not None:
            facts["meetcore.reason"] = end.reason.value
        if self._transcriber is not None:
            facts["meetcore.transcriber"] = self._transcriber
        facts["meetcore.segments"] = len(self._segments)
        if self._delays_s:
            facts["meetcore.segment.delay_p50_s"] = percentile(self._delays_s, 0.5)
            facts["meetcore.segment.delay_p95_s"] = percentile(self._delays_s, 0.95)
            facts["meetcore.segment.delay_max_s"] = max(self._delays_s)
        if self._unmarked:
            facts["meetcore.marks_left_out"] = self._unmarked
        begun = end.at if self._begun is None else min(self._begun, end.at)
        return TraceSpan(
            key="bot",
            parent=None,
            name="bot",
            begun=begun,
            ended=end.at,
            facts=facts,
            failed=end.state is State.FAILED,
            marks=tuple(self._marks),
        )


def _seconds(value: float) -> timedelta:
    """Return a stretch of time; what lies in the future (two clocks) is no time at all."""
    return timedelta(seconds=max(value, 0.0))

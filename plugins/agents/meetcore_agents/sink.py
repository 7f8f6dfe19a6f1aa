"""The sink `agent`: waits for a voice agent on a WebSocket, and lets it hear and speak."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import trio

from meetcore import (
    TERMINAL,
    Draft,
    Event,
    JournalError,
    NativeDialect,
    PluginEvent,
    Sink,
    SinkContext,
    StateChanged,
    StorageUnavailable,
)
from meetcore_agents.options import PATH, AgentOptions
from meetcore_websocket.access import AccessDecision
from meetcore_websocket.frames import GOING_AWAY, NORMAL, binary_frame, text_frame
from meetcore_websocket.limits import Limits
from meetcore_websocket.request import Refusal, Request
from meetcore_websocket.subscriber import Subscriber

if TYPE_CHECKING:
    from meetcore import BareMix, BareResampler, Chunk
    from meetcore_agents.speeches import AgentSpeeches

__all__ = ["TOLD", "AgentSink"]

TOLD = frozenset(
    {
        "state.changed", "participant.joined", "participant.updated", "participant.left",
        "speaking.started", "speaking.stopped", "segment.finalized", "chat.received",
        "speech.started", "speech.finished", "speech.interrupted",
    }
)  # fmt: skip
"""The events that an agent is told of; with them, drafts of segments."""

_MESSAGE_BYTES = 1024 * 1024
_DRAIN_S = 3.0


class AgentSink(Sink[AgentOptions]):
    """Lets one voice agent at a time hear the meeting, mixed, and speak in it.

    Attributes:
        urls: Where it listens.
        lost_samples: How many samples of the meeting an agent did not take, at its rate.
    """

    name: ClassVar[str] = "agent"
    wants_drafts: ClassVar[bool] = True
    wants_audio: ClassVar[bool] = True

    def __init__(self, options: AgentOptions | None = None) -> None:
        super().__init__(options)
        self.urls: tuple[str, ...] = ()
        self.lost_samples = 0
        self._dialect = NativeDialect()
        self._context: SinkContext | None = None
        self._agent: Subscriber | None = None
        self._conversation: AgentSpeeches | None = None
        self._mix: BareMix | None = None
        self._resampler: BareResampler | None = None
        self._untold = 0

    @asynccontextmanager
    async def open(self, context: SinkContext) -> AsyncIterator[None]:
        """Listen; at the end the agent has a few seconds to read the rest.

        Raises:
            ConfigError: The port is taken, or the address is not this machine's.
        """
        from meetcore import BareMix
        from meetcore_websocket.server import listen, serving, url_of

        options = self.options
        self._context, self._mix = context, BareMix()
        context.redactor.add(options.token)
        listeners = await listen(options.host, options.port)
        async with AsyncExitStack() as stack:
            for listener in listeners:
                stack.push_async_callback(trio.aclose_forcefully, listener)
            self.urls = tuple(url_of(listener, PATH) for listener in listeners)
            limits = Limits(message_bytes=_MESSAGE_BYTES)
            async with serving(
                listeners,
                self,  # type: ignore[arg-type]
                limits,
                max_connections=4,
                failed=lambda error: self._report("agent_failed", error=type(error).__name__),
                wind_up=self._wind_up,
            ):
                self._report("listening", url=", ".join(self.urls))
                yield

    def _wind_up(self) -> float:
        if self._agent is not None:
            self._agent.close(GOING_AWAY, "the bot is gone", within_s=_DRAIN_S)
        if self.lost_samples:
            self._report("audio_lost", samples=str(self.lost_samples))
        return _DRAIN_S

    def _report(self, name: str, **data: str) -> None:
        assert self._context is not None
        try:
            self._context.report(PluginEvent(plugin=self._context.name, name=name, data=data))
        except (JournalError, StorageUnavailable):
            return  # a journal that takes no more has said so itself

    # --- the agent: as a ConnectionHandler ----------------------------------------------------

    def admit(self, subscriber: Subscriber, request: Request) -> Refusal | None:
        """Let an agent in, one at a time."""
        from meetcore_agents.speeches import AgentSpeeches

        decision = self.options.access.decide(request)
        if not isinstance(decision, AccessDecision):
            return decision
        if self._agent is not None:
            return Refusal(403, "An agent is connected already.", "One at a time.")
        assert self._context is not None
        self._agent = subscriber
        self._conversation = AgentSpeeches(
            self._context.say, self.options.sample_rate_hz, self.options.ahead_s, self._refuse
        )
        self._untold = 0
        return None

    async def attend(self, subscriber: Subscriber) -> None:
        """Greet the agent."""
        assert self._context is not None
        self._tell(
            type="agent.hello",
            bot_id=self._context.bot_id,
            sample_rate_hz=self.options.sample_rate_hz,
        )
        self._report("agent_came")
        await trio.lowlevel.checkpoint()

    def receive(self, subscriber: Subscriber, message: str | bytes) -> None:
        """Take what the agent sends."""
        if subscriber is self._agent and self._conversation is not None:
            self._conversation.take(message)

    def leave(self, subscriber: Subscriber) -> None:
        """Let the agent go: what it was saying ends."""
        if subscriber is not self._agent:
            return
        self._agent = None
        if self._conversation is not None:
            self._conversation.end()
            self._conversation = None
        self._report("agent_left")

    def _refuse(self, message: str, remedy: str) -> None:
        self._tell(type="error", message=message, remedy=remedy)

    def _tell(self, **message: Any) -> None:
        if self._agent is not None:
            self._agent.push(text_frame(json.dumps(message)))

    # --- what the core calls -------------------------------------------------------------------

    async def deliver(self, event: Event) -> None:
        """Tell the agent of an event that concerns it."""
        assert self._mix is not None
        self._mix.take(event)
        if self._agent is not None and event.type in TOLD:
            for text in self._dialect.messages(event):
                self._agent.push(text_frame(text))
        if isinstance(event, StateChanged) and event.state in TERMINAL and self._agent is not None:
            self._agent.close(NORMAL, "the bot has ended", within_s=_DRAIN_S)
        await trio.lowlevel.checkpoint()

    async def deliver_draft(self, draft: Draft) -> None:
        """Show the agent what is being said; the newest of each segment."""
        if self._agent is not None and draft.type == "segment.draft":
            for text in self._dialect.messages(draft):
                self._agent.push(text_frame(text), draft.key)
        await trio.lowlevel.checkpoint()

    async def on_audio(self, chunk: Chunk) -> None:
        """Let the agent hear; sound that nobody is there to hear is not kept."""
        assert self._mix is not None
        self._hear(self._mix.add(chunk))
        await trio.lowlevel.checkpoint()

    async def on_gap(self, track_id: str, start_sample: int, samples: int, cause: str) -> None:
        """Learn of a hole: silence in the mix."""
        del cause
        assert self._mix is not None
        self._hear(self._mix.skip(track_id, start_sample, samples))
        await trio.lowlevel.checkpoint()

    def _hear(self, mixed: bytes) -> None:
        agent = self._agent
        if not mixed or agent is None:
            return
        pcm = self._resampled(mixed)
        if agent.backlog_bytes + len(pcm) > 2 * self.options.sample_rate_hz * self.options.behind_s:
            self.lost_samples += len(pcm) // 2
            self._untold += len(pcm) // 2
            return
        if self._untold:
            self._tell(type="audio.lost", samples=self._untold)
            self._untold = 0
        if pcm:
            agent.push(binary_frame(pcm))

    def _resampled(self, mixed: bytes) -> bytes:
        from meetcore import BareResampler

        if self._resampler is None:
            self._resampler = BareResampler(self.options.sample_rate_hz)
        return self._resampler.feed(mixed)

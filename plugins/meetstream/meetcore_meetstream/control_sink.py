"""The sink `meetstream_control`: the bot dials a client's socket and does what is asked there."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

import trio

from meetcore import (
    CapabilityMissing,
    ChatReceived,
    Command,
    CommandFailed,
    CommandRefused,
    Event,
    MediaRefused,
    NotFetched,
    ShowImage,
    Speak,
)
from meetcore.log import Wake
from meetcore_meetstream.dial_options import ControlOptions
from meetcore_meetstream.dialling_sink import DiallingSink
from meetcore_meetstream.frames import Interrupt, PictureByUrl, read_control
from meetcore_websocket.streamed_speech import StreamedSpeech

__all__ = ["MeetstreamControlSink"]

_MOST_WAITING = 256
_MOST_WAITING_BYTES = 8 * 1024 * 1024
_MOST_UNSENT_CHAT = 200


class MeetstreamControlSink(DiallingSink[ControlOptions]):
    """Carries out commands one at a time, in their order; sends the meeting's chat back.

    Sound is said as it comes, as one speech for as long as it goes on; an interrupt silences what
    is being said, too.

    What cannot be done is an event in the journal, `command_refused`: the client is told nothing,
    as in MeetStream's protocol, but nothing is pretended either. A kind of command that the
    platform cannot do at all is reported once and counted from then on.
    """

    name: ClassVar[str] = "meetstream_control"

    def __init__(self, options: ControlOptions) -> None:
        super().__init__(options)
        self._asked: deque[Command | PictureByUrl] = deque()
        self._asked_bytes = 0
        self._news = Wake()
        self._impossible: dict[str, int] = {}
        self._dropped = 0
        self._interrupted = False
        self._voice: StreamedSpeech | None = None
        self._unsaid = 0

    @asynccontextmanager
    async def while_open(self) -> AsyncIterator[None]:
        """Carry out commands in the background; at the end say what was refused in all."""
        assert self._context is not None
        self._voice = StreamedSpeech(self._context.say)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._carry_out)
            yield
            nursery.cancel_scope.cancel()

    async def deliver(self, event: Event) -> None:
        """Send chat back; what the bot says itself is left out."""
        told = isinstance(event, ChatReceived) and self.line.waiting < _MOST_UNSENT_CHAT
        if isinstance(event, ChatReceived) and told and not event.by_bot:
            self.line.tell(json.dumps({"command": "usermsg", "message": event.text}))
        await super().deliver(event)

    async def finish(self) -> None:
        """Say what was refused in all, and send what waits."""
        for command, count in self._impossible.items():
            if count > 1:
                self.say("commands_refused_in_all", command=command, count=str(count))
        if self._dropped:
            self.say("commands_dropped", count=str(self._dropped))
        if self._voice is not None and self._voice.dropped_s:
            self.say("sound_dropped", seconds=f"{self._voice.dropped_s:.1f}")
        await super().finish()

    # --- what comes ------------------------------------------------------------------------

    def heard(self, message: str | bytes) -> None:
        """Take a message from the client; what is not understood is ignored."""
        asked = read_control(message)
        if isinstance(asked, Interrupt):
            self._interrupt()
        elif asked is None or self._known_to_be_impossible(asked):
            return
        elif isinstance(asked, Speak):
            self._speak(asked)
        else:
            if self._asked_bytes > _MOST_WAITING_BYTES or len(self._asked) >= _MOST_WAITING:
                self._dropped += 1
                return
            self._asked.append(asked)
            self._asked_bytes += _weight(asked)
            self._news.set()

    def _speak(self, asked: Speak) -> None:
        assert self._voice is not None
        try:
            self._voice.take(asked.pcm, asked.sample_rate_hz)
        except CapabilityMissing as error:
            self._refused(asked.type, str(error))
        except CommandRefused as error:
            if not self._unsaid:
                self.say("command_refused", command=asked.type, error=str(error))
            self._unsaid += 1
        else:
            self._unsaid = 0

    def _interrupt(self) -> None:
        assert self._voice is not None
        silenced = self._voice.interrupt()
        if silenced or not self._interrupted:
            self.say("interrupted", chunks=str(silenced))
        self._interrupted = True

    def _known_to_be_impossible(self, command: Command | PictureByUrl) -> bool:
        if command.type not in self._impossible:
            return False
        self._impossible[command.type] += 1
        return True

    def _refused(self, command: str, why: str) -> None:
        self._impossible[command] = self._impossible.get(command, 0) + 1
        if self._impossible[command] == 1:
            self.say("command_refused", command=command, error=why)

    async def _carry_out(self) -> None:
        assert self._context is not None
        while True:
            while not self._asked:
                await self._news.wait()
            command = self._asked.popleft()
            self._asked_bytes -= _weight(command)
            if self._known_to_be_impossible(command):
                continue
            try:
                if isinstance(command, PictureByUrl):
                    await self._context.perform(await self._fetched(command.url))
                else:
                    await self._context.perform(command)
            except CapabilityMissing as error:
                self._refused(command.type, str(error))
            except (CommandRefused, CommandFailed, NotFetched, MediaRefused) as error:
                self.say("command_refused", command=command.type, error=str(error))

    async def _fetched(self, url: str) -> ShowImage:
        """Return the picture at a URL; from private addresses where its user may name such."""
        from meetcore.gateway import PICTURE_BYTES, picture
        from meetcore_webhook.fetching import fetch

        assert self._context is not None
        private = self._context.may_dial(allow_private=self.options.allow_private)
        return picture(await fetch(url, private, most_bytes=PICTURE_BYTES))


def _weight(command: Command | PictureByUrl) -> int:
    return len(command.image) if isinstance(command, ShowImage) else 0

"""The same bots inside an asyncio program.

    async with meetcore.from_asyncio.open_bot("https://…", transcriber="auto") as bot:
        async for event in bot.events():
            ...

Trio runs in a thread of its own. Its guest mode, which shares one thread with asyncio, was measured
beside it (`benchmarks/asyncio_bridge.py`): a call costs about the same, but a host program that
blocks its loop for half a second then stops the bot's audio for half a second too, a signal
handler has two owners, and a process can hold one guest run only. In a thread the bot goes on
hearing whatever the program around it does.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from functools import partial
from typing import Any, Literal, TypeVar, Unpack, overload

import trio

from meetcore.audio.chunk import Chunk
from meetcore.bot import bot as _bot
from meetcore.bot import factory as _opening
from meetcore.bot import recorded as _recorded
from meetcore.bot import speaking as _speaking
from meetcore.bot.factory import OpenBotOptions
from meetcore.bot.recorded import RecordedOptions, RecordedTrack, RecordedTranscript
from meetcore.bot.speaking import SpeechSource
from meetcore.fleet import fleet as _fleet
from meetcore.fleet.bot_proxy import BotProxy, FleetProxy
from meetcore.fleet.fleet import OpenFleetOptions, StartOptions
from meetcore.fleet.trio_thread import Batches, TrioThread, plainly
from meetcore.model.commands import BargeIn, Command, PersonAnswer, WhenSpeaking
from meetcore.model.config import BotConfig
from meetcore.model.drafts import Draft
from meetcore.model.errors import CommandRefused, MeetcoreError, NotInAsyncio
from meetcore.model.events import Event, StateChanged
from meetcore.model.page_input import PageInput, PagePicture, PictureFormat
from meetcore.plugin import launcher as _launcher
from meetcore.plugin import page_view as _page_view
from meetcore.plugin.launcher import BotSpec
from meetcore.plugin.transcriber import Transcriber

__all__ = [
    "Bot",
    "Fleet",
    "LookIn",
    "RunningBot",
    "Speech",
    "open_bot",
    "open_fleet",
    "transcribe_recording",
]

T = TypeVar("T")


async def _see_through(future: asyncio.Future[T], cancel: Callable[[], object] | None = None) -> T:
    """Wait for a future to its end, also when cancelled; the cancellation goes on afterwards."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
            if cancel is not None:
                cancel()
    if cancelled is not None:
        if not future.cancelled():
            future.exception()  # looked at, so that asyncio does not report it
        raise cancelled
    return future.result()


async def _call(thread: TrioThread, function: Callable[[], Awaitable[T]]) -> T:
    """Run a Trio coroutine function; cancelling the caller cancels it and waits for it.

    Raises:
        CommandRefused: The thread has ended.
    """
    running = thread.submit(function)
    return await _see_through(asyncio.wrap_future(running.future), running.cancel)


def _require_asyncio(what: str) -> None:
    try:
        asyncio.get_running_loop()
        here = not trio.lowlevel.in_trio_task()
    except RuntimeError:
        here = False
    if not here:
        raise NotInAsyncio(what)


@asynccontextmanager
async def _trio_thread(what: str) -> AsyncIterator[TrioThread]:
    _require_asyncio(what)
    thread = TrioThread()
    down = asyncio.wrap_future(thread.down)
    thread.start()
    try:
        await asyncio.wait([asyncio.wrap_future(thread.up), down], return_when="FIRST_COMPLETED")
        yield thread
    finally:
        thread.end()
        await _see_through(down)
        thread.join()


@asynccontextmanager
async def _held(
    thread: TrioThread, open_it: Callable[[], AbstractAsyncContextManager[T]]
) -> AsyncIterator[T]:
    """Hold a Trio context manager open in a task of its own.

    A cancellation of the block is one of the Trio side too: what is held ends in a hurry.
    """
    held = thread.hold(open_it)
    entered, kept = asyncio.wrap_future(held.entered), asyncio.wrap_future(held.running.future)
    waiting: list[asyncio.Future[Any]] = [entered, kept]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not entered.done():
            await kept
        yield entered.result()
    except asyncio.CancelledError:
        held.running.cancel()
        with suppress(asyncio.CancelledError):
            await _see_through(kept)
        raise
    finally:
        if not kept.done():
            held.release()
            await _see_through(kept, held.running.cancel)


async def _batched(thread: TrioThread, items: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """Yield what a Trio iterator yields; raise `CommandRefused` when the thread ends first."""
    batches = Batches(items)
    pump = asyncio.ensure_future(_call(thread, batches.pump))
    try:
        while batch := await _call(thread, batches.take):
            for item in batch:
                yield item
        await pump
    finally:
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)


async def _received(
    receive: trio.MemoryReceiveChannel[bytes | str | Exception],
) -> AsyncIterator[bytes | str]:
    async with receive:
        async for piece in receive:
            if isinstance(piece, Exception):
                raise piece
            yield piece


async def _pump(
    thread: TrioThread,
    source: AsyncIterable[bytes | str],
    send: trio.MemorySendChannel[bytes | str | Exception],
) -> None:
    """Hand on what an async iterator of this side gives, no faster than it is taken."""
    pieces = aiter(source)
    with suppress(trio.BrokenResourceError, CommandRefused):  # it is over, or everything is
        try:
            async for piece in pieces:
                await _call(thread, partial(send.send, piece))
        except (trio.BrokenResourceError, CommandRefused):
            raise
        except Exception as error:  # noqa: BLE001  the source's own: it ends the speech
            await _call(thread, partial(send.send, error))
        finally:
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()
            await _call(thread, send.aclose)


class Speech:
    """Something that a bot says, as an asyncio program sees it; see `meetcore.Speech`."""

    def __init__(self, thread: TrioThread, inner: _speaking.Speech) -> None:
        self._thread = thread
        self._inner = inner
        self.id = inner.id
        self.text = inner.text
        self._tasks: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        return f"<Speech {self.id}>"

    def follow(self, pump: asyncio.Task[None]) -> None:
        """End a task that feeds it once it is over."""
        self._tasks += [pump, asyncio.ensure_future(self._end(pump))]

    async def _end(self, pump: asyncio.Task[None]) -> None:
        with suppress(MeetcoreError):
            await self.wait()
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)

    async def position(self) -> float:
        """Return how many seconds of it were really played."""

        async def position() -> float:
            return self._inner.position

        return await _call(self._thread, position)

    async def said(self) -> str:
        """Return the words of it that were heard so far; see `meetcore.Speech.said`."""

        async def said() -> str:
            return self._inner.said

        return await _call(self._thread, said)

    async def wait(self) -> bool:
        """Return when it is over: True if it was said to its end, False if it was interrupted.

        Raises:
            CommandFailed: It broke off by some trouble.
        """
        return await _call(self._thread, self._inner.wait)

    async def interrupt(self) -> None:
        """Be silent; what is not said yet is not."""

        async def interrupt() -> None:
            self._inner.interrupt()

        await _call(self._thread, interrupt)


class LookIn:
    """One person's look at a bot's page, as an asyncio program has it; see `meetcore.LookIn`."""

    def __init__(self, thread: TrioThread, inner: _page_view.LookIn) -> None:
        self._thread = thread
        self._inner = inner

    async def next_picture(self) -> PagePicture:
        """Return a picture that was not given before; waits until there is one."""
        return await _call(self._thread, self._inner.next_picture)

    async def take_over(self) -> None:
        """Have mouse and keyboard from now on."""
        await _call(self._thread, self._inner.take_over)

    async def release(self) -> None:
        """Give mouse and keyboard back."""
        await _call(self._thread, self._inner.release)

    async def act(self, what: PageInput) -> None:
        """Do something in the page; at most 5 s."""
        await _call(self._thread, partial(self._inner.act, what))


class Bot(BotProxy):
    """A bot as an asyncio program sees it: the same attributes, awaited on this side."""

    def __init__(self, thread: TrioThread, inner: _bot.Bot) -> None:
        super().__init__(inner)
        self._thread = thread

    @overload
    def events(self, *, after: int = 0, drafts: Literal[False] = False) -> AsyncIterator[Event]: ...

    @overload
    def events(self, *, after: int = 0, drafts: Literal[True]) -> AsyncIterator[Event | Draft]: ...

    def events(self, *, after: int = 0, drafts: bool = False) -> AsyncIterator[Any]:
        """Yield the bot's events; see `meetcore.Bot.events`."""
        return self._events(after, drafts)

    async def _events(self, after: int, drafts: bool) -> AsyncIterator[Event | Draft]:
        items: AsyncIterator[Event | Draft]
        if drafts:
            items = self._inner.events(after=after, drafts=True)
        else:
            items = self._inner.events(after=after)
        seen = after
        try:
            async with aclosing(_batched(self._thread, items)) as batched:
                async for item in batched:
                    seen = item.seq if isinstance(item, Event) else seen
                    yield item
        except CommandRefused:  # the block ended in between; what was not taken is in the journal
            for event in self._inner.journal.read(seen):
                yield event

    async def perform(self, command: Command) -> None:
        """Carry out a command; see `meetcore.Bot.perform`."""
        await _call(self._thread, partial(self._inner.perform, command))

    async def stop(self, detail: str = "") -> None:
        """Leave the meeting and finish."""
        await _call(self._thread, partial(self._inner.stop, detail))

    async def send_chat(self, text: str, to: str | None = None) -> None:
        """Send a chat message to everybody, or `to` one person; see `meetcore.Bot.send_chat`."""
        await _call(self._thread, partial(self._inner.send_chat, text, to))

    async def speak(self, pcm: bytes, sample_rate_hz: int = 16_000) -> None:
        """Say int16 mono PCM, where the platform can."""
        await _call(self._thread, partial(self._inner.speak, pcm, sample_rate_hz))

    async def say(
        self,
        source: SpeechSource,
        *,
        sample_rate_hz: int = 16_000,
        when_speaking: WhenSpeaking | str = WhenSpeaking.APPEND,
        text: str = "",
        barge_in: BargeIn | str | None = None,
    ) -> Speech:
        """Say something; see `meetcore.Bot.say`. An async iterator is one of this side."""
        begin, pumps = source, []
        if isinstance(source, AsyncIterable):
            send, receive = trio.open_memory_channel[bytes | str | Exception](0)
            begin = _received(receive)
            pumps.append(partial(_pump, self._thread, source, send))

        async def say() -> _speaking.Speech:
            return self._inner.say(
                begin,
                sample_rate_hz=sample_rate_hz,
                when_speaking=when_speaking,
                text=text,
                barge_in=barge_in,
            )

        speech = Speech(self._thread, await _call(self._thread, say))
        for pump in pumps:
            speech.follow(asyncio.ensure_future(pump()))
        return speech

    async def show_image(self, image: bytes, media_type: str = "image/png") -> None:
        """Show a picture as the bot's camera, where the platform can."""
        await _call(self._thread, partial(self._inner.show_image, image, media_type))

    async def show_page(self, url: str) -> None:
        """Show a web page as the bot's camera, where the platform can."""
        await _call(self._thread, partial(self._inner.show_page, url))

    async def hide_picture(self) -> None:
        """Show nothing any more, neither a picture nor a page."""
        await _call(self._thread, self._inner.hide_picture)

    async def share_image(self, image: bytes, media_type: str = "image/png") -> None:
        """Share a picture as the bot's screen, where the platform can, until `stop_sharing`."""
        await _call(self._thread, partial(self._inner.share_image, image, media_type))

    async def share_page(self, url: str) -> None:
        """Share a web page as the bot's screen, where the platform can."""
        await _call(self._thread, partial(self._inner.share_page, url))

    async def stop_sharing(self) -> None:
        """Share no screen any more."""
        await _call(self._thread, self._inner.stop_sharing)

    async def answer_person(self, answer: PersonAnswer | str = PersonAnswer.DONE) -> None:
        """Say that what the page wanted of a person is `done`, or that the bot is to `give_up`."""
        await _call(self._thread, partial(self._inner.answer_person, answer))

    async def reconnect(self, url: str) -> None:
        """Go on with the same meeting at another address, where the platform has moved it."""
        await _call(self._thread, partial(self._inner.reconnect, url))

    async def name_voice(self, track_id: str, voice: str, name: str) -> None:
        """Give a voice that a segment names by its label a name; an empty one takes it back."""
        await _call(self._thread, partial(self._inner.name_voice, track_id, voice, name))

    async def mark_topic(self, topic: str) -> None:
        """Say what the meeting is about from now on: it begins a chapter of the recording."""
        await _call(self._thread, partial(self._inner.mark_topic, topic))

    async def screenshot(
        self, picture_format: PictureFormat | str = PictureFormat.JPEG, *, by: str = ""
    ) -> PagePicture:
        """Return a picture of the bot's page as it is now; see `meetcore.Bot.screenshot`."""
        return await _call(self._thread, partial(self._inner.screenshot, picture_format, by=by))

    @asynccontextmanager
    async def look_in(self, *, by: str = "") -> AsyncIterator[LookIn]:
        """Look at the bot's page while the block lasts; see `meetcore.Bot.look_in`."""
        async with _held(self._thread, partial(self._inner.look_in, by=by)) as look:
            yield LookIn(self._thread, look)

    async def meeting_now(self) -> float | None:
        """Return the meeting time in seconds, None before the call."""
        return await _call(self._thread, plainly(self._inner.meeting_now))

    async def pause(self) -> None:
        """Record and transcribe nothing from now on."""
        await _call(self._thread, self._inner.pause)

    async def resume(self) -> None:
        """Record and transcribe again."""
        await _call(self._thread, self._inner.resume)

    async def wait_ended(self) -> StateChanged:
        """Return the terminal event once there is one."""
        return await _call(self._thread, self._inner.wait_ended)

    async def abandon(self) -> None:
        """End at once: no leave-taking, no drain; see `meetcore.Bot.abandon`."""
        await _call(self._thread, plainly(self._inner.abandon))


class RunningBot:
    """A bot that a launcher runs somewhere, as an asyncio program sees it."""

    def __init__(self, thread: TrioThread, inner: _launcher.RunningBot) -> None:
        self._thread = thread
        self._inner = inner

    def __repr__(self) -> str:
        return f"<RunningBot {self.bot_id}>"

    @property
    def bot_id(self) -> str:
        """Its id."""
        return self._inner.bot_id

    def items(self, after: int = 0) -> AsyncGenerator[Event | Draft, None]:
        """Yield what its journal holds after a `seq`, then what happens, with drafts between."""
        return _batched(self._thread, self._inner.items(after))

    @asynccontextmanager
    async def hear(self) -> AsyncIterator[AsyncIterator[Chunk]]:
        """Hold an iterator over its audio; what is not taken in time is dropped."""
        async with (
            _held(self._thread, self._inner.hear) as channel,
            aclosing(_batched(self._thread, channel)) as chunks,
        ):
            yield chunks

    async def perform(self, command: Command) -> None:
        """Have it carry out a command; at most 30 s."""
        await _call(self._thread, partial(self._inner.perform, command))

    async def screenshot(
        self, picture_format: PictureFormat | str = PictureFormat.JPEG, *, by: str = ""
    ) -> PagePicture:
        """Return a picture of its page; see `meetcore.Bot.screenshot`."""
        wanted = PictureFormat(picture_format)
        return await _call(self._thread, partial(self._inner.screenshot, wanted, by=by))

    @asynccontextmanager
    async def look_in(self, *, by: str = "") -> AsyncIterator[LookIn]:
        """Look at its page while the block lasts; see `meetcore.Bot.look_in`."""
        async with _held(self._thread, partial(self._inner.look_in, by=by)) as look:
            yield LookIn(self._thread, look)

    async def abandon(self) -> None:
        """End it at once, without leave-taking."""
        await _call(self._thread, plainly(self._inner.abandon))

    async def gone(self) -> None:
        """Return when nothing of it runs any more."""
        await _call(self._thread, self._inner.gone)


class Fleet(FleetProxy[Bot]):
    """A fleet as an asyncio program sees it."""

    def __init__(self, thread: TrioThread, inner: _fleet.Fleet) -> None:
        super().__init__(inner, partial(Bot, thread))
        self._thread = thread

    @property
    def running(self) -> dict[str, RunningBot]:
        """Those that `launch` or `adopt` gave and that are not gone, by id."""
        found = list(self._inner.running.items())
        return {key: RunningBot(self._thread, bot) for key, bot in found}

    def get(self, bot_id: str) -> Bot | RunningBot | None:
        """Return a bot by its id, None where there is none (any more)."""
        return self.bots.get(bot_id) or self.running.get(bot_id)

    async def start(self, url: str, **settings: Unpack[StartOptions]) -> Bot:
        """Send a bot; see `meetcore.Fleet.start`."""
        start = partial(self._inner.start, url, **settings)
        return Bot(self._thread, await _call(self._thread, plainly(start)))

    async def launch(self, spec: BotSpec) -> RunningBot:
        """Send a bot to wherever the launcher runs bots; see `meetcore.Fleet.launch`."""
        launched = await _call(self._thread, partial(self._inner.launch, spec))
        return RunningBot(self._thread, launched)

    async def adopt(self, bot_id: str) -> RunningBot | None:
        """Return a bot that another process launched and that runs, or None."""
        adopted = await _call(self._thread, partial(self._inner.adopt, bot_id))
        return None if adopted is None else RunningBot(self._thread, adopted)

    async def stop_all(self, detail: str = "fleet stopped") -> None:
        """Ask every bot to leave; they are gone when the fleet's block ends."""
        await _call(self._thread, plainly(partial(self._inner.stop_all, detail)))

    async def wait_empty(self) -> None:
        """Return when no bot is left."""
        await _call(self._thread, self._inner.wait_empty)


@asynccontextmanager
async def open_bot(url: str, **settings: Unpack[OpenBotOptions]) -> AsyncIterator[Bot]:
    """Send a bot to a meeting; takes what `meetcore.open_bot` takes.

    Raises:
        NotInAsyncio: No asyncio loop runs here.
        MeetcoreError: As there.
    """
    open_it = partial(_opening.open_bot, url, **settings)
    async with _trio_thread("open_bot") as thread, _held(thread, open_it) as inner:
        yield Bot(thread, inner)


@asynccontextmanager
async def open_fleet(
    config: BotConfig | None = None, **options: Unpack[OpenFleetOptions]
) -> AsyncIterator[Fleet]:
    """Hold a fleet; takes what `meetcore.open_fleet` takes.

    Raises:
        NotInAsyncio: No asyncio loop runs here.
    """
    open_it = partial(_fleet.open_fleet, config, **options)
    async with _trio_thread("open_fleet") as thread, _held(thread, open_it) as inner:
        yield Fleet(thread, inner)


async def transcribe_recording(
    tracks: Sequence[RecordedTrack],
    transcriber: Transcriber,
    config: BotConfig | None = None,
    **options: Unpack[RecordedOptions],
) -> RecordedTranscript:
    """Return what is said in a recording; takes what `meetcore.transcribe_recording` takes.

    `finalized` and `progress` are called on Trio's thread, not on the event loop's.

    Raises:
        NotInAsyncio: No asyncio loop runs here.
        MeetcoreError: As there.
    """
    transcribe = partial(_recorded.transcribe_recording, tracks, transcriber, config, **options)
    async with _trio_thread("transcribe_recording") as thread:
        return await _call(thread, transcribe)

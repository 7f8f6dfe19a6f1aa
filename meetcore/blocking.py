"""The same bots inside a blocking program: Django, Flask, a notebook, a script.

    with meetcore.blocking.open_bot("https://…", transcriber="auto") as bot:
        for event in bot.events():
            ...

Every method blocks until the bot has answered, and may be called from any thread. Trio runs in a
thread of its own, as it does for `meetcore.from_asyncio`, so the bot goes on hearing whatever the
program around it does. Ctrl-C in a call cancels it; one that leaves the block has the bot leave in
a hurry.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, Unpack, overload

import trio

from meetcore.bot import bot as _bot
from meetcore.bot import factory as _opening
from meetcore.bot import recorded as _recorded
from meetcore.bot import speaking as _speaking
from meetcore.bot.factory import OpenBotOptions
from meetcore.bot.recorded import RecordedOptions, RecordedTrack, RecordedTranscript
from meetcore.fleet import fleet as _fleet
from meetcore.fleet.bot_proxy import BotProxy, FleetProxy
from meetcore.fleet.fleet import OpenFleetOptions, StartOptions
from meetcore.fleet.trio_thread import Batches, Held, Running, TrioThread, over, plainly
from meetcore.model.commands import BargeIn, Command, PersonAnswer, WhenSpeaking
from meetcore.model.config import BotConfig
from meetcore.model.drafts import Draft
from meetcore.model.errors import CommandRefused
from meetcore.model.events import Event, StateChanged
from meetcore.model.page_input import PageInput, PagePicture, PictureFormat
from meetcore.plugin import page_view as _page_view
from meetcore.plugin.transcriber import Transcriber

__all__ = ["Bot", "Fleet", "LookIn", "Speech", "open_bot", "open_fleet", "transcribe_recording"]

T = TypeVar("T")


def _finish(running: Running[T]) -> T:
    """Wait for a call to its end; an interruption of the wait cancels it first.

    Raises:
        CommandRefused: Trio ended meanwhile.
    """
    try:
        return running.future.result()
    except CancelledError:
        raise over() from None
    except (KeyboardInterrupt, SystemExit):
        running.cancel()
        wait([running.future])
        raise


def _call(thread: TrioThread, function: Callable[[], Awaitable[T]]) -> T:
    return _finish(thread.submit(function))


@contextmanager
def _trio_thread() -> Iterator[TrioThread]:
    thread = TrioThread()
    thread.start()
    try:
        waiting: list[Future[None]] = [thread.up, thread.down]
        wait(waiting, return_when=FIRST_COMPLETED)
        yield thread
    finally:
        thread.end()
        thread.down.result()
        thread.join()


@contextmanager
def _held(thread: TrioThread, open_it: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[T]:
    """Hold a Trio context manager open in a task of its own."""
    held: Held[T] = thread.hold(open_it)
    kept = held.running.future
    try:
        waiting: list[Future[Any]] = [held.entered, kept]
        wait(waiting, return_when=FIRST_COMPLETED)
        if not held.entered.done():
            kept.result()
        yield held.entered.result()
    except (KeyboardInterrupt, SystemExit):
        held.running.cancel()
        with suppress(CancelledError):
            kept.result()
        raise
    finally:
        if not kept.done():
            held.release()
            _finish(held.running)


class Speech:
    """Something that a bot says, as a blocking program sees it; see `meetcore.Speech`."""

    def __init__(self, thread: TrioThread, inner: _speaking.Speech) -> None:
        self._thread = thread
        self._inner = inner
        self.id = inner.id
        self.text = inner.text

    def __repr__(self) -> str:
        return f"<Speech {self.id}>"

    @property
    def position(self) -> float:
        """How many seconds of it were really played."""

        async def position() -> float:
            return self._inner.position

        return _call(self._thread, position)

    @property
    def said(self) -> str:
        """The words of it that were heard so far; see `meetcore.Speech.said`."""

        async def said() -> str:
            return self._inner.said

        return _call(self._thread, said)

    def wait(self) -> bool:
        """Return when it is over: True if it was said to its end, False if it was interrupted.

        Raises:
            CommandFailed: It broke off by some trouble.
        """
        return _call(self._thread, self._inner.wait)

    def interrupt(self) -> None:
        """Be silent; what is not said yet is not."""

        async def interrupt() -> None:
            self._inner.interrupt()

        _call(self._thread, interrupt)


class LookIn:
    """One person's look at a bot's page, as a blocking program has it; see `meetcore.LookIn`."""

    def __init__(self, thread: TrioThread, inner: _page_view.LookIn) -> None:
        self._thread = thread
        self._inner = inner

    def next_picture(self) -> PagePicture:
        """Return a picture that was not given before; waits until there is one."""
        return _call(self._thread, self._inner.next_picture)

    def take_over(self) -> None:
        """Have mouse and keyboard from now on."""
        _call(self._thread, self._inner.take_over)

    def release(self) -> None:
        """Give mouse and keyboard back."""
        _call(self._thread, self._inner.release)

    def act(self, what: PageInput) -> None:
        """Do something in the page; at most 5 s."""
        _call(self._thread, partial(self._inner.act, what))


class Bot(BotProxy):
    """A bot as a blocking program sees it: the same attributes, and calls that wait."""

    def __init__(self, thread: TrioThread, inner: _bot.Bot) -> None:
        super().__init__(inner)
        self._thread = thread

    @overload
    def events(self, *, after: int = 0, drafts: Literal[False] = False) -> Iterator[Event]: ...

    @overload
    def events(self, *, after: int = 0, drafts: Literal[True]) -> Iterator[Event | Draft]: ...

    def events(self, *, after: int = 0, drafts: bool = False) -> Iterator[Any]:
        """Yield the bot's events, live, to the terminal one; see `meetcore.Bot.events`."""
        items: AsyncIterator[Event | Draft]
        if drafts:
            items = self._inner.events(after=after, drafts=True)
        else:
            items = self._inner.events(after=after)
        return self._events(items, after)

    def _events(
        self, items: AsyncIterator[Event | Draft], seen: int
    ) -> Generator[Event | Draft, None, None]:
        try:
            batches = Batches(items)
            pump = self._thread.submit(batches.pump)
            try:
                while batch := _call(self._thread, batches.take):
                    for item in batch:
                        seen = item.seq if isinstance(item, Event) else seen
                        yield item
                _finish(pump)
            finally:
                pump.cancel()
                wait([pump.future])
        except CommandRefused:  # the block ended in between; what was not taken is in the journal
            yield from self._inner.journal.read(seen)

    def perform(self, command: Command) -> None:
        """Carry out a command; see `meetcore.Bot.perform`."""
        _call(self._thread, partial(self._inner.perform, command))

    def stop(self, detail: str = "") -> None:
        """Leave the meeting and finish."""
        _call(self._thread, partial(self._inner.stop, detail))

    def send_chat(self, text: str, to: str | None = None) -> None:
        """Send a chat message to everybody, or `to` one person; see `meetcore.Bot.send_chat`."""
        _call(self._thread, partial(self._inner.send_chat, text, to))

    def speak(self, pcm: bytes, sample_rate_hz: int = 16_000) -> None:
        """Say int16 mono PCM, where the platform can."""
        _call(self._thread, partial(self._inner.speak, pcm, sample_rate_hz))

    def say(
        self,
        source: bytes | Path | str,
        *,
        sample_rate_hz: int = 16_000,
        when_speaking: WhenSpeaking | str = WhenSpeaking.APPEND,
        text: str = "",
        barge_in: BargeIn | str | None = None,
    ) -> Speech:
        """Say something; see `meetcore.Bot.say`."""

        async def say() -> _speaking.Speech:
            return self._inner.say(
                source,
                sample_rate_hz=sample_rate_hz,
                when_speaking=when_speaking,
                text=text,
                barge_in=barge_in,
            )

        return Speech(self._thread, _call(self._thread, say))

    def show_image(self, image: bytes, media_type: str = "image/png") -> None:
        """Show a picture as the bot's camera, where the platform can."""
        _call(self._thread, partial(self._inner.show_image, image, media_type))

    def show_page(self, url: str) -> None:
        """Show a web page as the bot's camera, where the platform can."""
        _call(self._thread, partial(self._inner.show_page, url))

    def hide_picture(self) -> None:
        """Show nothing any more, neither a picture nor a page."""
        _call(self._thread, self._inner.hide_picture)

    def share_image(self, image: bytes, media_type: str = "image/png") -> None:
        """Share a picture as the bot's screen, where the platform can, until `stop_sharing`."""
        _call(self._thread, partial(self._inner.share_image, image, media_type))

    def share_page(self, url: str) -> None:
        """Share a web page as the bot's screen, where the platform can."""
        _call(self._thread, partial(self._inner.share_page, url))

    def stop_sharing(self) -> None:
        """Share no screen any more."""
        _call(self._thread, self._inner.stop_sharing)

    def answer_person(self, answer: PersonAnswer | str = PersonAnswer.DONE) -> None:
        """Say that what the page wanted of a person is `done`, or that the bot is to `give_up`."""
        _call(self._thread, partial(self._inner.answer_person, answer))

    def reconnect(self, url: str) -> None:
        """Go on with the same meeting at another address, where the platform has moved it."""
        _call(self._thread, partial(self._inner.reconnect, url))

    def name_voice(self, track_id: str, voice: str, name: str) -> None:
        """Give a voice that a segment names by its label a name; an empty one takes it back."""
        _call(self._thread, partial(self._inner.name_voice, track_id, voice, name))

    def mark_topic(self, topic: str) -> None:
        """Say what the meeting is about from now on: it begins a chapter of the recording."""
        _call(self._thread, partial(self._inner.mark_topic, topic))

    def screenshot(
        self, picture_format: PictureFormat | str = PictureFormat.JPEG, *, by: str = ""
    ) -> PagePicture:
        """Return a picture of the bot's page as it is now; see `meetcore.Bot.screenshot`."""
        return _call(self._thread, partial(self._inner.screenshot, picture_format, by=by))

    @contextmanager
    def look_in(self, *, by: str = "") -> Iterator[LookIn]:
        """Look at the bot's page while the block lasts; see `meetcore.Bot.look_in`."""
        with _held(self._thread, partial(self._inner.look_in, by=by)) as look:
            yield LookIn(self._thread, look)

    def meeting_now(self) -> float | None:
        """Return the meeting time in seconds, None before the call."""
        return _call(self._thread, plainly(self._inner.meeting_now))

    def pause(self) -> None:
        """Record and transcribe nothing from now on."""
        _call(self._thread, self._inner.pause)

    def resume(self) -> None:
        """Record and transcribe again."""
        _call(self._thread, self._inner.resume)

    def wait_ended(self, timeout_s: float | None = None) -> StateChanged:
        """Return the terminal event once there is one.

        Args:
            timeout_s: How long to wait, None for as long as it takes.

        Raises:
            TimeoutError: It has not ended by then.
        """

        async def ended() -> StateChanged | None:
            with trio.move_on_after(float("inf") if timeout_s is None else timeout_s):
                return await self._inner.wait_ended()
            return None

        found = _call(self._thread, ended)
        if found is None:
            raise TimeoutError(f"The bot has not ended within {timeout_s:g} s.")
        return found

    def abandon(self) -> None:
        """End at once: no leave-taking, no drain; see `meetcore.Bot.abandon`."""
        _call(self._thread, plainly(self._inner.abandon))


class Fleet(FleetProxy[Bot]):
    """A fleet as a blocking program sees it."""

    def __init__(self, thread: TrioThread, inner: _fleet.Fleet) -> None:
        super().__init__(inner, partial(Bot, thread))
        self._thread = thread

    def get(self, bot_id: str) -> Bot | None:
        """Return a bot by its id, None where there is none (any more)."""
        return self.bots.get(bot_id)

    def start(self, url: str, **settings: Unpack[StartOptions]) -> Bot:
        """Send a bot; see `meetcore.Fleet.start`."""
        start = partial(self._inner.start, url, **settings)
        return Bot(self._thread, _call(self._thread, plainly(start)))

    def stop_all(self, detail: str = "fleet stopped") -> None:
        """Ask every bot to leave; they are gone when the fleet's block ends."""
        _call(self._thread, plainly(partial(self._inner.stop_all, detail)))

    def wait_empty(self) -> None:
        """Return when no bot is left."""
        _call(self._thread, self._inner.wait_empty)


@contextmanager
def open_bot(url: str, **settings: Unpack[OpenBotOptions]) -> Iterator[Bot]:
    """Send a bot to a meeting; takes what `meetcore.open_bot` takes.

    Raises:
        MeetcoreError: As there.
    """
    open_it = partial(_opening.open_bot, url, **settings)
    with _trio_thread() as thread, _held(thread, open_it) as inner:
        yield Bot(thread, inner)


@contextmanager
def open_fleet(
    config: BotConfig | None = None, **options: Unpack[OpenFleetOptions]
) -> Iterator[Fleet]:
    """Hold a fleet; takes what `meetcore.open_fleet` takes."""
    open_it = partial(_fleet.open_fleet, config, **options)
    with _trio_thread() as thread, _held(thread, open_it) as inner:
        yield Fleet(thread, inner)


def transcribe_recording(
    tracks: Sequence[RecordedTrack],
    transcriber: Transcriber,
    config: BotConfig | None = None,
    **options: Unpack[RecordedOptions],
) -> RecordedTranscript:
    """Return what is said in a recording; takes what `meetcore.transcribe_recording` takes.

    `finalized` and `progress` are called on Trio's thread.

    Raises:
        MeetcoreError: As there.
    """
    transcribe = partial(_recorded.transcribe_recording, tracks, transcriber, config, **options)
    with _trio_thread() as thread:
        return _call(thread, transcribe)

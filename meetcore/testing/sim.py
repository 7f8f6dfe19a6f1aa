"""SimMeeting: a scripted meeting in memory, on Trio's clock.

Under a `MockClock` an hour passes in a fraction of a second, and `run_simulated` gives the same
journal for the same seed, byte for byte. The script is the same that a cast plays on the rehearsal
site; what goes wrong in it (denials, kicks, hanging calls, dropped audio) goes wrong here.

    def test_my_sink(tmp_path):
        meeting = SimMeeting(load_script("standup.toml"))
        events = run_simulated(meeting, out_dir=tmp_path, sinks=[MySink()])
        assert events[-1].reason == "meeting_ended"
"""

from __future__ import annotations

import random
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
)
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import trio
from attrs import evolve

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Pcm
from meetcore.bot.bot import Bot
from meetcore.bot.factory import open_bot
from meetcore.log.journal import read_journal
from meetcore.model.config import BotConfig
from meetcore.model.errors import CommandFailed, PluginError
from meetcore.model.events import Event
from meetcore.model.lifecycle import EndReason, Evidence
from meetcore.model.meeting import MeetingLink
from meetcore.model.roster import Participant
from meetcore.model.signals import (
    Admitted,
    CallEnded,
    CaptionSeen,
    ChatArrived,
    Knocked,
    ParticipantAppeared,
    ParticipantChanged,
    ParticipantGone,
    RosterHealth,
    RosterSeen,
    ShareSeen,
    TrackGone,
)
from meetcore.plugin.hooks import hookimpl
from meetcore.plugin.platform import (
    Call,
    CallEvents,
    CallRequest,
    Capability,
    Platform,
    SpeechOutput,
)
from meetcore.plugin.registry import Plugins
from meetcore.testing.script import ChatLine, Decision, EndHow, FaultKind, Line, Person, Script
from meetcore.testing.script_toml import parse_script
from meetcore.testing.sim_page import SimPage, SimPageCall
from meetcore.testing.sim_plugins import failures_of, named_and_installed, raise_first
from meetcore.testing.sim_speech import Said, SimSpeech
from meetcore.testing.sim_tracks import SILENT_CHUNK_S, RosterListing, SimSound, SimTracks
from meetcore.testing.voice import read_wav, synthetic_voice

__all__ = ["SimCall", "SimMeeting", "run_simulated", "simulated_clock"]

EPOCH = datetime(2026, 1, 1, 9, 0, 0, tzinfo=UTC)
HANG_S = 10_000_000.0
CAPTION_LAG_S = 0.3


class SimMeeting:
    """A meeting that follows a script.

    Args:
        script: The script, or its TOML text.
        name: Part of the link, `sim:NAME`.
        captions: Whether the meeting has captions, for a bot that asks for them.
        sound: Whether anything is heard.
        tracks: On which tracks people are heard, and how it is told whose they are; by default
            each on their own.
        lists: How people are shown as whole lists; by default everybody's coming and going is told.
        page: What can be seen and taken over of it; by default there is no page.

    Attributes:
        link: What to give to `open_bot`.
        chat_sent: What the bot wrote to everybody.
        direct_chat_sent: What it wrote to one person alone, each with whose id.
        said: What the bot said, as far as it was heard, with when.
        left_politely: Whether the bot took its leave.
        began: Trio's time at which the script clock was 0, None before.
    """

    def __init__(
        self,
        script: Script | str,
        name: str = "meeting",
        *,
        captions: bool = False,
        sound: bool = True,
        tracks: SimTracks | None = None,
        lists: RosterListing | None = None,
        page: SimPage | None = None,
    ) -> None:
        self.page = page
        self.script = parse_script(script) if isinstance(script, str) else script
        self.name = name
        self.link = f"sim:{name}"
        self.captions = captions
        self.sound = sound
        self.tracks = tracks or SimTracks()
        self.lists = lists
        self.chat_sent: list[str] = []
        self.direct_chat_sent: list[tuple[str, str]] = []
        self.said: list[Said] = []
        self.left_politely = False
        self.began: float | None = None
        self._speech: dict[int, Pcm] = {}

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What a bot can do here."""
        chat = {Capability.SEND_CHAT, Capability.SEND_DIRECT_CHAT, Capability.READ_CHAT}
        can = frozenset({*chat, Capability.SPEAK})
        if self.page is not None:
            can |= {Capability.SCREENSHOT, Capability.LOOK_IN}
        return can | {Capability.CAPTIONS} if self.captions else can

    def plugin(self) -> object:
        """Return a plugin object that registers this meeting as the platform `sim`."""
        meeting = self

        class SimPlatform(Platform):
            name = "sim"
            link_examples = ("sim:NAME",)
            capabilities = meeting.capabilities

            def parse(self, url: str) -> MeetingLink | None:
                if url != meeting.link:
                    return None
                return MeetingLink(platform="sim", native_id=meeting.name, url=url)

            @asynccontextmanager
            async def open_call(
                self, link: MeetingLink, request: CallRequest, events: CallEvents
            ) -> AsyncIterator[Call]:
                async with meeting.attend(link, request, events) as call:
                    yield call

        class SimPlugin:
            @hookimpl
            def meetcore_register_platforms(
                self, register: Callable[[type[Platform]], None]
            ) -> None:
                register(SimPlatform)

        return SimPlugin()

    def plugins(
        self,
        *,
        files: Iterable[str | Path] = (),
        installed: Iterable[str] = (),
        **more: object,
    ) -> Plugins:
        """Return plugins with this meeting and nothing that is installed but what is named.

        Args:
            files: Python files to load as plugins, as with `--plugin`.
            installed: Names of installed plugins that are wanted, too.
            more: Objects with hook implementations, by the name of the plugin each is to be.

        Raises:
            PluginError: One of them cannot be loaded, or implements no hook.
        """
        if isinstance(files, (str, Path)) or not isinstance(files, Iterable):
            raise PluginError(
                f"files={files!r} is no list of plugin files.",
                "Give a list, for instance files=['plugin.py']; a plugin object that is to be "
                "called 'files' needs another name here.",
            )
        wanted, objects = tuple(installed), {"sim": self.plugin(), **more}
        plugins = Plugins(entry_points=bool(wanted), only=wanted, files=files, objects=objects)
        for info in plugins.infos:
            if info.name in more and not info.hooks:
                raise PluginError(
                    f"{info.name}={more[info.name]!r} implements no hook.",
                    "Give an object or a module whose functions are marked @meetcore.hookimpl.",
                )
        return plugins

    @asynccontextmanager
    async def open_bot(
        self, out_dir: Path, *, allow_failures: bool = False, **settings: Any
    ) -> AsyncIterator[Bot]:
        """Send a bot to this meeting, with a wall clock that follows Trio's.

        Args:
            out_dir: Where the bot's folder goes, unless `config` names another place.
            allow_failures: Whether plugins may fail in this run, which the script does not let.
            settings: As for `meetcore.open_bot`. What is named of a transcriber, a synthesizer and
                sinks is loaded where a plugin of that name is installed; nothing else is.

        Raises:
            AssertionError: A plugin failed, told by the first; what it raised is its cause. A
                meeting survives a plugin's mistake, a test should not.
        """
        if "plugins" not in settings:
            settings["plugins"] = self.plugins(installed=named_and_installed(settings))
        settings.setdefault("bot_id", f"sim-{self.script.seed}")
        settings.setdefault("random", random.Random(self.script.seed))
        given = settings.setdefault("config", BotConfig(fsync=False))
        if isinstance(given, BotConfig) and given.out_dir == BotConfig().out_dir:
            settings["config"] = evolve(given, out_dir=out_dir)
        async with open_bot(self.link, wall_clock=simulated_clock(), **settings) as bot:
            failures = failures_of(bot)
            yield bot
        if not allow_failures:
            raise_first(failures)

    # --- the call ---------------------------------------------------------------------

    @asynccontextmanager
    async def attend(
        self, link: MeetingLink, request: CallRequest, events: CallEvents
    ) -> AsyncIterator[Call]:
        """Be called by a bot: what `Platform.open_call` is."""
        await self._trouble("join")
        call = SimCall(self, events, link, request)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call.play)
            try:
                yield call
            finally:
                nursery.cancel_scope.cancel()

    async def _trouble(self, what: str) -> None:
        for fault in self.script.faults:
            if fault.what != what:
                continue
            if fault.kind is FaultKind.HANGING_CALL:
                await trio.sleep(fault.for_s or HANG_S)
            elif fault.kind is FaultKind.FAILING_CALL:
                raise CommandFailed(f"The script lets {what!r} fail.")

    def speech(self, index: int, line: Line) -> Pcm:
        """Return the sound of a line."""
        if index not in self._speech:
            if line.audio is not None:
                self._speech[index] = read_wav(line.audio)
            else:
                ids = [person.id for person in self.script.people]
                pitch = 100.0 + 30.0 * ids.index(line.who)
                self._speech[index] = synthetic_voice(line.duration_s, pitch)
        return self._speech[index]


class SimCall(SimPageCall):
    """The bot's presence in a SimMeeting."""

    platform_name = "sim"

    def __init__(
        self, meeting: SimMeeting, events: CallEvents, link: MeetingLink, request: CallRequest
    ) -> None:
        self._meeting = meeting
        self.page = meeting.page
        self._script = meeting.script
        self._events = events
        self._request = request
        self._link = link
        self._present: dict[str, int] = {}
        self._shown: set[str] = set()
        self._visits: dict[str, int] = {}
        self._muted: set[str] = set()
        self._roster_lost = False
        self._over = False
        self._lines = [(i, line) for i, line in enumerate(self._script.lines)]
        self._tracks = meeting.tracks
        self._sound = SimSound(self._script, meeting.speech, meeting.tracks)
        self._random = random.Random(self._script.seed)

    async def leave(self) -> None:
        """Take leave; a script can let it hang or fail."""
        await self._meeting._trouble("leave")
        self._meeting.left_politely = True
        await trio.lowlevel.checkpoint()

    async def send_chat(self, text: str) -> None:
        """Write to the chat; it comes back as a signal, as on a page."""
        await self._write(text, None)

    async def send_direct_chat(self, text: str, to: Participant) -> None:
        """Write to one person alone; that comes back as well."""
        await self._write(text, to)

    async def _write(self, text: str, to: Participant | None) -> None:
        meeting = self._meeting
        await meeting._trouble("send_chat")
        await trio.lowlevel.checkpoint()
        if to is None:
            meeting.chat_sent.append(text)
        else:
            meeting.direct_chat_sent.append((to.id, text))
        number = len(meeting.chat_sent) + len(meeting.direct_chat_sent)
        said = ChatArrived(f"bot-{number}", "bot", self._request.display_name, text, by_bot=True)
        alone = said if to is None else evolve(said, direct=True, to_id=to.id, to_name=to.name)
        self._events.observe(alone)

    @asynccontextmanager
    async def open_speech(self, sample_rate_hz: int) -> AsyncIterator[SpeechOutput]:
        """Let the bot be heard; a script can let it hang or fail."""
        await self._meeting._trouble("speak")
        output = SimSpeech(sample_rate_hz, self._meeting.began or 0.0)
        try:
            yield output
        finally:
            if said := output.said():
                self._meeting.said.append(said)

    async def play(self) -> None:
        """Let the script happen."""
        script = self._script
        if script.waiting_room:
            self._events.observe(Knocked("the script has a waiting room"))
            await trio.sleep(script.admission.after_s)
            if script.admission.decision is Decision.DENY:
                self._end(EndReason.DENIED, "the script denies")
                return
            if script.admission.decision is Decision.IGNORE:
                await trio.sleep_forever()
        self._events.observe(Admitted("the script admits"))
        self._appear(self._bot())
        for track_id in self._tracks.shared:
            self._events.observe(self._tracks.appeared(track_id))
        began = self._meeting.began = trio.current_time()
        heard_up_to = 0
        for at_s, _, act in sorted(self._happenings(), key=lambda item: item[:2]):
            heard_up_to = await self._hear_until(began, heard_up_to, at_s)
            await trio.sleep_until(began + at_s)
            act()
            if self._over:
                return
        while True:
            heard_up_to = await self._hear_until(
                began, heard_up_to, heard_up_to / SAMPLE_RATE_HZ + SILENT_CHUNK_S
            )

    # --- what happens when --------------------------------------------------------------

    def _happenings(self) -> Iterator[tuple[float, int, Callable[[], None]]]:
        script = self._script
        order = 0
        for person in script.people:
            for visit in person.visits:
                order += 1
                yield visit.start_s, order, partial(self._join, person)
                if visit.end_s is not None:
                    yield visit.end_s, order, partial(self._part, person.id)
        for mute in script.mutes:
            order += 1
            yield mute.at_s, order, partial(self._mute, mute.who, muted=True)
            if mute.until_s is not None:
                yield mute.until_s, order, partial(self._mute, mute.who, muted=False)
        for number, share in enumerate(script.shares, 1):
            order += 1
            seen = partial(ShareSeen, f"share-{number}", share.who)
            yield share.at_s, order, partial(self._events.observe, seen(True))
            if share.until_s is not None:
                yield share.until_s, order, partial(self._events.observe, seen(False))
        for number, chat in enumerate(script.chat):
            order += 1
            yield chat.at_s, order, partial(self._chat, number, chat)
        if self._meeting.captions and self._request.captions:
            for at_s, caption in self._captions():
                order += 1
                yield at_s, order, partial(self._caption, caption)
        for at_s, signal in self._tracks.told(script, self._random):
            order += 1
            yield at_s, order, partial(self._events.observe, signal)
        if self._meeting.lists is not None:
            every_s = self._meeting.lists.every_s
            for number in range(int(script.duration_s / every_s) + 5):
                order += 1
                yield number * every_s, order, partial(self._list, number * every_s)
        for kick in script.kicks:
            order += 1
            yield kick.at_s, order, partial(self._part, kick.who)
        for fault in script.faults:
            order += 1
            if fault.kind is FaultKind.ROSTER_LOST:
                yield fault.at_s, order, lambda: self._lose_roster(lost=True)
                if fault.for_s is not None:
                    until = fault.at_s + fault.for_s
                    yield until, order, lambda: self._lose_roster(lost=False)
            elif fault.kind is FaultKind.CONNECTION_LOST:
                yield (
                    fault.at_s,
                    order,
                    lambda: self._end(EndReason.CONNECTION_LOST, "the script cuts the line"),
                )
        if script.end is not None:
            yield script.end.at_s, order + 1, self._finish

    def _finish(self) -> None:
        end = self._script.end
        assert end is not None
        if end.how is EndHow.HOST_ENDS:
            self._end(EndReason.MEETING_ENDED, "the host ended the meeting")
        elif end.how is EndHow.REMOVES_BOT:
            self._end(EndReason.REMOVED, "the host removed the bot")
        else:
            for person_id in list(self._present):
                self._part(person_id)

    def _end(self, reason: EndReason, detail: str) -> None:
        self._over = True
        self._events.observe(CallEnded(reason, Evidence("script", detail)))

    def _list(self, at_s: float) -> None:
        """Show everybody, as far as the list has them."""
        lists = self._meeting.lists
        assert lists is not None
        unwell = self._random.random() < lists.unwell
        seen = [] if unwell else [self._bot()]
        for person_id in self._present:
            if self._random.random() >= lists.missing:
                shown = self._participant(self._script.person(person_id))
                name = lists.name_of(person_id, shown.name, at_s)
                seen.append(evolve(shown, name=name))
        self._events.observe(RosterSeen(tuple(seen), None if unwell else "bot"))

    def _bot(self) -> Participant:
        return Participant(id="bot", name=self._request.display_name, is_self=True, is_bot=True)

    def _id(self, person_id: str) -> str:
        """Return a participant's id: of one who comes back to a list, another."""
        return person_id if self._meeting.lists is None else self._track(person_id)

    def _appear(self, participant: Participant) -> None:
        if not self._roster_lost and self._meeting.lists is None:
            self._shown.add(participant.id)
            self._events.observe(ParticipantAppeared(participant))

    def _participant(self, person: Person) -> Participant:
        return Participant(
            id=self._id(person.id),
            name=person.name,
            is_bot=person.is_bot,
            is_host=person.host,
            muted=person.id in self._muted,
        )

    def _join(self, person: Person) -> None:
        visit = self._visits[person.id] = self._visits.get(person.id, 0) + 1
        self._present[person.id] = visit
        self._appear(self._participant(person))
        if self._meeting.sound and not self._tracks.shared:
            track_id = self._track(person.id)
            self._events.observe(self._tracks.appeared(track_id, self._id(person.id)))

    def _track(self, person_id: str) -> str:
        visit = self._present[person_id]
        return person_id if visit == 1 else f"{person_id}.{visit}"

    def _part(self, person_id: str) -> None:
        if person_id not in self._present:
            return
        if self._meeting.sound and not self._tracks.shared:
            self._events.observe(TrackGone(self._track(person_id)))
        del self._present[person_id]
        if not self._roster_lost and self._meeting.lists is None:
            self._vanish(person_id)

    def _vanish(self, person_id: str) -> None:
        self._shown.discard(person_id)
        self._events.observe(ParticipantGone(person_id))

    def _mute(self, person_id: str, *, muted: bool) -> None:
        (self._muted.add if muted else self._muted.discard)(person_id)
        seen = not self._roster_lost and self._meeting.lists is None
        if person_id in self._present and seen:
            participant = self._participant(self._script.person(person_id))
            self._events.observe(ParticipantChanged(participant))

    def _chat(self, number: int, chat: ChatLine) -> None:
        name = self._script.person(chat.who).name
        arrived = ChatArrived(f"chat-{number}", chat.who, name, chat.text, direct=chat.to_bot)
        self._events.observe(arrived)

    def _captions(self) -> Iterator[tuple[float, CaptionSeen]]:
        """Yield what captions show and when: a line grows by a word, a little after it was said."""
        for number, line in self._lines:
            said = [word for word in self._script.reference_words() if word.line == number]
            for count, word in enumerate(said, 1):
                text = " ".join(each.text for each in said[:count])
                name = self._script.person(line.who).name
                yield (
                    word.end_s + CAPTION_LAG_S,
                    CaptionSeen(line.who, name, text, at_s=word.end_s, key=f"line-{number}"),
                )

    def _caption(self, caption: CaptionSeen) -> None:
        if caption.participant_id in self._present and caption.participant_id not in self._muted:
            self._events.observe(caption)

    def _lose_roster(self, *, lost: bool) -> None:
        self._roster_lost = lost
        self._events.observe(RosterHealth(not lost, "the script hides the roster" if lost else ""))
        if not lost:
            for person_id in sorted(self._shown - {"bot", *self._present}):
                self._vanish(person_id)
            for person_id in self._present:
                self._appear(self._participant(self._script.person(person_id)))

    # --- sound ------------------------------------------------------------------------

    async def _hear_until(self, began: float, start: int, until_s: float) -> int:
        """Let everybody present be heard from sample `start` to `until_s`, in real pace."""
        end = round(until_s * SAMPLE_RATE_HZ)
        while start < end:
            stop = self._sound.next_stop(start, end)
            await trio.sleep_until(began + stop / SAMPLE_RATE_HZ)
            if self._meeting.sound:
                present = {who: self._track(who) for who in self._present}
                for chunk in self._sound.chunks(present, self._muted, start, stop):
                    self._events.hear(chunk)
            start = stop
        return start


def simulated_clock() -> Callable[[], datetime]:
    """Return a wall clock that begins on 2026-01-01 at 09:00 UTC and follows Trio's clock."""
    began = trio.current_time()
    return lambda: EPOCH + timedelta(microseconds=round((trio.current_time() - began) * 1e6))


@contextmanager
def _deterministic_scheduling(seed: int) -> Iterator[None]:
    """Make Trio's order of runnable tasks a function of the seed.

    Trio shuffles on purpose, and offers no public switch. These two names are what
    pytest-trio and hypothesis hold on to for the same purpose.
    """
    run = trio._core._run
    state, allowed = run._r.getstate(), run._ALLOW_DETERMINISTIC_SCHEDULING
    run._r.seed(seed)
    run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    try:
        yield
    finally:
        run._r.setstate(state)
        run._ALLOW_DETERMINISTIC_SCHEDULING = allowed  # type: ignore[misc]


def run_simulated(
    meeting: SimMeeting,
    *,
    out_dir: Path,
    during: Callable[[Bot], Awaitable[None]] | None = None,
    **settings: Any,
) -> list[Event]:
    """Run a bot through a simulated meeting on a clock that jumps; return its journal.

    Call it from a plain function: it runs Trio itself, so that the order of tasks is a function
    of the script's seed too. In an async test use `SimMeeting.open_bot` with a `MockClock`.

    Args:
        meeting: The meeting.
        out_dir: Where the bot's folder goes.
        during: Run beside the bot; the bot leaves when it returns, if it has not ended.
        settings: As for `SimMeeting.open_bot`, `allow_failures` among them.

    Raises:
        AssertionError: A plugin failed.
    """
    folder: list[Path] = []

    async def attend() -> None:
        async with meeting.open_bot(out_dir, **settings) as bot:
            folder.append(bot.journal.path)
            if during is not None:
                await during(bot)
            else:
                await bot.wait_ended()

    with _deterministic_scheduling(meeting.script.seed):
        from trio.testing import MockClock  # imports pytest, which a simulated bot need not have

        trio.run(attend, clock=MockClock(autojump_threshold=0))
    return list(read_journal(folder[0]))

"""What every dialect has to keep; subclass it, say how the vendor's API is asked and read.

    class TestAcme(DialectConformance):
        plugin = meetcore_acme.plugin
        key_header = ("authorization", "Bearer {key}")
        create = ("POST", "/bots", {"url": LINK, "hook": HOOK})
        get = "/bots/{bot}"
        vectors = (DialectVector("a bot", "GET", "/bots/{bot}", 200, like={"id": "…"}),)

        async def told(self, client):
            body = await client.get("/bots/{bot}")
            return DialectTold(done=body["state"] == "done")

Errors are answered by the table, a stranger learns nothing, what was deleted is told no more, and
nothing that is answered or POSTed contradicts the journal, whatever happened in the meeting.
"""

from __future__ import annotations

import json
import random
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from attrs import field, frozen

from meetcore.gateway.http import (
    BadBody,
    BodyTooLong,
    MethodNotAllowed,
    Mount,
    NotFound,
    Reply,
    Request,
    ServerFailed,
    TooManyRequests,
)
from meetcore.gateway.kit.authenticator import KeyInvalid, KeyMissing, ScopeMissing
from meetcore.gateway.kit.error_table import ErrorTable
from meetcore.gateway.records import (
    BotGone,
    BotRow,
    LimitReached,
    LinkRefused,
    NoSuchBot,
    NotNow,
    Scope,
)
from meetcore.model.errors import (
    CapabilityMissing,
    CommandFailed,
    CommandRefused,
    ConfigError,
    MeetcoreError,
    StorageUnavailable,
    UnknownPlugin,
)
from meetcore.model.events import ChatReceived, Event, ParticipantJoined, SegmentFinalized
from meetcore.model.languages import LanguageRefused
from meetcore.model.lifecycle import COMPLETING, EndReason, State
from meetcore.model.roster import NameSource, Participant
from meetcore.model.transcript import Segment, Word, spoken_order
from meetcore.testing.fake_service import FakeService, open_fake_service

__all__ = ["DialectClient", "DialectConformance", "DialectTold", "DialectVector"]

_KEY = "conformance-key"
_WORDS = ("agenda", "budget", "coffee", "deadline", "estimate", "follow", "growth", "handover")
_NAMES = ("Ada Lindqvist", "Callum Reid", "Dov Ö.", "E")
_THEIRS: tuple[MeetcoreError, ...] = (
    KeyMissing("No key."),
    KeyInvalid("Not that key."),
    ScopeMissing(Scope.WRITE),
    NotFound("/x"),
    MethodNotAllowed("/x", ["GET"]),
    NoSuchBot("There is no such bot."),
    BotGone("Deleted."),
    LinkRefused("No link of ours."),
    LanguageRefused("Nobody speaks that."),
    NotNow(State.RECORDING, "It records."),
    BadBody("No JSON."),
    BodyTooLong("Too long."),
    CommandRefused("Not now."),
    CapabilityMissing("zoom", "show_image"),
    ConfigError("Not that."),
    LimitReached(3),
)
_OURS: tuple[MeetcoreError, ...] = (
    ServerFailed("Something went wrong."),
    StorageUnavailable("The disk is away."),
)
_EITHERS: tuple[MeetcoreError, ...] = (
    CommandFailed("It did not work."),
    UnknownPlugin("transcriber", "x", ["y"]),
    TooManyRequests(1.0),
    MeetcoreError("Whatever else."),
)


@frozen
class DialectVector:
    """A request of the vendor's clients as it was recorded, and what the answer is like.

    Attributes:
        name: Says which.
        method: In capitals.
        path: Below the mount; `{bot}` stands for the id of a bot that is there, `{number}` for its
            number.
        status: Of the answer.
        body: What is sent, as JSON; None for nothing.
        like: An answer of the vendor: each of its fields is in ours, with a value of the same type.
            Null in either says nothing of the type, and of a list the first item counts.
    """

    name: str
    method: str
    path: str
    status: int
    body: Any = None
    like: Any = None


@frozen(kw_only=True)
class DialectTold:
    """What a vendor's API tells of a meeting; None for what it has no words for.

    Attributes:
        done: Whether the bot is said to have done its work.
        transcript: Speaker, text and start in seconds of each segment, in order.
        people: The names of those who were there.
        chat: Sender and text of each message, in order.
    """

    done: bool
    transcript: list[tuple[str, str, float]] | None = None
    people: set[str] | None = None
    chat: list[tuple[str, str]] | None = None


@frozen
class DialectClient:
    """Asks a dialect about one bot.

    Attributes:
        fake: The service.
        row: The bot.
        headers: With the key.
    """

    fake: FakeService
    row: BotRow
    headers: Mapping[str, str] = field(repr=False)

    async def call(self, method: str, path: str, **how: Any) -> Reply:
        """Send a request; `{bot}` in the path is the bot's id, `{number}` its number."""
        path = path.replace("{bot}", self.row.bot_id).replace("{number}", str(self.row.number))
        return await self.fake.call(method, path, headers=self.headers, **how)

    async def get(self, path: str) -> Any:
        """Return the JSON of an answer that is a success."""
        reply = await self.call("GET", path)
        assert reply.status == 200, reply
        return json.loads(await whole(reply))

    @property
    def posted(self) -> list[Any]:
        """What was POSTed to webhooks so far, decoded."""
        return [each.json for each in self.fake.posted]


async def whole(reply: Reply) -> bytes:
    """Return an answer's body, also of one that is sent in pieces."""
    if reply.stream is not None:
        return b"".join([piece async for piece in reply.stream])
    return reply.body if reply.json is ... else json.dumps(reply.json).encode()


def unlike(ours: Any, theirs: Any, where: str = "$") -> list[str]:
    """Return where an answer of ours lacks a field of an example, or has it with another type."""
    if ours is None or theirs is None:
        return []
    kinds = {type(ours), type(theirs)}
    if len(kinds) > 1 and kinds != {int, float}:
        return [f"{where} is {type(ours).__name__}, not {type(theirs).__name__}"]
    if isinstance(theirs, dict):
        missing = [f"{where}.{name} is missing" for name in theirs if name not in ours]
        found = [
            unlike(ours[name], theirs[name], f"{where}.{name}") for name in theirs if name in ours
        ]
        return sum(found, missing)
    if isinstance(theirs, list) and theirs and ours:
        return unlike(ours[0], theirs[0], f"{where}[0]")
    return []


@frozen
class _Meeting:
    """What happens: who is there, who says what, what is written, and how it ends."""

    names: Sequence[str]
    segments: Sequence[Segment]
    chat: Sequence[tuple[int, str]]
    recorded: bool
    reason: EndReason

    @classmethod
    def drawn(cls, seed: int) -> _Meeting:
        chance = random.Random(seed)
        names = _NAMES[: chance.randint(1, len(_NAMES))]
        segments, at = [], 0.0
        for number in range(chance.choice([0, 1, 5])):
            who, count = chance.randrange(len(names)), chance.randint(1, 5)
            at = round(max(0.0, at + chance.uniform(-4.0, 9.0)), 3)
            segments.append(_segment(number, who, names[who], chance.choices(_WORDS, k=count), at))
            at = segments[-1].end_s
        chat = [(chance.randrange(len(names)), f"Note {n}") for n in range(chance.randint(0, 3))]
        recorded = seed % 3 > 0
        kinds = [reason for reason in EndReason if (reason in COMPLETING) == recorded]
        if not recorded:
            kinds.remove(EndReason.RECORDING_PERMISSION_DENIED)  # some vendors call that an end
        return cls(names, segments, chat, recorded, chance.choice(kinds))

    def within(self) -> Iterator[Event]:
        for number, name in enumerate(self.names):
            yield ParticipantJoined(participant=Participant(id=f"p{number}", name=name))
        for segment in sorted(self.segments, key=lambda each: each.end_s):
            yield SegmentFinalized(segment=segment)
        for number, (who, text) in enumerate(self.chat):
            yield ChatReceived(
                message_id=f"m{number}",
                sender_id=f"p{who}",
                sender_name=self.names[who],
                text=text,
            )

    def happen(self, fake: FakeService, row: BotRow) -> None:
        """Let it happen to a bot."""
        fake.go(row, State.JOINING)
        fake.go(row, State.AWAITING_ADMISSION)
        if self.recorded:
            fake.go(row, State.IN_CALL)
            fake.go(row, State.RECORDING)
            fake.happen(row, *self.within())
        fake.go(row, State.LEAVING, self.reason)
        fake.go(row, State.PROCESSING)
        fake.go(row, State.COMPLETED if self.recorded else State.FAILED, self.reason)


def _segment(number: int, who: int, name: str, words: Sequence[str], at: float) -> Segment:
    spoken = tuple(
        Word(word, round(at + 0.3 * place, 3), round(at + 0.3 * place + 0.25, 3))
        for place, word in enumerate(words)
    )
    return Segment(
        id=f"s{number}",
        revision=1,
        finalized=True,
        track_id=f"t{who}",
        participant_id=f"p{who}",
        speaker_name=name,
        speaker_source=NameSource.TRACK,
        speaker_confidence=1.0,
        text=" ".join(words),
        words=spoken,
        start_s=at,
        end_s=spoken[-1].end_s,
    )


class DialectConformance:
    """What every dialect has to keep.

    Attributes:
        plugin: The module with `meetcore_register_routes`.
        key_header: The header with a client's key, and its value; `{key}` stands for the key.
        create: Method, path and body that send a bot whose webhooks are wanted.
        get: The path of a bot, as in `DialectVector`.
        vectors: What the vendor's clients send, and what they get.
    """

    plugin: ClassVar[Any]
    key_header: ClassVar[tuple[str, str]]
    create: ClassVar[tuple[str, str, Any]]
    get: ClassVar[str]
    vectors: ClassVar[Sequence[DialectVector]]

    @abstractmethod
    async def told(self, client: DialectClient) -> DialectTold:
        """Return what the API tells of a bot that has ended, by its routes and webhooks."""

    @asynccontextmanager
    async def _serving(self, folder: Path) -> AsyncIterator[tuple[FakeService, Mount]]:
        async with open_fake_service(folder) as fake:
            fake.load(self.plugin)
            fake.new_key(_KEY)
            (mount,) = fake.mounts.values()
            yield fake, mount

    def _headers(self, key: str) -> dict[str, str]:
        name, value = self.key_header
        return {name: value.format(key=key)}

    async def _client(self, fake: FakeService) -> DialectClient:
        method, path, body = self.create
        headers = self._headers(_KEY)
        reply = await fake.call(method, path, json=body, headers=headers)
        assert 200 <= reply.status < 300, reply
        return DialectClient(fake, fake.only, headers)

    async def test_a_clients_request_is_answered_as_the_vendor_does(self, tmp_path: Path) -> None:
        """Each vector has its status, and every field of the vendor's answer with its type."""
        assert self.vectors, "a dialect without an example of its vendor's"
        async with self._serving(tmp_path) as (fake, _):
            client = await self._client(fake)
            for vector in self.vectors:
                sent = {} if vector.body is None else {"json": vector.body}
                reply = await client.call(vector.method, vector.path, **sent)
                said = await whole(reply)
                assert reply.status == vector.status, (vector.name, said)
                if vector.like is not None:
                    assert unlike(json.loads(said), vector.like) == [], vector.name

    async def test_every_error_has_an_answer(self, tmp_path: Path) -> None:
        """A client's mistakes are 4xx, ours are 5xx, and each comes with a body in JSON."""
        async with self._serving(tmp_path) as (_, mount):
            for error in (*_THEIRS, *_OURS, *_EITHERS):
                reply = mount.refuse(Request(method="POST", path="/x"), error)
                lowest, highest = 400, 599
                if error in _THEIRS:
                    highest = 499
                if error in _OURS:
                    lowest = 500
                assert lowest <= reply.status <= highest, (error, reply.status)
                assert json.loads(await whole(reply)), error

    async def test_a_table_of_errors_names_only_codes_that_there_are(self, tmp_path: Path) -> None:
        """A row for a code that no error has would never be used."""
        async with self._serving(tmp_path) as (_, mount):
            if isinstance(mount.refuse, ErrorTable):
                assert set(mount.refuse.answers) <= set(_codes(MeetcoreError))

    async def test_without_a_good_key_nothing_is_done_or_told(self, tmp_path: Path) -> None:
        """No key, a wrong one and somebody else's are refused, and no bot is made."""
        method, path, body = self.create
        async with self._serving(tmp_path) as (fake, _):
            client = await self._client(fake)
            other = fake.new_key("somebody-else", user_id=2)
            for key, statuses in (("wrong", (401, 403)), (other, (404,))):
                stranger = DialectClient(fake, client.row, self._headers(key))
                assert (await stranger.call("GET", self.get)).status in statuses
            nobody = DialectClient(fake, client.row, {})
            assert (await nobody.call("GET", self.get)).status in (401, 403)
            assert (await nobody.call(method, path, json=body)).status in (401, 403)
            assert fake.only == client.row

    async def test_what_was_deleted_is_told_no_more(self, tmp_path: Path) -> None:
        """After its data was deleted a bot is answered without what was said, or not at all."""
        async with self._serving(tmp_path) as (fake, _):
            client = await self._client(fake)
            meeting = _Meeting(_NAMES, [_segment(0, 0, _NAMES[0], _WORDS, 0.0)], [], True,
                               EndReason.MEETING_ENDED)  # fmt: skip
            meeting.happen(fake, client.row)
            await fake.settled()
            await fake.delete_data(fake.row(client.row.bot_id))
            reply = await client.call("GET", self.get)
            assert reply.status < 500
            said = (await whole(reply)).decode()
            assert not [word for word in (*_WORDS, _NAMES[0]) if word in said]

    @pytest.mark.parametrize("seed", range(12))
    async def test_nothing_that_is_told_contradicts_the_journal(
        self, seed: int, tmp_path: Path
    ) -> None:
        """Whatever happened in a meeting, that is what is told of it."""
        meeting = _Meeting.drawn(seed)
        async with self._serving(tmp_path) as (fake, _):
            client = await self._client(fake)
            meeting.happen(fake, client.row)
            await fake.settled()
            told = await self.told(client)
        assert told.done is meeting.recorded
        if not meeting.recorded:
            return
        spoken = sorted(meeting.segments, key=spoken_order)
        if told.transcript is not None:
            expected = [(s.speaker_name, s.text, s.start_s) for s in spoken]
            assert told.transcript == expected
        if told.people is not None:
            assert told.people == set(meeting.names)
        if told.chat is not None:
            assert told.chat == [(meeting.names[who], text) for who, text in meeting.chat]


def _codes(kind: type[MeetcoreError]) -> Iterator[str]:
    yield kind.code
    for below in kind.__subclasses__():
        yield from _codes(below)

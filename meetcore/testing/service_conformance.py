"""What every `Service` has to keep: subclass `ServiceConformance`, and say how yours is opened.

The fake service of the tests of dialects and the server's own are held to it alike, so that what a
dialect learned from the one is true of the other.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest
import trio
from attrs import evolve

from meetcore.gateway.http import Socket
from meetcore.gateway.records import (
    AlreadyThere,
    BotGone,
    BotQuery,
    BotRequest,
    BotRow,
    Client,
    LimitReached,
    LinkRefused,
    NoRecording,
    NoSuchBot,
    NoSuchTranscript,
    NotNow,
    Scope,
    TranscriptionRequest,
)
from meetcore.gateway.service import Service
from meetcore.model.commands import SendChat
from meetcore.model.dialect import NativeDialect
from meetcore.model.errors import CommandRefused, MediaRefused, NotFetched
from meetcore.model.events import BotRequested, StateChanged
from meetcore.model.lifecycle import EndReason, State
from meetcore.plugin.platform import Capability

__all__ = ["Follower", "ServiceConformance", "ServiceStage"]

T = TypeVar("T")


class ServiceStage(Protocol):
    """A service for one test, and meetings for its bots."""

    @property
    def service(self) -> Service:
        """The service; it has no bots yet and takes any transcriber's name that is None."""
        ...

    def link(self, number: int = 1, *, stays: bool = False) -> str:
        """Return a link; another number is another meeting.

        Somebody speaks in each. One that stays goes on until the bot is stopped; any other ends
        by itself.
        """
        ...

    async def until(self, row: BotRow, *states: State) -> BotRow:
        """Return a bot once it is in one of the states, or has ended."""
        ...

    def listening(self) -> AbstractAsyncContextManager[Follower]:
        """Hold a follower."""
        ...


class Follower(Protocol):
    """A client's end of a WebSocket that follows a bot."""

    @property
    def socket(self) -> Socket:
        """The service's end."""
        ...

    @property
    def texts(self) -> Sequence[str]:
        """The messages that came so far."""
        ...


class ServiceConformance:
    """Override `open_stage`.

    Attributes:
        within_s: How long a test may take.
    """

    within_s = 60.0

    @abstractmethod
    def open_stage(self, folder: Path) -> AbstractAsyncContextManager[ServiceStage]:
        """Hold a stage that keeps what it keeps below a folder."""

    # --- keys and users --------------------------------------------------------------------

    async def test_a_key_is_good_until_it_is_revoked_or_expires(self, tmp_path: Path) -> None:
        """And only as itself: its id is no key, and a longer one is none."""
        with trio.fail_after(self.within_s):
            async with self.open_stage(tmp_path) as stage:
                service = stage.service
                user, new = await service.create_user("ada@example.org", name="Ada")
                assert new
                row, key = await service.create_key(user.id, prefix="x_", label="one")
                client = await service.authenticate(key)
                assert client == Client(
                    key_id=row.id, user_id=user.id, scopes=frozenset({Scope.READ, Scope.WRITE})
                )
                assert key.startswith("x_")
                assert await service.key_is_valid(row.id)
                for wrong in (row.id, key + "x", key[:-1], "", None):
                    assert await service.authenticate(wrong) is None
                assert await service.revoke_key(row.id)
                assert not await service.revoke_key(row.id)
                assert await service.authenticate(key) is None
                assert not await service.key_is_valid(row.id)
                over = service.now() - timedelta(seconds=1)
                row, key = await service.create_key(user.id, expires_at=over)
                assert await service.authenticate(key) is None
                assert not await service.key_is_valid(row.id)

    async def test_a_user_is_known_by_the_email_and_can_be_changed(self, tmp_path: Path) -> None:
        """The same email is the same user; what a dialect keeps is that user's alone."""
        with trio.fail_after(self.within_s):
            async with self.open_stage(tmp_path) as stage:
                service = stage.service
                user, _ = await service.create_user("ada@example.org", name="Ada", max_bots=3)
                again, new = await service.create_user("ada@example.org", name="Someone")
                assert (again, new) == (user, False)
                changed = await service.change_user(user.id, name="Ada L.", max_bots=None)
                assert changed == evolve(user, name="Ada L.", max_bots=None)
                assert await service.user(user.id) == changed
                assert await service.users(email="ada@example.org") == [changed]
                assert await service.users(email="nobody@example.org") == []
                assert await service.user(999) is None
                with pytest.raises(NoSuchBot):
                    await service.change_user(999, name="x")
                other, _ = await service.create_user("ben@example.org")
                await service.put_settings(user.id, "vexa", {"a": [1, {"b": None}]})
                assert await service.settings(user.id, "vexa") == {"a": [1, {"b": None}]}
                assert await service.settings(user.id, "spoke") == {}
                assert await service.settings(other.id, "vexa") == {}

    # --- orders ----------------------------------------------------------------------------

    async def test_an_order_is_a_bot_that_its_user_sees_and_nobody_else(
        self, tmp_path: Path
    ) -> None:
        """The row says what was ordered, and its journal begins with it."""
        with trio.fail_after(self.within_s):
            async with self.open_stage(tmp_path) as stage:
                service = stage.service
                client, other = await _client(service), await _client(service, "ben@example.org")
                order = BotRequest(
                    url=stage.link(stays=True),
                    name="Scribe",
                    metadata={"team": "blue"},
                    extras={"a": 1},
                    dialect="spoke",
                    native_id="as-they-call-it",
                    transcriber=None,
                )
                async with service.new_bots(client.user_id) as ordered:
                    row = await service.create(client, order)
                    assert (await ordered.receive()).bot_id == row.bot_id
                assert (row.name, row.dialect, row.native_id) == (
                    "Scribe",
                    "spoke",
                    "as-they-call-it",
                )
                assert (row.metadata, row.extras) == ({"team": "blue"}, {"a": 1})
                assert (row.user_id, row.key_id) == (client.user_id, client.key_id)
                assert not row.replayed
                known = await service.bot(client, row.bot_id)
                assert known.number == row.number
                assert (await service.bot_numbered(client, row.number)).bot_id == row.bot_id
                first = await _first(service.events(row))
                assert isinstance(first, BotRequested)
                assert first.metadata == {"team": "blue"}
                assert (await service.order(row)).url == order.url
                for ask in (
                    service.bot(other, row.bot_id),
                    service.bot(client, "00000000-0000-4000-8000-000000000000"),
                    service.bot(client, "no id at all"),
                    service.bot_numbered(other, row.number),
                    service.bot_numbered(client, row.number + 1000),
                ):
                    with pytest.raises(NoSuchBot):
                        await ask
                assert await service.bots(other, BotQuery()) == []
                kept = await service.put_extras(row, {"b": [2]})
                assert kept.extras == {"b": [2]}
                assert (await service.bot(client, row.bot_id)).extras == {"b": [2]}

    async def test_what_cannot_be_ordered_says_why_and_leaves_nothing(self, tmp_path: Path) -> None:
        """A link of nobody's, one too many, one that is there already."""
        with trio.fail_after(self.within_s):
            async with self.open_stage(tmp_path) as stage:
                service = stage.service
                user, _ = await service.create_user("ada@example.org", max_bots=2)
                _, key = await service.create_key(user.id, max_bots=1)
                client = await service.authenticate(key)
                assert client is not None
                with pytest.raises(LinkRefused):
                    service.parse_link("https://nowhere.example/x")
                with pytest.raises(LinkRefused):
                    service.capabilities("https://nowhere.example/x")
                assert Capability.SEND_CHAT in service.capabilities(stage.link(stays=True))
                with pytest.raises(LinkRefused):
                    await service.create(client, BotRequest(url="https://nowhere.example/x"))
                order = BotRequest(url=stage.link(stays=True), transcriber=None, exclusive="it")
                first = await service.create(client, order)
                with pytest.raises(AlreadyThere) as there:
                    await service.create(client, order)
                assert there.value.row.bot_id == first.bot_id
                with pytest.raises(LimitReached, match="this key") as limit:
                    await service.create(client, evolve(order, exclusive=None))
                assert limit.value.limit == 1
                assert [each.bot_id for each in await service.bots(client, BotQuery())] == [
                    first.bot_id
                ]
                await service.stop(first)
                await stage.until(first, State.COMPLETED)
                again = await service.create(client, order)
                assert again.bot_id != first.bot_id

    async def test_an_idempotency_key_gives_the_same_bot(self, tmp_path: Path) -> None:
        """Also after it has ended; another user's same word is another order."""
        with trio.fail_after(self.within_s):
            async with self.open_stage(tmp_path) as stage:
                service = stage.service
                client, other = await _client(service), await _client(service, "ben@example.org")
                order = BotRequest(url=stage.link(), transcriber=None, idempotency_key="once")
                row = await service.create(client, order)
                again = await service.create(client, order)
                assert (again.bot_id, again.replayed) == (row.bot_id, True)
                theirs = await service.create(other, order)
                assert (theirs.bot_id == row.bot_id, theirs.replayed) == (False, False)
                await stage.until(row, State.COMPLETED)
                after = await service.create(client, order)
                assert (after.bot_id, after.replayed) == (row.bot_id, True)

    async def test_a_scheduled_bot_can_be_ordered_anew_until_it_is_under_way(
        self, tmp_path: Path
    ) -> None:
        """And stopped, which ends it without its ever having been there."""
        with trio.fail_after(self.within_s):
            async with self.open_stage(tmp_path) as stage:
                service = stage.service
                client = await _client(service)
                when = service.now() + timedelta(days=1)
                order = BotRequest(url=stage.link(), transcriber=None, join_at=when)
                row = await service.create(client, order)
                assert row.state is State.SCHEDULED
                assert row.scheduled_for == when
                later = when + timedelta(hours=1)
                moved = await service.reschedule(row, evolve(order, join_at=later, name="Later"))
                assert (moved.scheduled_for, moved.name) == (later, "Later")
                assert (await service.order(moved)).join_at == later
                stopped = await service.stop(moved)
                stopped = await stage.until(stopped, State.COMPLETED)
                assert stopped.reason is EndReason.STOP_REQUESTED
                assert (await service.history(stopped)).in_call_at is None
                with pytest.raises(NotNow) as refused:
                    await service.reschedule(stopped, order)
                assert refused.value.state in (State.COMPLETED, State.SCHEDULED)

    async def test_lists_are_newest_first_and_hold_what_the_query_asks_for(
        self, tmp_path: Path
    ) -> None:
        """Each condition alone, pages by number, both directions."""
        with trio.fail_after(self.within_s):
            async with self.open_stage(tmp_path) as stage:
                service = stage.service
                client = await _client(service)
                when = service.now() + timedelta(days=1)
                rows = [
                    await service.create(
                        client,
                        BotRequest(
                            url=stage.link(number), transcriber=None, join_at=when, dialect=dialect
                        ),
                    )
                    for number, dialect in ((1, "vexa"), (2, "spoke"), (1, "spoke"))
                ]
                numbers = [row.number for row in rows]
                assert numbers == sorted(numbers)

                async def found(**query: Any) -> list[int]:
                    return [row.number for row in await service.bots(client, BotQuery(**query))]

                assert await found() == numbers[::-1]
                assert await found(oldest_first=True) == numbers
                assert await found(limit=2) == [numbers[2], numbers[1]]
                assert await found(limit=2, before=numbers[1]) == [numbers[0]]
                assert await found(oldest_first=True, before=numbers[0]) == numbers[1:]
                assert await found(dialect="spoke") == [numbers[2], numbers[1]]
                assert await found(native_id=rows[0].native_id) == [numbers[2], numbers[0]]
                assert await found(public_url=rows[1].public_url) == [numbers[1]]
                assert await found(platform=rows[0].platform, dialect="vexa") == [numbers[0]]
                assert await found(platform="nowhere") == []
                await service.stop(rows[1])
                await stage.until(rows[1], State.COMPLETED)
                assert await found(states=frozenset({State.COMPLETED})) == [numbers[1]]
                assert await found(states=frozenset({State.SCHEDULED})) == [numbers[2], numbers[0]]
                assert await found(ended_after=rows[0].created_at) == [numbers[1]]
                assert await found(created_before=rows[0].created_at) == []
                assert await found(created_after=rows[0].created_at) == numbers[::-1]

    # --- a life ----------------------------------------------------------------------------

    async def test_what_a_bot_tells_agrees_however_it_is_asked(self, tmp_path: Path) -> None:
        """Row, history, events, segments and a follower's messages are of one mind."""
        with trio.fail_after(self.within_s):
            async with (
                self.open_stage(tmp_path) as stage,
                stage.listening() as follower,
                stage.listening() as late,
            ):
                service = stage.service
                client = await _client(service)
                row = await service.create(client, BotRequest(url=stage.link()))
                await service.follow(
                    row,
                    follower.socket,
                    variant="native",
                    dialect=NativeDialect,
                    after=0,
                    drafts=False,
                )
                row = await stage.until(row, State.COMPLETED)
                assert row.ended
                assert (row.state, row.reason) == (State.COMPLETED, EndReason.MEETING_ENDED)
                assert row.ended_at is not None
                history = await service.history(row)
                assert (history.state, history.reason) == (row.state, row.reason)
                assert history.ended_at == row.ended_at
                assert history.in_call_at == row.in_call_at
                events = await _all(service.events(row))
                assert [event.seq for event in events] == list(range(1, history.last_seq + 1))
                assert [e.seq for e in await _all(service.events(row, after=3))] == [
                    event.seq for event in events[3:]
                ]
                ends = [e for e in events if isinstance(e, StateChanged)]
                assert ends[-1].state is State.COMPLETED
                segments = await _all(service.segments(row))
                assert segments
                assert len({segment.id for segment in segments}) == history.segments
                assert [s.start_s for s in segments] == sorted(s.start_s for s in segments)
                finals = await _all(service.finalized(row))
                assert [final.segment for final in finals] == segments
                last = max(final.seq for final in finals)
                assert await _all(service.segments(row, after_seq=last)) == []
                assert await _told(follower, events[-1].seq) == [event.seq for event in events]
                await service.follow(
                    row, late.socket, variant="native", dialect=NativeDialect, after=3
                )
                told = await _told(late, events[-1].seq)
                assert told == [event.seq for event in events[3:]]

    async def test_a_follower_that_is_let_go_is_told_no_more(self, tmp_path: Path) -> None:
        """The others are."""
        with trio.fail_after(self.within_s):
            async with (
                self.open_stage(tmp_path) as stage,
                stage.listening() as stays,
                stage.listening() as goes,
            ):
                service = stage.service
                client = await _client(service)
                order = BotRequest(url=stage.link(stays=True), transcriber=None)
                row = await service.create(client, order)
                for each in (stays, goes):
                    await service.follow(row, each.socket, variant="native", dialect=NativeDialect)
                service.unfollow(row, goes.socket)
                row = await stage.until(row, State.RECORDING)
                await service.stop(row)
                row = await stage.until(row, State.COMPLETED)
                last = (await service.history(row)).last_seq
                assert await _told(stays, last)
                assert _seqs(goes) == []

    async def test_a_bot_is_commanded_and_stopped_and_then_takes_no_more(
        self, tmp_path: Path
    ) -> None:
        """`stop` a second time does nothing."""
        with trio.fail_after(self.within_s):
            async with self.open_stage(tmp_path) as stage:
                service = stage.service
                client = await _client(service)
                order = BotRequest(url=stage.link(stays=True), transcriber=None)
                row = await service.create(client, order)
                row = await stage.until(row, State.RECORDING)
                await service.perform(row, SendChat("hello"))
                await service.stop(row, "enough")
                row = await stage.until(row, State.COMPLETED)
                assert row.reason is EndReason.STOP_REQUESTED
                assert (await service.stop(row)).ended
                with pytest.raises(CommandRefused):
                    await service.perform(row, SendChat("too late"))

    async def test_only_what_a_bot_recorded_is_transcribed_once_more(self, tmp_path: Path) -> None:
        """Before its end, and without a recording, it is refused; the live one is listed."""
        with trio.fail_after(self.within_s):
            async with self.open_stage(tmp_path) as stage:
                service = stage.service
                client = await _client(service)
                order = BotRequest(url=stage.link(stays=True), transcriber=None)
                row = await service.create(client, order)
                row = await stage.until(row, State.RECORDING)
                asked = TranscriptionRequest()
                with pytest.raises(NotNow):
                    await service.transcribe_again(row, asked)
                await service.stop(row)
                row = await stage.until(row, State.COMPLETED)
                assert await service.transcripts(row) == []
                with pytest.raises(NoRecording):
                    await service.transcribe_again(row, asked)
                with pytest.raises(NoSuchTranscript):
                    await _all(service.segments(row, revision=2))

    async def test_deleted_is_deleted(self, tmp_path: Path) -> None:
        """The row stays, without what says which meeting it was; everything else is gone."""
        with trio.fail_after(self.within_s):
            async with self.open_stage(tmp_path) as stage:
                service = stage.service
                client = await _client(service)
                order = BotRequest(
                    url=stage.link(stays=True),
                    transcriber=None,
                    metadata={"a": "b"},
                    extras={"c": 1},
                )
                row = await service.create(client, order)
                row = await stage.until(row, State.RECORDING)
                with pytest.raises(NotNow):
                    await service.delete_data(row)
                await service.stop(row)
                row = await stage.until(row, State.COMPLETED)
                assert await service.delete_data(row) > 0
                row = await service.bot(client, row.bot_id)
                assert row.deleted_at is not None
                assert (row.url, row.public_url, row.native_id, row.name) == ("", "", "", "")
                assert (dict(row.metadata), dict(row.extras)) == ({}, {})
                assert row.state is State.COMPLETED
                with pytest.raises(BotGone):
                    await service.history(row)
                for told in (service.events(row), service.segments(row), service.finalized(row)):
                    with pytest.raises(BotGone):
                        await _all(told)
                with pytest.raises(BotGone):
                    await service.media(row)
                assert await service.delete_data(row) == 0

    # --- what a client names, or sends ------------------------------------------------------

    async def test_what_cannot_be_had_or_decoded_is_refused_by_its_type(
        self, tmp_path: Path
    ) -> None:
        """And nothing of the address, which may hold a key, is in the words."""
        with trio.fail_after(self.within_s):
            async with self.open_stage(tmp_path) as stage:
                service = stage.service
                for url in ("http://127.0.0.1:9/s3cret", "http://[::1]:9/?s3cret", "s3cret"):
                    with pytest.raises(NotFetched) as refused:
                        await service.fetch(url, most_bytes=1000)
                    assert "s3cret" not in str(refused.value)
                with pytest.raises(MediaRefused):
                    await service.pcm_of(b"no sound at all", 16_000)

    # --- tokens ----------------------------------------------------------------------------

    async def test_a_token_is_good_for_its_purpose_and_time_only(self, tmp_path: Path) -> None:
        """And as it was made: any other letters are none."""
        with trio.fail_after(self.within_s):
            async with self.open_stage(tmp_path) as stage:
                service = stage.service
                claims: Mapping[str, Any] = {"bot": "b", "list": [1, None], "text": "Zoë"}
                for expires_s in (60.0, None):
                    token = service.sign("stream", claims, expires_s=expires_s)
                    assert service.verify("stream", token) == claims
                    assert service.verify("media", token) is None
                    for wrong in (token[:-2], token + "A", token[::-1], "", "é"):
                        assert service.verify("stream", wrong) is None
                over = service.sign("stream", claims, expires_s=-1.0)
                assert service.verify("stream", over) is None


def _seqs(follower: Follower) -> list[int]:
    messages = [json.loads(text) for text in follower.texts]
    return [message["seq"] for message in messages if "seq" in message]


async def _told(follower: Follower, last: int) -> list[int]:
    """Return the numbers of the events that a follower was told, once the last is there."""
    while _seqs(follower)[-1:] != [last]:  # noqa: ASYNC110  somebody else's socket
        await trio.sleep(0.01)
    return _seqs(follower)


async def _client(service: Service, email: str = "ada@example.org") -> Client:
    user, _ = await service.create_user(email)
    _, key = await service.create_key(user.id)
    client = await service.authenticate(key)
    assert client is not None
    return client


async def _all(told: AsyncGenerator[T, None]) -> list[T]:
    return [each async for each in told]


async def _first(told: AsyncGenerator[T, None]) -> T:
    first = await anext(told)
    await told.aclose()
    return first

"""The fake service, held to what every service has to keep."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from meetcore.gateway.http import Socket, SocketSession
from meetcore.gateway.records import BotRow
from meetcore.model.commands import Stop
from meetcore.model.events import SegmentFinalized
from meetcore.model.lifecycle import EndReason, Evidence, State
from meetcore.model.roster import NameSource
from meetcore.model.transcript import Segment
from meetcore.testing import ServiceConformance
from meetcore.testing.fake_service import FakeService, FakeSocket, open_fake_service

WAY = (State.JOINING, State.IN_CALL, State.RECORDING)


class Session(SocketSession):
    async def attend(self, socket: Socket) -> None:
        await trio.sleep_forever()


class Follower:
    def __init__(self) -> None:
        self.socket = FakeSocket(Session())

    @property
    def texts(self) -> list[str]:
        return [each for each in self.socket.received if isinstance(each, str)]


class Stage:
    """Lets the events happen that a bot at a meeting would have."""

    def __init__(self, fake: FakeService) -> None:
        self.service = fake
        self._stays: set[str] = set()

    def link(self, number: int = 1, *, stays: bool = False) -> str:
        return f"https://meet.google.com/abc-defg-hi{'jkl'[number]}{'?authuser=1' * stays}"

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Follower]:
        yield Follower()

    async def until(self, row: BotRow, *states: State) -> BotRow:
        fake = self.service
        row = fake.row(row.bot_id)
        for state in WAY:
            if row.ended or row.state in states:
                return row
            if row.state in (State.SCHEDULED, State.REQUESTED, *WAY[: WAY.index(state)]):
                row = fake.go(row, state)
        if row.ended or row.state in states:
            return row
        reason = EndReason.MEETING_ENDED
        if any(isinstance(command, Stop) for _, command in fake.commanded):
            reason = EndReason.STOP_REQUESTED
        for number, start_s in enumerate((2.0, 0.5)):
            row = fake.happen(row, SegmentFinalized(segment=segment(number, start_s)))
        for state in (State.LEAVING, State.PROCESSING, State.COMPLETED):
            row = fake.go(row, state, reason, Evidence("test", ""))
        return row


def segment(number: int, start_s: float) -> Segment:
    return Segment(
        id=f"t-{number}",
        revision=1,
        finalized=True,
        track_id="t",
        participant_id="ada",
        speaker_name="Ada",
        speaker_source=NameSource.TRACK,
        speaker_confidence=1.0,
        text="good morning",
        words=(),
        start_s=start_s,
        end_s=start_s + 1,
        confidence=None,
        language=None,
        onset_s=start_s,
    )


class TestFakeService(ServiceConformance):
    @asynccontextmanager
    async def open_stage(self, folder: Path) -> AsyncIterator[Stage]:
        async with open_fake_service(folder) as fake:
            yield Stage(fake)

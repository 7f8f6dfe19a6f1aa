"""Vexa's own rendering library, unmodified, makes the final transcript of our frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

from meetcore.model.drafts import Draft
from meetcore.model.events import Event, StateChanged, TranscriptionGap
from meetcore.model.lifecycle import EndReason, State
from meetcore_server.assembly import Server
from meetcore_vexa.variants import Variant
from tests.plugins.node_packages import installed, run_node
from tests.plugins.server.running import said, say, serving, socket
from tests.plugins.vexa.life import MEET, PATH, SEAT
from tests.plugins.vexa.test_frames import draft, final, told

KEY = "operators-key"
SAID = [("Ada", "good morning everyone"), ("Ben", "good morning ada")]


@pytest.fixture(scope="session")
def library() -> Path:
    """The folder with the vendor's package."""
    return installed(Path(__file__).parent / "node")


async def rendered(library: Path, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what the library makes of frames, and of the transcript at the end."""
    given = json.dumps({"cases": cases}).encode()
    done: list[dict[str, Any]]
    done = (await run_node(library / "render.mjs", stdin=given, within_s=60))["rendered"]
    assert len(done) == len(cases)
    return done


class Viewer:
    """A client of one era: it subscribes, asks for what was said before, and follows the meeting.

    Args:
        server: Where.
        era: Which frames it wants.
        late: Whether it comes when something was said already.
    """

    def __init__(self, server: Server, era: Variant, *, late: bool) -> None:
        self._server = server
        self.era = era
        self.late = late
        self.frames: list[Any] = []
        self.before: list[Any] = []
        self.rest: list[Any] = []

    async def transcript(self) -> list[Any]:
        async with httpx2.AsyncClient(trust_env=False, headers={"X-API-Key": KEY}) as client:
            url = f"{self._server.url}/vexa/transcripts/{PATH}?dialect={self.era.value}"
            segments: list[Any] = (await client.get(url)).json()["segments"]
            return segments

    async def follow(self, somebody_spoke: trio.Event) -> None:
        """Follow the meeting from its beginning, or from when somebody has spoken, to its end."""
        if self.late:
            await somebody_spoke.wait()
        path = f"/vexa/ws?api_key={KEY}&dialect={self.era.value}"
        async with socket(self._server, path) as connection:
            await say(connection, action="subscribe", meetings=[SEAT])
            while True:
                frame = await said(connection)
                self.frames.append(frame)
                if frame["type"] == "subscribed":
                    self.before = await self.transcript()
                if frame.get("confirmed"):
                    somebody_spoke.set()
                if frame.get("payload", {}).get("status") in ("completed", "failed"):
                    break
        self.rest = await self.transcript()

    @property
    def case(self) -> dict[str, Any]:
        return {"bootstrap": self.before, "frames": self.frames, "rest": self.rest}


async def viewed(folder: Path) -> list[Viewer]:
    """Let a meeting happen before viewers of all eras, who come early and late; return them."""
    async with serving(folder, dialects=("vexa",), api_key=KEY) as server:
        viewers = [Viewer(server, era, late=late) for era in Variant for late in (False, True)]
        spoken = trio.Event()
        async with trio.open_nursery() as nursery:
            async with httpx2.AsyncClient(trust_env=False, headers={"X-API-Key": KEY}) as client:
                answer = await client.post(f"{server.url}/vexa/bots", json=MEET)
                assert answer.status_code == 201, answer.text
            for viewer in viewers:
                nursery.start_soon(viewer.follow, spoken)
        return viewers


@pytest.mark.timeout(240)
async def test_the_vendors_library_shows_the_transcript_of_a_meeting_in_every_era(
    library: Path, tmp_path: Path
) -> None:
    viewers = await viewed(tmp_path)
    shown = await rendered(library, [viewer.case for viewer in viewers])
    for viewer, seen in zip(viewers, shown, strict=True):
        whole = [(each["segment_id"], each["speaker"], each["text"]) for each in viewer.rest]
        assert [(who, text) for _, who, text in whole] == SAID
        assert [tuple(each) for each in seen["segments"]] == whole, (viewer.era, viewer.late)
        assert seen["rest"] == seen["segments"]
        assert (seen["doubled"], seen["drafts"], seen["pending"]) == (0, [], [])
        assert [(group["speaker"], group["text"]) for group in seen["groups"]] == SAID
        assert seen["groups"] == seen["rest_groups"]
        times = [(group["start_s"], group["end_s"]) for group in seen["groups"]]
        assert times == [(each["start"], each["end"]) for each in viewer.rest]
        assert all(0 < start_s < end_s for start_s, end_s in times)
    assert all(viewer.before for viewer in viewers if viewer.late)


ENDED = StateChanged(state=State.COMPLETED, reason=EndReason.MEETING_ENDED)
GAP = TranscriptionGap(track_id="t", start_s=12.0, end_s=16.0, cause="gave up")
LATER = {"key": "t-2", "start_s": 20.0, "end_s": 21.0}
HARD: dict[str, tuple[list[Event | Draft], list[list[str]]]] = {
    "a draft that was given up": ([draft("uh"), GAP], []),
    "a draft that was overtaken": (
        [draft("uh"), final("later", **LATER)],
        [["t-2", "John", "later"]],
    ),
    "a draft when the meeting ends": (
        [final("so", key="t-0"), draft("uh"), ENDED],
        [["t-0", "John", "so"]],
    ),
    "a draft that goes on": (
        [draft("we could also"), final("we could"), draft("and", **LATER)],
        [["t-0001", "John", "we could"], ["t-2", "John", "and"]],
    ),
    "a speaker who was not known at first": (
        [draft("good", who=None), final("good day", who="Ada")],
        [["t-0001", "Ada", "good day"]],
    ),
    "a speaker who is not known at all": (
        [draft("a"), final("a", who=None)],
        [["t-0001", "", "a"]],
    ),
    "a later revision, of another speaker": (
        [final("good day"), draft("more", **LATER), final("Good day.", who="Ada")],
        [["t-0001", "Ada", "Good day."], ["t-2", "John", "more"]],
    ),
    "one who speaks on two tracks": (
        [
            draft("a", key="a-1", track="a"),
            draft("b", key="b-1", track="b", start_s=13.0),
            final("b", key="b-1", track="b", start_s=13.0),
            final("a", key="a-1", track="a"),
        ],
        [["a-1", "John", "a"], ["b-1", "John", "b"]],
    ),
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("era", [Variant.E3, Variant.E4])
async def test_the_vendors_library_is_left_with_no_draft_that_came_to_nothing(
    era: Variant, library: Path
) -> None:
    cases = [{"frames": told(era, *items), "rest": []} for items, _ in HARD.values()]
    shown = await rendered(library, cases)
    for (name, (_, expected)), seen in zip(HARD.items(), shown, strict=True):
        assert seen["segments"] == expected, name
        assert seen["doubled"] == 0, name
        going_on = [line for line in expected if line[2] in ("and", "more")]
        assert seen["pending"] == seen["drafts"] == going_on, name

"""Tones through real peer connections: they arrive, and are told to be whose they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio

from meetcore import (
    CaptureHealth,
    NameSource,
    SpeakingIndicated,
    TrackAppeared,
    TrackIdentified,
)
from meetcore_browser.browser import Browser
from meetcore_browser.testing import until
from tests.plugins.meet.visits import PEOPLE, MeetVisitor, device, visit
from tests.standins.site import StandinSite

pytestmark = pytest.mark.browser

TONES = {device(str(person["id"])): int(str(person["tone"])) for person in PEOPLE}
OPEN = {"lobby": False, "people": PEOPLE}
WINDOW = 1600
LOUD = 400
# Around a change, a window may hold the end of one voice and the beginning of the other.
BORDER_S = 0.35


def tone_in(pcm: Any) -> int | None:
    """Return which of the tones a window holds, None for silence or something between."""
    if np.sqrt(np.mean(pcm.astype(float) ** 2)) < LOUD:
        return None
    spectrum = np.abs(np.fft.rfft(pcm.astype(float) * np.hanning(len(pcm))))
    hz = float(np.argmax(spectrum)) * 16_000 / len(pcm)
    nearest = min(TONES.values(), key=lambda tone: abs(tone - hz))
    return nearest if abs(nearest - hz) < 60 else None  # what begins or ends in the window clicks


def windows(at: MeetVisitor, track_id: str) -> list[tuple[float, int]]:
    """Return when which tone was heard on a track."""
    found = []
    for chunk in at.events.heard(track_id):
        for first in range(0, len(chunk.pcm) - WINDOW + 1, WINDOW):
            tone = tone_in(chunk.pcm[first : first + WINDOW])
            if tone is not None:
                found.append(((chunk.start_sample + first) / 16_000, tone))
    return found


def owner_at(told: Sequence[TrackIdentified], track_id: str, at_s: float) -> str | None:
    """Return whose a track is at a time, by all that was told."""
    whose: dict[float, str | None] = {}
    for signal in told:
        if signal.track_id == track_id:
            whose[signal.since_s or 0.0] = signal.participant_id
    before = [since for since in whose if since <= at_s]
    return whose[max(before)] if before else None


def judged(at: MeetVisitor) -> tuple[int, int, int]:
    """Return how many windows are named rightly, wrongly, and not."""
    right = wrong = unnamed = 0
    for track in at.all(TrackAppeared):
        marks = [s.since_s or 0.0 for s in at.owners() if s.track_id == track.track_id]
        for at_s, tone in windows(at, track.track_id):
            if any(abs(at_s - mark) < BORDER_S for mark in marks):
                continue
            whose = owner_at(at.owners(), track.track_id, at_s)
            if whose is None:
                unnamed += 1
            elif TONES[whose] == tone:
                right += 1
            else:
                wrong += 1
    return right, wrong, unnamed


# What the page tells of who speaks, and what an empty frame in it does.
IN_A_FRAME = """async () => {
  const frame = document.createElement("iframe");
  document.body.append(frame);
  await new Promise((go) => setTimeout(go, 300));
  const both = [window, frame.contentWindow];
  const told = both.map((of) => of[Symbol.for("meetcore")].readNow("speakers"));
  frame.remove();
  return told;
}"""


async def speak(at: MeetVisitor, *turns: tuple[str, ...], seconds: float = 1.3) -> None:
    for people in turns:
        for person in people:
            at.room.tell("speaks", id=person, on=True)
        await trio.sleep(seconds)
        for person in people:
            at.room.tell("speaks", id=person, on=False)
        await trio.sleep(0.5)


async def tones_heard(at: MeetVisitor) -> set[int]:
    return {tone for t in at.all(TrackAppeared) for _, tone in windows(at, t.track_id)}


async def test_three_tracks_are_lent_to_four_speakers_and_named_by_their_sources(
    browser: Browser, site: StandinSite, tmp_path: Path
) -> None:
    switches = {**OPEN, "late_slot_ms": 400, "indicator": False}
    async with visit(browser, site, tmp_path, switches=switches) as at:
        await at.until_names("Notes", *(str(person["name"]) for person in PEOPLE))
        await until(lambda: len(at.all(TrackAppeared)) == 3)
        assert {(t.participant_id, t.kind) for t in at.all(TrackAppeared)} == {
            (None, "participant")
        }
        await speak(at, ("ada",), ("ben", "cem"), ("dora",), ("ada", "ben", "cem", "dora"))
        assert await tones_heard(at) == set(TONES.values())
        right, wrong, unnamed = judged(at)
        assert right >= 30
        assert wrong == 0
        assert unnamed <= 2
        named = [signal for signal in at.owners() if signal.participant_id]
        assert {signal.source for signal in named} == {NameSource.CONTRIBUTING_SOURCE}
        owners = {t.track_id: {s.participant_id for s in named if s.track_id == t.track_id}
                  for t in at.all(TrackAppeared)}  # fmt: skip
        assert any(len(each) > 1 for each in owners.values()), "a track is not a person"
        assert len(at.all(TrackAppeared)) == 3
        assert not at.all(CaptureHealth)


@pytest.mark.parametrize("switches", [{"streams": False}, {"sources": False}])
async def test_without_numbers_or_their_owners_a_voice_is_who_was_shown_to_speak(
    browser: Browser, site: StandinSite, tmp_path: Path, switches: dict[str, Any]
) -> None:
    async with visit(browser, site, tmp_path, switches={**OPEN, **switches}) as at:
        await at.until_names("Notes", *(str(person["name"]) for person in PEOPLE))
        await speak(at, ("ada",), ("ben",), seconds=1.5)
        await until(lambda: len({s.participant_id for s in at.owners() if s.participant_id}) == 2)
        right, wrong, _ = judged(at)
        assert right >= 15
        assert wrong == 0
        named = [signal for signal in at.owners() if signal.participant_id]
        assert {signal.source for signal in named} == {NameSource.ACTIVE_SPEAKER}
        assert all(signal.confidence < 0.9 for signal in named)


async def test_who_cannot_be_told_apart_is_nobody(
    browser: Browser, site: StandinSite, tmp_path: Path
) -> None:
    switches = {**OPEN, "streams": False, "indicator": False}
    async with visit(browser, site, tmp_path, switches=switches) as at:
        await at.inside()
        await speak(at, ("ada",))
        assert await tones_heard(at) == {500}
        assert not [signal for signal in at.owners() if signal.participant_id]


async def test_the_client_stays_on_the_browsers_own_path(
    browser: Browser, site: StandinSite, tmp_path: Path
) -> None:
    async with visit(browser, site, tmp_path, switches={**OPEN, "sound": "encoded"}) as at:
        await at.inside()
        await until(lambda: bool(at.room.reported("sound")))
        assert at.room.reported("sound")[0]["way"] == "tracks"
        await speak(at, ("ada",), seconds=0.8)
        assert await tones_heard(at) == {500}


async def test_what_a_client_decodes_itself_is_heard_as_a_mix_and_named_by_who_speaks(
    browser: Browser, site: StandinSite, tmp_path: Path
) -> None:
    switches = {**OPEN, "sound": "one_destination", "sources": False}
    async with visit(browser, site, tmp_path, switches=switches, sound_wait_s=0.6) as at:
        await at.until_names("Notes", *(str(person["name"]) for person in PEOPLE))
        await trio.sleep(0.8)
        assert not at.all(CaptureHealth), "nobody spoke: silence is no trouble"
        await speak(at, ("ada",), ("ben",))
        mixes = [track.track_id for track in at.all(TrackAppeared) if track.kind == "mix"]
        assert len(mixes) == 1
        assert await tones_heard(at) == {500, 900}
        assert await at.script(IN_A_FRAME) == [[], None], "a frame without tiles is no silence"
        spoken = at.all(SpeakingIndicated)
        begun = {s.participant_id: s.at_s for s in spoken if s.speaking}
        ended = {s.participant_id: s.at_s for s in spoken if not s.speaking}
        for at_s, tone in windows(at, mixes[0]):
            who = next(person for person, hz in TONES.items() if hz == tone)
            assert begun[who] is not None
            assert ended[who] is not None
            assert begun[who] - 0.6 <= at_s <= ended[who] + 0.6
        assert not at.owners(), "a mix is nobody's"


async def test_who_is_shown_to_speak_and_is_not_heard_is_trouble(
    browser: Browser, site: StandinSite, tmp_path: Path
) -> None:
    switches = {**OPEN, "sound": "nothing"}
    async with visit(browser, site, tmp_path, switches=switches, sound_wait_s=0.4) as at:
        await at.inside()
        await speak(at, ("ada",), seconds=4.5)
        health = at.all(CaptureHealth)[0]
        assert not health.healthy
        assert health.detail.startswith("layer peer connections: silence for")
        assert "the page shows somebody speaking" in health.detail


async def test_a_screen_that_is_shared_has_no_voice_of_its_own(
    browser: Browser, site: StandinSite, tmp_path: Path
) -> None:
    async with visit(browser, site, tmp_path, switches=OPEN) as at:
        await at.inside()
        at.room.tell("shares", id="ada")
        await speak(at, ("ben",), seconds=0.8)
        named = {signal.participant_id for signal in at.owners()} - {None}
        assert named == {device("ben")}

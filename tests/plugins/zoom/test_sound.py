"""Each person's tone arrives, once, by the layer it comes by, and while it is theirs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from attrs import define

from meetcore import SpeakingIndicated, TrackAppeared
from meetcore_browser.browser import Browser
from meetcore_browser.testing import until
from tests.plugins.zoom.stage import Visit, loudest_hz, visit

pytestmark = pytest.mark.browser

TONES = {"a": 440, "b": 1000}


@define
class Heard:
    """What was heard, on the call's clock: a busy machine may make one track into two."""

    at: Visit

    @property
    def rate_hz(self) -> int:
        return self.at.events.chunks[-1].sample_rate_hz

    async def more(self, seconds: float) -> None:
        have = len(self.at.events.chunks)
        await until(lambda: len(self.at.events.chunks) >= have + int(seconds * 10) + 1)

    def tone(self, start_s: float, end_s: float) -> int:
        """Return the loudest tone between two times of the call's clock, to 10 Hz."""
        rate = self.rate_hz
        parts = [
            chunk.pcm
            for chunk in self.at.events.chunks
            if start_s * rate <= chunk.start_sample and chunk.end_sample <= end_s * rate
        ]
        return loudest_hz(np.concatenate(parts), rate)[0] if parts else 0

    def lasts(self, who: str, seconds: float = 0.5) -> bool:
        """Whether somebody's tone was the loudest for the last moments."""
        end_s = self.at.events.chunks[-1].end_sample / self.rate_hz
        return self.tone(end_s - seconds, end_s) == TONES[who]

    def first(self, who: str, after_s: float) -> float:
        """Return when somebody's tone is the loudest first after a time, to a fifth of a second."""
        end_s = self.at.events.chunks[-1].end_sample / self.rate_hz
        windows = np.arange(after_s, end_s - 0.3, 0.1)
        return next(float(at_s) for at_s in windows if self.tone(at_s, at_s + 0.31) == TONES[who])


async def people(at: Visit) -> Heard:
    await at.inside()
    for who, hz in TONES.items():
        at.room.tell("join", who=who, name=who.upper(), hz=hz)
    await at.roster(lambda names: len(names) == 3)
    await until(lambda: bool(at.events.chunks))
    return Heard(at)


@pytest.mark.parametrize("signalling", [True, False])
async def test_who_speaks_is_told_by_the_time_of_their_tone(
    browser: Browser, tmp_path: Path, signalling: bool
) -> None:
    async with visit(
        browser, tmp_path, waiting_room=False, joining_ms=50, signalling=signalling
    ) as at:
        heard = await people(at)
        for who in ("a", "b", "a"):
            at.room.tell("speak", who=who, on=True)
            await heard.more(1.6)
            await until(lambda who=who: heard.lasts(who))  # type: ignore[misc]
            at.room.tell("speak", who=who, on=False)
        await heard.more(0.5)
        assert heard.rate_hz == 48000

        begun = [
            (s.at_s, s.participant_id.removeprefix("name:").lower())  # type: ignore[attr-defined]
            for s in at.events.of_type(SpeakingIndicated)
            if s.speaking  # type: ignore[attr-defined]
        ]
        whose = [who for n, (_, who) in enumerate(begun) if n == 0 or who != begun[n - 1][1]]
        assert whose[-3:] == ["a", "b", "a"]
        turns = begun[-3:]
        for at_s, who in turns:
            assert abs(heard.first(who, max(0.0, at_s - 1.0)) - at_s) < 1.5
        assert {t.kind for t in at.events.of_type(TrackAppeared)} == {"mix"}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("sound", "layer"), [("element", "web audio"), ("peer", "peer connections")]
)
async def test_sound_that_comes_another_way_is_heard_once(
    browser: Browser, tmp_path: Path, sound: str, layer: str
) -> None:
    async with visit(browser, tmp_path, waiting_room=False, joining_ms=50, sound=sound) as at:
        heard = await people(at)
        at.room.tell("speak", who="b", on=True)
        await heard.more(1.5)
        end_s = at.events.chunks[-1].end_sample / heard.rate_hz
        assert heard.tone(end_s - 0.8, end_s) == TONES["b"]
        tracks = at.tracks()
        assert [track.layer for track in tracks] == [layer]


async def test_without_the_pages_allow_nothing_is_heard_and_nothing_made_up(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, tmp_path, waiting_room=False, joining_ms=50, allowed=False) as at:
        await at.inside()
        await at.room.until_reported("audio joined")
        assert at.tracks() == []
        assert at.events.chunks == []

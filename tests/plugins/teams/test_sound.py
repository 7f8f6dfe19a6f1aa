"""Sound of the stand-in: the mix, not its twin; the right name at the right time; other layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio

from meetcore import Admitted, CallEnded, CaptureHealth, Pcm, TrackAppeared, TrackGone
from meetcore_browser.browser import Browser, open_browser
from meetcore_browser.flags import LaunchOptions
from meetcore_browser.guest.layers import SoundLayer
from meetcore_browser.testing import until
from meetcore_teams import speakers
from tests.plugins.teams.visiting import Visit, visit

pytestmark = pytest.mark.browser


def loud_hz(pcm: Pcm) -> float | None:
    """Return the strongest frequency of some sound, None where it is silent."""
    if len(pcm) < 1600 or float(np.sqrt(np.mean(np.square(pcm, dtype=float)))) < 200:
        return None
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    return float(np.argmax(spectrum) * 16_000 / len(pcm))


def heard_between(at: Visit, track: str, begin_s: float, end_s: float) -> Pcm:
    """Return what came of a track in a stretch of the sound's clock."""
    parts = [
        chunk.pcm
        for chunk in at.events.heard(track)
        if chunk.start_sample >= begin_s * 16_000 and chunk.end_sample <= end_s * 16_000
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)


async def in_turn(at: Visit) -> None:
    """Ada speaks, then Bob."""
    await at.people("Notes", "Ada", "Bob")
    for who in ("ada", "bob"):
        at.room.tell("speaks", id=who, on=True)
        await trio.sleep(1.1)
        at.room.tell("speaks", id=who, on=False)
        await trio.sleep(0.2)


def tones_by_name(at: Visit, track: str) -> dict[str, float | None]:
    """Return the tone that was heard while each person was said to speak."""
    begun: dict[str, float] = {}
    tones: dict[str, float | None] = {}
    spoken = [s for s in at.events.signals if type(s).__name__ == "SpeakingIndicated"]
    for signal in spoken:
        assert signal.at_s is not None  # type: ignore[attr-defined]
        who, when = signal.participant_id, signal.at_s  # type: ignore[attr-defined]
        if signal.speaking:  # type: ignore[attr-defined]
            begun[who] = when
            tones[who] = loud_hz(heard_between(at, track, when + 0.3, when + 0.9))
    return tones


@pytest.mark.parametrize(
    ("switches", "source"),
    [
        ({}, "active_speaker"),
        ({"dominant": False, "csrc": True, "rings": False}, "contributing_source"),
        ({"dominant": False}, "active_speaker"),
        ({"twin_first": True, "roster": "http"}, "active_speaker"),
    ],
    ids=["dominant speakers", "contributing sources", "rings", "a whole roster over HTTP"],
)
async def test_the_mix_is_heard_and_each_tone_has_its_owner(
    browser: Browser, tmp_path: Path, switches: dict[str, Any], source: str
) -> None:
    people = {
        "8:orgid:ada": _member("8:orgid:ada", "Ada", 11),
        "8:orgid:bob": _member("8:orgid:bob", "Bob", 12),
        "8:teamsvisitor:me": _member("8:teamsvisitor:me", "Notes (Guest)", 13),
    }
    async with visit(browser, tmp_path, open=True, participants=people, **switches) as at:
        at.ada()
        at.bob()
        at.room.tell("roster", participants=people)
        await at.until(Admitted)
        track = (await at.until(TrackAppeared)).track_id
        await in_turn(at)
        await until(lambda: len({who for who, on, _ in at.spoken() if on}) == 2)
        await trio.sleep(0.3)
        appeared = at.events.of_type(TrackAppeared)
        assert [(t.kind, t.participant_id) for t in appeared] == [("mix", None)]  # type: ignore[attr-defined]
        prefix = "8:orgid:" if switches.get("roster") == "http" else "name:"
        tones = tones_by_name(at, track)
        ada, bob = (
            (f"{prefix}ada", f"{prefix}bob")
            if prefix != "name:"
            else ("name:Ada", "name:Bob (Unverified)")
        )
        assert tones == {
            ada: pytest.approx(440, rel=0.02),
            bob: pytest.approx(1000, rel=0.02),
        }
        assert {said for _, _, said in at.spoken()} == {source}


async def test_a_dominant_speaker_that_is_stuck_is_believed_no_more(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speakers, "STUCK_S", 1.0)
    people = {"a": _member("8:orgid:ada", "Ada", 11), "b": _member("8:orgid:bob", "Bob", 12)}
    async with visit(browser, tmp_path, open=True, dominant_stuck=True) as at:
        at.room.tell("roster", participants=people)
        await at.until(Admitted)
        at.ada()
        at.bob()
        await at.people("Notes", "Ada", "Bob")
        for who in ("bob", "ada", "bob", "ada", "bob"):
            at.room.tell("speaks", id=who, on=True)
            await trio.sleep(0.4)
            at.room.tell("speaks", id=who, on=False)
        await until(lambda: ("name:Bob (Unverified)", True, "active_speaker") in at.spoken())
        assert at.joiner._speakers.believed is speakers.Witness.RING


async def test_a_call_without_any_sound_is_told_and_attended_all_the_same(
    browser: Browser, tmp_path: Path
) -> None:
    layers = (SoundLayer.PEER_CONNECTIONS,)
    async with visit(browser, tmp_path, open=True, sound="none", layers=layers) as at:
        at.ada()
        await at.until(Admitted)
        told = await at.until(CaptureHealth)
        assert told.detail.endswith("there is no other to try")
        assert not at.events.of_type(CallEnded)


def _member(person: str, name: str, source: int) -> dict[str, Any]:
    streams = [{"type": "audio", "sourceId": source, "direction": "sendrecv"}]
    return {
        "details": {"id": person, "displayName": name},
        "meetingRole": "attendee",
        "state": "active",
        "endpoints": {"e": {"call": {"mediaStreams": streams}}},
    }


async def test_a_mix_that_is_silent_gives_way_to_its_twin_and_comes_back(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(
        browser, tmp_path, open=True, mix_silent=True, options={"mix_silent_s": 1.5}
    ) as at:
        at.ada()
        await at.until(Admitted)
        at.room.tell("speaks", id="ada", on=True)
        await until(lambda: len(at.events.of_type(TrackAppeared)) == 2)
        twin = at.events.of_type(TrackAppeared)[1].track_id  # type: ignore[attr-defined]
        await until(lambda: len(at.events.pcm(twin)) > 16_000)
        assert loud_hz(at.events.pcm(twin)[-8000:]) == pytest.approx(440, rel=0.02)
        at.room.tell("mix", on=True)
        gone = await at.until(TrackGone)
        assert gone.track_id == twin
        assert "the mix was silent" in at.steps()


async def test_without_a_mix_every_track_is_taken_after_a_while(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, tmp_path, open=True, mix="none", options={"mix_grace_s": 1.0}) as at:
        await at.until(Admitted)
        await until(lambda: len(at.events.of_type(TrackAppeared)) == 2)
        assert "no track of the mix came" in at.steps()


async def test_a_call_that_the_page_decodes_itself_is_heard_by_the_second_layer(
    browser: Browser, tmp_path: Path
) -> None:
    layers = (SoundLayer.PEER_CONNECTIONS, SoundLayer.WEB_AUDIO)
    async with visit(browser, tmp_path, open=True, sound="tab", layers=layers) as at:
        at.ada()
        await at.until(Admitted)
        at.room.tell("speaks", id="ada", on=True)
        mix = await at.until(TrackAppeared)
        assert (mix.kind, mix.participant_id) == ("mix", None)
        await at.until(
            CaptureHealth, lambda h: h == CaptureHealth(True, "layer web audio: sound arrives")
        )
        rate = at.events.heard(mix.track_id)[-1].sample_rate_hz  # the page's own
        tone = loud_hz(at.events.pcm(mix.track_id)[-8000:])
        assert tone is not None
        assert tone * rate / 16_000 == pytest.approx(440, rel=0.02)


async def test_a_call_that_no_track_brings_is_heard_by_its_tab(tmp_path: Path) -> None:
    layers = (SoundLayer.PEER_CONNECTIONS, SoundLayer.TAB)
    async with (
        open_browser(LaunchOptions(tab_capture=True)) as browser,
        visit(browser, tmp_path, open=True, sound="tab", layers=layers) as at,
    ):
        at.ada()
        await at.until(Admitted)
        at.room.tell("speaks", id="ada", on=True)
        mix = await at.until(TrackAppeared)
        assert (mix.kind, mix.participant_id) == ("mix", None)
        await until(lambda: loud_hz(at.events.pcm(mix.track_id)[-8000:]) is not None)
        await trio.sleep(0.6)
        assert loud_hz(at.events.pcm(mix.track_id)[-8000:]) == pytest.approx(440, rel=0.02)
        await at.until(CaptureHealth, lambda health: health.healthy)
        lost, found = at.events.of_type(CaptureHealth)[:2]
        assert lost == CaptureHealth(
            False,
            "layer peer connections: there is no track, although 1 person is there;"
            " tab capture is tried",
        )
        assert found == CaptureHealth(True, "layer tab capture: sound arrives")

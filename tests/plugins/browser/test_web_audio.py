"""The second layer in a real Chromium: what a page plays itself is heard once, and in its place."""
# ruff: noqa: E501 (JavaScript)

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
import trio
from attrs import define

from meetcore import CaptureHealth, Pcm, TrackAppeared, TrackGone
from meetcore_browser.bot_page import BotPage, open_page
from meetcore_browser.browser import Browser
from meetcore_browser.capture import CaptureOptions, RemoteTrack
from meetcore_browser.testing import KeepingCallEvents, PageSite, until

pytestmark = pytest.mark.browser

TOOLS = """
window.contexts = {};
window.context = (name, rate) => (contexts[name] ??= new AudioContext({ sampleRate: rate }));
window.tone = (on, hz, to) => {
  const source = new OscillatorNode(on, { frequency: hz });
  const gain = new GainNode(on, { gain: 0.2 });
  source.connect(gain).connect(to ?? on.destination);
  source.start();
  return [source, gain];
};
"""


@define
class PlayingPage:
    page: BotPage
    events: KeepingCallEvents
    tracks: list[RemoteTrack]

    async def play(self, javascript: str) -> None:
        await self.page.evaluate(f"async () => {{ {javascript} }}")

    async def track(self, count: int = 1) -> RemoteTrack:
        await until(lambda: len(self.tracks) >= count)
        return self.tracks[count - 1]

    async def last(self, track: RemoteTrack, seconds: float = 0.5) -> Pcm:
        """Return what comes next of a track."""
        rate, id_ = track.sample_rate_hz, track.track_id
        before = len(self.events.pcm(id_))
        await until(lambda: len(self.events.pcm(id_)) >= before + int(rate * (seconds + 0.2)))
        return self.events.pcm(id_)[-int(rate * seconds) :]


@pytest.fixture
def playing(
    browser: Browser, site: PageSite, events: KeepingCallEvents, request_for: Any
) -> Callable[..., Any]:
    @asynccontextmanager
    async def opened(web_audio: Any = "on") -> AsyncIterator[PlayingPage]:
        seen: list[RemoteTrack] = []

        def whose(track: RemoteTrack) -> TrackAppeared:
            seen.append(track)
            return TrackAppeared(track.track_id, None, "mix")

        capture = CaptureOptions(web_audio=web_audio)
        async with (
            open_page(request_for(), events, browser=browser, whose=whose, capture=capture) as page,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(page.watch)
            await page.goto(site.add("/playing", "<!doctype html><p>Listen</p>"))
            await page.evaluate(f"() => {{ {TOOLS} }}")
            yield PlayingPage(page, events, seen)
            nursery.cancel_scope.cancel()

    return opened


def dominant(pcm: Pcm, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    return float(np.argmax(spectrum) * rate / len(pcm))


async def test_what_reaches_a_destination_is_one_track_a_context_at_its_own_rate(
    playing: Any,
) -> None:
    async with playing() as at:
        await at.play("[window.o, window.g] = tone(context('a', 48000), 440);")
        track = await at.track()
        assert (track.layer, track.sample_rate_hz, track.peer_connection) == (
            "web audio", 48000, 0,
        )  # fmt: skip
        assert dominant(await at.last(track), 48000) == pytest.approx(440, abs=3)
        # A second node of the same context is no second track; another context is.
        await at.play("tone(context('a'), 1200); tone(context('b', 32000), 700);")
        other = await at.track(2)
        assert dominant(await at.last(other), 32000) == pytest.approx(700, abs=3)
        # All stand on one clock: what is heard now is now, whatever the rate.
        now = [at.events.heard(t.track_id)[-1].end_sample / t.sample_rate_hz for t in at.tracks]
        assert abs(now[0] - now[1]) < 0.4
        # What no longer reaches the destination is no longer heard; what does, still is.
        await at.play("g.disconnect(context('a').destination);")
        await at.last(track, 0.2)
        assert dominant(await at.last(track), 48000) == pytest.approx(1200, abs=3)
        assert len(at.tracks) == 2


async def test_packets_that_are_played_one_by_one_and_a_worklet_that_makes_sound(
    playing: Any,
) -> None:
    async with playing() as at:
        await at.play(
            """
            const c = context('p', 16000);
            const b = c.createBuffer(1, 1600, 16000);
            b.copyToChannel(Float32Array.from({length: 1600}, (_, i) => 0.3 * Math.sin(i * Math.PI / 20)), 0);
            let next = c.currentTime + 0.1;
            setInterval(() => { for (; next < c.currentTime + 0.3; next += 0.1) {
              const s = new AudioBufferSourceNode(c, { buffer: b }); s.connect(c.destination); s.start(next); } }, 50);
            """
        )
        track = await at.track()
        await at.last(track, 0.3)
        assert dominant(await at.last(track), 16000) == pytest.approx(400, abs=3)
        await at.play(
            """
            const c = context('w', 48000);
            const code = `registerProcessor('maker', class extends AudioWorkletProcessor {
              process(_, [[out]]) { for (let i = 0; i < out.length; i++)
                out[i] = 0.3 * Math.sin(2 * Math.PI * 900 * (currentFrame + i) / sampleRate); return true; } })`;
            await c.audioWorklet.addModule(URL.createObjectURL(new Blob([code], {type: 'text/javascript'})));
            new AudioWorkletNode(c, 'maker').connect(new GainNode(c)).connect(c.destination);
            """
        )
        made = await at.track(2)
        assert dominant(await at.last(made), 48000) == pytest.approx(900, abs=3)


async def test_a_context_that_stands_still_ends_its_track_and_goes_on_with_a_new_one(
    playing: Any,
) -> None:
    async with playing() as at:
        await at.play("tone(context('a', 48000), 440);")
        first = await at.track()
        await at.last(first)
        await at.play("await context('a').suspend();")
        await until(lambda: bool(at.events.of_type(TrackGone)))
        await trio.sleep(0.5)
        await at.play("await context('a').resume();")
        second = await at.track(2)
        await at.last(second)
        gap_s = (
            at.events.heard(second.track_id)[0].start_sample
            - at.events.heard(first.track_id)[-1].end_sample
        ) / 48000
        assert 0.4 < gap_s < 5
        pause = at.events.heard(first.track_id)[-1].end_sample
        assert not [loss for loss in at.events.losses if loss.start_sample >= pause + 4800]
        assert not [s for s in at.events.of_type(CaptureHealth) if not s.healthy]  # type: ignore[attr-defined]


async def test_elements_are_heard_while_they_play_aloud(playing: Any) -> None:
    async with playing() as at:
        await at.play(
            """
            const c = context('e', 48000), out = new MediaStreamAudioDestinationNode(c);
            tone(c, 600, out);
            window.a = new Audio(); a.muted = true; a.srcObject = out.stream; await a.play();
            """
        )
        await trio.sleep(0.3)
        assert at.tracks == []
        await at.play("a.muted = false;")
        track = await at.track()
        assert track.label.startswith("element-")
        await at.last(track, 0.2)
        assert dominant(await at.last(track), 16000) == pytest.approx(600, abs=3)
        await at.play("a.pause();")
        await until(lambda: bool(at.events.of_type(TrackGone)))
        await at.play(
            """
            const n = 16000, view = new DataView(new ArrayBuffer(44 + 2 * n));
            const text = (at, s) => [...s].forEach((ch, i) => view.setUint8(at + i, ch.charCodeAt(0)));
            text(0, 'RIFF'); view.setUint32(4, 36 + 2 * n, true); text(8, 'WAVEfmt ');
            view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
            view.setUint32(24, 16000, true); view.setUint32(28, 32000, true); view.setUint16(32, 2, true);
            view.setUint16(34, 16, true); text(36, 'data'); view.setUint32(40, 2 * n, true);
            for (let i = 0; i < n; i++) view.setInt16(44 + 2 * i, 9000 * Math.sin(2 * Math.PI * 800 * i / n), true);
            window.u = document.body.appendChild(document.createElement('audio'));
            u.loop = true; u.src = URL.createObjectURL(new Blob([view.buffer], {type: 'audio/wav'})); u.autoplay = true;
            """
        )
        by_url = await at.track(2)
        await at.last(by_url, 0.3)
        assert dominant(await at.last(by_url), 16000) == pytest.approx(800, abs=3)


async def test_it_can_be_switched_on_later_and_off_again(playing: Any) -> None:
    async with playing("ready") as at:
        await at.play("tone(context('a', 48000), 440);")
        await trio.sleep(0.3)
        assert at.tracks == []
        await at.page.hear_web_audio()
        assert dominant(await at.last(await at.track()), 48000) == pytest.approx(440, abs=3)
        await at.page.hear_web_audio(on=False)
        await until(lambda: bool(at.events.of_type(TrackGone)))
        await at.page.hear_web_audio()
        assert dominant(await at.last(await at.track(2)), 48000) == pytest.approx(440, abs=3)


@pytest.mark.parametrize("way", ["destination first", "source first", "an element"])
async def test_a_remote_track_that_the_page_plays_by_web_audio_is_not_heard_twice(
    loopback_call: Any, way: str
) -> None:
    capture = CaptureOptions(web_audio="on")
    async with loopback_call(capture=capture) as call:
        await call.add_tone(400)
        await call.page.evaluate(
            """(way) => void (window.route = (track) => {
              const c = (window.c = new AudioContext({ sampleRate: 48000 }));
              const gain = new GainNode(c), last = new GainNode(c);
              const source = c.createMediaStreamSource(new MediaStream([track.clone()]));
              if (way === 'destination first') {
                last.connect(c.destination); gain.connect(last); source.connect(gain);
              } else if (way === 'source first') {
                source.connect(gain); gain.connect(last); last.connect(c.destination);
              } else {
                const out = new MediaStreamAudioDestinationNode(c);
                source.connect(gain); gain.connect(out);
                const a = (window.a = new Audio()); a.srcObject = out.stream; a.play();
              }
            })""",
            way,
        )
        await call.page.evaluate(
            """() => {
              const set = RTCPeerConnection.prototype.setRemoteDescription;
              RTCPeerConnection.prototype.setRemoteDescription = function (d) {
                this.addEventListener('track', ({ track }) => track.kind === 'audio' && route(track));
                return set.call(this, d);
              };
            }"""
        )
        await call.negotiate()
        await until(lambda: len(call.page.capture.tracks) >= 1)
        await until(lambda: len(call.events.chunks) > 8)
        assert [track.layer for track in call.page.capture.tracks] == ["peer connections"]
        # And what it adds itself is heard, beside it.
        await call.page.evaluate(
            "() => { const o = new OscillatorNode(c); o.connect(c.destination); o.start(); }"
        )
        await until(lambda: len(call.page.capture.tracks) == 2)
        assert call.page.capture.tracks[1].layer == "web audio"

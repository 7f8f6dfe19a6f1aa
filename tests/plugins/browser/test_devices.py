"""The bot's own microphone and camera: what a peer on the other side of WebRTC hears and sees."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
import trio
from attrs import define

from meetcore.audio.chunk import Pcm
from meetcore.model.errors import CommandFailed, CommandRefused
from meetcore.model.signals import TrackAppeared
from meetcore_browser.bot_page import BotPage, open_page
from meetcore_browser.browser import Browser
from meetcore_browser.testing import KeepingCallEvents, PageSite, until

from .conftest import MakeRequest

pytestmark = pytest.mark.browser

RED, BLUE = (200, 30, 30), (30, 30, 200)


@define
class Seen:
    """A bot's page that talks, and another that hears and sees it."""

    bot: BotPage
    told: KeepingCallEvents
    peer: BotPage
    heard: KeepingCallEvents

    @property
    def pcm(self) -> Pcm:
        [track] = self.peer.capture.tracks
        return self.heard.pcm(track.track_id)

    async def loud(self) -> None:
        """Wait until the peer hears something."""
        begun = len(self.pcm)
        await until(lambda: bool(np.abs(self.pcm[begun:]).max(initial=0) > 3000))

    async def quiet(self) -> None:
        """Wait until the peer has heard half a second of nothing."""
        await until(lambda: len(self.pcm) > 8000 and not np.abs(self.pcm[-8000:]).max() > 100)

    async def sees(self, left: tuple[int, ...], right: tuple[int, ...]) -> None:
        colours: list[Any] = []

        async def look() -> bool:
            shown = await self.peer.evaluate("() => seen()")
            colours[:] = shown or []
            return bool(shown) and all(
                np.abs(np.subtract(one, other)).max() < 40
                for one, other in zip(shown, (left, right), strict=True)
            )

        with trio.move_on_after(15):
            while not await look():  # noqa: ASYNC110
                await trio.sleep(0.05)
            return
        pytest.fail(f"the peer sees {colours}, not {left} and {right}")


@pytest.fixture
def connected(
    browser: Browser, site: PageSite, events: KeepingCallEvents, request_for: MakeRequest
) -> Any:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Seen]:
        told = KeepingCallEvents()
        async with (
            open_page(request_for(), told, browser=browser, devices=True) as bot,
            open_page(request_for(video=True), events, browser=browser) as peer,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(bot.watch)
            nursery.start_soon(peer.watch)
            await bot.goto(site.url("/talker"))
            await peer.goto(site.url("/watcher"))
            await bot.evaluate("() => open()")
            answer = await peer.evaluate("sdp => take(sdp)", await bot.evaluate("() => offer()"))
            await bot.evaluate("sdp => accept(sdp)", answer)
            await until(lambda: len(peer.capture.tracks) == 1)
            yield Seen(bot, told, peer, events)
            nursery.cancel_scope.cancel()

    return opened


def tone(seconds: float, hz: int = 440, rate_hz: int = 24_000) -> bytes:
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    return (12_000 * np.sin(2 * np.pi * hz * at)).astype("<i2").tobytes()


def pieces(pcm: bytes, rate_hz: int = 24_000) -> list[bytes]:
    size = rate_hz // 10 * 2
    return [pcm[at : at + size] for at in range(0, len(pcm), size)]


def voiced(pcm: Pcm) -> Pcm:
    """Return what is between the first and the last loud sample."""
    [loud] = np.nonzero(np.abs(pcm) > 2000)
    return pcm[loud[0] : loud[-1] + 1]


async def test_a_peer_hears_all_that_is_said_at_its_pitch_and_then_nothing(connected: Any) -> None:
    async with connected() as seen:
        async with seen.bot.devices.open_speech(24_000) as output:
            for piece in pieces(tone(2.0)):
                await output.write(piece)
            await output.drain()
            assert output.played_s == pytest.approx(2.0, abs=0.02)
        await seen.loud()
        await seen.quiet()
        heard = voiced(seen.pcm)
        # A peer whose machine is busy stretches what it plays, and takes nothing away.
        assert 1.9 <= len(heard) / 16_000 <= 2.5, "nothing is cut off"
        spectrum = np.abs(np.fft.rfft(heard[4000:20_000] * np.hanning(16_000)))
        assert spectrum.argmax() == pytest.approx(440, abs=3)
        # What goes out is heard here, too, as a track of the bot's own, and raises no alarm.
        [own] = [s for s in seen.told.of_type(TrackAppeared) if s.kind == "own"]
        await until(lambda: len(voiced_or_nothing(seen.told.pcm(own.track_id))) > 1.9 * 16_000)
        assert seen.bot.capture.levels == []


def voiced_or_nothing(pcm: Pcm) -> Pcm:
    return voiced(pcm) if np.abs(pcm).max(initial=0) > 2000 else pcm[:0]


async def test_an_interruption_is_silence_at_once_and_says_how_much_was_heard(
    connected: Any,
) -> None:
    async with connected() as seen:
        async with seen.bot.devices.open_speech(24_000) as output:
            with trio.move_on_after(1.0):
                for piece in pieces(tone(30.0)):
                    await output.write(piece)
            await output.stop()
            played_s = output.played_s
        assert 0.3 < played_s < 1.5
        await seen.loud()
        await seen.quiet()
        assert len(voiced(seen.pcm)) / 16_000 == pytest.approx(played_s, abs=0.15)
        # What comes after is heard from its beginning, and counted from nothing.
        async with seen.bot.devices.open_speech(48_000) as output:
            for piece in pieces(tone(0.5, rate_hz=48_000), 48_000):
                await output.write(piece)
            await output.drain()
            assert output.played_s == pytest.approx(0.5, abs=0.02)


async def test_what_leaves_a_speech_unfinished_is_silent(connected: Any) -> None:
    async with connected() as seen:
        with pytest.raises(ZeroDivisionError):
            async with seen.bot.devices.open_speech(24_000) as output:
                for piece in pieces(tone(0.4)):
                    await output.write(piece)
                raise ZeroDivisionError
        await seen.loud()
        await seen.quiet()
        assert len(voiced(seen.pcm)) / 16_000 < 0.4


async def test_the_sites_own_stop_does_not_take_the_microphone_away(connected: Any) -> None:
    async with connected() as seen:
        await seen.bot.evaluate("() => own.getTracks().forEach((track) => track.stop())")
        await seen.bot.evaluate(
            """async () => {
              const again = await navigator.mediaDevices.getUserMedia({ audio: true });
              await pc.getSenders()[0].replaceTrack(again.getTracks()[0].clone());
            }"""
        )
        async with seen.bot.devices.open_speech(24_000) as output:
            for piece in pieces(tone(0.5)):
                await output.write(piece)
            await output.drain()
        await seen.loud()


async def test_a_page_that_asked_for_nothing_cannot_be_spoken_through(
    browser: Browser, site: PageSite, events: KeepingCallEvents, request_for: MakeRequest
) -> None:
    async with open_page(request_for(), events, browser=browser, devices=True) as page:
        await page.goto(site.url("/talker"))
        with pytest.raises(CommandFailed, match="not opened the bot's microphone"):
            async with page.devices.open_speech(16_000):
                pass
        with pytest.raises(CommandFailed, match="not opened the bot's camera"):
            await page.devices.show_picture(picture("PNG"))


async def test_the_page_finds_the_bots_devices_and_no_other(connected: Any) -> None:
    async with connected() as seen:
        devices = await seen.bot.evaluate(
            "async () => (await navigator.mediaDevices.enumerateDevices()).map((d) => d.toJSON())"
        )
        inputs = {
            (each["kind"], each["label"]) for each in devices if each["kind"] != "audiooutput"
        }
        assert inputs == {("audioinput", "Bot microphone"), ("videoinput", "Bot camera")}
        told = await seen.bot.evaluate(
            """async () => {
              const [audio] = own.getAudioTracks();
              const [video] = own.getVideoTracks();
              const chosen = { audio: { deviceId: { exact: audio.getSettings().deviceId } } };
              const again = await navigator.mediaDevices.getUserMedia(chosen);
              const mine = { audio: { deviceId: { exact: "mine" } } };
              let refused = "";
              try {
                await navigator.mediaDevices.getUserMedia(mine);
              } catch (error) {
                refused = error.name;
              }
              const labels = [audio.label, video.label, video.clone().label];
              return [...labels, again.getTracks().length, refused];
            }"""
        )
        assert told == ["Bot microphone", "Bot camera", "Bot camera", 1, "OverconstrainedError"]


def halves(left: Any, right: Any, size: tuple[int, int] = (320, 180)) -> npt.NDArray[np.uint8]:
    pixels: npt.NDArray[np.uint8] = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, : size[0] // 2], pixels[:, size[0] // 2 :] = left, right
    return pixels


CODECS = {"PNG": ("png", "rgb24"), "JPEG": ("mjpeg", "yuvj444p"), "GIF": ("gif", "rgb8")}


def encoded(kind: str, frames: list[npt.NDArray[np.uint8]], frames_per_s: float = 1) -> bytes:
    """Return pictures as a file of that kind; several only as a GIF."""
    codec, pixel_format = CODECS[kind]
    file = io.BytesIO()
    with av.open(file, "w", format="gif" if kind == "GIF" else "image2pipe") as container:
        stream = container.add_stream(codec, rate=Fraction(frames_per_s).limit_denominator(100))
        stream.height, stream.width, _ = frames[0].shape
        stream.pix_fmt = pixel_format
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


def picture(kind: str, *, left: Any = RED, right: Any = BLUE) -> bytes:
    return encoded(kind, [halves(left, right)])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF"])
async def test_a_peer_sees_the_picture_and_the_next_one(connected: Any, kind: str) -> None:
    async with connected() as seen:
        facts = await seen.bot.devices.show_picture(picture(kind))
        assert (facts.width, facts.height) == (320, 180)
        await seen.sees(RED, BLUE)
        await seen.bot.devices.show_picture(picture(kind, left=BLUE, right=RED))
        await seen.sees(BLUE, RED)


async def test_a_moving_gif_moves(connected: Any) -> None:
    moving = encoded("GIF", [halves(each, each) for each in (RED, BLUE)], 2.5)
    async with connected() as seen:
        await seen.bot.devices.show_picture(moving)
        for colour in (RED, BLUE, RED):
            await seen.sees(colour, colour)


async def test_what_cannot_be_decoded_is_said_and_what_was_shown_stays(connected: Any) -> None:
    async with connected() as seen:
        await seen.bot.devices.show_picture(picture("PNG"))
        await seen.sees(RED, BLUE)
        good = picture("PNG", left=BLUE)
        broken = good[:40] + bytes(len(good) - 40)
        with pytest.raises(CommandFailed, match="could not"):
            await seen.bot.devices.show_picture(broken)
        with pytest.raises(CommandRefused, match="no picture"):
            await seen.bot.devices.show_picture(b"<svg/>")
        await seen.sees(RED, BLUE)


async def test_a_gif_moves_on_after_what_cannot_be_decoded(connected: Any) -> None:
    quick = encoded("GIF", [halves(each, each) for each in (RED, BLUE)], 20)
    good = encoded("PNG", [halves(RED, BLUE, (1920, 1080))])
    broken = good[:40] + bytes(len(good) - 40)
    slow = encoded("GIF", [halves(each, each) for each in (RED, BLUE)], 2.5)
    async with connected() as seen:
        await seen.bot.devices.show_picture(quick)
        for _ in range(5):
            with pytest.raises(CommandFailed, match="could not"):
                await seen.bot.devices.show_picture(broken)
        for colour in (RED, BLUE, RED):
            await seen.sees(colour, colour)
        # What is hidden before it was decoded does not come up.
        told = await seen.bot.evaluate(
            """async ([gif, png]) => {
              const { showPicture, hidePicture } = window[Symbol.for("meetcore")];
              const shown = [showPicture([gif, "image/gif"]), showPicture([png, "image/png"])];
              hidePicture();
              return (await Promise.all(shown)).map(({ width }) => width);
            }""",
            [base64.b64encode(each).decode() for each in (slow, good)],
        )
        assert told == [320, 1920]
        await seen.sees((0, 0, 0), (0, 0, 0))
        await trio.sleep(1)
        await seen.sees((0, 0, 0), (0, 0, 0))


async def test_frames_that_come_and_go_or_hang_stop_nothing(connected: Any) -> None:
    async with connected() as seen:
        devices = seen.bot.devices
        await seen.bot.evaluate(
            """() => {
              setInterval(() => {
                document.querySelector("iframe")?.remove();
                document.body.append(document.createElement("iframe"));
              }, 20);
            }"""
        )
        for _ in range(30):
            await devices.show_picture(picture("PNG"))
            await devices.share_picture(picture("PNG"))
            await devices.stop_sharing()
            async with devices.open_speech(24_000) as output:
                await output.write(tone(0.1))
        await seen.sees(RED, BLUE)


async def test_the_bots_screen_is_there_while_something_is_shared(connected: Any) -> None:
    async with connected() as seen:
        devices = seen.bot.devices
        refused = "() => share().catch((error) => error.name)"
        assert await seen.bot.evaluate(refused) == "NotAllowedError"
        with pytest.raises(CommandRefused, match="no picture"):
            await devices.share_picture(b"<svg/>")
        with pytest.raises(CommandFailed, match="could not"):
            await devices.share_picture(picture("PNG")[:60])
        assert await seen.bot.evaluate(refused) == "NotAllowedError"
        await devices.share_picture(picture("PNG"))
        assert not await devices.shares(), "the page has not asked for it yet"
        told = await seen.bot.evaluate("() => share()")
        assert told == {
            "label": "screen:0:0",
            "displaySurface": "monitor",
            "width": 1920,
            "height": 1080,
            "hint": "detail",
        }
        assert await devices.shares()
        await seen.sees(RED, BLUE)
        await devices.share_picture(picture("JPEG", left=BLUE, right=RED))
        await seen.sees(BLUE, RED)
        await devices.show_picture(picture("PNG"))  # the camera's picture is another
        await trio.sleep(0.6)
        await seen.sees(BLUE, RED)
        await devices.stop_sharing()
        assert not await devices.shares()
        assert await seen.bot.evaluate("() => shareEnded"), "as with the browser's own button"
        assert await seen.bot.evaluate(refused) == "NotAllowedError"

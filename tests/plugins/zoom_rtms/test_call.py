"""A bot at a simulated stream: real sockets, everything that a meeting tells, and its ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import trio
from attrs import evolve

import meetcore
from meetcore import (
    Admitted,
    CallEnded,
    CaptionSeen,
    CaptureHealth,
    ChatArrived,
    CommandRefused,
    EndReason,
    ParticipantAppeared,
    ParticipantGone,
    SpeakingIndicated,
    TrackAppeared,
)
from meetcore.testing.conformance import RecordingCallEvents
from meetcore_zoom_rtms.call import Windows, open_rtms_call
from meetcore_zoom_rtms.platform import ZoomRtmsPlatform
from meetcore_zoom_rtms.sessions import Sessions
from meetcore_zoom_rtms.sockets import answer, is_allowed
from meetcore_zoom_rtms.stream_address import parse_link
from meetcore_zoom_rtms.testing import RtmsSimulator, open_simulator
from meetcore_zoom_rtms.wire import MsgType, SessionState, StopReason

QUICK = Windows(signalling_s=2.0, media_s=2.0, first_pause_s=0.05)


def tone(seconds: float, level: int = 1000) -> bytes:
    return np.full(int(seconds * 16_000), level, "<i2").tobytes()


@asynccontextmanager
async def received(
    zoom: RtmsSimulator,
    folder: Path,
    windows: Windows = QUICK,
    *,
    audio: str = "speakers",
    captions: bool = False,
    join_timeout_s: float = 30.0,
) -> AsyncIterator[tuple[meetcore.Call, RecordingCallEvents]]:
    events = RecordingCallEvents()
    link = parse_link(zoom.address.link())
    assert link is not None
    request = meetcore.CallRequest(
        bot_id="b",
        display_name="Scribe",
        folder=folder,
        captions=captions,
        join_timeout_s=join_timeout_s,
    )
    with trio.fail_after(90):
        async with open_rtms_call(link, request, events, zoom.options(audio), windows) as call:
            yield call, events


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110  what real sockets bring
        await trio.sleep(0.01)


async def heard(events: RecordingCallEvents, track_id: str, samples: int) -> np.ndarray:
    """Return what was heard of a track, once it is so much."""
    await until(lambda: sum(c.samples for c in events.chunks.get(track_id, [])) >= samples)
    return np.concatenate([chunk.pcm for chunk in events.chunks[track_id]])


async def test_people_their_sound_and_their_chat_arrive_with_their_names(tmp_path):
    async with open_simulator() as zoom, received(zoom, tmp_path) as (_, events):
        await zoom.streaming()
        await events.wait_for(Admitted)
        zoom.join(7, "Ada Lovelace")
        zoom.join(8, "Ben")
        zoom.speak(7, tone(0.5), name="Ada Lovelace")
        zoom.speak(8, tone(0.3, 2000), name="Ben")
        zoom.write(8, "Ben", "hello everybody")
        zoom.write(8, "Ben", "for Ada alone", to_everybody=False)
        assert (await heard(events, "user-7", 8000) == 1000)[:8000].all()
        assert (await heard(events, "user-8", 4800) == 2000)[:4800].all()
        chat = await events.wait_for(ChatArrived)
        assert (chat.sender_id, chat.sender_name, chat.text) == ("8", "Ben", "hello everybody")
        zoom.leave(8)
        gone = await events.wait_for(ParticipantGone)
    people = [s.participant for s in events.signals if isinstance(s, ParticipantAppeared)]
    assert [(each.id, each.name) for each in people] == [("7", "Ada Lovelace"), ("8", "Ben")]
    tracks = [s for s in events.signals if isinstance(s, TrackAppeared)]
    assert [(t.track_id, t.participant_id, t.kind) for t in tracks] == [
        ("user-7", "7", "participant"),
        ("user-8", "8", "participant"),
    ]
    assert gone.participant_id == "8"
    assert not zoom.mixed
    assert not zoom.captions
    assert len([s for s in events.signals if isinstance(s, ChatArrived)]) == 1
    assert events.lost == []


async def test_who_does_not_speak_is_silent_and_nothing_is_lost(tmp_path):
    async with open_simulator() as zoom, received(zoom, tmp_path) as (_, events):
        await zoom.streaming()
        began = zoom.now_ms()
        zoom.speak(7, tone(0.2), name="Ada", stamp_ms=began)
        zoom.speak(7, tone(0.2), name="Ada", stamp_ms=began + 700)
        sound = await heard(events, "user-7", 14_400)
        assert (sound[:3200] == 1000).all()
        assert (sound[3200:11_200] == 0).all()
        assert (sound[11_200:14_400] == 1000).all()
        # ... and the silence goes on by itself, some way behind.
        await heard(events, "user-7", 16_000)
    assert events.lost == []


async def test_a_mixed_track_has_its_speakers_by_the_sounds_time(tmp_path):
    async with open_simulator() as zoom, received(zoom, tmp_path, audio="mixed") as (_, events):
        await zoom.streaming()
        assert zoom.mixed
        began = zoom.now_ms()
        zoom.speak(0, tone(2.0), stamp_ms=began)
        await heard(events, "mix", 32_000)
        zoom.active(7, "Ada", began + 250)
        zoom.active(8, "Ben", began + 1250)
        await events.wait_until(SpeakingIndicated, lambda s: s.participant_id == "8")
    indicated = [s for s in events.signals if isinstance(s, SpeakingIndicated)]
    assert [(s.participant_id, s.speaking, s.at_s, s.track_id) for s in indicated] == [
        ("7", True, 0.25, "mix"),
        ("7", False, 1.25, "mix"),
        ("8", True, 1.25, "mix"),
    ]


async def test_zooms_own_words_come_as_captions_where_they_are_wanted(tmp_path):
    async with open_simulator() as zoom, received(zoom, tmp_path, captions=True) as (_, events):
        await zoom.streaming()
        assert zoom.captions
        zoom.speak(7, tone(0.1), name="Ada")
        zoom.caption(7, "Ada", " good morning ")
        caption = await events.wait_for(CaptionSeen)
    assert (caption.participant_id, caption.name, caption.text) == ("7", "Ada", "good morning")
    assert caption.final
    assert caption.at_s is not None


async def test_questions_whether_it_lives_are_answered_and_nonsense_passed_over(tmp_path):
    async with open_simulator() as zoom, received(zoom, tmp_path) as (_, events):
        await zoom.streaming()
        await zoom.ask_whether_alive()
        for where in ("signalling", "media"):
            for nonsense in (
                {"msg_type": 999},
                {"msg_type": 6, "event": []},
                {"msg_type": 6, "event": {"event_type": 3, "participants": [None, {"x": 1}]}},
                {"msg_type": 14, "content": {"user_id": [], "data": "%%%", "timestamp": 1}},
                {"msg_type": 14, "content": {"user_id": 7, "data": "AAAA", "timestamp": "now"}},
                {"msg_type": 18, "content": {"data": "{" * 5000}},
                {"msg_type": 8, "state": "?"},
                {"no": "type"},
            ):
                zoom.send_raw(where, nonsense)
        zoom.speak(7, tone(0.1), name="Ada")
        await heard(events, "user-7", 1600)
    assert not [s for s in events.signals if isinstance(s, CallEnded)]


@pytest.mark.parametrize(
    ("stop_reason", "reason"),
    [
        (StopReason.MEETING_ENDED, EndReason.MEETING_ENDED),
        (StopReason.HOST, EndReason.REMOVED),
        (StopReason.AUTHENTICATION_FAILED, EndReason.SIGN_IN_REQUIRED),
        (StopReason.INTERNAL_EXCEPTION, EndReason.CONNECTION_LOST),
        (4711, EndReason.CONNECTION_LOST),
    ],
)
async def test_the_end_of_a_stream_says_why(tmp_path, stop_reason, reason):
    async with open_simulator() as zoom, received(zoom, tmp_path) as (_, events):
        await zoom.streaming()
        zoom.end(stop_reason)
        end = await events.wait_for(CallEnded)
    assert end.reason is reason
    assert str(int(stop_reason)) in end.evidence.detail


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (2, EndReason.MEETING_NOT_FOUND),
        (3, EndReason.SIGN_IN_REQUIRED),
        (99, EndReason.CONNECTION_LOST),
    ],
)
async def test_a_refused_handshake_says_why(tmp_path, status, reason):
    async with open_simulator() as zoom:
        zoom.refuse_signalling = [status]
        async with received(zoom, tmp_path) as (_, events):
            end = await events.wait_for(CallEnded)
    assert end.reason is reason
    assert f"status_code {status}" in end.evidence.detail
    assert not [s for s in events.signals if isinstance(s, Admitted)]


async def test_a_wrong_secret_is_refused(tmp_path):
    async with open_simulator() as zoom:
        link = parse_link(zoom.address.link())
        zoom.client_secret, options = "another", zoom.options()
        zoom.client_secret = "the right one"
        events = RecordingCallEvents()
        request = meetcore.CallRequest(bot_id="b", display_name="S", folder=tmp_path)
        with trio.fail_after(90):
            async with open_rtms_call(link, request, events, options, QUICK):
                end = await events.wait_for(CallEnded)
    assert end.reason is EndReason.SIGN_IN_REQUIRED
    assert "client_secret" in end.evidence.detail


async def test_a_connection_that_is_still_counted_is_waited_for(tmp_path):
    async with open_simulator() as zoom:
        zoom.refuse_signalling = [8, 8]
        async with received(zoom, tmp_path) as (_, events):
            await zoom.streaming()
            await events.wait_for(Admitted)


async def test_another_client_at_the_stream_is_said(tmp_path):
    async with open_simulator() as zoom:
        zoom.refuse_media = [16]
        async with received(zoom, tmp_path) as (_, events):
            end = await events.wait_for(CallEnded)
    assert end.reason is EndReason.BOT_BLOCKED


async def test_a_server_that_answers_nothing_is_left_after_the_join_time_out(tmp_path):
    async with open_simulator() as zoom:
        zoom.answer_nothing = True
        async with received(zoom, tmp_path, join_timeout_s=0.3) as (_, events):
            end = await events.wait_for(CallEnded)
    assert end.reason is EndReason.CLIENT_NEVER_LOADED
    assert ZoomRtmsPlatform().longest_join_s(0.3) > 1.0, "or the core would say it, without words"


async def test_what_zoom_kept_while_the_media_was_away_is_heard_and_nothing_twice(tmp_path):
    async with open_simulator() as zoom, received(zoom, tmp_path) as (_, events):
        await zoom.streaming()
        began = zoom.now_ms()
        zoom.speak(7, tone(0.5), name="Ada", stamp_ms=began)
        await heard(events, "user-7", 8000)
        await zoom.break_media()
        unwell = await events.wait_until(CaptureHealth, lambda s: not s.healthy)
        zoom.speak(7, tone(0.5, 2000), name="Ada", stamp_ms=began + 500)
        await zoom.streaming()
        zoom.speak(7, tone(0.5, 2000), name="Ada", stamp_ms=began + 500)  # Zoom sends it again
        zoom.speak(7, tone(0.5, 3000), name="Ada", stamp_ms=began + 1000)
        sound = await heard(events, "user-7", 24_000)
        await events.wait_until(CaptureHealth, lambda s: s.healthy)
    assert "media connection" in unwell.detail
    assert [int(v) for v in sound[[0, 7999, 8000, 15_999, 16_000, 23_999]]] == [
        1000, 1000, 2000, 2000, 3000, 3000,
    ]  # fmt: skip
    assert events.lost == []


async def test_a_media_connection_that_zoom_does_not_reach_is_made_anew(tmp_path):
    """It looks well from here: nothing comes of it, and no end."""
    async with open_simulator() as zoom, received(zoom, tmp_path) as (_, events):
        await zoom.streaming()
        began = zoom.now_ms()
        zoom.speak(7, tone(0.5), name="Ada", stamp_ms=began)
        await heard(events, "user-7", 8000)
        zoom.interrupt_media()
        await until(lambda: zoom.handshakes.count("media") == 2)
        await zoom.streaming()
        zoom.speak(7, tone(0.5, 2000), name="Ada", stamp_ms=began + 500)
        await heard(events, "user-7", 16_000)
    assert not [s for s in events.signals if isinstance(s, CallEnded)]


@pytest.mark.parametrize("status", [8, 15, 16, 2])
async def test_what_zoom_has_not_missed_yet_is_no_end(tmp_path, status):
    """Our own old connection, or a signalling that is away at that moment, too."""
    async with open_simulator() as zoom, received(zoom, tmp_path) as (_, events):
        await zoom.streaming()
        zoom.refuse_media = [status] * 2
        await zoom.break_media()
        await until(lambda: zoom.handshakes.count("media") == 2)
        await zoom.streaming()
    assert not [s for s in events.signals if isinstance(s, CallEnded)]


async def test_what_the_break_cost_is_declared(tmp_path):
    async with open_simulator() as zoom, received(zoom, tmp_path) as (_, events):
        await zoom.streaming()
        began = zoom.now_ms()
        zoom.speak(7, tone(0.5), name="Ada", stamp_ms=began)
        await heard(events, "user-7", 8000)
        await zoom.break_media()
        await zoom.streaming()
        zoom.speak(7, tone(0.5, 3000), name="Ada", stamp_ms=began + 2500)
        await heard(events, "user-7", 16_000)
    assert events.lost == [("user-7", 8000, 32_000, "connection")]
    assert events.chunks["user-7"][-1].pcm[0] in (3000, 0)


async def test_the_signalling_comes_back_too(tmp_path):
    async with open_simulator() as zoom, received(zoom, tmp_path) as (_, events):
        await zoom.streaming()
        await zoom.break_signalling()
        await until(lambda: zoom.handshakes.count("signalling") == 2)
        zoom.join(9, "Cleo")
        await events.wait_for(ParticipantAppeared)
    assert not [s for s in events.signals if isinstance(s, CallEnded)]


async def test_a_stream_whose_server_dies_goes_on_at_the_one_that_zoom_names(tmp_path):
    """The old server says nothing at all, and answers no new handshake either."""
    async with open_simulator() as zoom, received(zoom, tmp_path) as (call, events):
        await zoom.streaming()
        began = zoom.now_ms()
        zoom.speak(7, tone(0.5), name="Ada", stamp_ms=began)
        await heard(events, "user-7", 8000)
        zoom.fail_over()
        await call.reconnect(zoom.address.link())
        await zoom.streaming()
        zoom.speak(7, tone(0.5, 2000), name="Ada", stamp_ms=began + 2500)
        zoom.join(9, "Cleo")
        await events.wait_until(ParticipantAppeared, lambda s: s.participant.id == "9")
        await heard(events, "user-7", 16_000)
    assert zoom.handshakes == ["signalling", "media"] * 2
    assert events.lost == [("user-7", 8000, 32_000, "connection")]
    assert not [s for s in events.signals if isinstance(s, CallEnded)]


async def test_after_a_move_the_medias_time_runs_once_its_address_is_known(tmp_path, monkeypatch):
    """However long the new server took to name it: the first failure there is not the last."""
    async with open_simulator() as zoom, received(zoom, tmp_path) as (call, events):
        await zoom.streaming()
        asked: list[MsgType] = []

        async def once_not(socket, hello, kind):
            asked.append(kind)
            if asked.count(MsgType.MEDIA_ANSWER) == 1 and kind == MsgType.MEDIA_ANSWER:
                raise ConnectionResetError
            return await answer(socket, hello, kind)

        monkeypatch.setattr("meetcore_zoom_rtms.call.answer", once_not)
        zoom.fail_over()
        await call.reconnect(zoom.address.link())
        assert call._media.away_since is not None
        call._media.away_since -= 1000.0
        await zoom.streaming()
    assert asked.count(MsgType.MEDIA_ANSWER) == 2
    assert not [s for s in events.signals if isinstance(s, CallEnded)]


async def test_what_says_where_the_stream_is_already_breaks_nothing(tmp_path):
    async with open_simulator() as zoom, received(zoom, tmp_path) as (call, events):
        await call.reconnect(zoom.address.link())
        await zoom.streaming()
        await call.reconnect(zoom.address.link())
        zoom.speak(7, tone(0.2), name="Ada")
        await heard(events, "user-7", 3200)
    assert zoom.handshakes == ["signalling", "media"]


async def test_a_connection_that_zoom_has_lost_is_made_anew_at_the_same_server(
    tmp_path, monkeypatch
):
    """It looks well from here, and is old enough for Zoom to mean it."""
    monkeypatch.setattr("meetcore_zoom_rtms.call.RECENT_S", 0.0)
    async with open_simulator() as zoom, received(zoom, tmp_path) as (call, _):
        await zoom.streaming()
        await call.reconnect(zoom.address.link())
        await until(lambda: zoom.handshakes == ["signalling", "media"] * 2)


async def test_a_stream_goes_on_nowhere_but_at_a_server_of_zooms(tmp_path):
    async with open_simulator() as zoom, received(zoom, tmp_path) as (call, _):
        await zoom.streaming()
        another = evolve(zoom.address, stream_id="another")
        strange = evolve(zoom.address, server_url="wss://zoom.us.example.org/x")
        for link, words in (
            (another.link(), "no link of the stream"),
            ("https://zoom.us/j/123456789", "no link of the stream"),
            (strange.link(), "none of 127.0.0.1"),
        ):
            with pytest.raises(CommandRefused, match=words):
                await call.reconnect(link)
        assert zoom.handshakes == ["signalling", "media"]
        await call.leave()
        with pytest.raises(CommandRefused, match="has ended"):
            await call.reconnect(zoom.address.link())


async def test_a_stream_that_is_gone_when_we_come_back_has_ended(tmp_path):
    async with open_simulator() as zoom, received(zoom, tmp_path) as (_, events):
        await zoom.streaming()
        zoom.refuse_signalling = [2]
        await zoom.break_signalling()
        end = await events.wait_for(CallEnded)
    assert end.reason is EndReason.MEETING_ENDED


async def test_a_server_that_stays_away_is_a_lost_connection(tmp_path):
    windows = Windows(signalling_s=30.0, media_s=0.3, first_pause_s=0.05)
    async with open_simulator() as zoom, received(zoom, tmp_path, windows) as (_, events):
        await zoom.streaming()
        zoom._media_url = "ws://127.0.0.1:1/"
        await zoom.break_signalling()
        await until(lambda: zoom.handshakes.count("signalling") == 2)
        await trio.sleep(0.1)
        await zoom.break_media()
        end = await events.wait_for(CallEnded)
    assert end.reason is EndReason.CONNECTION_LOST
    assert "media connection was away" in end.evidence.detail


async def test_a_pause_in_the_meeting_is_no_silence(tmp_path):
    async with open_simulator() as zoom, received(zoom, tmp_path) as (_, events):
        await zoom.streaming()
        began = zoom.now_ms()
        zoom.speak(7, tone(0.2), name="Ada", stamp_ms=began)
        await heard(events, "user-7", 3200)
        zoom.pause()
        unwell = await events.wait_until(CaptureHealth, lambda s: not s.healthy)
        await trio.sleep(0.5)
        assert sum(chunk.samples for chunk in events.chunks["user-7"]) == 3200
        zoom.pause(paused=False)
        await events.wait_until(CaptureHealth, lambda s: s.healthy)
        zoom.speak(7, tone(0.2), name="Ada", stamp_ms=began + 1000)
        await heard(events, "user-7", 6400)
    assert "paused in the meeting" in unwell.detail
    assert sum(lost[2] for lost in events.lost) == 12_800


async def test_a_session_that_rests_is_not_the_stream(tmp_path):
    """Each user for whom it is streamed has one; another stream's are none of ours."""
    async with open_simulator() as zoom, received(zoom, tmp_path) as (_, events):
        await zoom.streaming()
        zoom.session(SessionState.STARTED, "of Ben")
        zoom.pause(session_id="of Ben")
        for state in (4, 5):
            zoom.send_raw(
                "signalling",
                {"msg_type": 8, "rtms_stream_id": "another", "state": state, "stop_reason": 6},
            )
        zoom.join(9, "Cleo")
        await events.wait_for(ParticipantAppeared)
        assert not [s for s in events.signals if isinstance(s, (CaptureHealth, CallEnded))]
        zoom.pause(session_id="of Ada")  # with which it began, before us
        await events.wait_until(CaptureHealth, lambda s: not s.healthy)
        zoom.pause(paused=False, session_id="of Ben")
        await events.wait_until(CaptureHealth, lambda s: s.healthy)


@pytest.mark.parametrize(
    ("told", "paused"),
    [
        ([("a", 3)], True),
        ([("a", 3), ("a", 4)], False),
        ([("b", 2), ("b", 3)], False),
        ([("b", 2), ("b", 3), ("a", 3)], True),
        ([("b", 2), ("b", 3), ("a", 5)], True),
        ([("b", 2), ("b", 5)], False),
        ([("a", 5)], False),
        ([(None, 3)], True),
        ([("b", 2), (None, 3), (None, 4)], False),
        ([("a", "?"), ("a", 1), ([], 3), ("a", None)], True),
    ],
)
def test_a_stream_rests_when_all_its_sessions_do(told, paused):
    sessions = Sessions()
    for session_id, state in told:
        sessions.take(session_id, state)
    assert sessions.paused is paused


async def test_leaving_has_zoom_close_the_stream(tmp_path):
    async with open_simulator() as zoom, received(zoom, tmp_path) as (call, events):
        await zoom.streaming()
        await call.leave()
        assert zoom.closed_by_client
        await zoom.away()
    assert not [s for s in events.signals if isinstance(s, CallEnded)]


@pytest.mark.parametrize(
    ("server", "hosts", "taken"),
    [
        ("wss://rtms.zoom.us/x", ("zoom.us",), True),
        ("wss://zoom.us", ("zoom.us",), True),
        ("wss://zoom.us.example.org/x", ("zoom.us",), False),
        ("wss://evilzoom.us/x", ("zoom.us",), False),
        ("ws://rtms.zoom.us/x", ("zoom.us",), False),
        ("wss://10.0.0.1/x", ("zoom.us",), False),
        ("ws://127.0.0.1:1/x", ("zoom.us",), False),
        ("ws://gateway.example.org/x", ("gateway.example.org",), False),
        ("wss://gateway.example.org/x", ("gateway.example.org",), True),
    ],
)
async def test_only_zooms_servers_get_a_proof_that_we_are_the_app(server, hosts, taken):
    assert is_allowed(server, hosts) is taken


async def test_without_credentials_or_with_a_strange_server_there_is_no_call(tmp_path):
    request = meetcore.CallRequest(bot_id="b", display_name="S", folder=tmp_path)
    async with open_simulator() as zoom:
        link = parse_link(zoom.address.link())
        for options, words in (
            (meetcore_options(), "client_id and client_secret are not set"),
            (meetcore_options(client_id="c", client_secret=meetcore.Secret("s")), "none of zoom"),
        ):
            platform = ZoomRtmsPlatform(options)
            with pytest.raises(meetcore.MeetingRefused, match=words):
                async with platform.open_call(link, request, RecordingCallEvents()):
                    pass


def meetcore_options(**more):
    return ZoomRtmsPlatform.Options(**more)

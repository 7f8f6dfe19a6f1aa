"""When a track that should be heard is not, and when silence is only silence."""

from __future__ import annotations

from attrs import define, field

from meetcore_browser.capture_watch import Alarm, CaptureWatch, TrackStats


@define
class Track:
    """One track through time: a block every 100 ms, statistics every second."""

    watch: CaptureWatch = field(factory=CaptureWatch)
    now_s: float = 0.0
    packets: int = 0
    emitted: int = 0
    energy: float = 0.0
    alarms: list[Alarm] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.watch.track_appeared("t", 0.0)

    def run(
        self,
        seconds: float,
        *,
        blocks: bool = True,
        silent: bool = False,
        packets_a_s: int = 50,
        plays: bool = True,
        energy_a_s: float = 0.0,
    ) -> list[Alarm]:
        before = len(self.alarms)
        for tick in range(int(seconds * 10)):
            self.now_s += 0.1
            if blocks:
                self.watch.block("t", silent, self.now_s)
            if tick % 10 == 9:
                self.packets += packets_a_s
                self.emitted += 48_000 if plays else 0
                self.energy += energy_a_s
                stats = TrackStats(self.packets, self.emitted, self.energy)
                self.watch.stats("t", stats, self.now_s)
            self.alarms += self.watch.check(self.now_s)
        return self.alarms[before:]


def test_speech_raises_no_alarm() -> None:
    assert Track().run(60, energy_a_s=0.01) == []


def test_a_muted_person_raises_no_alarm_although_packets_arrive() -> None:
    assert Track().run(60, silent=True) == []


def test_a_listener_who_sends_nothing_raises_no_alarm() -> None:
    assert Track().run(60, silent=True, packets_a_s=0, plays=False) == []


def test_packets_that_nobody_pulls_out_of_the_jitter_buffer_raise_one_alarm() -> None:
    track = Track()
    [alarm] = track.run(30, silent=True, plays=False)
    assert not alarm.healthy
    assert alarm.track_id == "t"
    assert "jitter buffer gave nothing" in alarm.detail
    assert track.run(1) == [Alarm("t", healthy=True, detail="audio arrives again")]


def test_the_alarm_comes_within_a_few_seconds() -> None:
    assert Track().run(8, silent=True, plays=False) != []
    assert Track().run(4, silent=True, plays=False) == []


def test_silence_although_sound_was_decoded_raises_an_alarm() -> None:
    [alarm] = Track().run(20, silent=True, energy_a_s=0.01)
    assert "decoder measured sound" in alarm.detail


def test_a_few_packets_of_comfort_noise_are_no_evidence() -> None:
    assert Track().run(60, silent=True, packets_a_s=1, plays=False) == []


def test_speech_long_ago_does_not_count_against_silence_now() -> None:
    track = Track()
    track.run(10, energy_a_s=0.01)
    assert track.run(60, silent=True) == []


def test_a_track_that_gives_no_blocks_raises_an_alarm_until_it_does() -> None:
    track = Track()
    track.run(3, energy_a_s=0.01)
    [alarm] = track.run(20, blocks=False)
    assert "no audio came out of the page for 5 s" in alarm.detail
    [recovered] = track.run(2, energy_a_s=0.01)
    assert recovered.healthy


def test_a_track_that_never_gave_a_block_raises_an_alarm_too() -> None:
    assert [alarm.healthy for alarm in Track().run(10, blocks=False)] == [False]


def test_a_track_that_is_gone_is_not_watched() -> None:
    track = Track()
    track.watch.track_gone("t")
    assert track.run(20, blocks=False) == []

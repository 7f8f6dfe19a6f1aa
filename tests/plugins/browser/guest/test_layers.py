"""The ways to the sound: which is tried when, and what is no trouble. Time is an argument."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meetcore_browser.capture_levels import TrackLevel
from meetcore_browser.guest.layers import LayerChange, LayerWatch, SoundLayer

PEER, WEB, TAB = SoundLayer


def level(layer: SoundLayer, block: float | None, sound: float | None = None) -> TrackLevel:
    return TrackLevel("x", layer=layer.value, block_s=block, sound_s=sound)


def look(
    watch: LayerWatch, now: float, *levels: TrackLevel, others: int = 2, speaking: bool = False
) -> LayerChange | None:
    return watch.look(levels, others, speaking=speaking, now_s=now)


def test_a_meeting_in_which_nobody_speaks_is_no_trouble() -> None:
    watch = LayerWatch()
    assert all(look(watch, float(t), level(PEER, float(t))) is None for t in range(300))


def test_a_meeting_without_people_is_no_trouble() -> None:
    watch = LayerWatch()
    assert all(look(watch, float(t), others=0) is None for t in range(300))
    assert look(watch, 301.0) is None
    assert look(watch, 318.0) is None


def test_people_and_no_track_for_twenty_seconds_is_told_and_the_next_layer_tried() -> None:
    watch = LayerWatch()
    told = [(t, change) for t in range(100) if (change := look(watch, float(t)))]
    assert [(t, change.on) for t, change in told] == [(20, WEB), (40, TAB), (60, None)]
    assert told[0][1].detail == (
        "layer peer connections: there is no track, although 2 people are there; web audio is tried"
    )
    assert told[2][1].detail.endswith("there is no other to try")
    assert not any(change.healthy for _, change in told)


def test_silence_while_the_page_shows_somebody_speaking_is_trouble() -> None:
    watch = LayerWatch()
    told = [
        (t, change)
        for t in range(25)
        if (change := look(watch, float(t), level(PEER, float(t)), speaking=t in (7, 8, 9, 10)))
    ]
    assert [t for t, _ in told] == [20]
    assert "although the page shows somebody speaking" in told[0][1].detail


def test_a_cough_in_silence_is_not() -> None:
    watch = LayerWatch()
    changes = [look(watch, float(t), level(PEER, float(t)), speaking=t == 7) for t in range(60)]
    assert changes == [None] * 60


def test_tracks_that_give_no_block_are_trouble_although_they_once_did() -> None:
    watch = LayerWatch()
    for t in range(5):
        look(watch, float(t), level(PEER, float(t), float(t)))
    told = [t for t in range(5, 40) if look(watch, float(t), level(PEER, 4.0, 4.0))]
    assert told == [24]


def test_a_layer_that_cannot_be_switched_on_makes_way_for_the_next_at_once() -> None:
    watch = LayerWatch()
    change = next(c for t in range(30) if (c := look(watch, float(t))))
    assert change.on is WEB
    change = watch.missing("no script of this page offers webAudio", 20.0)
    assert (change.on, change.healthy) == (TAB, False)
    assert watch.missing("nobody accepted the capture", 20.0).on is None
    assert all(look(watch, float(t)) is None for t in range(21, 90))


def test_where_an_earlier_layer_has_sound_again_the_later_one_is_switched_off() -> None:
    watch = LayerWatch()
    for t in range(41):
        look(watch, float(t))
    assert watch.layer is TAB
    found = look(watch, 42.0, level(TAB, 42.0, 42.0))
    assert found == LayerChange(True, "layer tab capture: sound arrives")
    assert look(watch, 43.0, level(TAB, 43.0, 43.0)) is None
    back = look(watch, 44.0, level(TAB, 44.0, 44.0), level(PEER, 44.0, 43.5))
    assert back is not None
    assert (back.healthy, back.off) == (True, (WEB, TAB))
    assert watch.layer is PEER


def test_a_track_that_the_joiner_left_out_does_not_count() -> None:
    watch = LayerWatch()
    left_out = TrackLevel("x", taken=False, block_s=1.0, sound_s=1.0)
    assert [t for t in range(25) if look(watch, float(t), left_out)] == [20]


@given(st.lists(st.tuples(st.floats(0.1, 40), st.booleans(), st.booleans()), max_size=300))
def test_whatever_comes_and_goes_the_switches_are_bounded(
    steps: list[tuple[float, bool, bool]],
) -> None:
    watch, now, switched = LayerWatch(), 0.0, 0
    for wait, heard, peer in steps:
        now += wait
        sound = [level(PEER if peer else watch.layer, now, now)] if heard else []
        change = look(watch, now, *sound)
        switched += change is not None and change.on is not None
    assert switched <= 6

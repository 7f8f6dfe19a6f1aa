"""The parts that need no page: addresses, names, the choice of tracks, of witnesses, of panels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore import MeetingLink, SpeakingIndicated, read_link
from meetcore_browser.capture_levels import TrackLevel
from meetcore_teams.address import client_address, without_light
from meetcore_teams.mix import MixChoice
from meetcore_teams.names import bare_name
from meetcore_teams.panels import PanelTurns
from meetcore_teams.platform import TeamsPlatform
from meetcore_teams.speakers import SpeakerChoice, Witness

JOIN = "/l/meetup-join/19%3Ameeting_X%40thread.v2/0"


def link(text: str) -> MeetingLink:
    found = read_link(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (
            "https://teams.microsoft.com/meet/1234567890123?p=AbC",
            "https://teams.microsoft.com/meet/1234567890123?p=AbC",
        ),
        (
            "https://teams.live.com/meet/9312345678901?p=XyZ123",
            "https://teams.live.com/meet/9312345678901?p=XyZ123",
        ),
        (
            "https://teams.microsoft.com/v2/?meetingjoin=true#/meet/1234567890123?p=AbC",
            "https://teams.microsoft.com/meet/1234567890123?p=AbC",
        ),
        (
            "https://gov.teams.microsoft.us/l/meetup-join/19%3ameeting_X%40thread.v2/0?context=%7B%7D",
            f"https://gov.teams.microsoft.us/v2/?meetingjoin=true#{JOIN}?context=%7B%7D&anon=true",
        ),
        (
            "https://dod.teams.microsoft.us/l/meetup-join/19:meeting_X@thread.v2/0",
            f"https://dod.teams.microsoft.us/v2/?meetingjoin=true#{JOIN}?anon=true",
        ),
    ],
)
def test_a_link_becomes_the_clients_own_address_on_its_own_host(text: str, address: str) -> None:
    assert client_address(link(text)) == address


def test_an_origin_takes_the_place_of_the_host() -> None:
    there = client_address(link(f"https://teams.microsoft.com{JOIN}"), "http://127.0.0.1:8000/")
    assert there.startswith("http://127.0.0.1:8000/v2/?meetingjoin=true#/l/meetup-join/")


def test_whoever_is_signed_in_is_not_sent_as_a_guest() -> None:
    there = client_address(link(f"https://teams.microsoft.com{JOIN}"), anonymous=False)
    assert there == f"https://teams.microsoft.com/v2/?meetingjoin=true#{JOIN}"


def test_the_light_client_is_asked_for_no_more() -> None:
    url = (
        "https://teams.microsoft.com/light-meetings/launch?agent=web&lightExperience=true&coords=x"
    )
    assert without_light(url).endswith("?agent=web&coords=x&lightExperience=false")


@pytest.mark.parametrize(
    "text",
    [
        "https://teams.zoom.us/j/123456789",
        "https://teams.microsoft.com.evil.example/meet/1234567890",
        "https://meet.google.com/abc-defg-hij",
        "not-a-url",
        "https://teams.live.com/abc",
    ],
)
def test_what_is_no_teams_link_is_not_claimed(text: str) -> None:
    assert TeamsPlatform().parse(text) is None


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        ("Ada", "Ada"),
        ("Ada (Guest)", "Ada"),
        ("Ada (Guest) (2)", "Ada"),
        ("Ada  Lovelace (Unverified)", "Ada Lovelace"),
        ("Ada (Unverified) (Guest)", "Ada"),
        ("Ada (Gast)", "Ada"),
        ("Ada (No verificado)", "Ada"),
        ("Ada (No verificada) (2)", "Ada"),
        ("Ada (未確認)", "Ada"),
        ("Ada（ゲスト）", "Ada"),
        ("Ada (Tú)", "Ada"),
        ("Ada (自分)", "Ada"),
        ("Ada (Tú y yo)", "Ada (Tú y yo)"),
        ("Ada (Sales)", "Ada (Sales)"),
        ("Ada (2)", "Ada (2)"),
        ("(Guest) Ada", "(Guest) Ada"),
        ("Doe, Jane (External)", "Doe, Jane"),
        ("Unknown user", ""),
        ("Guest", "Guest"),
    ],
)
def test_a_name_is_what_its_owner_wrote(shown: str, name: str) -> None:
    assert bare_name(shown) == name


@given(st.text(max_size=80))
def test_a_bare_name_stays_as_it_is(text: str) -> None:
    assert bare_name(bare_name(text)) == bare_name(text)


MAIN, TWIN = "mainAudio-7", "audio-2"


def levels(main_s: float | None = None, twin_s: float | None = None) -> list[TrackLevel]:
    return [TrackLevel(MAIN, loud_s=main_s), TrackLevel(TWIN, taken=False, loud_s=twin_s)]


def test_only_the_mix_is_taken_whichever_comes_first() -> None:
    choice = MixChoice()
    assert [choice.takes(label) for label in (TWIN, MAIN, TWIN, "mainAudio-8")] == [
        False,
        True,
        False,
        False,
    ]


def test_a_meeting_in_which_nobody_speaks_changes_nothing() -> None:
    choice = MixChoice(silent_s=20.0)
    choice.takes(MAIN)
    assert not any(choice.look(levels(), float(t)) for t in range(100))
    assert not choice.all_tracks


def test_a_silent_mix_gives_way_while_its_twin_has_sound_and_takes_over_again() -> None:
    choice = MixChoice(silent_s=20.0)
    choice.takes(MAIN)
    changed = [t for t in range(60) if choice.look(levels(None, float(t)), float(t))]
    assert changed == [20]
    assert choice.takes(TWIN)
    again = [t for t in range(60, 80) if choice.look(levels(float(t), float(t)), float(t))]
    assert again == [62]
    assert not choice.takes(TWIN)
    assert choice.takes(MAIN)


def test_the_mix_of_a_new_connection_follows_the_old() -> None:
    choice = MixChoice()
    choice.takes(MAIN)
    assert not choice.takes("mainAudio-8")
    assert choice.look([TrackLevel("mainAudio-8", taken=False)], 5.0)
    assert choice.takes("mainAudio-8")


def test_sound_of_the_tab_is_no_track_of_the_mix() -> None:
    choice = MixChoice(grace_s=1.0)
    tab = [TrackLevel("x", layer="tab capture", loud_s=5.0)]
    assert not any(choice.look(tab, float(t)) for t in range(30))


def said(signals: list[SpeakingIndicated]) -> list[tuple[str, bool, str]]:
    return [(s.participant_id, s.speaking, s.source.value) for s in signals]


def test_the_most_trusted_witness_that_says_something_is_believed() -> None:
    choice = SpeakerChoice()
    assert said(choice.take(Witness.CAPTIONS, ["ada"], 1.0, 2.0)) == [("ada", True, "caption")]
    assert choice.take(Witness.DOMINANT, [], 2.0, 3.0) == []
    got = said(choice.take(Witness.DOMINANT, ["bob"], 3.0, 4.0))
    assert got == [("ada", False, "active_speaker"), ("bob", True, "active_speaker")]
    assert choice.take(Witness.RING, ["ada"], 4.0, 5.0) == []
    assert choice.take(Witness.CAPTIONS, ["ada"], 4.0, 5.0) == []


def test_a_witness_is_taken_back_in_time_by_what_it_is_late() -> None:
    [ring] = SpeakerChoice().take(Witness.RING, ["ada"], 1.0, 5.0)
    [dominant] = SpeakerChoice().take(Witness.DOMINANT, ["ada"], 1.0, 5.0)
    assert (ring.at_s, dominant.at_s) == (4.8, 5.0)
    [unplaced] = SpeakerChoice().take(Witness.RING, ["ada"], 1.0, None)
    assert unplaced.at_s is None


def test_a_dominant_speaker_that_is_stuck_is_believed_no_more_until_it_moves() -> None:
    choice = SpeakerChoice()
    choice.take(Witness.DOMINANT, ["bob"], 0.0, 0.0)
    for n, who in enumerate(["ada", "bob", "ada", "bob"]):
        choice.take(Witness.RING, [who], 5.0 + n, 5.0 + n)
    assert choice.believed is Witness.DOMINANT
    got = said(choice.take(Witness.RING, ["ada"], 21.0, 21.0))
    assert choice.believed is Witness.RING
    assert got == [("bob", False, "active_speaker"), ("ada", True, "active_speaker")]
    choice.take(Witness.DOMINANT, ["ada"], 30.0, 30.0)
    assert choice.believed is Witness.DOMINANT


def test_one_who_speaks_alone_for_long_is_no_sign_of_being_stuck() -> None:
    choice = SpeakerChoice()
    choice.take(Witness.DOMINANT, ["bob"], 0.0, 0.0)
    for n in range(60):
        choice.take(Witness.RING, ["bob"] if n % 2 else [], float(n), float(n))
    assert choice.believed is Witness.DOMINANT


def test_a_dominant_speaker_counts_as_speaking_for_a_moment_only() -> None:
    choice = SpeakerChoice()
    choice.take(Witness.DOMINANT, ["bob"], 10.0, 10.0)
    assert choice.speaking(11.0) == {"bob"}
    assert choice.speaking(14.0) == set()


@given(
    st.lists(
        st.tuples(st.sampled_from(list(Witness)), st.sets(st.sampled_from("abc")), st.floats(0, 9)),
        max_size=40,
    )
)
def test_nobody_begins_twice_or_ends_without_having_begun(
    told: list[tuple[Witness, set[str], float]],
) -> None:
    choice, now, speaking = SpeakerChoice(), 0.0, set()
    for witness, ids, wait in told:
        now += wait
        for signal in choice.take(witness, ids, now, now):
            assert signal.speaking == (signal.participant_id not in speaking)
            speaking ^= {signal.participant_id}


def test_people_and_chat_take_turns_where_there_is_one_place() -> None:
    panels, open_now, pressed = PanelTurns(people_every_s=20.0), "", []
    for now in range(60):
        button = panels.press(float(now), people=open_now == "people", chat=open_now == "chat")
        if button is not None:
            open_now = "people" if button == "roster_button" else "chat"
            pressed.append((now, open_now))
    assert [what for _, what in pressed] == ["people", "chat"] * 3
    times = [now for now, _ in pressed]
    assert all(20 <= later - now <= 26 for now, later in zip(times[::2], times[2::2], strict=False))
    assert all(chat - people <= 5 for people, chat in zip(times[::2], times[1::2], strict=True))


def test_a_button_that_opens_nothing_known_is_left_alone() -> None:
    panels = PanelTurns(people_every_s=20.0)
    pressed = [b for now in range(200) if (b := panels.press(float(now), people=False, chat=False))]
    assert pressed.count("roster_button") == 3
    assert pressed.count("chat_button") == 3


def test_nothing_is_pressed_while_both_are_shown_or_somebody_writes() -> None:
    panels = PanelTurns()
    assert not any(panels.press(float(t), people=True, chat=True) for t in range(100))
    panels.keep_chat(100.0)
    assert panels.press(105.0, people=False, chat=True) is None

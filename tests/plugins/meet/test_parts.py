"""What needs no page: links, names, the service's own records, people, chat, whose a voice is."""

from __future__ import annotations

import base64
import gzip
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore import Capability, MeetingLink, NameSource
from meetcore_meet.caption_lines import CaptionLines
from meetcore_meet.chat import ChatMerge
from meetcore_meet.joiner import MeetJoiner
from meetcore_meet.meeting_space import (
    SpaceCaption,
    SpaceMessage,
    SpacePerson,
    SpaceStream,
    flagged_as_bot,
    read_captions,
    read_collections,
    read_speakers,
    read_sync,
)
from meetcore_meet.names import clean_name, is_presentation
from meetcore_meet.options import MeetOptions
from meetcore_meet.people import BELIEVED_S, MeetPeople
from meetcore_meet.platform import MeetPlatform
from meetcore_meet.protobuf import read_fields, walk
from meetcore_meet.slots import SlotOwners
from tests.plugins.meet.visits import PACK, device

# --- links ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "native_id"),
    [
        ("https://meet.google.com/abc-defg-hij", "abc-defg-hij"),
        ("https://meet.google.com/ABC-DEFG-HIJ?pli=1", "abc-defg-hij"),
        ("meet.google.com/abc-defg-hij", "abc-defg-hij"),
        ("abc-defg-hij", "abc-defg-hij"),
        ("Join: https://meet.google.com/abc-defg-hij.", "abc-defg-hij"),
        ("https://meet.google.com/team-standup", "team-standup"),
        ("https://meet.google.com/", None),
        ("https://meet.google.com/lookup/abcdefg", None),
        ("https://meet.google.com.evil.example/abc-defg-hij", None),
        ("https://meets.google.com/abc-defg-hij", None),
        ("abc-def-ghij", None),
        ("https://evil.example/?u=meet.google.com/abc-defg-hij", None),
        ("https://us02web.zoom.us/j/85001833920", None),
        ("https://teams.live.com/meet/9312345678901?p=x", None),
    ],
)
def test_a_text_means_a_meeting_or_does_not(text: str, native_id: str | None) -> None:
    link = MeetPlatform().parse(text)
    assert (None if link is None else link.native_id) == native_id


@pytest.mark.parametrize(
    ("url", "options", "address"),
    [
        ("https://meet.google.com/abc-defg-hij", {}, "https://meet.google.com/abc-defg-hij?hl=en"),
        (
            "https://meet.google.com/abc-defg-hij",
            {"locale": "de-DE", "origin": "http://127.0.0.1:8/"},
            "http://127.0.0.1:8/abc-defg-hij?hl=de",
        ),
        (
            "https://meet.google.com/abc-defg-hij?authuser=1&hl=fr&pli=1",
            {},
            "https://meet.google.com/abc-defg-hij?authuser=1&hl=fr",
        ),
    ],
)
def test_the_language_is_asked_for_unless_the_link_does(
    url: str, options: dict[str, Any], address: str
) -> None:
    link = MeetingLink(platform="google_meet", native_id="abc-defg-hij", url=url)
    assert MeetJoiner(MeetOptions(**options), PACK).address(link) == address


def test_the_platform_says_what_it_can() -> None:
    assert MeetPlatform.capabilities == {
        Capability.SEND_CHAT,
        Capability.READ_CHAT,
        Capability.CAPTIONS,
        Capability.SPEAK,
        Capability.SHOW_IMAGE,
        Capability.SHOW_PAGE,
        Capability.SHARE_SCREEN,
        Capability.VIDEO,
        Capability.SCREENSHOT,
        Capability.LOOK_IN,
    }


# --- names ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ada Berg", "Ada Berg"),
        ("Ada Berg (You)", "Ada Berg"),
        ("Ada Berg(Sie)", "Ada Berg"),
        ("Ada BergMeeting host", "Ada Berg"),
        ("Ada Berg Meeting host mic_off", "Ada Berg"),
        ("Ada BergVisitordomain_disabled", "Ada Berg"),
        ("Ada Berg (Presentation)", "Ada Berg"),
        # Who is called like a badge keeps the name.
        ("Visitor", "Visitor"),
        ("Anna External", "Anna External"),
        ("Ada (London)", "Ada (London)"),
        ("You", "You"),
        ("Zoë\u200b  O’Hara\u200e", "Zoë O’Hara"),
        ("👨‍👩‍👧", "👨‍👩‍👧"),
        ("Google Participant (spaces/x)", ""),
        ("spaces/x/devices/1", ""),
        ("You can’t remove this participant", ""),
        ("Let participants share their screen", ""),
        ("", ""),
    ],
)
def test_badges_are_no_part_of_a_name(text: str, name: str) -> None:
    assert clean_name(text) == name


@given(st.text(max_size=60))
def test_a_cleaned_name_is_clean(text: str) -> None:
    once = clean_name(text)
    assert clean_name(once) == once
    assert len(once) <= len(text) * 3


def test_a_presentation_is_told_from_a_person() -> None:
    assert is_presentation("Ada (Presentation)")
    assert is_presentation("Ada (Präsentation) ")
    assert not is_presentation("Ada Presentation")


# --- the service's records ------------------------------------------------------------------


def varint(number: int) -> bytes:
    out = bytearray()
    while True:
        low, number = number & 0x7F, number >> 7
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def message(*fields: tuple[int, Any]) -> bytes:
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            raw = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(raw)) + raw
    return out


ADA, BEN = device("ada"), device("ben")
USERS = (
    (1, message((1, ADA), (2, "Ada Berg"), (4, 1), (7, 1), (29, "Ada"), (34, 1))),
    (2, message((1, BEN), (2, "Ben"), (4, 6))),
    (2, message((1, device("scr")), (2, "Ada"), (4, 1), (21, ADA))),
)


@pytest.mark.parametrize("depth", [0, 1, 4])
def test_records_are_found_at_any_depth(depth: int) -> None:
    media = message((2, 1), (4, 7001), (6, ADA), (10, message((1, 0))))
    video = message((2, 2), (4, 7002), (6, ADA))
    said = message((1, "m/1"), (2, BEN), (3, 1700000000), (5, message((1, "hello"))))
    data = message((3, message((2, media), (2, video))), (13, message(*USERS, (4, said))))
    for _ in range(depth):
        data = message((2, data), (9, 12345))
    update = read_collections(zlib.compress(data))
    assert update.people == (
        SpacePerson(ADA, "Ada", True, True, True),
        SpacePerson(BEN, "Ben", False),
        SpacePerson(device("scr"), "Ada", True, parent=ADA),
    )
    assert update.streams == (SpaceStream(7001, ADA),)
    assert update.messages == (SpaceMessage("m/1", BEN, "hello"),)
    assert update.muted == ((ADA, False),)


@pytest.mark.parametrize(
    ("record", "muted"),
    [
        (message((2, 1), (4, 1), (6, ADA), (10, message((1, 1)))), {ADA: True}),
        (message((2, 1), (6, ADA), (10, message((1, 1)))), {ADA: True}),
        (message((2, 1), (4, 1), (6, ADA), (10, b"")), {ADA: False}),
        (message((2, 1), (4, 1), (6, ADA)), {}),
        (message((2, 2), (4, 1), (6, ADA), (10, message((1, 1)))), {}),
        (message((4, 1), (6, ADA), (10, message((1, 1)))), {}),
    ],
)
def test_a_microphone_that_is_off_is_said_of_sound_alone(
    record: bytes, muted: dict[str, bool]
) -> None:
    assert dict(read_collections(zlib.compress(message((2, record)))).muted) == muted


def test_what_is_not_said_of_a_microphone_is_not_known() -> None:
    people = MeetPeople("Notes")
    people.tell([SpacePerson(ADA, "Ada", True), SpacePerson(BEN, "Ben", True)], 0.0)
    people.tell_muted([(ADA, True)])
    people.tell_muted([(ADA, False), (device("gone"), True)])
    listed = people.listed(1.0)
    assert isinstance(listed, list)
    assert {entry["name"]: entry["muted"] for entry in listed} == {"Ada": False, "Ben": None}


def test_the_list_of_everybody_comes_in_base64_of_either_kind() -> None:
    data = message((2, message(*((2, user) for _, user in USERS))))
    for text in (base64.b64encode(data), base64.urlsafe_b64encode(data).rstrip(b"=")):
        assert len(read_sync(text.decode()).people) == 3
    assert not read_sync("what is this? <html>")


def test_captions_speakers_and_the_mark_of_a_bot() -> None:
    line = message((1, ADA), (2, 5), (3, 2), (4, 1), (6, "let us begin"), (8, "en"))
    assert read_captions(message((1, line))) == (SpaceCaption(ADA, "5", "let us begin", True),)
    speaks = message((4, ADA), (8, 99), (9, message((1, 5), (2, 1))))
    silent = message((4, BEN), (9, message((1, 5))))
    outer = message((1, 3), (2, gzip.compress(message((3, message((7, speaks), (7, silent)))))))
    assert read_speakers(outer) == {ADA: True, BEN: False}
    flag = base64.b64encode(message((1, message((36, 1), (2, "x"))))).decode()
    assert flagged_as_bot(flag)
    assert not flagged_as_bot(base64.b64encode(message((1, message((35, 1))))).decode())


@given(st.binary(max_size=300))
def test_what_nobody_wrote_is_read_as_nothing_and_raises_nothing(data: bytes) -> None:
    for read in (read_collections, read_captions, read_speakers):
        read(data)
        read(zlib.compress(data))
    read_sync(data.decode("latin-1"))
    read_fields(data)
    assert len(list(walk(data))) <= 20_000


# --- people ---------------------------------------------------------------------------------


def names(listed: Any) -> dict[str, str]:
    return {entry["id"]: entry["name"] for entry in listed}


def shown(*people: tuple[str, str, bool]) -> list[dict[str, Any]]:
    return [{"id": device(p), "name": name, "self": own, "host": False} for p, name, own in people]


def test_the_services_word_counts_as_long_as_it_speaks() -> None:
    people = MeetPeople("Notes")
    assert people.listed(0.0) is None
    people.show(shown(("bot", "Notes", True), ("ada", "Ada", False)), 1.0)
    assert names(people.listed(1.0)) == {device("bot"): "Notes", ADA: "Ada"}
    told = [SpacePerson(device("bot"), "Notes", True), SpacePerson(BEN, "Ben", True)]
    people.tell([*told, SpacePerson(ADA, "Ada Berg", True)], 2.0)
    # A tile is gone: nobody left by that.
    people.show(shown(("bot", "Notes", True)), 3.0)
    assert set(names(people.listed(3.0))) == {device("bot"), ADA, BEN}
    # Somebody new is on the page first, and who is told to be out is out.
    people.show(shown(("bot", "Notes", True), ("eve", "Eve", False), ("ben", "Ben", False)), 4.0)
    people.tell([SpacePerson(BEN, "", False)], 4.0)
    assert set(names(people.listed(4.0))) == {device("bot"), ADA, device("eve")}
    # The whole list lacks Ada.
    people.tell(told[:1], 60.0, whole=True)
    assert set(names(people.listed(60.0))) == {device("bot"), device("eve")}
    # The service has not spoken for long: the page alone is believed.
    late = 61.0 + BELIEVED_S
    assert set(names(people.listed(late))) == {device("bot"), device("eve"), BEN}


def test_the_bot_is_who_is_marked_or_alone_has_its_name() -> None:
    people = MeetPeople("Notes")
    people.tell([SpacePerson(ADA, "Notes", True), SpacePerson(BEN, "Notes", True)], 0.0)
    assert people.self_id(0.0) is None
    people.show([{"id": BEN, "name": "Notes", "self": True}], 0.0)
    assert people.self_id(0.0) == BEN
    people.tell([SpacePerson(ADA, "Notes", True, is_self=True)], 0.0)
    assert people.self_id(0.0) == ADA


def test_a_device_is_one_though_page_and_service_write_its_id_otherwise() -> None:
    people = MeetPeople("Notes")
    people.tell([SpacePerson("devices/1", "Notes", True), SpacePerson("devices/2", "A", True)], 0)
    people.show(
        [
            {"id": "spaces/x/devices/1", "name": "Notes", "self": True},
            {"id": "spaces/x/devices/2", "name": "A"},
            {"id": "spaces/x/devices/3", "name": "New"},
        ],
        0.0,
    )
    assert names(people.listed(0.0)) == {
        "devices/1": "Notes",
        "devices/2": "A",
        "spaces/x/devices/3": "New",
    }
    assert people.self_id(0.0) == "devices/1"
    # Ids of another kind altogether: nobody becomes two.
    people.show([{"id": "x:1", "name": "Notes"}, {"id": "x:2", "name": "A"}], 1.0)
    assert set(names(people.listed(1.0))) == {"devices/1", "devices/2"}


def test_a_page_that_shows_only_some_is_told_as_such() -> None:
    people = MeetPeople("Notes")
    people.show({"error": "2 of 5 people have a tile"}, 0.0)
    assert people.listed(0.0) == {"error": "2 of 5 people have a tile"}
    assert people.crowded(0.0)
    people.show(shown(("bot", "Notes", True), ("ada", "Ada", False)), 1.0)
    people.show({"error": "1 of 2 people have a tile"}, 2.0)
    assert set(names(people.listed(2.0))) == {device("bot"), ADA}
    assert people.listed(100.0) == {"error": "1 of 2 people have a tile"}


def test_a_message_that_comes_by_two_ways_is_told_once() -> None:
    chats = ChatMerge()
    told = [
        chats.is_new(way, number, "Ben O’Hara", text)
        for way, number, text in [
            ("service", "1", "ok"),
            ("page", "m1", "ok"),
            ("page", "m1", "ok"),
            ("page", "m2", "ok"),
            ("service", "2", "ok"),
            ("service", "3", "don’t"),
            ("page", "m3", "don't"),
        ]
    ]
    assert told == [True, False, False, True, False, True, False]


# --- whose a voice is -----------------------------------------------------------------------


def at(owners: dict[float, str | None], at_s: float) -> str | None:
    before = [since for since in owners if since <= at_s]
    return owners[max(before)] if before else None


def timeline(signals: list[Any], track_id: str = "t1") -> dict[float, str | None]:
    found: dict[float, str | None] = {}
    for signal in signals:
        if signal.track_id == track_id:
            found[signal.since_s] = signal.participant_id
    return found


def test_sources_are_named_when_the_list_of_streams_comes_late() -> None:
    owners = SlotOwners()
    told = owners.heard("t1", 7001, 1.0, active=True)
    assert [s.participant_id for s in told] == [None]
    told += owners.heard("t1", 7001, 3.0, active=False)
    told += owners.heard("t1", 7002, 4.0, active=True)
    told += owners.streams({7001: ADA, 7002: BEN})
    owned = timeline(told)
    assert (at(owned, 2.0), at(owned, 5.0)) == (ADA, BEN)
    assert told[-1].source is NameSource.CONTRIBUTING_SOURCE
    # Told again, it says nothing new; corrected, only what it concerns is told.
    assert owners.streams({7001: ADA}) == []
    corrected = owners.streams({7002: None})
    assert [(s.since_s, s.participant_id) for s in corrected] == [(4.0, None)]


def test_two_voices_on_one_track_are_nobodys_a_change_of_speakers_is_not() -> None:
    owners = SlotOwners()
    owners.streams({1: ADA, 2: BEN})
    told = owners.heard("t1", 1, 1.0, active=True)
    told += owners.heard("t1", 2, 3.0, active=True)
    told += owners.heard("t1", 1, 3.3, active=False)
    owned = timeline(told)
    assert (at(owned, 2.0), at(owned, 3.1), at(owned, 4.0)) == (ADA, BEN, BEN)
    told += owners.heard("t1", 1, 6.0, active=True)
    told += owners.heard("t1", 2, 8.0, active=False)
    owned = timeline(told)
    assert (at(owned, 5.0), at(owned, 7.0), at(owned, 9.0)) == (BEN, None, ADA)


def test_who_alone_was_shown_while_one_alone_was_heard_is_who_spoke() -> None:
    owners = SlotOwners()
    told = owners.heard("t1", 1, 1.0, active=True)
    told += owners.speaking([ADA], 1.1)
    told += owners.speaking([], 2.6)
    told += owners.heard("t1", 1, 2.7, active=False)
    assert told[-1].participant_id == ADA
    assert told[-1].source is NameSource.ACTIVE_SPEAKER
    # Another is shown as often with that source: it is nobody's again.
    told += owners.heard("t1", 1, 10.0, active=True)
    told += owners.speaking([BEN], 10.0)
    told += owners.speaking([], 11.6)
    told += owners.heard("t1", 1, 11.6, active=False)
    assert at(timeline(told), 11.0) is None
    # The service's own word settles it.
    told += owners.streams({1: BEN})
    assert (at(timeline(told), 1.5), at(timeline(told), 11.0)) == (BEN, BEN)


def test_without_numbers_each_stretch_is_learned_by_itself() -> None:
    owners = SlotOwners()
    told = []
    for start, person in ((1.0, ADA), (5.0, BEN), (9.0, None)):
        told += owners.heard("t1", None, start, active=True)
        told += owners.speaking([] if person is None else [person], start + 0.1)
        told += owners.speaking([], start + 1.9)
        told += owners.heard("t1", None, start + 2.0, active=False)
    owned = timeline(told)
    assert (at(owned, 2.0), at(owned, 6.0), at(owned, 10.0)) == (ADA, BEN, None)


def test_captions_name_a_voice_only_when_nobody_else_was_heard() -> None:
    owners = SlotOwners()
    told = owners.heard("t1", 1, 1.0, active=True)
    for at_s in (2.0, 2.5, 3.0):
        told += owners.caption(ADA, at_s)
    assert (told[-1].participant_id, told[-1].source) == (ADA, NameSource.CAPTION)
    told += owners.heard("t2", 2, 3.5, active=True)
    for at_s in (4.0, 4.5, 5.0):
        told += owners.caption(BEN, at_s)
    assert at(timeline(told, "t2"), 5.0) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["t1", "t2"]),
            st.sampled_from([1, 2, None]),
            st.integers(0, 40),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_what_is_told_of_a_track_is_never_another_at_the_same_time(
    steps: list[tuple[str, int | None, int, bool]],
) -> None:
    owners = SlotOwners()
    owners.streams({1: ADA, 2: BEN})
    told: dict[tuple[str, float], Any] = {}
    now = 0.0
    for track_id, source, wait, active in steps:
        now += wait / 10
        for signal in owners.heard(track_id, source, now, active=active):
            assert signal.since_s is not None
            assert signal.since_s <= now
            assert told.get((track_id, signal.since_s)) != signal
            told[signal.track_id, signal.since_s] = signal


def test_a_line_of_captions_that_the_page_showed_first_goes_on_under_its_key() -> None:
    lines = CaptionLines()
    lines.show("Ben", "page-1", "Let us")
    lines.show("Ada", "page-2", "Good morning.")
    assert lines.key_of(BEN, "Ben", "5", "let us begin") == "page-1"
    assert lines.key_of(BEN, "Ben", "5", "let us begin now") == "page-1"
    assert lines.key_of(BEN, "Ben", "6", "let us begin") == "6", "that is another line"
    assert lines.key_of(ADA, "Ada", "5", "well then") == "5", "she says something else"
    assert lines.key_of("spaces/x/devices/3", "Cem", "5", "hello") == "5"

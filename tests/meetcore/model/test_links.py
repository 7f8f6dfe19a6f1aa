"""One grammar for the links of the big platforms: which meeting they mean, and what is none."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meetcore.model.links import NoLinkFromId, build_link, known_id, read_link

THREAD = "19:meeting_ABC-x_1@thread.v2"
JOIN = "/l/meetup-join/19%3ameeting_ABC-x_1%40thread.v2/0"
CONTEXT = "?context=%7b%22Tid%22%3a%22t%22%2c%22Oid%22%3a%22o%22%7d"
TEAMS = "https://teams.microsoft.com"


def coords(**said: str) -> str:
    return quote(base64.b64encode(json.dumps(said).encode()).decode(), safe="")


MEETINGS = [
    # Google Meet
    ("https://meet.google.com/abc-defg-hij", "google_meet", "abc-defg-hij", None),
    ("http://meet.google.com/abc-defg-hij", "google_meet", "abc-defg-hij", None),
    ("https://meet.google.com:443/abc-defg-hij/", "google_meet", "abc-defg-hij", None),
    ("https://meet.google.com/abc-defg-hij?authuser=0", "google_meet", "abc-defg-hij", None),
    ("https://meet.google.com/ABC-DEFG-HIJ?pli=1", "google_meet", "abc-defg-hij", None),
    ("https://Meet.Google.Com/Abc-Defg-Hij", "google_meet", "abc-defg-hij", None),
    ("meet.google.com/abc-defg-hij", "google_meet", "abc-defg-hij", None),
    ("abc-defg-hij", "google_meet", "abc-defg-hij", None),
    ("https://meet.google.com/team-standup", "google_meet", "team-standup", None),
    ('"Join: https://meet.google.com/abc-defg-hij."', "google_meet", "abc-defg-hij", None),
    ("<https://meet.google.com/abc-defg-hij>", "google_meet", "abc-defg-hij", None),
    ("https%3A%2F%2Fmeet.google.com%2Fabc-defg-hij", "google_meet", "abc-defg-hij", None),
    ("https%253A%252F%252Fmeet.google.com%252Fabc-defg-hij", "google_meet", "abc-defg-hij", None),
    ("https://www.google.com/url?q=https://meet.google.com/abc-defg-hij&sa=D", "google_meet",
     "abc-defg-hij", None),
    ("ABC-DEFG-HIJ", "google_meet", "abc-defg-hij", None),
    ("会議：https://meet.google.com/abc-defg-hij。", "google_meet", "abc-defg-hij", None),
    # In what mail programs make of an invitation
    ("Join the meeting now<https://teams.microsoft.com/meet/1234567890123?p=aB3>", "teams",
     "1234567890123", "aB3"),
    ("Join:https://zoom.us/j/1234567890?pwd=AbC123.1。", "zoom", "1234567890", "AbC123.1"),
    ("[Join](https://zoom.us/j/1234567890?pwd=abc)", "zoom", "1234567890", "abc"),
    (f"Join: {TEAMS}/meet/1234567890123?p=aB3 System reference<{TEAMS}{JOIN}{CONTEXT}>", "teams",
     "1234567890123", "aB3"),
    ("https://zoom.us/j/1234567890 Passcode: 4*=8(a,b", "zoom", "1234567890", "4*=8(a,b"),
    ("https://zoom.us/j/1234567890 (Passcode: 'a)b').", "zoom", "1234567890", "a)b"),
    (f"{TEAMS}/meet/1234567890123 Kenncode: aB3cd.", "teams", "1234567890123", "aB3cd"),
    (f"{TEAMS}/meet/1234567890123 Código de acceso: aB3cd", "teams", "1234567890123", "aB3cd"),
    (f"{TEAMS}/meet/1234567890123 パスコード：aB3cd。", "teams", "1234567890123", "aB3cd"),
    (f"{TEAMS}/light-meetings/launch?coords="
     + coords(meetingUrl=f"{TEAMS}/meet/1234567890123", passcode="aB3"), "teams", "1234567890123",
     "aB3"),
    # Zoom
    ("https://zoom.us/j/1234567890?pwd=abcdef", "zoom", "1234567890", "abcdef"),
    ("https://us02web.zoom.us/j/85001833920?pwd=AbC123.1", "zoom", "85001833920", "AbC123.1"),
    ("https://us06web.zoom.us/j/88240852079 (Passcode: 584706)", "zoom", "88240852079", "584706"),
    ("https://app.zoom.us/wc/84335626851/join?pwd=abc", "zoom", "84335626851", "abc"),
    ("https://us05web.zoom.us/wc/join/84335626851", "zoom", "84335626851", None),
    ("https://acme.zoom.us/w/98832106351?tk=TOKEN", "zoom", "98832106351", None),
    ("https://zoom.us/w/98765432101?pwd=abc", "zoom", "98765432101", "abc"),
    ("https://zoom.us/s/98765432101", "zoom", "98765432101", None),
    ("https://zoom.com/j/123456789", "zoom", "123456789", None),
    ("https://agency.zoomgov.com/j/1612345678", "zoom", "1612345678", None),
    ("zoom.us/j/123-456-7890", "zoom", "1234567890", None),
    ("https://zoom.us/j/843%203562%206851", "zoom", "84335626851", None),
    ("https://zoom.us/j/1234567890?pwd%3Dabc", "zoom", "1234567890", "abc"),
    ("https://zoom.us/j/1234567890?from=x&pwd%3Dabc", "zoom", "1234567890", "abc"),
    ("https://zoom.us/j/1234567890?pwd%3da%26b%3Dc&from=x", "zoom", "1234567890", "a&b=c"),
    ("https://zoom.us/j/1234567890?from=x&pwd=a%3Db", "zoom", "1234567890", "a=b"),
    ("843 3562 6851", "zoom", "84335626851", None),
    # Teams
    (TEAMS + JOIN + CONTEXT, "teams", THREAD, None),
    (TEAMS + "/l/meetup-join/19:meeting_ABC-x_1@thread.v2/0", "teams", THREAD, None),
    (TEAMS + JOIN.replace("%", "%25") + CONTEXT, "teams", THREAD, None),
    (TEAMS + "/meet/1234567890123?p=AbCdEf", "teams", "1234567890123", "AbCdEf"),
    ("https://teams.live.com/meet/9312345678901?p=XyZ123", "teams", "9312345678901", "XyZ123"),
    (TEAMS + "/v2/?meetingjoin=true#/meet/33749853217630?p=x", "teams", "33749853217630", "x"),
    (TEAMS + "/v2/?meetingjoin=true#" + JOIN + CONTEXT + "&anon=true", "teams", THREAD, None),
    (TEAMS + "/_#" + JOIN + CONTEXT, "teams", THREAD, None),
    (TEAMS + "/dl/launcher/launcher.html?url=%2F_%23%2Fmeet%2F1234567890123%3Fp%3DAbC&type=meet",
     "teams", "1234567890123", "AbC"),
    (TEAMS + "/dl/launcher/launcher.html?url=" + quote("/_#" + JOIN + CONTEXT, safe=""),
     "teams", THREAD, None),
    ("https://gov.teams.microsoft.us" + JOIN + CONTEXT, "teams", THREAD, None),
    ("https://dod.teams.microsoft.us/meet/1234567890123", "teams", "1234567890123", None),
    ("https://teams.cloud.microsoft/meet/1234567890123?p=a", "teams", "1234567890123", "a"),
    (TEAMS + "/light-meetings/launch?agent=web&coords=" + coords(
        conversationId=THREAD, tenantId="t", organizerId="o", messageId="0"),
     "teams", THREAD, None),
    (TEAMS + "/light-meetings/launch?coords=" + coords(
        meetingUrl=TEAMS + "/meet/1234567890123?p=AbC"), "teams", "1234567890123", "AbC"),
    (TEAMS + "/light-meetings/launch?coords=" + coords(meetingCode="1234567890123", passcode="q"),
     "teams", "1234567890123", "q"),
    ("https://eur01.safelinks.protection.outlook.com/?url="
     + quote(TEAMS + JOIN + CONTEXT, safe="") + "&data=05%7C02", "teams", THREAD, None),
    ("https://statics.teams.cdn.office.net/evergreen-assets/safelinks/1/atp-safelinks.html?url="
     + quote(TEAMS + "/meet/1234567890123?p=x", safe=""), "teams", "1234567890123", "x"),
]  # fmt: skip

NONE = [
    "",
    "not a link",
    "not-a-url",
    "https://meet.google.com/",
    "https://meet.google.com/new",
    "https://meet.google.com/landing",
    "https://meet.google.com/lookup/abcdefg",
    "https://meet.google.com/abc",
    "https://meet.google.com/abc-def-ghij",
    "https://meet.google.com/abc-defg-hij/more",
    "https://meet.google.com.evil.example/abc-defg-hij",
    "https://meets.google.com/abc-defg-hij",
    "https://evil.example/?u=meet.google.com/abc-defg-hij",
    "https://evil.example/?u=https://meet.google.com/abc-defg-hij",
    "evil.example/?u=https://meet.google.com/abc-defg-hij",
    "https://evil.example/#https://meet.google.com/abc-defg-hij",
    "user@evil.example/https://meet.google.com/abc-defg-hij",
    f"{TEAMS}/meet/1234567890123 {TEAMS}/meet/1234567890124 {TEAMS}{JOIN}",
    f"https://zoom.us/j/1234567890 {TEAMS}{JOIN}",
    "https://meet.google.com@evil.example/abc-defg-hij",
    "https://evil.example@meet.google.com/abc-defg-hij",
    "https://evil.example\\@meet.google.com/abc-defg-hij",
    "https://meet.google.com\\.evil.example/abc-defg-hij",
    "https://ｍeet.google.com/abc-defg-hij",
    "https://meet.google.com:8443/abc-defg-hij",
    "https://meet.google.com:99999999/abc-defg-hij",
    "ftp://meet.google.com/abc-defg-hij",
    "javascript://meet.google.com/abc-defg-hij",
    "https://meet.google.com/abc-defg-hij https://meet.google.com/xyz-abcd-efg",
    "https://us02web.zoom.us/j/",
    "https://zoom.us/j/12345",
    "https://zoom.us/j/abc",
    "https://zoom.us/j/abcdefghij",
    "https://zoom.us/j/١٢٣٤٥٦٧٨٩",
    "https://zoom.us/j/123456789012",
    "https://zoom.us/profile",
    "https://zoom.us/my/jane",
    "https://events.zoom.us/ejl/abc",
    "https://ev.zoom.com/123456789",
    "https://notzoom.us.example/j/1234567890",
    "https://evilzoom.us/j/1234567890",
    "https://zoom.us.evil.example/j/1234567890",
    "1234567890",
    "https://not-teams.com/meeting",
    "https://teams.zoom.us/j/123456",
    "https://teams.live.com/abc",
    "https://teams.microsoft.com/123",
    "https://teams.microsoft.com/meet/123",
    "https://teams.microsoft.com.evil.example/meet/1234567890",
    "https://teams.microsoft.us.evil.example/meet/1234567890",
    "https://evilteams.microsoft.us/meet/1234567890",
    "https://teams.microsoft.com/l/meetup-join/19%3ax/0",
    "https://teams.microsoft.com/l/meetup-join/cdf9aa8702726f1f/0",
    "https://teams.microsoft.com/dl/launcher/launcher.html?url=https://evil.example",
    "https://teams.microsoft.com/light-meetings/launch?coords=!!!",
    "https://teams.microsoft.com/light-meetings/launch?coords="
    + coords(meetingUrl="https://evil.example/meet/1234567890"),
    "https://safelinks.protection.outlook.com.evil.example/?url=https://zoom.us/j/123456789",
    "https://example.org/abc-defg-hij",
]


@pytest.mark.parametrize(("text", "platform", "native_id", "passcode"), MEETINGS)
def test_every_form_people_send_is_one_meeting(text, platform, native_id, passcode):
    link = read_link(text)
    assert link is not None
    assert (link.platform, link.native_id, link.passcode) == (platform, native_id, passcode)
    assert "?" not in link.public_url
    again = read_link(link.url)
    assert again is not None
    assert (again.platform, again.native_id) == (platform, native_id)


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_meeting_or_only_looks_like_one_is_none(text):
    assert read_link(text) is None


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://acme.zoom.us/w/98832106351?tk=TOKEN",
         "https://acme.zoom.us/w/98832106351?tk=TOKEN"),
        ("https://us02web.zoom.us/j/85001833920?pwd=A.1&x=y",
         "https://us02web.zoom.us/j/85001833920?pwd=A.1"),
        ("https://zoom.com/j/123456789", "https://zoom.us/j/123456789"),
        ("https://meet.google.com/abc-defg-hij?authuser=1&hl=de&pli=1",
         "https://meet.google.com/abc-defg-hij?authuser=1"),
        ("https://meet.google.com/abc-defg-hij?authuser=x%26y",
         "https://meet.google.com/abc-defg-hij"),
        ("https://agency.zoomgov.com/j/1612345678", "https://agency.zoomgov.com/j/1612345678"),
        ("https://teams.live.com/meet/9312345678901?p=X",
         "https://teams.live.com/meet/9312345678901?p=X"),
        (TEAMS + "/v2/?meetingjoin=true#/meet/33749853217630?p=x",
         TEAMS + "/meet/33749853217630?p=x"),
        ("https://gov.teams.microsoft.us/meet/1234567890123",
         "https://gov.teams.microsoft.us/meet/1234567890123"),
    ],
)  # fmt: skip
def test_hosts_and_what_a_meeting_needs_stay_and_nothing_else(text, url):
    link = read_link(text)
    assert link is not None
    assert link.url == url


def test_the_context_of_a_teams_link_goes_on():
    link = read_link(TEAMS + JOIN + CONTEXT)
    assert link is not None
    assert "%22Tid%22%3A%22t%22" in link.url


@given(st.text(max_size=80))
def test_reading_never_raises(text):
    read_link(text)
    for head in ("https://meet.google.com/", "https://zoom.us/j/", "https://teams.live.com/meet/"):
        read_link(head + text)
    read_link(f"{TEAMS}/light-meetings/launch?coords={text}")
    read_link(f"{TEAMS}/v2/#/{text}")


IDS = st.one_of(
    st.tuples(st.just("google_meet"), st.from_regex(r"\A[A-Za-z]{3}-[A-Za-z]{4}-[a-z]{3}\Z")),
    st.tuples(st.just("zoom"), st.from_regex(r"\A[0-9]{9,11}\Z")),
    st.tuples(st.just("teams"), st.from_regex(r"\A[0-9]{10,15}\Z")),
)
HOSTS = st.sampled_from(["teams.live.com", "teams.microsoft.com", "dod.teams.microsoft.us"])


@example(("zoom", "98765432101"), ".", "teams.live.com")
@example(("zoom", "98765432101"), "s3cr3t...", "teams.live.com")
@given(IDS, st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1), HOSTS)
def test_a_link_that_is_built_is_read_as_the_meeting_it_was_built_for(where, passcode, host):
    platform, native_id = where
    built = build_link(platform, native_id, passcode, host=host)
    read = read_link(built.url)
    assert read is not None
    assert (read.platform, read.native_id) == (platform, known_id(platform, native_id))
    assert read.passcode == (None if platform == "google_meet" else passcode)
    assert platform != "teams" or f"//{host}/" in built.url


@pytest.mark.parametrize(
    ("platform", "native_id"),
    [
        ("teams", "cdf9aa8702726f1f"),
        ("teams", THREAD),
        ("teams", "12345"),
        ("zoom", "abc"),
        ("google_meet", "new"),
        ("google_meet", "../evil"),
        ("jitsi", "room"),
        ("", "abc-defg-hij"),
    ],
)
def test_no_link_is_built_from_an_id_from_which_none_can_be(platform, native_id):
    with pytest.raises(NoLinkFromId, match="No link can be made"):
        build_link(platform, native_id)


def test_no_link_is_built_on_a_host_where_no_meetings_are():
    with pytest.raises(NoLinkFromId):
        build_link("teams", "1234567890123", host="evil.example")


def test_an_id_has_one_form():
    assert known_id("teams", "19%3ameeting_ABC-x_1%40thread.v2") == THREAD
    assert known_id("teams", "19%253Ameeting_ABC-x_1%2540thread.v2") == THREAD
    assert known_id("teams", "cdf9aa8702726f1f") == "cdf9aa8702726f1f"
    assert known_id("google_meet", "Abc-Defg-Hij") == "abc-defg-hij"
    assert known_id("zoom", "843 3562 6851") == "84335626851"
    assert known_id("rehearsal", "mc-Blue") == "mc-Blue"

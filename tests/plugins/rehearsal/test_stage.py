"""The stage: any platform's link is read as that platform writes it, and plays a script."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

import meetcore
from meetcore_rehearsal.errors import UnknownScript
from meetcore_rehearsal.platform import RehearsalPlatform
from meetcore_rehearsal.scripts import bundled_scripts
from meetcore_rehearsal.stage import RehearsalStage, StageOptions, read_any_link


@pytest.mark.parametrize(
    ("url", "platform", "native_id", "passcode"),
    [
        ("https://meet.google.com/abc-defg-hij", "google_meet", "abc-defg-hij", None),
        ("https://meet.google.com/abc-defg-hij?authuser=1", "google_meet", "abc-defg-hij", None),
        ("https://zoom.us/j/12345678901?pwd=s3cret", "zoom", "12345678901", "s3cret"),
        ("https://us05web.zoom.us/j/12345678901", "zoom", "12345678901", None),
        ("https://teams.live.com/meet/9387167464734?p=qxJan", "teams", "9387167464734", "qxJan"),
        ("https://teams.microsoft.com/l/meetup-join/19%3Ax@thread.v2/0", "teams", "19:x@thread.v2",
         None),
        ("http://127.0.0.1:8765/r/mc-blue-door", "rehearsal", "mc-blue-door", None),
    ],
)  # fmt: skip
def test_a_link_is_read_as_its_platform_writes_it(url, platform, native_id, passcode):
    link = read_any_link(url)
    assert link is not None
    assert (link.platform, link.native_id, link.passcode) == (platform, native_id, passcode)
    assert "s3cret" not in link.public_url
    assert "qxJan" not in link.public_url


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/abc-defg-hij",
        "https://evilzoom.us/j/1",
        "ftp://meet.google.com/abc-defg-hij",
        "https://meet.google.com/",
        "https://meet.google.com/new",
        "https://zoom.us/profile",
        "https://zoom.us/j/abc",
        "https://meet.google.com:99999999/abc",
        "not a link",
        "",
    ],
)
def test_what_is_no_meeting_is_no_meeting(url):
    assert read_any_link(url) is None


@given(st.text(max_size=60))
def test_reading_never_raises(text):
    read_any_link(text)
    read_any_link(f"https://meet.google.com/{text}")


def test_the_stage_takes_links_only_where_it_is_switched_on():
    url = "https://meet.google.com/abc-defg-hij"
    assert RehearsalStage().parse(url) is None
    assert RehearsalStage(StageOptions(enabled=True)).parse(url) is not None
    plugins = meetcore.Plugins(only=["rehearsal"])
    with pytest.raises(meetcore.UnknownMeetingUrl):
        plugins.platform_for(url, meetcore.BotConfig())


def test_what_a_rehearsal_can_do_its_stage_can_do():
    assert RehearsalStage.capabilities == RehearsalPlatform.capabilities != frozenset()


def test_the_script_is_chosen_by_the_meeting_or_for_all(tmp_path):
    mine, other = str(tmp_path / "mine.toml"), str(tmp_path / "other.toml")
    for path in (mine, other):
        shutil.copy(bundled_scripts()["planning"], path)
    stage = RehearsalStage(StageOptions(enabled=True, script=mine, scripts={"abc-defg-hij": other}))
    assert stage.script_for("abc-defg-hij") == other
    assert stage.script_for("planning") == "planning"
    assert stage.script_for("xyz-abcd-efg") == mine


def test_a_script_that_is_not_there_is_refused_where_the_stage_is_used():
    StageOptions(script="nowhere")
    for options in ({"script": "nowhere"}, {"scripts": {"abc-defg-hij": "nowhere.toml"}}):
        with pytest.raises(UnknownScript, match="nowhere"):
            StageOptions(enabled=True, **options)

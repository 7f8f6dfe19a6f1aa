"""A transcript of the meeting's own captions, in a whole bot."""

from __future__ import annotations

import pytest

import meetcore
from meetcore.model.errors import ConfigError
from meetcore.model.roster import NameSource
from meetcore.model.signals import CaptionSeen, ParticipantAppeared
from meetcore.plugin.platform import Capability
from meetcore.testing import SimMeeting, run_simulated
from tests.meetcore.conftest import Stage, end_of, events_of, kinds

SCRIPT = """
title = "Captions"
[[people]]
id = "ada"
name = "Ada"
[[people]]
id = "bob"
name = "Bob"
[[lines]]
who = "ada"
at_s = 1.0
text = "Good morning everyone."
[[lines]]
who = "bob"
at_s = 5.0
text = "Hello Ada, how are you?"
[[lines]]
who = "ada"
at_s = 9.0
text = "Fine, thank you."
[end]
at_s = 10.5
"""


def captions_stage() -> Stage:
    return Stage(capabilities=[Capability.CAPTIONS])


def caption(text: str, *, key: str = "k", who: str | None = "ada", **more: object) -> CaptionSeen:
    return CaptionSeen(who, more.pop("name", "Ada"), text, key=key, **more)  # type: ignore[arg-type]


def finalized(bot: meetcore.Bot) -> list[meetcore.Segment]:
    return [event.segment for event in kinds(events_of(bot), meetcore.SegmentFinalized)]


def test_captions_alone_make_a_transcript_with_names(tmp_path):
    meeting = SimMeeting(SCRIPT, captions=True, sound=False)
    events = run_simulated(meeting, out_dir=tmp_path, transcriber="captions")
    said = [event.segment for event in kinds(events, meetcore.SegmentFinalized)]
    assert [(s.speaker_name, s.text) for s in said] == [
        ("Ada", "good morning everyone"),
        ("Bob", "hello ada how are you"),
        ("Ada", "fine thank you"),
    ]
    assert {(s.speaker_source, s.speaker_confidence) for s in said} == {(NameSource.CAPTION, 0.9)}
    assert [s.start_s for s in said] == sorted(s.start_s for s in said)
    assert not kinds(events, meetcore.CaptureDegraded), "nobody waits for sound"
    assert end_of(events).state == "completed"


async def test_a_caption_that_grows_is_shown_as_drafts(tmp_path, autojump_clock):
    meeting = SimMeeting(SCRIPT, captions=True)
    async with meeting.open_bot(tmp_path, transcriber="captions") as bot:
        items = [item async for item in bot.events(drafts=True)]
    drafts = [item.segment for item in items if isinstance(item, meetcore.SegmentDraft)]
    first = [draft.text for draft in drafts if draft.id == drafts[0].id]
    assert first == ["good", "good morning", "good morning everyone"]
    revisions = [draft.revision for draft in drafts if draft.id == drafts[0].id]
    assert revisions == sorted(set(revisions))


async def test_captions_are_not_asked_for_where_somebody_else_transcribes(tmp_path, autojump_clock):
    stage = captions_stage()
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        stage.events.observe(caption("Good morning"))
    assert not finalized(bot)
    assert not stage.request.captions


async def test_a_correction_is_another_revision_of_the_finalized_segment(tmp_path, autojump_clock):
    stage = captions_stage()
    async with stage.bot(tmp_path, transcriber="captions") as bot:
        assert stage.request.captions
        stage.admit()
        stage.join("ada")
        stage.events.observe(caption("I saw there dog", final=True))
        stage.events.observe(caption("I saw their dog", final=True))
        assert bot.transcript.text == "Ada: I saw their dog"
    before, after = finalized(bot)
    assert (before.id, before.text) == (after.id, "I saw there dog")
    assert after.revision > before.revision


async def test_what_is_said_in_a_pause_is_nowhere(tmp_path, autojump_clock):
    stage = captions_stage()
    async with stage.bot(tmp_path, transcriber="captions") as bot:
        stage.admit()
        stage.events.observe(caption("We begin"))
        await bot.pause()
        stage.events.observe(caption("We begin the secret is 42"))
        await bot.resume()
        await stage.live(1)
        stage.events.observe(caption("We begin the secret is 42 really"))
        await stage.live(3)
        stage.events.observe(caption("We begin the secret is 42 really now aloud"))
    assert [segment.text for segment in finalized(bot)] == ["We begin", "now aloud"]
    assert "secret" not in bot.journal.path.read_text("utf-8")


async def test_nothing_is_kept_while_recording_is_off_and_after_the_bot_is_sent_back(
    tmp_path, autojump_clock
):
    stage = captions_stage()
    async with stage.bot(tmp_path, transcriber="captions", record=False) as bot:
        stage.events.observe(caption("before anybody let it in"))
        stage.admit()
        stage.events.observe(caption("nobody allowed this"))
        await stage.live(1)
    assert not finalized(bot)
    assert "allowed" not in bot.journal.path.read_text("utf-8")


async def test_a_platform_without_captions_is_named_before_anything_begins(
    tmp_path, autojump_clock
):
    with pytest.raises(ConfigError, match="'stage' gives no captions"):
        async with Stage().bot(tmp_path, transcriber="captions"):
            pass


async def test_a_call_without_captions_ends_the_transcript_with_an_event(tmp_path, autojump_clock):
    stage = captions_stage()
    stage.call_capabilities = frozenset()
    async with stage.bot(
        tmp_path, transcriber="captions", leave_on_transcription_failure=True
    ) as bot:
        await bot.wait_ended()
    (stopped,) = kinds(events_of(bot), meetcore.TranscriptionStopped)
    assert "'stage' gives no captions" in stopped.detail
    assert end_of(events_of(bot)).reason == "transcription_failed"


async def test_a_name_without_an_id_is_looked_up_and_two_of_a_name_are_nobody(
    tmp_path, autojump_clock
):
    stage = captions_stage()
    async with stage.bot(tmp_path, transcriber="captions") as bot:
        stage.admit()
        for person_id, name in (("1", "Ada"), ("2", "Bob"), ("3", "Bob")):
            person = meetcore.Participant(id=person_id, name=name)
            stage.events.observe(ParticipantAppeared(person))
        stage.events.observe(caption("one", key="a", who=None, final=True))
        stage.events.observe(caption("two", key="b", who=None, name="Bob", final=True))
        stage.events.observe(caption("three", key="c", who=None, name="Eve", final=True))
    assert [(s.participant_id, s.speaker_name, s.speaker_confidence) for s in finalized(bot)] == [
        ("1", "Ada", 0.8),
        (None, "Bob", 0.7),
        (None, "Eve", 0.7),
    ]


async def test_a_time_on_the_samples_clock_is_the_meetings_once_there_is_sound(
    tmp_path, autojump_clock
):
    stage = captions_stage()
    async with stage.bot(tmp_path, transcriber="captions") as bot:
        stage.admit()
        stage.track("a", "ada")
        await stage.live(2, "a")
        stage.events.observe(caption("late", at_s=0.5, final=True))
    (said,) = finalized(bot)
    (started,) = kinds(events_of(bot), meetcore.CaptureStarted)
    assert said.start_s == round(0.5 + started.offset_s, 3)


async def test_settings_say_when_a_line_is_finished(tmp_path, autojump_clock):
    stage = captions_stage()
    config = meetcore.BotConfig(
        out_dir=tmp_path, fsync=False, plugins={"captions": {"settle_s": 8.0}}
    )
    async with stage.bot(tmp_path, config=config, transcriber="captions") as bot:
        stage.admit()
        stage.events.observe(caption("Good morning"))
        await stage.live(7.5)
        assert not bot.transcript.segments
        await stage.live(1)
        assert bot.transcript.text == "Ada: Good morning"

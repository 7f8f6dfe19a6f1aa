"""Revisers: text and words say the same, and what must be revised does not get out unrevised."""

from __future__ import annotations

import logging
from collections import Counter

import pytest
import trio
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

import meetcore
from meetcore.model.roster import NameSource
from meetcore.model.transcript import Segment, Word, revised
from meetcore.testing import ScriptedTranscriber, SimMeeting, run_simulated
from tests.laws.conftest import MEETING
from tests.meetcore.conftest import check_journal, end_of, kinds

SECRET = "everyone"


def spoken(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum()) or text


def segment(text: str, words: str | None = None) -> Segment:
    said = (text if words is None else words).split()
    return Segment(
        id="u1",
        revision=1,
        finalized=True,
        track_id="a",
        participant_id="ada",
        speaker_name="Ada",
        speaker_source=NameSource.TRACK,
        speaker_confidence=1.0,
        text=text,
        words=tuple(Word(w, float(i), i + 0.5, 0.9) for i, w in enumerate(said)),
        start_s=0.0,
        end_s=float(len(said)),
    )


def shown(result: Segment) -> list[tuple[str, float, float]]:
    return [(word.text, word.start_s, word.end_s) for word in result.words]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("my name is ada", "my name is", [("my", 0, 0.5), ("name", 1, 1.5), ("is", 2, 2.5)]),
        ("at 0 1 2 o", "at [no] o", [("at", 0, 0.5), ("[no]", 1, 3.5), ("o", 4, 4.5)]),
        ("my secret", "my ******", [("my", 0, 0.5), ("******", 1, 1.5)]),
        ("hello ada", "Hello, Ada!", [("Hello,", 0, 0.5), ("Ada!", 1, 1.5)]),
        ("one two three", "quite another thing altogether here", []),
        ("hello", "hello out there", []),
        ("hello", "", []),
    ],
)  # fmt: skip
def test_words_are_laid_over_a_text_that_changed(old, new, words):
    before = segment(old)
    result = revised(before, evolve(before, text=new))
    assert result.text == new
    assert shown(result) == words


def test_a_reviser_that_changes_words_alone_changes_the_text():
    before = segment("my secret")
    words = (before.words[0], evolve(before.words[1], text="***"))
    assert revised(before, evolve(before, words=words)).text == "my ***"


def test_words_that_a_reviser_made_for_its_text_stay_as_they_are():
    before = segment("my secret")
    after = evolve(before, text="我们", words=(Word("我", 0.1, 0.2), Word("们", 0.2, 0.4)))
    assert revised(before, after) == after


def test_times_alone_may_change_and_identity_may_not():
    before = segment("my secret")
    words = tuple(evolve(w, start_s=w.start_s + 0.1) for w in before.words)
    after = revised(before, evolve(before, words=words, id="other", revision=9, finalized=False))
    assert after == evolve(before, words=words)


TOKENS = st.lists(st.sampled_from(["ada", "Ada,", "42", "**", "–", "code", "Äh", "ﬁ"]), max_size=8)


@given(old=TOKENS, kept=TOKENS, new=TOKENS)
def test_no_old_word_that_the_new_text_does_not_hold_is_left(old, kept, new):
    """Whatever words the reviser leaves there, of the old ones or others."""
    before = segment(" ".join(old))
    left = segment("", words=" ".join(kept)).words if kept != old else before.words
    for after in (
        evolve(before, text=" ".join(new)),
        evolve(before, text=" ".join(new), words=left),
    ):
        result = revised(before, after)
        if after.text != before.text:
            held = Counter(spoken(token) for token in result.text.split())
            assert Counter(spoken(word.text) for word in result.words) <= held
        assert [w.start_s for w in result.words] == sorted(w.start_s for w in result.words)


@given(old=TOKENS, taken=st.sampled_from(["ada", "42", "code"]))
def test_a_word_taken_out_of_the_text_is_out_of_the_words_and_the_others_keep_their_times(
    old, taken
):
    before = segment(" ".join(old))
    text = " ".join(w for w in old if spoken(w) != taken)
    result = revised(before, evolve(before, text=text))
    assert [w.text for w in result.words] in (text.split(), [])
    assert all(spoken(w.text) != taken for w in result.words)


# --- in a bot ---------------------------------------------------------------------------


class Reviser:
    """Revises in the way that a test names; keeps what it saw."""

    def __init__(self, how: str) -> None:
        self.how = how
        self.seen: list[Segment] = []

    async def revise(self, segment: Segment) -> object:
        await trio.lowlevel.checkpoint()
        self.seen.append(segment)
        match self.how:
            case "raises":
                raise ValueError(f"what is {segment.text!r}?")
            case "hangs":
                await trio.sleep_forever()
            case "text":
                return segment.text
            case "number":
                return 0
            case "coroutine":
                return self.revise(segment)
            case "leaves":
                return segment
        return evolve(segment, text=segment.text.replace(SECRET, "***"))


class Open(Reviser):
    @meetcore.hookimpl
    async def meetcore_revise_segment(self, segment):
        return await self.revise(segment)


class Closed(Reviser):
    @meetcore.hookimpl(fail_closed=True)
    async def meetcore_revise_segment(self, segment):
        return await self.revise(segment)


class DraftSink(meetcore.Sink):
    name = "drafts"
    wants_drafts = True

    def __init__(self) -> None:
        super().__init__()
        self.drafts: list[meetcore.SegmentDraft] = []

    async def deliver_draft(self, draft):
        self.drafts.append(draft)


def attend(tmp_path, reviser, **settings):
    meeting, sink = SimMeeting(MEETING), DraftSink()
    settings.setdefault("allow_failures", True)
    settings.setdefault("transcriber", ScriptedTranscriber(meeting.script))
    plugins = meeting.plugins(reviser=reviser)
    events = run_simulated(meeting, out_dir=tmp_path, plugins=plugins, sinks=[sink], **settings)
    check_journal(events)
    return events, sink.drafts


FAILURES = {
    "raises": "failed",
    "hangs": "timed_out",
    "text": "wrong_type",
    "number": "wrong_type",
    "coroutine": "wrong_type",
}


@pytest.mark.parametrize(("how", "cause"), FAILURES.items())
def test_a_reviser_that_fails_closed_withholds_what_it_did_not_revise(tmp_path, caplog, how, cause):
    caplog.set_level(logging.DEBUG)
    events, drafts = attend(tmp_path, Closed(how))
    assert kinds(events, meetcore.SegmentFinalized) == []
    assert drafts == []
    withheld = kinds(events, meetcore.SegmentWithheld)
    assert [(e.plugin, e.cause, e.participant_id) for e in withheld] == [
        ("reviser", cause, "ada"),
        ("reviser", cause, "ben"),
    ]
    assert end_of(events).reason == "meeting_ended"
    for kept in (next(tmp_path.rglob("journal.jsonl")).read_text(), caplog.text):
        assert SECRET not in kept.replace("everyone_left", "")


@pytest.mark.parametrize("how", FAILURES)
def test_whatever_a_reviser_does_wrong_is_told_with_its_place(tmp_path, caplog, how):
    events, drafts = attend(tmp_path, Open(how))
    finals = [e.segment.text for e in kinds(events, meetcore.SegmentFinalized)]
    assert finals == ["good morning everyone", "good morning"]
    assert drafts or how == "hangs", "a reviser that may be passed by keeps no draft back"
    failed = kinds(events, meetcore.PluginFailed)
    assert {(e.plugin, e.where) for e in failed} == {("reviser", "meetcore_revise_segment")}
    assert all("test_revising.py:" in e.frame for e in failed)
    assert len(failed) <= 4, "of drafts the first failure is told"
    warned = [r for r in caplog.records if r.name == "meetcore.plugins"]
    assert len(warned) == len(failed)
    assert all(r.levelno == logging.WARNING and __file__ in r.getMessage() for r in warned)
    assert all(("Traceback" in r.getMessage()) == (how == "raises") for r in warned)


def test_what_is_taken_out_is_in_no_draft_no_final_and_no_word(tmp_path):
    reviser = Open("redacts")
    events, drafts = attend(tmp_path, reviser)
    finals = [e.segment for e in kinds(events, meetcore.SegmentFinalized)]
    assert finals[0].text == "good morning ***"
    assert [w.text for w in finals[0].words] == ["good", "morning", "***"]
    assert any(SECRET in s.text and not s.finalized for s in reviser.seen), "drafts came to it"
    assert any("***" in d.segment.text for d in drafts)
    shown = [*finals, *(d.segment for d in drafts)]
    assert not [s for s in shown if SECRET in s.text + str(s.words)]


def test_of_a_draft_that_was_revised_only_the_words_before_the_change_are_stable(tmp_path):
    _, as_they_are = attend(tmp_path / "a", Open("leaves"))
    _, redacted = attend(tmp_path / "b", Open("redacts"))
    assert max(draft.stable_words for draft in as_they_are) == 2
    for drafts in (as_they_are, redacted):
        for draft in drafts:
            stable = draft.segment.text.split()[: draft.stable_words]
            assert len(stable) == draft.stable_words
            assert stable == ["good", "morning", "everyone"][: len(stable)]
    assert {d.stable_words for d in redacted if "***" in d.segment.text} == {2}


class Last(Open):
    @meetcore.hookimpl
    async def meetcore_revise_segment(self, segment):
        await trio.lowlevel.checkpoint()
        return evolve(segment, text=segment.text.replace("good", "bad"))


def test_a_change_in_the_first_word_leaves_no_word_stable(tmp_path):
    _, drafts = attend(tmp_path, Last(""))
    assert drafts
    assert {draft.stable_words for draft in drafts} == {0}


def test_drafts_are_not_revised_for_nobody(tmp_path):
    reviser, meeting = Open("redacts"), SimMeeting(MEETING)
    transcriber = ScriptedTranscriber(meeting.script)
    plugins = meeting.plugins(reviser=reviser)
    run_simulated(meeting, out_dir=tmp_path, plugins=plugins, transcriber=transcriber)
    assert all(s.finalized for s in reviser.seen)


@pytest.mark.parametrize("kind", [Open, Closed])
def test_what_waits_for_revision_when_the_bot_has_to_end_is_not_lost_in_silence(tmp_path, kind):
    """Ben's last words meet a reviser that hangs, and the bot may drain for half a second."""
    meeting = SimMeeting(MEETING.replace("at_s = 6", "at_s = 4.5"))
    events = run_simulated(
        meeting,
        out_dir=tmp_path,
        plugins=meeting.plugins(reviser=kind("hangs")),
        transcriber=ScriptedTranscriber(meeting.script),
        drain_timeout_s=0.5,
        allow_failures=True,
    )
    finals, withheld = (
        kinds(events, meetcore.SegmentFinalized),
        kinds(events, meetcore.SegmentWithheld),
    )
    assert finals or withheld
    assert not (withheld if kind is Open else finals)
    if withheld:
        assert withheld[-1].cause == "unfinished"


def test_a_final_does_not_wait_for_a_draft(tmp_path):
    class Slow(Reviser):
        @meetcore.hookimpl
        async def meetcore_revise_segment(self, segment):
            self.seen.append(segment)
            if not segment.finalized:
                await trio.sleep(1.9)

    quick, _ = attend(tmp_path / "a", Open("redacts"))
    slow, _ = attend(tmp_path / "b", Slow("redacts"))
    times = [[e.meeting_s for e in kinds(run, meetcore.SegmentFinalized)] for run in (quick, slow)]
    assert times[0] == times[1]


def test_only_revisers_can_be_marked_fail_closed(tmp_path):
    class Wrong:
        @meetcore.hookimpl(fail_closed=True)
        def meetcore_on_event(self, event):
            """Nothing."""

    with pytest.raises(meetcore.PluginError, match="fail_closed"):
        SimMeeting(MEETING).plugins(wrong=Wrong())


def test_a_plugin_that_has_settings_and_could_not_be_loaded_keeps_a_bot_from_starting():
    plugins = SimMeeting(MEETING).plugins()
    plugins.infos.append(
        meetcore.plugin.registry.PluginInfo("redactor", "x 1", trouble="NameError: re")
    )
    plugins.check_namespaces(meetcore.BotConfig())
    with pytest.raises(meetcore.PluginError, match=r"redactor.*NameError: re"):
        plugins.check_namespaces(meetcore.BotConfig(plugins={"redactor": {}}))

"""Words into utterances: none is lost at a border, none is in two, whatever the provider cuts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore import Hypothesis, StreamClock, UntranscribedAudio
from meetcore_speech_api.assembly import SpokenPiece, SpokenWord, UtteranceAssembly


def piece(*words: tuple[str, float, float], text: str = "", speaker: str | None = None):
    spoken = tuple(SpokenWord(t, a, b, 0.5, speaker) for t, a, b in words)
    return SpokenPiece(start_s=words[0][1], end_s=words[-1][2], words=spoken, text=text)


class Sent:
    """Utterances that were sent one after the other, each some quiet after the last."""

    def __init__(self, *lengths_s: float) -> None:
        self.clock, self.out = StreamClock(), []
        self.assembly = UtteranceAssembly(self.clock, self.out.append)
        self.starts = []
        at = 16_000
        for number, length_s in enumerate(lengths_s):
            samples = round(length_s * 16_000)
            self.assembly.begin(f"u{number}", at)
            self.clock.sent(at, samples)
            self.assembly.end(f"u{number}", at + samples)
            self.starts.append(at / 16_000)
            at += samples + 32_000

    def finals(self) -> dict[str, Hypothesis]:
        return {h.utterance_id: h for h in self.out if isinstance(h, Hypothesis) and h.final}


def test_words_get_the_utterance_that_their_middle_is_in_and_the_calls_times():
    sent = Sent(1.0, 1.0)
    sent.assembly.settle(piece(("a", 0.2, 0.8), ("b", 0.95, 1.6), text="A, b."))
    sent.assembly.finish(2.0)
    finals = sent.finals()
    assert [finals[key].text for key in ("u0", "u1")] == ["a", "b"]
    assert (finals["u0"].words[0].start_s, finals["u0"].words[0].end_s) == (1.2, 1.8)
    assert finals["u1"].words[0].start_s == sent.starts[1], "clipped to its utterance"
    assert finals["u0"].confidence == 0.5


def test_a_piece_that_stays_together_is_written_as_the_provider_writes_it():
    sent = Sent(2.0)
    sent.assembly.settle(piece(("ten", 0.2, 0.8), ("euros", 0.9, 1.6), text="10 €"))
    sent.assembly.finish(2.0)
    assert sent.finals()["u0"].text == "10 €"


def test_a_draft_has_what_is_settled_first_and_says_how_much():
    sent = Sent(3.0)
    sent.assembly.settle(piece(("a", 0.2, 0.8)))
    sent.assembly.guess([piece(("x", 1.0, 1.5), ("y", 1.5, 2.0))])
    sent.assembly.show()
    sent.assembly.show()
    (draft,) = sent.out
    assert (draft.text, draft.settled_words, draft.final) == ("a x y", 1, False)


def test_what_nobody_said_is_nobodys():
    sent = Sent(1.0)
    sent.assembly.settle(piece(("who", 9000.0, 9001.0)))
    sent.assembly.finish(10_000)
    assert sent.finals()["u0"].text == ""


def test_nothing_was_sent_so_nothing_was_said():
    out: list[object] = []
    assembly = UtteranceAssembly(StreamClock(), out.append)
    assembly.settle(piece(("early", 0.0, 0.1)))
    assembly.begin("u", 0)
    assembly.settle(piece(("early", 0.0, 0.1)))
    assembly.show()
    assert out == []


def test_words_that_come_after_their_final_are_declared():
    sent = Sent(1.0)
    sent.assembly.finish(1.0)
    sent.assembly.settle(piece(("late", 0.2, 0.8)))
    late = sent.out[-1]
    assert isinstance(late, UntranscribedAudio)
    assert (late.start_sample, late.end_sample) == (19_200, 28_800)


def test_text_without_words_has_its_place_too():
    sent = Sent(1.0, 1.0)
    sent.assembly.settle(SpokenPiece(start_s=1.2, end_s=1.8, text="只有文字"))
    sent.assembly.finish(2.0)
    assert [each.text for each in sent.finals().values()] == ["", "只有文字"]


def test_new_labels_come_as_one_more_final_of_those_that_had_theirs():
    sent = Sent(1.0, 1.0)
    sent.assembly.settle(piece(("a", 0.2, 0.4), ("b", 0.5, 0.9), speaker="A"))
    sent.assembly.finish(1.0)
    sent.out.clear()
    sent.assembly.relabel([SpokenWord("a b", 0.2, 0.9, None, "B")])
    (again,) = sent.out
    assert (again.utterance_id, again.final, again.text) == ("u0", True, "a b")
    assert [word.speaker for word in again.words] == ["B", "B"]
    sent.assembly.relabel([SpokenWord("a b", 0.2, 0.9, None, "B")])
    assert len(sent.out) == 1


@given(
    lengths=st.lists(st.floats(0.3, 3.0), min_size=1, max_size=5),
    data=st.data(),
)
def test_every_word_is_in_exactly_one_utterance_wherever_the_provider_cuts(lengths, data):
    sent = Sent(*lengths)
    total = sent.clock.sent_s
    count = data.draw(st.integers(1, 12))
    step = total / count
    words = [(f"w{n}", n * step, (n + 0.9) * step) for n in range(count)]
    cuts = sorted(data.draw(st.sets(st.integers(1, count), max_size=4)) | {count})
    begin = 0
    for cut in cuts:
        sent.assembly.guess([piece(*words[begin:])])
        sent.assembly.show()
        if words[begin:cut]:
            sent.assembly.settle(piece(*words[begin:cut]))
        begin = cut
    sent.assembly.finish(total + 1)
    finals = sent.finals()
    assert len(finals) == len(lengths)
    assert not sent.assembly.open
    assert [w.text for h in finals.values() for w in h.words] == [word[0] for word in words]
    for number, length_s in enumerate(lengths):
        for word in finals[f"u{number}"].words:
            start_s = sent.starts[number]
            assert start_s - 1e-3 <= word.start_s <= word.end_s <= start_s + length_s + 1e-3
    for key in finals:
        revisions = [h.revision for h in sent.out if h.utterance_id == key]
        assert revisions == sorted(set(revisions))


@pytest.mark.parametrize("end_s", [0.99, 1.4])
def test_a_word_that_runs_into_the_next_utterance_is_not_lost_with_the_one_before(end_s):
    sent = Sent(1.0, 1.0)
    sent.assembly.finish(1.0)
    sent.assembly.settle(piece(("border", 0.5, end_s)))
    sent.assembly.finish(2.0)
    said = sent.finals()["u1"].text
    declared = [each for each in sent.out if isinstance(each, UntranscribedAudio)]
    assert bool(said) != bool(declared)
    assert said == ("border" if end_s > 1 else "")

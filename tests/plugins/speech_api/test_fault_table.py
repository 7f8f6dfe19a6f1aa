"""Every fault of either provider, in a whole meeting: what the person who reads it gets.

No word is lost without a gap, none is there twice, all are where they were said, the account of
the audio is closed, and trouble is told in one line.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from attrs import frozen
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

import meetcore
from meetcore.cli.lines import line_of
from meetcore_assemblyai.options import AssemblyAIOptions
from meetcore_assemblyai.testing import AssemblyAIStandIn
from meetcore_assemblyai.transcriber import AssemblyAITranscriber
from meetcore_deepgram.options import DeepgramOptions
from meetcore_deepgram.testing import DeepgramStandIn
from meetcore_deepgram.transcriber import DeepgramTranscriber
from meetcore_speech_api.testing.faults import StandInFault
from tests.plugins.speech_api.meetings import Meeting, Talk, attend, talk

SAID = talk(14, 3)
"""Seven seconds without a pause, then a pause, then a second and a half."""


@frozen(kw_only=True)
class Row:
    """A fault, and what is to come of it.

    Attributes:
        fault: The fault.
        kinds: Of what kinds the restarts are.
        stopped: Of what kind the trouble is that ends it; None where it goes on.
        gaps: Whether words may be missing, and declared.
        sessions: At least so many connections are made.
    """

    fault: StandInFault
    kinds: tuple[str, ...] = ()
    stopped: str | None = None
    gaps: bool = False
    sessions: int = 1


def refuse(status: int, **more) -> StandInFault:
    return StandInFault(kind="refuse", status=status, **more)


def close(code: int, reason: str, after_s: float = 4.0, **more) -> StandInFault:
    return StandInFault(kind="close", code=code, reason=reason, after_s=after_s, **more)


NET_0001 = "Deepgram did not receive audio data or a text message within the timeout window."
BOTH = {
    "nothing": Row(fault=refuse(500, connections=(99,))),
    "refused once": Row(fault=refuse(503), kinds=("server",)),
    "401": Row(fault=refuse(401, connections=()), stopped="auth", gaps=True),
    "402": Row(fault=refuse(402, connections=()), stopped="quota", gaps=True),
    "400": Row(fault=refuse(400, connections=()), stopped="bad_request", gaps=True),
    "429": Row(fault=refuse(429, headers=(("Retry-After", "7"),)), kinds=("rate",)),
    "500 for ever": Row(fault=refuse(500, connections=()), kinds=("server",), stopped="server",
                        gaps=True),
    "1011": Row(fault=close(1011, "internal"), kinds=("server",), sessions=2),
    "1000 that nobody asked for": Row(fault=close(1000, ""), kinds=("network",), sessions=2),
    "dropped in mid-utterance": Row(
        fault=StandInFault(kind="drop", after_s=5.2), kinds=("network",), sessions=2
    ),
    "dropped twice": Row(
        fault=StandInFault(kind="drop", after_s=2.2, connections=(1, 2)), kinds=("network",),
        sessions=3, gaps=True,
    ),
    "reset while it is sent to": Row(
        fault=StandInFault(kind="drop_on_send", after_s=3.3), kinds=("network",), sessions=2
    ),
    "dropped between utterances": Row(
        fault=StandInFault(kind="drop", after_s=8.0), kinds=("network",), sessions=2
    ),
    "stalls silently": Row(
        fault=StandInFault(kind="stall", after_s=1.0), kinds=("network",), sessions=2
    ),
    "late": Row(fault=StandInFault(kind="late", connections=(), seconds=6.0)),
    "finals twice": Row(fault=StandInFault(kind="repeat_finals", connections=())),
    "drafts that go back": Row(fault=StandInFault(kind="older_drafts", connections=())),
    "about nothing": Row(fault=StandInFault(kind="elsewhere", connections=())),
    "away for 30 s": Row(fault=StandInFault(kind="away", seconds=30.0), kinds=("network",)),
}  # fmt: skip
DEEPGRAM = {
    "NET-0000": Row(fault=close(1011, "NET-0000"), kinds=("server",), sessions=2),
    "NET-0001": Row(fault=close(1011, f"{NET_0001} See net0001"), kinds=("network",), sessions=2),
    "DATA-0000": Row(fault=close(1008, "DATA-0000"), stopped="bad_request", gaps=True),
    "no answer to Finalize": Row(fault=StandInFault(kind="no_answer", connections=())),
}
ASSEMBLYAI = {
    "1008": Row(fault=close(1008, "Unauthorized Connection"), stopped="auth", gaps=True),
    "1008, crowded": Row(
        fault=close(1008, "Unauthorized connection: Too many concurrent sessions", 0.5),
        kinds=("rate",),
        sessions=2,
    ),
    "3005": Row(fault=close(3005, "Session Cancelled: An error occurred"), kinds=("server",),
                sessions=2),
    "3006": Row(fault=close(3006, "Invalid JSON: x"), stopped="bad_request", gaps=True),
    "3007": Row(fault=close(3007, "Input duration violation"), kinds=("protocol",), sessions=2),
    "3008": Row(fault=close(3008, "Session Expired: Maximum"), kinds=("server",), sessions=2),
    "3009": Row(fault=close(3009, "Too many concurrent sessions"), kinds=("rate",), sessions=2),
    "revised speakers": Row(fault=StandInFault(kind="revise_speakers", connections=())),
}  # fmt: skip


def check(row: Row, outcome, stand_in, key: str) -> None:
    outcome.check(SAID)
    restarts = outcome.of(meetcore.TranscriberRestarted)
    assert {restart.kind for restart in restarts} == set(row.kinds)
    stops = outcome.of(meetcore.TranscriptionStopped)
    assert [stop.kind for stop in stops] == ([row.stopped] if row.stopped else [])
    for stop in stops:
        line = line_of(stop, "Notes")
        assert "\n" not in line
        assert stop.detail in line
    if not row.gaps:
        assert [text.lower() for text in outcome.texts] == [text.lower() for text in SAID.texts]
        assert outcome.gaps == []
    assert len(stand_in.sessions) >= row.sessions or row.stopped
    assert all(key not in str(event) for event in outcome.events)
    assert not outcome.of(meetcore.PluginFailed)
    (*_, usage) = outcome.of(meetcore.TranscriberUsage) or [None]
    if usage is not None and stand_in.sessions:
        assert usage.billed_s is not None
        assert usage.cost is not None


def at_deepgram(stand_in):
    def make(url):
        return DeepgramTranscriber(
            DeepgramOptions(
                url=url, key=meetcore.Secret(stand_in.key), price_per_hour={"nova-3": 0.5}
            )
        )

    return make


def at_assemblyai(stand_in, model="universal-3-6-pro"):
    def make(url):
        return AssemblyAITranscriber(
            AssemblyAIOptions(
                url=url,
                files_url=url,
                key=meetcore.Secret(stand_in.key),
                model=model,
                price_per_hour={model: 0.4},
            )
        )

    return make


@pytest.mark.parametrize("name", [*BOTH, *DEEPGRAM])
def test_deepgram(name, tmp_path):
    row = {**BOTH, **DEEPGRAM}[name]
    stand_in = DeepgramStandIn.of(SAID.words, SAID.sound, [row.fault])
    outcome = attend(at_deepgram(stand_in), stand_in, Meeting(SAID, after_s=2.0), tmp_path)
    check(row, outcome, stand_in, stand_in.key)
    assert all(0 < ms <= 1000 for session in stand_in.sessions for ms in session.frames_ms)


TURNS_TWICE = (
    "nothing",
    "finals twice",
    "late",
    "drafts that go back",
    "about nothing",
    "dropped in mid-utterance",
    "revised speakers",
)
"""What is tried with a model, too, that says the end of each turn twice."""


@pytest.mark.parametrize(
    ("name", "model"),
    [
        *((name, "universal-3-6-pro") for name in (*BOTH, *ASSEMBLYAI)),
        *((name, "universal-streaming-english") for name in TURNS_TWICE),
    ],
)
def test_assemblyai(name, model, tmp_path):
    row = {**BOTH, **ASSEMBLYAI}[name]
    stand_in = AssemblyAIStandIn.of(SAID.words, SAID.sound, [row.fault])
    make = at_assemblyai(stand_in, model)
    outcome = attend(make, stand_in, Meeting(SAID, after_s=2.0), tmp_path)
    check(row, outcome, stand_in, stand_in.key)
    assert all(50 <= ms <= 1000 for session in stand_in.sessions for ms in session.frames_ms)
    for session in stand_in.sessions:
        told = {message["type"] for message in session.received}
        by_fault = session.fault("drop") or session.fault("drop_on_send")
        assert "Terminate" in told or by_fault or session.closed, "it would be charged for"


PROVIDERS = {
    "deepgram": (DeepgramStandIn, at_deepgram),
    "assemblyai": (AssemblyAIStandIn, at_assemblyai),
}


@pytest.mark.parametrize("name", PROVIDERS)
def test_what_only_sounds_like_speech_is_silence_and_no_stalled_connection(name, tmp_path):
    kind, at = PROVIDERS[name]
    hum = Talk(talk(70).sound, ())
    stand_in = kind.of((), hum.sound)
    outcome = attend(at(stand_in), stand_in, Meeting(hum, after_s=2.0), tmp_path)
    outcome.check(hum)
    assert not outcome.of(meetcore.TranscriberRestarted)
    assert (outcome.segments, outcome.gaps) == ([], [])


SEVERAL = st.builds(
    StandInFault,
    kind=st.sampled_from(
        ["close", "drop", "drop_on_send", "stall", "late", "repeat_finals", "older_drafts",
         "elsewhere", "refuse", "away", "no_answer", "revise_speakers"]
    ),
    connections=st.sets(st.integers(1, 5), max_size=3).map(lambda some: tuple(sorted(some))),
    after_s=st.floats(0.0, 6.0),
    seconds=st.floats(1.0, 8.0),
    status=st.sampled_from([429, 500, 503]),
    headers=st.just((("Retry-After", "2"),)),
)  # fmt: skip


ONCE_SPUN = [  # a connection's last word fell so that what was left until the next was 2e-16 s
    StandInFault(kind="repeat_finals", connections=(5,), after_s=3.0, seconds=2.5),
    StandInFault(kind="elsewhere", connections=(1, 5), after_s=1.0, seconds=1.5),
    StandInFault(kind="late", connections=(2, 4), after_s=2.5, seconds=7.877714421666875),
    StandInFault(kind="close", connections=(1, 3, 5), after_s=4.405173912562415, status=429),
]


@pytest.mark.parametrize("name", PROVIDERS)
@example(faults=ONCE_SPUN, lengths=[1, 6])
@settings(max_examples=6, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    faults=st.lists(SEVERAL, min_size=2, max_size=4),
    lengths=st.lists(st.integers(1, 8), min_size=1, max_size=3),
)
def test_of_several_faults_at_once_nothing_is_lost_without_a_word_or_doubled(name, faults, lengths):
    kind, at = PROVIDERS[name]
    said = talk(*lengths)
    stand_in = kind.of(said.words, said.sound, faults)
    with tempfile.TemporaryDirectory() as folder:
        outcome = attend(at(stand_in), stand_in, Meeting(said, after_s=2.0), Path(folder))
        outcome.check(said)
    assert not outcome.of(meetcore.PluginFailed)

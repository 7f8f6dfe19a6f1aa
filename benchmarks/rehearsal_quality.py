"""The bundled script through real WebRTC: word errors, attribution, ledger, latency.

A bot in a real Chromium attends the rehearsal, whose cast is in another one; pocketsphinx
transcribes; a WebSocket subscriber in this process notes when each draft and each final
arrives. The cast reports when each line really began, so the end of speech is known to the
host's clock.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path

import trio
from trio_websocket import ConnectionClosed, open_websocket_url

import meetcore
from benchmarks.figures import Figure, report, spread
from meetcore.testing.scoring import normalise
from meetcore_rehearsal import open_rehearsal
from meetcore_rehearsal.rehearsal import Rehearsal
from meetcore_rehearsal.score import score_rehearsal

RUNS = 3


async def _listen(url: str, seen: list[tuple[float, dict]]) -> None:
    async with open_websocket_url(url) as socket:
        while True:
            try:
                message = await socket.get_message()
            except ConnectionClosed:
                return
            seen.append((time.time(), json.loads(message)))


async def _attend(out: Path) -> tuple[Rehearsal, list[meetcore.Event], list[tuple[float, dict]]]:
    seen: list[tuple[float, dict]] = []
    async with open_rehearsal() as rehearsal:
        config = meetcore.BotConfig(
            name="Notes",
            transcriber="pocketsphinx",
            sinks=("files", "websocket"),
            out_dir=out,
            plugins={"websocket": {"port": 0}},
        )
        async with trio.open_nursery() as nursery:
            async with meetcore.open_bot(rehearsal.link, config=config) as bot:
                async for event in bot.events():
                    if isinstance(event, meetcore.PluginEvent) and event.plugin == "websocket":
                        nursery.start_soon(_listen, event.data["url"], seen)
                events = list(bot.journal.read())
            nursery.cancel_scope.deadline = trio.current_time() + 5
        return rehearsal, events, seen


def _final_delays(rehearsal: Rehearsal, seen: list[tuple[float, dict]]) -> list[float]:
    """Return the seconds from the end of each line's sound, as the cast played it, to its final."""
    finals = []
    for index, line in enumerate(rehearsal.script.lines):
        began = rehearsal.line_starts.get(index)
        if began is None:
            continue
        ended = began + line.duration_s
        for at, message in seen:
            if message["type"] == "segment.finalized":
                segment = message["data"]["segment"]
                if segment["participant_id"] == line.who and 0 < at - ended < 4:
                    finals.append(at - ended)
                    break
    return finals


def _draft_delays(events: list[meetcore.Event], seen: list[tuple[float, dict]]) -> list[float]:
    """Return for each word of a final how long after its end the first draft with it came.

    A word's end is taken from the final, on the meeting's clock, which the journal ties
    to the wall clock; so this is the delay behind the word as the bot hears it.
    """
    in_call = next(
        e.at.timestamp()
        for e in events
        if isinstance(e, meetcore.StateChanged) and e.state == "in_call"
    )
    delays = []
    for event in events:
        if not isinstance(event, meetcore.SegmentFinalized) or event.segment.correction:
            continue
        segment = event.segment
        words = [normalise(word.text) for word in segment.words]
        for number, word in enumerate(segment.words):
            for at, message in seen:
                if message["type"] != "segment.draft":
                    continue
                draft = message["data"]["segment"]
                told = [normalise(w["text"]) for w in draft["words"]]
                if draft["id"] == segment.id and told[: number + 1] == words[: number + 1]:
                    delays.append(at - in_call - word.end_s)
                    break
    return delays


def measure() -> list[Figure]:
    """Return the figures."""
    errors, human, alone, overall, lost, unbalanced = [], [], [], [], [], []
    final_delays, draft_delays = [], []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory(prefix="meetcore-bench-") as folder:
            rehearsal, events, seen = trio.run(_attend, Path(folder))
        score = score_rehearsal(rehearsal.script, events, rehearsal.clock_started_at)
        errors.append(score.synthetic_voices.rate)
        human.append(score.human_voices.rate)
        alone.append(100 * score.score.attributed_alone.value)
        overall.append(100 * score.score.attributed.value)
        lost.append(float(score.lost_samples))
        unbalanced.append(0.0 if score.balanced else 1.0)
        finals = _final_delays(rehearsal, seen)
        if finals:
            final_delays.append(statistics.median(finals))
        drafts = _draft_delays(events, seen)
        if drafts:
            draft_delays.append(statistics.median(drafts))
    return [
        spread("word error rate, synthetic voices, real WebRTC", "", errors, at_most=0.15),
        spread("word error rate, human recording, real WebRTC", "", human),
        spread("words with the right person, outside overlaps", "%", alone, at_least=100),
        spread("words with the right person, overall", "%", overall, at_least=95),
        spread("samples lost in the run", "samples", lost, at_most=0),
        spread("runs whose ledger does not close", "", unbalanced, at_most=0),
        spread("end of speech → final at a WebSocket, p50", "s", final_delays, at_most=1.0),
        spread("end of a word → draft with it at a WebSocket, p50", "s", draft_delays, at_most=0.5),
    ]


if __name__ == "__main__":
    report(measure())

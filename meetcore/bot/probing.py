"""Whether a transcriber that failed answers again: it is given something that was just said."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import trio

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Chunk
from meetcore.bot.context import BotContext
from meetcore.bot.held_transcriber import HeldTranscriber
from meetcore.bot.stream_usage import stream_usage
from meetcore.log.mailbox import Wake
from meetcore.model.errors import TranscriberError, found_in
from meetcore.model.transcript import Hypothesis
from meetcore.plugin.transcriber import ProviderUsage, StreamRequest, UntranscribedAudio

__all__ = ["PROBE_TRACK", "probe", "probe_sound"]

PROBE_TRACK = "probe"
"""The name under which a trial stands in what was used."""

_LONGEST_S = 3.0


def probe_sound(said: Sequence[Chunk]) -> Chunk:
    """Return what a transcriber is tried out with: 1 to 3 s, the beginning of what was said."""
    limit = round(_LONGEST_S * SAMPLE_RATE_HZ)
    pcm = np.concatenate([np.zeros(0, np.int16), *(chunk.pcm for chunk in said)])[:limit]
    if len(pcm) < SAMPLE_RATE_HZ:
        pcm = np.concatenate([pcm, np.zeros(SAMPLE_RATE_HZ - len(pcm), np.int16)])
    return Chunk(PROBE_TRACK, 0, pcm)


async def probe(held: HeldTranscriber, bot: BotContext, said: Sequence[Chunk]) -> bool:
    """Return whether a transcriber gives a final for a few seconds of sound, within its limits.

    What it says of them goes nowhere; what it used is told like that of any stream.
    """
    answered = trio.Event()
    finals: list[Hypothesis] = []
    usage: list[ProviderUsage] = []

    def emit(result: Hypothesis | UntranscribedAudio) -> None:
        if isinstance(result, UntranscribedAudio):
            answered.set()
        elif result.final:
            finals.append(result)
            answered.set()

    chunk, begun_s = probe_sound(said), trio.current_time()
    request = StreamRequest(
        bot_id=bot.id,
        track_id=PROBE_TRACK,
        emit=emit,
        used=usage.append,
        language=held.language,
    )
    try:
        with trio.fail_after(held.limits.open_timeout_s + held.limits.final_timeout_s):
            async with (
                held.slots.place(request, Wake()),
                held.transcriber.stream(request) as stream,
            ):
                await stream.begin_utterance(PROBE_TRACK, chunk.start_sample)
                await stream.feed(chunk)
                await stream.end_utterance(PROBE_TRACK, chunk.end_sample, "silence")
                await stream.flush()
                await answered.wait()
    except Exception as error:  # noqa: BLE001  whatever it is, the transcriber is not well yet
        if found_in(error, TranscriberError) is None and not isinstance(error, trio.TooSlowError):
            bot.plugin_failed(held.name, "transcriber probe", error)
        return False
    finally:
        open_s = trio.current_time() - begun_s
        bot.record(stream_usage(held.name, PROBE_TRACK, chunk.samples, open_s, usage))
    return bool(finals)

"""Voice activity: is this 20 ms of 16 kHz sound speech?

webrtcvad in its strictest mode behind a cheap gate: what stays below the gate's level is not speech
and is not asked about. The gate also keeps the detector from calling faint hum speech. Louder hum
and ringing tones are taken for speech; that they are steady is told to whoever asks.
"""

from __future__ import annotations

from collections.abc import Callable

import webrtcvad

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Pcm
from meetcore.audio.steady import BLOCK_FRAMES, SteadySound

__all__ = ["FRAME_SAMPLES", "VoiceDetector"]

FRAME_MS = 20
FRAME_SAMPLES = SAMPLE_RATE_HZ * FRAME_MS // 1000
_FRAME_BYTES = FRAME_SAMPLES * 2


class VoiceDetector:
    """Cuts a stream into 20 ms frames and says of each whether it is speech.

    Args:
        mode: webrtcvad's aggressiveness, 0 to 3. 3 is right for the noise-suppressed tracks of
            meeting platforms, 2 for quiet voices.
        gate_peak: Blocks whose samples all lie within ±gate_peak are silence. 0 to 32767.
        on_steady: Told when what is taken for speech becomes steady sound, and when it is not.
    """

    def __init__(
        self,
        mode: int = 3,
        gate_peak: int = 48,
        *,
        on_steady: Callable[[bool], None] | None = None,
    ) -> None:
        self._is_speech = webrtcvad.Vad(mode).is_speech
        self._gate_peak = gate_peak
        self._rest = b""
        self._on_steady = on_steady
        self._sound = None if on_steady is None else SteadySound()
        self._steady = False
        self._block = b""
        self._block_flags: list[bool] = []

    def feed(self, pcm: Pcm) -> list[bool]:
        """Return one flag per whole frame completed by `pcm` (int16 mono, 16 kHz)."""
        rest = self._rest
        if not rest and self._gate_peak and self._gated(pcm):
            whole, left = divmod(len(pcm), FRAME_SAMPLES)
            if left:
                self._rest = pcm[-left:].tobytes()
            self._forget()
            return [False] * whole
        data = rest + pcm.tobytes() if rest else pcm.tobytes()
        is_speech = self._is_speech
        end = len(data) - len(data) % _FRAME_BYTES
        flags = [
            is_speech(data[at : at + _FRAME_BYTES], SAMPLE_RATE_HZ)
            for at in range(0, end, _FRAME_BYTES)
        ]
        self._rest = data[end:]
        if self._sound is not None and (self._block_flags or True in flags):
            self._look(data, flags, self._sound)
        return flags

    def _look(self, data: bytes, flags: list[bool], sound: SteadySound) -> None:
        """Look at each 100 ms that were taken for speech from end to end."""
        for number, flag in enumerate(flags):
            self._block += data[number * _FRAME_BYTES : (number + 1) * _FRAME_BYTES]
            self._block_flags.append(flag)
            if not flag:
                self._forget()
            elif len(self._block_flags) == BLOCK_FRAMES:
                steady = sound.take(self._block)
                self._block, self._block_flags = b"", []
                if steady is not self._steady and self._on_steady is not None:
                    self._on_steady(steady)
                self._steady = steady

    def _forget(self) -> None:
        self._block, self._block_flags = b"", []
        if self._sound is not None:
            self._sound.forget()

    def _gated(self, pcm: Pcm) -> bool:
        if not len(pcm):
            return True
        peak = self._gate_peak
        return bool(pcm.max() <= peak and pcm.min() >= -peak)

    def reset(self) -> None:
        """Forget the unfinished frame, for instance after a hole in the stream."""
        self._rest = b""
        self._forget()

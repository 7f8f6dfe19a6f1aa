"""Voice activity: is this 20 ms of 16 kHz sound speech?

webrtcvad in its strictest mode behind a cheap gate: what stays below the gate's level is not speech
and is not asked about. The gate also keeps the detector from calling faint hum speech.
"""

from __future__ import annotations

import webrtcvad

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Pcm

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
    """

    def __init__(self, mode: int = 3, gate_peak: int = 48) -> None:
        self._is_speech = webrtcvad.Vad(mode).is_speech
        self._gate_peak = gate_peak
        self._rest = b""

    def feed(self, pcm: Pcm) -> list[bool]:
        """Return one flag per whole frame completed by `pcm` (int16 mono, 16 kHz)."""
        rest = self._rest
        if not rest and self._gate_peak and self._gated(pcm):
            whole, left = divmod(len(pcm), FRAME_SAMPLES)
            if left:
                self._rest = pcm[-left:].tobytes()
            return [False] * whole
        data = rest + pcm.tobytes() if rest else pcm.tobytes()
        is_speech = self._is_speech
        end = len(data) - len(data) % _FRAME_BYTES
        flags = [
            is_speech(data[at : at + _FRAME_BYTES], SAMPLE_RATE_HZ)
            for at in range(0, end, _FRAME_BYTES)
        ]
        self._rest = data[end:]
        return flags

    def _gated(self, pcm: Pcm) -> bool:
        if not len(pcm):
            return True
        peak = self._gate_peak
        return bool(pcm.max() <= peak and pcm.min() >= -peak)

    def reset(self) -> None:
        """Forget the unfinished frame, for instance after a hole in the stream."""
        self._rest = b""

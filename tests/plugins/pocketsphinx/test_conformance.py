"""The transcriber keeps what the core relies on."""

from __future__ import annotations

from meetcore.audio.chunk import Pcm
from meetcore.contracts import Transcriber
from meetcore.testing.conformance import TranscriberConformance
from meetcore.testing.voice import read_wav
from meetcore_pocketsphinx.transcriber import PocketsphinxTranscriber

from .conftest import SCRIPT


class TestPocketsphinx(TranscriberConformance):
    def make_transcriber(self) -> Transcriber:
        return PocketsphinxTranscriber()

    def speech(self) -> tuple[Pcm, str]:
        return read_wav(SCRIPT.parent / "ben-1.wav"), "version"

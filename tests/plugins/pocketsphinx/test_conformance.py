"""The transcriber keeps what the core relies on."""

from __future__ import annotations

import subprocess
import wave
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from meetcore.audio.chunk import Pcm
from meetcore.contracts import Transcriber
from meetcore.testing.conformance import TranscriberConformance
from meetcore_pocketsphinx.transcriber import PocketsphinxTranscriber


class TestPocketsphinx(TranscriberConformance):
    spoken: ClassVar[Pcm]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _speech(cls, tmp_path_factory: pytest.TempPathFactory) -> None:
        path: Path = tmp_path_factory.mktemp("speech") / "speech.wav"
        text = "we should talk about the budget for next year"
        command = ["flite", "-voice", "slt", "-t", text, "-o", str(path)]
        subprocess.run(command, check=True, timeout=30)
        with wave.open(str(path), "rb") as file:
            cls.spoken = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")

    def make_transcriber(self) -> Transcriber:
        return PocketsphinxTranscriber()

    def speech(self) -> tuple[Pcm, str]:
        return self.spoken, "budget"

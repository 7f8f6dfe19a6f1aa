"""Speech for these tests: the recordings of the bundled rehearsal, with what is said in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import meetcore_rehearsal
from meetcore.audio.chunk import Pcm
from meetcore.testing.script import words_of
from meetcore.testing.script_toml import load_script
from meetcore.testing.voice import read_wav

SCRIPT = Path(meetcore_rehearsal.__file__).parent / "scripts" / "planning" / "script.toml"
SAID = {
    line.audio.stem: " ".join(words_of(line.text))
    for line in load_script(SCRIPT).lines
    if line.audio is not None
}
"""What is said in each recording, by its name: lower-case words."""


@pytest.fixture(scope="session")
def recording() -> Callable[[str], Pcm]:
    """Return the sound of a recording by its name."""
    return lambda name: read_wav(SCRIPT.parent / f"{name}.wav")

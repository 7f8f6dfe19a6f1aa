"""A rehearsal a third as long as the bundled one, made of its recordings: four lines."""

from __future__ import annotations

import shutil
from pathlib import Path

import meetcore_rehearsal

RECORDINGS = Path(meetcore_rehearsal.__file__).parent / "scripts" / "planning"
LINES = (
    ("ada", 1.0, "ada-1", "Good morning everyone and thank you for coming."),
    ("ben", 4.2, "ben-2", "I agree with that and I can help you."),
    ("callum", 7.4, "callum-1", "The customers want to see the results on Friday."),
    ("ada", 10.8, "ada-4", "Let us meet again on Thursday morning."),
)
ENDS_S = 14.5
SOUND_S = 9.0
"""So much of it at least is heard, on whatever machine."""
HEAD = """
title = "Short"
seed = 7
[admission]
after_s = 1
by = "ada"
[[people]]
id = "ada"
name = "Ada Lindqvist"
host = true
[[people]]
id = "ben"
name = "Ben Okafor"
leaves_s = 13.5
[[people]]
id = "callum"
name = "Callum Reid"
[[chat]]
who = "ada"
at_s = 3.0
text = "Agenda: the first version, then the customers."
[[chat]]
who = "callum"
at_s = 11.0
text = "Friday is fine for them: 10 o'clock, here."
[[mutes]]
who = "callum"
at_s = 10.6
until_s = 12.6
"""


def write_short_script(
    folder: Path, recordings: Path = RECORDINGS, *, ends_s: float = ENDS_S
) -> Path:
    """Write the script and its recordings into a folder; return its path."""
    folder.mkdir(exist_ok=True)
    parts = [HEAD]
    for who, at_s, recording, text in LINES:
        shutil.copy(recordings / f"{recording}.wav", folder)
        parts += [
            "[[lines]]",
            f'who = "{who}"',
            f"at_s = {at_s}",
            f'text = "{text}"',
            f'audio = "{recording}.wav"',
        ]
    parts += ["[end]", f"at_s = {ends_s}", 'how = "host_ends"']
    path = folder / "short.toml"
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")
    return path

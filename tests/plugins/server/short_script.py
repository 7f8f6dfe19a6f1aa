"""A rehearsal half as long as the bundled one, made of its recordings: seven lines."""

from __future__ import annotations

import shutil
from pathlib import Path

import meetcore_rehearsal

RECORDINGS = Path(meetcore_rehearsal.__file__).parent / "scripts" / "planning"
LINES = (
    ("ada", 1.0, "ada-1", "Good morning everyone and thank you for coming."),
    ("ada", 4.4, "ada-2", "Can you tell us about the first version."),
    ("ben", 7.7, "ben-1", "The first version is ready and everything is working very well."),
    ("callum", 11.2, "callum-1", "The customers want to see the results on Friday."),
    ("ben", 14.9, "ben-2", "I agree with that and I can help you."),
    ("ada", 17.2, "ada-4", "Let us meet again on Thursday morning."),
    ("callum", 20.4, "callum-3", "Thank you very much and have a good day."),
)
ENDS_S = 23.5
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
leaves_s = 22.0
[[people]]
id = "callum"
name = "Callum Reid"
[[chat]]
who = "ada"
at_s = 3.0
text = "Agenda: the first version, then the customers."
[[chat]]
who = "callum"
at_s = 15.5
text = "Friday is fine for them: 10 o'clock, here."
[[mutes]]
who = "callum"
at_s = 15.0
until_s = 18.0
"""


def write_short_script(folder: Path) -> Path:
    """Write the script and its recordings into a folder; return its path."""
    folder.mkdir(exist_ok=True)
    parts = [HEAD]
    for who, at_s, recording, text in LINES:
        shutil.copy(RECORDINGS / f"{recording}.wav", folder)
        parts += [
            "[[lines]]",
            f'who = "{who}"',
            f"at_s = {at_s}",
            f'text = "{text}"',
            f'audio = "{recording}.wav"',
        ]
    parts += ["[end]", f"at_s = {ENDS_S}", 'how = "host_ends"']
    path = folder / "short.toml"
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")
    return path

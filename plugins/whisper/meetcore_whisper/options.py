"""The plugin's options, `[plugins.whisper]`."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen
from attrs.validators import ge, gt, le

from meetcore_whisper.models import AUTO_MODEL

__all__ = ["WhisperOptions"]


@frozen(kw_only=True)
class WhisperOptions:
    """How Whisper transcribes. Bots with the same options share one worker process.

    Attributes:
        model: `auto` (base where it is, else tiny.en), `tiny.en`, `base`, `small`, or the folder
            of a model in CTranslate2's format.
        allow_download: Whether a known model that is nowhere on this machine is fetched from
            Hugging Face when a bot needs it. `meetcore models fetch` does it beforehand.
        device: `auto` takes a GPU where there is one.
        compute_type: What CTranslate2 computes with: `int8`, `float16`, …; `auto` for int8 on a
            CPU and float16 on a GPU.
        threads: How many threads a decode takes on a CPU. Two save a third of the time of one and
            cost up to 40 % more of the machine.
        beam: How many hypotheses a final follows.
        drafts: Whether there is text while somebody speaks.
        vocabulary: Whether the bot's vocabulary, and by its setting the participants' names, are
            offered to the model.
        when_behind: What is left out when more is said than can be recognised: `finals_only` makes
            no drafts; `smaller_model` has late finals done by tiny.en, too, where it is here.
        give_up_after_s: A final that has waited so long is given up, and declared.
        niceness: How much the worker steps back for other processes, 0 to 19.
        linger_s: How long the worker stays after the last bot has gone.
        start_timeout_s: How long it may take to load the model.
    """

    model: str = AUTO_MODEL
    allow_download: bool = False
    device: Literal["auto", "cpu", "cuda"] = "auto"
    compute_type: str = "auto"
    threads: int = field(default=1, validator=ge(1))
    beam: int = field(default=5, validator=ge(1))
    drafts: bool = True
    vocabulary: bool = True
    when_behind: Literal["finals_only", "smaller_model"] = "finals_only"
    give_up_after_s: float = field(default=120.0, validator=gt(0))
    niceness: int = field(default=5, validator=[ge(0), le(19)])
    linger_s: float = field(default=30.0, validator=ge(0))
    start_timeout_s: float = field(default=60.0, validator=gt(0))

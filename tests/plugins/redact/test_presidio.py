"""Presidio as a part of redaction: for real, in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from meetcore import ConfigError, build_options
from meetcore_redact.options import RedactOptions
from meetcore_redact.presidio_finder import load_presidio
from tests.own_environment import own_environment

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("presidio_side.py")


@pytest.fixture(scope="module")
def python() -> Path:
    return own_environment("presidio") / "python"


def asked(python: Path, texts: list[str], **options: Any) -> dict[str, Any]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "plugins" / "redact")])
    done = subprocess.run(
        [python, SCRIPT],
        input=json.dumps({"options": {"presidio": True, **options}, "texts": texts}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_what_it_finds_is_left_out_beside_what_the_plugin_finds(python: Path) -> None:
    answer = asked(
        python,
        [
            "Send it to 16Yeky6GMjeNkAiNcBY7ZhrLoMSgg1BoyZ, please.",
            "Ask ada at example dot com, the card is 4111 1111 1111 1111.",
            "The machine is 00:1b:44:11:3a:b7.",
            "We meet on Tuesday.",
        ],
    )
    assert answer["texts"] == [
        "Send it to [crypto], please.",
        "Ask [email], the card is [card number].",
        "The machine is [mac address].",
        "We meet on Tuesday.",
    ]


def test_only_what_is_named_is_left_out_and_only_where_it_is_sure_enough(python: Path) -> None:
    coin = "Send it to 16Yeky6GMjeNkAiNcBY7ZhrLoMSgg1BoyZ from 00:1b:44:11:3a:b7."
    [text] = asked(python, [coin], presidio_entities=["MAC_ADDRESS"])["texts"]
    assert "[mac address]" in text
    assert "16Yeky6" in text
    licence = "The licence says H12234567."
    kept = {"id_numbers": [], "long_numbers": 12}
    for score, wanted in ((0.9, licence), (0.2, "The licence says [us driver license].")):
        [text] = asked(python, [licence], presidio_score=score, **kept)["texts"]
        assert text == wanted


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"presidio_model": "en_core_web_lg"}, "python -m spacy download en_core_web_lg"),
        ({"presidio_entities": ["HAT_SIZE"]}, "HAT_SIZE"),
        ({"presidio_language": "xx1"}, "presidio_language"),
        ({"presidio_score": 7}, "presidio_score"),
    ],
)
def test_what_is_missing_or_unknown_is_said_before_a_bot_starts(
    python: Path, options: dict[str, Any], words: str
) -> None:
    assert words in asked(python, [], **options)["refused"]


def test_where_it_is_not_installed_that_is_said() -> None:
    options = build_options(RedactOptions, {"presidio": True}, "[plugins.redact]")
    with pytest.raises(ConfigError, match=r"pip install meetcore-redact\[presidio\]"):
        load_presidio(options)

"""The audio thread's script, alone: what it makes of quanta, and in how many messages."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from meetcore_browser.page_script import PAGE_FOLDER
from meetcore_browser.wire import AudioBlock, decode
from tests.plugins.browser.test_page_scripts import NODE

BLOCK = 100
_STAGE = """
let Made;
globalThis.AudioWorkletProcessor = class { constructor() { this.port = {}; } };
globalThis.registerProcessor = (name, made) => { Made = made; };
const said = [];
const host = { postMessage: (m) => said.push(m.done ?? Buffer.from(m).toString("base64")) };
const nodes = new Map();
const acts = {
  open: (track) => {
    const node = new Made({ processorOptions: { track, blockFrames: BLOCK } });
    if (nodes.size === 0) node.port.onmessage({ data: { port: host } });
    nodes.set(track, node);
  },
  command: (track, command) =>
    nodes.get(track).port.onmessage({ data: { command, ticket: `${command} ${track}` } }),
  render: (frame, inputs) => {
    globalThis.currentFrame = frame;
    return inputs.map(([track, channels]) =>
      nodes.get(track).process([channels.map((samples) => Float32Array.from(samples))]));
  },
};
"""
_RUN = """
const alive = script.flatMap(([act, ...parameters]) => acts[act](...parameters) ?? []);
process.stdout.write(JSON.stringify({ said, alive }));
"""


def play(script: list[list[Any]]) -> tuple[list[list[AudioBlock] | str], list[bool]]:
    """Return what the script said, message by message, and whether each node lives on."""
    worklet = (PAGE_FOLDER / "pcm_worklet.js").read_text()
    stage = _STAGE.replace("BLOCK", str(BLOCK))
    text = f"{stage}\n{worklet}\nconst script = {json.dumps(script)};\n{_RUN}"
    done = subprocess.run([NODE, "-"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    heard = json.loads(done.stdout)
    return [said if " " in said else _blocks(said) for said in heard["said"]], heard["alive"]


def _blocks(payload: str) -> list[AudioBlock]:
    blocks = decode(payload)
    assert base64.b64decode(payload)[:4] == b"\0\0\0\0"  # wire.js puts the document there
    return [block for block in blocks if isinstance(block, AudioBlock)]


def places(blocks: list[AudioBlock]) -> list[tuple[int, int, int]]:
    return [(block.track, block.first_frame, len(block.pcm)) for block in blocks]


def test_what_ends_in_one_quantum_goes_in_one_message() -> None:
    quantum = [0.5] * 60
    script: list[list[Any]] = [["open", 1], ["open", 2]]
    script += [["render", at, [[1, [quantum]], [2, [quantum]]]] for at in range(0, 240, 60)]
    said, alive = play(script)
    assert [places(message) for message in said if not isinstance(message, str)] == [
        [(1, 0, 100), (2, 0, 100)],
        [(1, 100, 100), (2, 100, 100)],
    ]
    assert all(alive)


def test_a_late_track_ends_its_first_block_with_the_others() -> None:
    quantum = [0.0] * 40
    said, _ = play(
        [
            ["open", 1],
            ["render", 40, [[1, [quantum]]]],
            ["open", 2],
            ["render", 80, [[1, [quantum]], [2, [quantum]]]],
        ]
    )
    assert [places(message) for message in said if not isinstance(message, str)] == [
        [(1, 40, 60), (2, 80, 20)]
    ]


def test_the_rest_of_a_track_comes_before_its_end() -> None:
    quantum = [0.1] * 40
    said, alive = play(
        [
            ["open", 1],
            ["open", 2],
            ["render", 0, [[1, [quantum]], [2, [quantum]]]],
            ["command", 1, "close"],
            ["render", 40, [[1, [quantum]], [2, [quantum]]]],
            ["render", 80, [[2, [quantum]]]],
        ]
    )
    first, ticket, last = said
    assert not isinstance(first, str)
    assert not isinstance(last, str)
    assert places(first) == [(1, 0, 40)]
    assert ticket == "close 1"
    assert places(last) == [(2, 0, 100)]
    assert alive == [True, True, False, True, True]


def test_channels_are_mixed_and_kept_in_range() -> None:
    left, right = [1.0, -1.0, 0.5, 3.0], [0.0, -1.0, 0.5, 3.0]
    said, _ = play([["open", 1], ["render", 0, [[1, [left, right]]]], ["command", 1, "flush"]])
    assert not isinstance(said[0], str)
    assert said[0][0].pcm.tolist() == [16384, -32767, 16384, 32767]
    assert sys.byteorder == "little"


def test_a_source_that_gives_nothing_leaves_a_hole() -> None:
    quantum = [0.1] * 40
    said, _ = play(
        [
            ["open", 1],
            ["render", 0, [[1, [quantum]]]],
            ["render", 40, [[1, []]]],
            ["render", 80, [[1, [quantum]]]],
        ]
    )
    blocks = [block for message in said if not isinstance(message, str) for block in message]
    assert places(blocks) == [(1, 0, 40), (1, 80, 20)]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 250), st.sets(st.integers(1, 3))), min_size=1, max_size=12)
)
def test_no_sample_is_lost_doubled_or_moved(quanta: list[tuple[int, set[int]]]) -> None:
    """Whatever the quanta, and whoever is not asked in one of them."""
    script: list[list[Any]] = [["open", track] for track in (1, 2, 3)]
    wanted: dict[int, dict[int, int]] = {1: {}, 2: {}, 3: {}}
    frame = 0
    for length, tracks in quanta:
        inputs = []
        for track in sorted(tracks):
            values = [((frame + i) * 7 + track) % 30_000 for i in range(length)]
            wanted[track].update({frame + i: value for i, value in enumerate(values)})
            inputs.append([track, [[value / 32767 for value in values]]])
        script.append(["render", frame, inputs])
        frame += length
    script += [["command", track, "close"] for track in (1, 2, 3)]
    got: dict[int, dict[int, int]] = {1: {}, 2: {}, 3: {}}
    for message in play(script)[0]:
        if isinstance(message, str):
            continue
        for block in message:
            indices = np.arange(block.first_frame, block.first_frame + len(block.pcm))
            assert not set(got[block.track]) & set(indices.tolist())
            assert indices[0] // BLOCK == indices[-1] // BLOCK
            got[block.track].update(zip(indices.tolist(), block.pcm.tolist(), strict=True))
    assert got == wanted

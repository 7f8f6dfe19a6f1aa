"""What the bot says is in the recording, under the bot's name."""

from __future__ import annotations

import numpy as np
import trio

import meetcore
from meetcore_files.media import sound_of
from meetcore_files.sink import FilesSink
from tests.meetcore.conftest import Stage, events_of, kinds


async def test_it_is_in_the_files_and_in_the_mix_under_the_bots_name(tmp_path, mock_clock):
    mock_clock.rate = 10
    stage = Stage()
    async with stage.bot(tmp_path, sinks=[FilesSink()]) as bot:
        stage.admit()
        stage.join("bot", is_self=True)
        stage.join("ada")
        stage.track("a", "ada")
        stage.track("own", None, kind="own")
        await stage.live(2, "a")
        stage.at["own"] = stage.at["a"]
        for _ in range(20):
            await trio.sleep(0.1)
            stage.sound("a", 0.1, voice=False)
            stage.sound("own", 0.1)
        await stage.live(1, "a")
    files = {e.kind: e.path for e in kinds(events_of(bot), meetcore.ArtifactWritten)}
    assert files["audio.own"] == "files/track-own-Bot.opus"
    mix = np.concatenate(list(sound_of(str(bot.folder / files["audio.mix"]))))
    assert np.abs(mix[:16_000]).max() < 200
    assert np.abs(mix[40_000:56_000]).max() > 2000

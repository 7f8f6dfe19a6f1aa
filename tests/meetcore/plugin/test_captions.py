"""The built-in transcriber of those who need no sound."""

from __future__ import annotations

import pytest

import meetcore
from meetcore.model.errors import ConfigError, TranscriberError
from meetcore.plugin.transcriber import StreamRequest


def test_captions_are_there_without_any_plugin_and_have_settings():
    plugins = meetcore.Plugins(entry_points=False)
    config = meetcore.BotConfig(plugins={"captions": {"settle_s": 1.5}})
    transcriber = plugins.transcriber("captions", config)
    assert transcriber.capabilities.wants == "captions"
    assert transcriber.options.settle_s == 1.5
    with pytest.raises(ConfigError, match="settle_s"):
        plugins.transcriber("captions", meetcore.BotConfig(plugins={"captions": {"settle_s": 0}}))


def test_sound_is_refused():
    transcriber = meetcore.Plugins(entry_points=False).transcriber("captions", meetcore.BotConfig())
    with pytest.raises(TranscriberError, match="takes no sound"):
        transcriber.stream(StreamRequest(bot_id="b", track_id="t", emit=lambda result: None))

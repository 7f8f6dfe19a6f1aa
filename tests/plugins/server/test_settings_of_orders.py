"""Settings of plugins that an order brings, and its names and terms, in a bot's own settings."""

from __future__ import annotations

from meetcore import BotConfig, Plugins
from meetcore.gateway.records import BotRequest
from meetcore_server.orders_to_specs import Specs

from .running import SHORT, plugin_files_of_tests

VIEW = {"browser": {"video_view": "speaker"}}


def spec_of(*names: str, config: BotConfig | None = None, **order: object) -> dict[str, object]:
    files = plugin_files_of_tests()
    plugins = Plugins(only=["files", "server", *names], files=files)
    settings = Specs(config or BotConfig(sinks=()), plugins).spec(
        "b", BotRequest(url=SHORT, transcriber=None, **order)
    )
    return dict(settings.settings)


def test_settings_of_a_plugin_that_is_here_reach_the_bot_and_those_of_another_do_not() -> None:
    assert spec_of("browser", plugins=VIEW)["plugins"] == VIEW
    assert spec_of(plugins=VIEW)["plugins"] == {}


def test_the_operators_own_settings_stay_beside_the_orders() -> None:
    config = BotConfig(sinks=(), plugins={"browser": {"video_size": "480p"}})
    settings = spec_of("browser", config=config, plugins=VIEW)["plugins"]
    assert settings == {"browser": {"video_size": "480p", "video_view": "speaker"}}


def test_an_orders_terms_come_after_the_servers_own() -> None:
    config = BotConfig(sinks=(), vocabulary=("Trio", "meetcore"))
    assert spec_of(config=config, vocabulary=["meetcore", "pluggy"])["vocabulary"] == [
        "Trio",
        "meetcore",
        "pluggy",
    ]
    assert list(spec_of(config=config)["vocabulary"]) == ["Trio", "meetcore"]

"""What variables and files of secrets mean to meetcore: read by meetcore itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import pytest

from meetcore import BotConfig, Plugins, build_options, load_config
from meetcore.fleet import launcher_of
from meetcore_kubernetes.options import KubernetesOptions
from meetcore_otel.options import OtelOptions
from meetcore_redis.options import RedisOptions, brokers_of
from meetcore_s3.options import S3Options
from meetcore_server.command import serve_command
from meetcore_server.options import ServerSettings

OPTIONS: dict[str, type[Any]] = {
    "kubernetes": KubernetesOptions,
    "otel": OtelOptions,
    "redis": RedisOptions,
    "s3": S3Options,
    "server": ServerSettings,
}
ANSWERED_ELSEWHERE = {"MEETCORE_CHROMIUM_SANDBOX"}


def read_as_meetcore_does(
    environ: Mapping[str, str], caplog: pytest.LogCaptureFixture
) -> tuple[BotConfig, dict[str, Any]]:
    """Return the configuration and the options of each plugin; fails on what nobody declared."""
    ours = {name: value for name, value in environ.items() if name.startswith("MEETCORE_")}
    config = load_config(None, None, ours)
    assert "names no option" not in caplog.text
    plugins = {name: build_options(OPTIONS[name], t, name) for name, t in config.plugins.items()}
    there = Plugins()
    if config.launcher is not None:
        assert launcher_of(config, there).name == config.launcher
    if config.bus.url is not None:
        assert config.bus.url.partition(":")[0] in there.buses
        brokers_of(config.bus.url)
    return config, plugins


def secrets_in(folder: Path, values: Mapping[str, str]) -> dict[str, str]:
    """Write files of secrets; return the variable that leads to them."""
    folder.mkdir()
    for name, value in values.items():
        (folder / name).write_text(value + "\n", "utf-8")
    return {"MEETCORE_SECRETS_FOLDER": str(folder)}


def parse_serve(words: list[str]) -> dict[str, Any]:
    """Return what an image's arguments mean; fails where `meetcore serve` does not take them."""
    assert words[0] == "serve"
    with click.Context(serve_command) as context:
        serve_command.parse_args(context, list(words[1:]))
        defaults = ServerSettings()
        shown = {"port": defaults.port, "host": defaults.host}
        given = {name: value for name, value in context.params.items() if value is not None}
        return {**shown, **given}

"""Configuration from a file, the environment and code; what nobody declared is refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Literal

import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

import meetcore
from meetcore.model import config
from meetcore.model.config import (
    AudioConfig,
    AutomaticLeave,
    BotConfig,
    build_options,
    changed,
    environment_settings,
    load_config,
    merged,
    written,
)
from meetcore.model.errors import ConfigError, UnknownOption, nearest
from meetcore.model.secrets import Secret

FILE = """
name = "From the file"
transcriber = "pocketsphinx"
sinks = ["files"]
[automatic_leave]
everyone_left_s = 30
silence_s = 40
[plugins.webhook]
url = "https://example.org/hook"
retries = 3
[metadata]
team = "blue"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "meetcore.toml"
    path.write_text(FILE)
    return path


def test_code_wins_over_the_environment_and_that_over_the_file(file):
    environ = {
        "MEETCORE_NAME": "From the environment",
        "MEETCORE_AUTOMATIC_LEAVE__SILENCE_S": "50",
        "MEETCORE_AUTOMATIC_LEAVE__MAX_DURATION_S": "never",
        "MEETCORE_PLUGINS__WEBHOOK__RETRIES": "5",
        "MEETCORE_SINKS": "files, webhook",
        "MEETCORE_RECORD": "no",
        "MEETCORE_OUT_DIR": "elsewhere",
        "UNRELATED": "x",
    }
    config = load_config(file, {"name": "From code", "audio": {"vad_mode": 2}}, environ)
    assert config.name == "From code"
    assert config.sinks == ("files", "webhook")
    assert config.record is False
    assert config.out_dir == Path("elsewhere")
    leave = config.automatic_leave
    assert (leave.everyone_left_s, leave.silence_s, leave.max_duration_s) == (30, 50, None)
    assert config.plugins["webhook"] == {"url": "https://example.org/hook", "retries": "5"}
    assert (config.audio, config.metadata) == (AudioConfig(vad_mode=2), {"team": "blue"})


def test_a_default_is_for_what_is_not_said_and_an_empty_list_is_said(tmp_path):
    defaults = {"sinks": ["files"], "name": "Notes"}
    assert load_config(environ={}, defaults=defaults).sinks == ("files",)
    file = tmp_path / "bot.toml"
    file.write_text("sinks = []\n")
    said = load_config(file, environ={}, defaults=defaults)
    assert (said.sinks, said.name) == ((), "Notes")
    environ = {"MEETCORE_SINKS": "webhook"}
    assert load_config(environ=environ, defaults=defaults).sinks == ("webhook",)


@pytest.mark.parametrize(
    ("written", "known", "meant"),
    [
        ("prot", ["root", "port", "host"], "port"),
        ("flies", ["filters", "files", "flite"], "files"),
        ("naem", ["name", "keep"], "name"),
        ("abcd", ["abdc", "abd"], "abd"),
        ("x", ["transcriber"], None),
    ],
)
def test_the_nearest_name_is_the_fewest_slips_away(written, known, meant):
    assert nearest(written, known) == meant


def test_nothing_said_is_the_defaults():
    assert load_config(environ={}) == BotConfig()


@pytest.mark.parametrize(
    ("settings", "named", "said"),
    [
        ({"trancriber": "x"}, "transcriber", "'trancriber' in the configuration"),
        ({"automatic_leave": {"everyone_left": 3}}, "everyone_left_s", "automatic_leave"),
        ({"audio": {"hangover": 3}}, "hangover_ms", "audio"),
    ],
)
def test_an_unknown_option_is_refused_with_the_nearest_known_one(settings, named, said):
    with pytest.raises(UnknownOption, match=said) as caught:
        load_config(overrides=settings, environ={})
    assert caught.value.nearest == named
    assert f"Did you mean {named!r}?" in str(caught.value)


def test_an_option_like_no_other_lists_what_there_is():
    with pytest.raises(UnknownOption) as caught:
        build_options(AudioConfig, {"qqqq": 1}, "[audio]")
    assert "Known here: hangover_ms, levels" in caught.value.remedy


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"automatic_leave": {"silence_s": 0}}, "greater than 0, not 0"),
        ({"automatic_leave": {"silence_s": -1.5}}, "silence_s in .automatic_leave. must be"),
        ({"automatic_leave": {"silence_s": "soon"}}, "silence_s in automatic_leave.* is 'soon'"),
        ({"automatic_leave": 5}, "must be a table of options, not 5"),
        ({"audio": {"vad_mode": 9}}, "vad_mode"),
        ({"audio": {"hangover_ms": 1.5}}, "whole number"),
        ({"audio": {"levels": "perhaps"}}, "true or false"),
        ({"audio": {"levels": 1}}, "true or false"),
        ({"name": 5}, "must be text"),
        ({"sinks": 5}, "must be a list, not 5"),
        ({"sinks": [5]}, "must be text"),
        ({"plugins": "x"}, "must be a table, not 'x'"),
        ({"metadata": {"a": 1}}, "metadata in the configuration.a"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_place(settings, said):
    with pytest.raises(ConfigError, match=said):
        load_config(overrides=settings, environ={})


class Colour(StrEnum):
    RED = "red"


@frozen
class Strange:
    how: Literal["quick", "slow"] = "quick"
    colour: Colour = Colour.RED
    pair: tuple[int, ...] = ()
    by_name: dict[str, tuple[str, ...]] = field(factory=dict)
    secret: meetcore.Secret | None = None
    when: str = ""


def test_a_plugins_own_kinds_of_values_are_read():
    made = build_options(
        Strange,
        {"how": "slow", "colour": "red", "pair": [1, "2"], "by_name": {"a": ["b"]}, "secret": "s3"},
        "[plugins.strange]",
    )
    assert (made.how, made.colour, made.pair) == ("slow", Colour.RED, (1, 2))
    assert made.by_name == {"a": ("b",)}
    assert made.secret == meetcore.Secret("s3")


@pytest.mark.parametrize("settings", [{"how": "fast"}, {"colour": "blue"}, {"pair": ["x"]}])
def test_a_plugins_own_kinds_of_values_are_refused_by_our_error(settings):
    (option,) = settings
    with pytest.raises(ConfigError, match=option):
        build_options(Strange, settings, "[plugins.strange]")


def test_a_file_that_is_not_there_or_not_toml_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.toml cannot be read"):
        load_config(tmp_path / "nowhere.toml", environ={})
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path, environ={})
    for content in (b"name = ", b"\xff\xfe"):
        (tmp_path / "bad.toml").write_bytes(content)
        with pytest.raises(ConfigError, match=r"bad\.toml is not TOML"):
            load_config(tmp_path / "bad.toml", environ={})


def test_variables_that_are_no_options_are_left_alone():
    environ = {
        "MEETCORE_CHROMIUM": "/usr/bin/chromium",
        "MEETCORE_CHROMIUM_SANDBOX": "1",
        "MEETCORE_TRACE_HOOKS": "1",
        "MEETCORE_LOAD": "files",
        "MEETCORE_WITHOUT": "x",
        "MEETCORE_CONFIG": "x.toml",
    }
    assert environment_settings(environ) == {}


def test_a_variable_for_a_table_and_one_for_what_is_in_it_contradict_each_other():
    environ = {"MEETCORE_AUDIO": "x", "MEETCORE_AUDIO__LEVELS": "yes"}
    with pytest.raises(ConfigError, match="MEETCORE_AUDIO__LEVELS"):
        environment_settings(environ)


trees = st.recursive(
    st.integers(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner), max_leaves=8
)
tables = st.dictionaries(st.sampled_from("abc"), trees)


def lookup(tree: object, path: tuple[str, ...]) -> object:
    for step in path:
        if not isinstance(tree, dict) or step not in tree:
            return None
        tree = tree[step]
    return tree


@given(below=tables, above=tables)
def test_layers_merge_table_by_table_and_the_upper_one_wins(below, above):
    result = merged(below, above)
    assert set(result) == set(below) | set(above)
    for key, value in result.items():
        if key not in above:
            assert value == below[key]
        elif isinstance(above[key], dict) and isinstance(below.get(key), dict):
            assert value == merged(below[key], above[key])
        else:
            assert value == above[key]
    assert merged(result, above) == result


def test_a_configuration_can_be_changed_in_code_by_the_same_rules():
    config = BotConfig(name="A", automatic_leave=AutomaticLeave(silence_s=5))
    assert changed(config, {"sinks": ["files"]}).sinks == ("files",)
    assert changed(config, {"name": "B"}).automatic_leave.silence_s == 5
    with pytest.raises(UnknownOption, match="nmae"):
        changed(config, {"nmae": "B"})


def test_a_configuration_does_not_show_its_secrets():
    config = load_config(
        overrides={"name": "A", "plugins": {"w": {"key": "k3y"}}},
        environ={},
    )
    assert "'A'" in repr(config)
    assert "k3y" not in repr(config)


@frozen
class Listing:
    columns: tuple[str, ...] = ()
    names: Sequence[str] = ()
    kinds: frozenset[str] = frozenset()
    sizes: list[int] | None = None


@pytest.mark.parametrize("option", ["columns", "names", "kinds", "sizes"])
def test_a_text_is_never_taken_for_a_list(option):
    with pytest.raises(ConfigError, match=rf'{option} in .* must be a list.*Write \["12"\]'):
        build_options(Listing, {option: "12"}, "[plugins.listing]")
    with pytest.raises(ConfigError, match="must be a list"):
        build_options(Listing, {option: {"a": 1}}, "[plugins.listing]")


def test_where_there_is_nothing_but_text_commas_part_a_list():
    options = {"columns": "a, b", "names": "a", "kinds": "a,a", "sizes": "1,2"}
    built = build_options(Listing, written(options), "[plugins.listing]")
    assert built == Listing(("a", "b"), ("a",), frozenset("a"), [1, 2])
    environ = {"MEETCORE_PLUGINS__LISTING__COLUMNS": "text"}
    config = load_config(environ=environ)
    assert build_options(Listing, config.plugins["listing"], "x").columns == ("text",)


def test_plugin_files_of_a_toml_file_lie_beside_it(tmp_path):
    file = tmp_path / "meetcore.toml"
    file.write_text('plugin_files = ["tiny.py", "/opt/other.py"]\nlauncher = "mine"\n')
    config = load_config(file, environ={})
    assert config.plugin_files == (str(tmp_path / "tiny.py"), "/opt/other.py")
    assert config.launcher == "mine"


FOREIGN = {
    "MEETCORE_SERVICE_HOST": "10.0.0.1",
    "MEETCORE_SERVICE_PORT_HTTP": "8080",
    "MEETCORE_PORT": "tcp://10.0.0.1:8080",
    "MEETCORE_PORT_8080_TCP_ADDR": "10.0.0.1",
}


def test_variables_of_others_are_warned_of_once_and_left_alone(caplog):
    config._warn_of.cache_clear()
    for _ in range(2):
        assert load_config(environ={**FOREIGN, "MEETCORE_NAME": "n"}).name == "n"
    assert sorted(record.args[0] for record in caplog.records) == sorted(FOREIGN)


def test_a_misspelt_variable_is_warned_of_with_the_nearest_option(caplog):
    config._warn_of.cache_clear()
    load_config(environ={"MEETCORE_TRANSCRIBR": "x"})
    assert "MEETCORE_TRANSCRIBER?" in caplog.text


@frozen
class Keyed:
    key: Secret | None = None
    keys: tuple[Secret, ...] = ()


@given(st.text(st.characters(categories=["L", "N"]), min_size=1), st.text(" \n\t\r", max_size=3))
def test_a_secret_comes_without_what_a_file_or_a_shell_put_around_it(secret, around):
    given_key = around + secret + around
    if given_key.lower() in ("none", "never"):
        return
    built = build_options(Keyed, {"key": given_key, "keys": [given_key]}, "[x]")
    assert built.key.reveal() == secret
    assert built.keys[0].reveal() == secret


@pytest.mark.parametrize("value", ["", " ", "\n"])
def test_an_empty_secret_is_refused(value):
    with pytest.raises(ConfigError, match="is empty"):
        build_options(Keyed, {"key": value}, "[x]")


def test_a_sink_is_trusted_unless_its_settings_came_over_an_api():
    settings = {"sinks": ["webhook", "dial"], "ordered_sinks": ["dial"]}
    built = load_config(overrides=settings, environ={})
    assert (built.trusts("webhook"), built.trusts("dial")) == (True, False)
    assert not load_config(overrides={**settings, "trusted": False}, environ={}).trusts("webhook")

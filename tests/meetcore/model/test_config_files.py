"""Settings in files of a folder, as secrets come to a container."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from meetcore.model.config import environment_settings, load_config
from meetcore.model.config_files import settings_in_files
from meetcore.model.errors import ConfigError


def folder_with(tmp_path: Path, **files: str) -> dict[str, str]:
    """Write files; return the environment that names their folder."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    return {"MEETCORE_SECRETS_FOLDER": str(folder)}


def test_a_file_is_an_option_named_like_its_variable(tmp_path):
    environ = folder_with(
        tmp_path, plugins__server__database="postgresql://u:w@h/n\n", NAME="  Notes\r\n"
    )
    assert environment_settings(environ) == {
        "name": "Notes",
        "plugins": {"server": {"database": "postgresql://u:w@h/n"}},
    }
    assert load_config(environ=environ).name == "Notes"


def test_a_variable_wins_over_a_file_and_a_file_over_the_toml(tmp_path):
    toml = tmp_path / "meetcore.toml"
    toml.write_text('name = "of the toml"\nlanguage = "de"\n', "utf-8")
    environ = folder_with(tmp_path, name="of the file", language="fr")
    environ["MEETCORE_NAME"] = "of the variable"
    config = load_config(toml, environ=environ)
    assert (config.name, config.language) == ("of the variable", "fr")


def test_what_kubernetes_keeps_beside_the_files_is_passed_over(tmp_path):
    """Each key of a Secret is a link into a folder whose name begins with two dots."""
    environ = folder_with(tmp_path)
    folder = tmp_path / "secrets"
    kept = folder / "..2026_01_02"
    kept.mkdir()
    (kept / "name").write_text("Notes", "utf-8")
    (folder / "..data").symlink_to(kept.name)
    (folder / "name").symlink_to("..data/name")
    assert settings_in_files(environ, {"name"}) == {"NAME": "Notes"}


def test_a_file_that_names_no_option_is_refused_by_its_name_alone(tmp_path):
    environ = folder_with(tmp_path, api_key="hush-hush")
    with pytest.raises(ConfigError, match=r"api_key .* names no option") as refused:
        load_config(environ=environ)
    assert "plugins__server__api_key" in str(refused.value)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b"x" * 65_537, "longer than 64 KiB"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, data, said):
    environ = folder_with(tmp_path)
    (tmp_path / "secrets" / "name").write_bytes(data)
    with pytest.raises(ConfigError, match=rf"secrets/name .*{said}"):
        load_config(environ=environ)


def test_a_file_that_leads_nowhere_is_named(tmp_path):
    environ = folder_with(tmp_path)
    os.symlink("/nowhere/at/all", tmp_path / "secrets" / "name")
    with pytest.raises(ConfigError, match="secrets/name cannot be read"):
        load_config(environ=environ)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    environ = {"MEETCORE_SECRETS_FOLDER": str(tmp_path / "nowhere")}
    with pytest.raises(ConfigError, match="nowhere of MEETCORE_SECRETS_FOLDER cannot be read"):
        load_config(environ=environ)


@pytest.mark.parametrize("environ", [{}, {"MEETCORE_SECRETS_FOLDER": " "}])
def test_without_a_folder_there_is_nothing(environ):
    assert settings_in_files(environ, {"name"}) == {}


def test_two_files_that_contradict_each_other_are_named(tmp_path):
    environ = folder_with(tmp_path, audio="x", audio__levels="yes")
    with pytest.raises(ConfigError, match="audio__levels cannot be used beside"):
        load_config(environ=environ)

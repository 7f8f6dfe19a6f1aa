"""Where a Chromium is looked for, in which order, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from meetcore_browser.errors import ChromiumMissing
from meetcore_browser.finder import chromium_version, find_chromium


def executable(path: Path, answer: str = "Chromium 1.2.3.4") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    return path


def test_a_given_path_is_taken_and_nothing_else_is_tried(tmp_path: Path) -> None:
    mine = executable(tmp_path / "mine")
    env = {"MEETCORE_CHROMIUM": str(executable(tmp_path / "other")), "PATH": str(tmp_path)}
    found = find_chromium(mine, env=env)
    assert (found.path, found.found_by) == (mine, "option")
    with pytest.raises(ChromiumMissing, match=r"the configuration, '/nowhere/it', does not exist"):
        find_chromium("/nowhere/it", env=env)


def test_the_environment_comes_before_the_system(tmp_path: Path) -> None:
    mine = executable(tmp_path / "mine")
    executable(tmp_path / "bin" / "chromium")
    env = {"MEETCORE_CHROMIUM": str(mine), "PATH": str(tmp_path / "bin")}
    found = find_chromium(env=env)
    assert (found.path, found.found_by) == (mine, "environment")


def test_a_file_that_cannot_be_executed_is_said_to_be_that(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch(mode=0o644)
    with pytest.raises(ChromiumMissing, match=r"\$MEETCORE_CHROMIUM, .* cannot be executed"):
        find_chromium(env={"MEETCORE_CHROMIUM": str(plain), "PATH": ""})


def test_a_command_may_stand_for_a_path(tmp_path: Path) -> None:
    browser = executable(tmp_path / "my-chromium")
    assert find_chromium("my-chromium", env={"PATH": str(tmp_path)}).path == browser


@pytest.mark.parametrize("command", ["chromium", "google-chrome", "google-chrome-stable"])
def test_debians_chromium_and_googles_chrome_are_found_on_the_path(
    command: str, tmp_path: Path
) -> None:
    browser = executable(tmp_path / command)
    found = find_chromium(env={"PATH": str(tmp_path)}, platform="none")
    assert (found.path, found.found_by) == (browser, "system")


def test_debians_chromium_comes_before_googles_chrome(tmp_path: Path) -> None:
    executable(tmp_path / "google-chrome")
    browser = executable(tmp_path / "chromium")
    assert find_chromium(env={"PATH": str(tmp_path)}, platform="none").path == browser


def test_the_usual_place_on_a_mac_is_looked_at(tmp_path: Path) -> None:
    place = "Applications/Chromium.app/Contents/MacOS/Chromium"
    browser = executable(tmp_path / place)
    env = {"PATH": "", "HOME": str(tmp_path)}
    assert find_chromium(env=env, platform="darwin").path == browser


def test_playwrights_own_is_the_last_resort_and_the_newest_wins(tmp_path: Path) -> None:
    cache = tmp_path / ".cache/ms-playwright"
    executable(cache / "chromium-999/chrome-linux/chrome")
    newest = executable(cache / "chromium-1200/chrome-linux64/chrome")
    found = find_chromium(env={"PATH": "", "HOME": str(tmp_path)}, platform="none")
    assert (found.path, found.found_by) == (newest, "playwright")
    elsewhere = executable(tmp_path / "browsers/chromium-7/chrome-linux/chrome")
    env = {"PATH": "", "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path / "browsers")}
    assert find_chromium(env=env, platform="none").path == elsewhere


@pytest.mark.parametrize(
    ("platform", "remedy"),
    [
        ("none", "apt-get install chromium"),
        ("darwin", "Install Google Chrome"),
        ("win32", "playwright install chromium"),
    ],
)
def test_where_there_is_none_one_sentence_says_what_to_do(
    platform: str, remedy: str, tmp_path: Path
) -> None:
    env = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    with pytest.raises(ChromiumMissing) as caught:
        find_chromium(env=env, platform=platform)
    assert remedy in caught.value.remedy
    assert "$MEETCORE_CHROMIUM" in caught.value.remedy
    assert "\n" not in str(caught.value)


def test_the_version_is_asked_of_the_browser_itself(tmp_path: Path) -> None:
    assert chromium_version(executable(tmp_path / "a", "Chromium 156.0.8078.79 on Debian")) == (
        "156.0.8078.79"
    )
    with pytest.raises(ChromiumMissing, match="not a Chromium: it answered 'GNU bash'"):
        chromium_version(executable(tmp_path / "b", "GNU bash"))
    with pytest.raises(ChromiumMissing, match="did not tell its version"):
        chromium_version(tmp_path / "none")
    hanging = executable(tmp_path / "c")
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    with pytest.raises(ChromiumMissing, match="timed out"):
        chromium_version(hanging, timeout_s=0.1)

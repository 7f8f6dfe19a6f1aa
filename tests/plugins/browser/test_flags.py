"""Which switches Chromium gets, when its sandbox is on, and when it may be visible."""

from __future__ import annotations

import os

import pytest

from meetcore_browser.errors import NoDisplay
from meetcore_browser.flags import (
    PLAYWRIGHT_DISABLED_FEATURES,
    LaunchOptions,
    check_display,
    launch_arguments,
    wants_sandbox,
)


def test_the_sandbox_is_on_unless_we_are_root_or_it_was_switched_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert wants_sandbox(LaunchOptions(), {})
    assert not wants_sandbox(LaunchOptions(), {"MEETCORE_CHROMIUM_SANDBOX": "off"})
    assert wants_sandbox(LaunchOptions(sandbox=True), {"MEETCORE_CHROMIUM_SANDBOX": "off"})
    assert not wants_sandbox(LaunchOptions(sandbox=False), {})
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert not wants_sandbox(LaunchOptions(), {})


def test_a_feature_stands_in_the_list_once() -> None:
    options = LaunchOptions(disabled_features=("Translate", "MediaRouter", "Mine"))
    switches, leave_out = launch_arguments(options)
    [features] = [switch for switch in switches if switch.startswith("--disable-features=")]
    names = features.partition("=")[2].split(",")
    assert len(names) == len(set(names))
    assert set(names) >= {*PLAYWRIGHT_DISABLED_FEATURES, "Translate", "Mine"}
    assert leave_out == ["--disable-features=" + ",".join(PLAYWRIGHT_DISABLED_FEATURES)]


def test_a_proxy_takes_the_place_of_none() -> None:
    assert "--no-proxy-server" in launch_arguments(LaunchOptions())[0]
    switches, _ = launch_arguments(LaunchOptions(proxy_server="http://proxy:3128"))
    assert "--proxy-server=http://proxy:3128" in switches
    assert "--no-proxy-server" not in switches


def test_switches_of_ones_own_come_last() -> None:
    assert launch_arguments(LaunchOptions(arguments=("--mine",)))[0][-1] == "--mine"


@pytest.mark.parametrize(
    ("env", "platform"),
    [({"DISPLAY": ":0"}, "linux"), ({"WAYLAND_DISPLAY": "wayland-0"}, "linux"), ({}, "darwin")],
)
def test_a_visible_browser_is_possible_where_there_is_a_display(
    env: dict[str, str], platform: str
) -> None:
    check_display(LaunchOptions(headed=True), env, platform)


def test_a_visible_browser_without_a_display_is_refused_with_a_remedy() -> None:
    check_display(LaunchOptions(), {}, "linux")
    with pytest.raises(NoDisplay) as caught:
        check_display(LaunchOptions(headed=True), {}, "linux")
    assert "xvfb-run" in caught.value.remedy


def test_a_tab_that_may_be_heard_is_not_muted_and_the_machine_is_quiet_all_the_same() -> None:
    switches, left_out = launch_arguments(LaunchOptions(tab_capture=True))
    assert {"--auto-accept-this-tab-capture", "--disable-audio-output"} <= set(switches)
    assert "--mute-audio" in left_out
    switches, left_out = launch_arguments(LaunchOptions())
    assert "--auto-accept-this-tab-capture" not in switches
    assert "--mute-audio" not in left_out

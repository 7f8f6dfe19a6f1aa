"""Chromium's command line: which switches a bot's browser gets, and why."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from attrs import frozen

from meetcore_browser.errors import NoDisplay

__all__ = [
    "PLAYWRIGHT_DISABLED_FEATURES",
    "SANDBOX_ENV_NAME",
    "LaunchOptions",
    "check_display",
    "launch_arguments",
    "wants_sandbox",
]

SANDBOX_ENV_NAME = "MEETCORE_CHROMIUM_SANDBOX"

PLAYWRIGHT_DISABLED_FEATURES = (
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "TcpPortRandomizationWin",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
    "msForceBrowserSignIn",
    "msEdgeUpdateLaunchServicesPreferredVersion",
)
"""What Playwright 1.65 switches off itself. A second `--disable-features` would be a switch of its
own and Chromium obeys only one, so Playwright's is taken out and one with both lists goes in. With
another Playwright, whose list differs, both stand there and ours comes last."""

# Playwright's own switches, which stay, already keep Chromium from talking to its makers:
# --disable-background-networking, --disable-component-update, --disable-sync, --no-first-run …
_SWITCHES = (
    "--no-proxy-server",
    "--no-pings",
    "--disable-quic",
    # Without it an AudioContext stays suspended until somebody clicks, and silence is recorded.
    "--autoplay-policy=no-user-gesture-required",
    # Selectors are written for one language; the machine's own must not decide.
    "--lang=en-US",
    "--accept-lang=en-US,en",
    # Of Chromium's own window (its tabs, its throbber), which it paints without a screen, too: not
    # of the page, whose animations are as they were.
    "--animation-duration-scale=0",
)

_OWN_DISABLED_FEATURES = (
    "Translate",
    "AutofillServerCommunication",
    # The pop-ups of the address bar are web pages of their own, loaded with every window whether
    # it can be seen or not: a process more, and more than half of what a start costs.
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxFullPopup",
    # A process that is kept ready for the next site: a bot's page goes to one, and has its own.
    "SpareRendererForSitePerProcess",
    # A process of its own that takes what pages play to the sound card. It parses nothing of a
    # page's, and for a browser that plays to nobody it is 17 MB and a switch of processes every
    # 10 ms; in the browser's own process the same code is a thread.
    "AudioServiceOutOfProcess",
)


@frozen(kw_only=True)
class LaunchOptions:
    """How to start a Chromium.

    Attributes:
        chromium: Path of the browser, None to look for one.
        headed: Whether it is to be visible.
        display: The X display it is to be visible on though nobody looks, None for none.
        display_authority: Path of the X authority file that opens that display, None for the
            user's own.
        sandbox: Whether Chromium's sandbox is on. None: on, unless we are root, where it cannot
            work, or $MEETCORE_CHROMIUM_SANDBOX is `off`, for machines on which nobody can have it.
        proxy_server: A proxy as Chromium's `--proxy-server` takes it; None for none at all,
            whatever the system's settings say.
        disabled_features: Further Chromium features to switch off.
        arguments: Further switches, as they are.
        tab_capture: Whether a page may hear its own tab (page/tab_capture.js).
        launch_timeout_s: How long the start may take.
    """

    chromium: str | None = None
    headed: bool = False
    display: str | None = None
    display_authority: str | None = None
    sandbox: bool | None = None
    proxy_server: str | None = None
    disabled_features: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    tab_capture: bool = False
    launch_timeout_s: float = 30.0


def is_root() -> bool:
    """Whether this process runs as root, where Chromium's sandbox cannot work."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def wants_sandbox(options: LaunchOptions, env: Mapping[str, str] | None = None) -> bool:
    """Whether Chromium's sandbox is to be on."""
    env = os.environ if env is None else env
    if options.sandbox is not None:
        return options.sandbox
    return env.get(SANDBOX_ENV_NAME) != "off" and not is_root()


def launch_arguments(options: LaunchOptions) -> tuple[list[str], list[str]]:
    """Return the switches to add and those of Playwright's own to leave out."""
    own = dict.fromkeys(
        (*PLAYWRIGHT_DISABLED_FEATURES, *_OWN_DISABLED_FEATURES, *options.disabled_features)
    )
    switches = list(_SWITCHES)
    if options.proxy_server is not None:
        switches[0] = f"--proxy-server={options.proxy_server}"
    switches.append(f"--disable-features={','.join(own)}")
    switches.extend(options.arguments)
    leave_out = [f"--disable-features={','.join(PLAYWRIGHT_DISABLED_FEATURES)}"]
    if options.tab_capture:
        switches.append("--auto-accept-this-tab-capture")
    if options.display is not None:
        # It plays to nobody, and its window is to lie where its screen is.
        switches += ["--disable-audio-output", "--window-position=0,0"]
    elif options.tab_capture and not options.headed:
        # Playwright's way to keep a machine quiet makes the tab silent for its own capture, too
        # (measured with Chromium 156); without an output device it is quiet and can be heard.
        leave_out.append("--mute-audio")
        switches.append("--disable-audio-output")
    return switches, leave_out


def check_display(
    options: LaunchOptions, env: Mapping[str, str] | None = None, platform: str = sys.platform
) -> None:
    """Raise unless a visible browser, if one is wanted, would have somewhere to appear.

    Raises:
        NoDisplay: There is no X11 or Wayland display.
    """
    env = os.environ if env is None else env
    if options.display is not None or not options.headed or platform in ("darwin", "win32"):
        return
    if not env.get("DISPLAY") and not env.get("WAYLAND_DISPLAY"):
        raise NoDisplay(
            "A visible browser was asked for, but there is no display"
            " (neither $DISPLAY nor $WAYLAND_DISPLAY is set).",
            "Leave out --headed, or run under `xvfb-run`.",
        )

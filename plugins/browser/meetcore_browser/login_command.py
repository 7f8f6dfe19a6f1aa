"""`meetcore login` and `meetcore logout`: accounts of the bot's own, signed in by a person."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from meetcore import MeetcoreError, Plugins
from meetcore_browser.errors import BrowserError, NoDisplay
from meetcore_browser.guest.guest_platform import GuestPlatform

if TYPE_CHECKING:
    from meetcore_browser.guest.identities import IdentityStore

__all__ = ["NothingSignedIn", "login", "logout", "sign_in"]

OPEN_TIMEOUT_S = 60.0
PERSON_TIMEOUT_S = 1800.0


class NothingSignedIn(BrowserError):
    """A session without a single cookie or stored value: nobody signed in."""


def _list(context: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    if not asked:
        return
    from meetcore_browser.guest.identities import IdentityStore

    store = IdentityStore()
    for name in store.names():
        try:
            identity = store.load(name)
        except MeetcoreError as error:
            click.echo(f"{name}  {error.message}")
            continue
        state = "expired" if identity.expired else "signed in"
        click.echo(f"{name}  {identity.platform}, {state}, {identity.saved_at:%Y-%m-%d %H:%M} UTC")
    if not store.names():
        click.echo("No account is signed in.")
    context.exit()


@click.command()
@click.argument("platform")
@click.option(
    "--identity",
    "name",
    default="notes-bot",
    show_default=True,
    help="What to call the account; [plugins.PLATFORM] identity = … uses it.",
)
@click.option(
    "--shown-as",
    default="",
    metavar="NAME",
    help="What the account is called in meetings: by this name a bot knows itself in their lists.",
)
@click.option(
    "--from",
    "state_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Take the session from a file of Playwright's (storage_state) in place of a browser.",
)
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list,
    help="List the accounts, and end.",
)
def login(platform: str, name: str, shown_as: str, state_file: Path | None) -> None:
    """Sign an account of the bot's own in, in a browser window, and keep the session.

    A person signs in; nothing is typed or clicked for them. The session is kept encrypted.
    """
    import trio

    from meetcore_browser.guest.identities import Identity, IdentityStore

    found = Plugins().platforms
    cls = found.get(platform)
    if cls is None or not issubclass(cls, GuestPlatform) or not cls.sign_in_url:
        able = [n for n, c in found.items() if issubclass(c, GuestPlatform) and c.sign_in_url]
        known = ", ".join(sorted(able)) or "none that is installed"
        raise BrowserError(f"No account can be signed in for {platform!r}.", f"There are: {known}.")
    store = IdentityStore()
    shown_as = " ".join(shown_as.split()) or _check_name(store, name)
    try:
        state = trio.run(sign_in, cls.sign_in_url) if state_file is None else _from_file(state_file)
    except NoDisplay as error:
        raise NoDisplay(
            "There is no display here to open a window on.",
            "Sign in where there is one, with Playwright, and bring the session: --from FILE.",
        ) from error
    except trio.TooSlowError as error:
        raise NothingSignedIn(
            f"Nobody signed in within {PERSON_TIMEOUT_S / 60:.0f} min."
        ) from error
    if state_file is not None:
        state, left_out = of_hosts(state, cls.session_hosts())
        if left_out:
            click.echo(f"Left out, since {platform} has no use for it: {', '.join(left_out)}.")
    cookies, origins = state.get("cookies", ()), state.get("origins", ())
    if not cookies and not origins:
        raise NothingSignedIn(
            f"There is nothing of a session at {' or '.join(cls.session_hosts())}: nobody was"
            " signed in.",
            "Sign in first, and press Enter here when the page shows that you are.",
        )
    now = time.time()
    lasting = [c for c in cookies if c.get("expires", -1) == -1 or c["expires"] > now]
    if cookies and not lasting and not origins:
        raise NothingSignedIn(
            f"All {len(cookies)} cookies of the session have expired.", "Sign in anew."
        )
    store.save(Identity(name, platform, state, shown_as=shown_as))
    click.echo(
        f"Kept as {name!r} ({len(cookies)} cookies), encrypted, in {store.folder}.\n"
        f'To use it: [plugins.{platform}] identity = "{name}"'
    )
    if not shown_as:
        click.echo(
            "Where the account has another name in meetings than the bot is ordered with, say it: "
            "--shown-as NAME."
        )


@click.command()
@click.argument("name")
def logout(name: str) -> None:
    """Forget an account: its session is deleted from this machine."""
    from meetcore_browser.guest.identities import IdentityStore

    if not IdentityStore().remove(name):
        click.echo(f"No account is signed in as {name!r}.", err=True)
        sys.exit(1)
    click.echo(f"{name!r} is forgotten.")


def _check_name(store: IdentityStore, name: str) -> str:
    """See that an account may be called so; return what one that is there is shown as."""
    from meetcore_browser.guest.identities import IdentityLost, UnknownIdentity

    if name in store.names():
        click.echo(f"{name!r} is there already; it will be replaced.")
    try:
        return store.load(name).shown_as
    except UnknownIdentity as error:
        if "cannot be the name" in error.message:
            raise
    except IdentityLost:
        pass  # it is replaced
    return ""


def _from_file(path: Path) -> dict[str, Any]:
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BrowserError(f"{path} cannot be read: {error}.") from error
    if not isinstance(state, dict) or not {"cookies", "origins"} & set(state):
        raise BrowserError(
            f"{path} is no session of Playwright's: it has neither `cookies` nor `origins`."
        )
    return state


def of_hosts(state: dict[str, Any], hosts: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Return what a session holds for some hosts and those below, and which others it is for."""
    left_out: dict[str, None] = {}

    def ours(host: str) -> bool:
        kept = any(host == each or host.endswith(f".{each}") for each in hosts)
        if not kept:
            left_out[host or "no host"] = None
        return kept

    cookies = [c for c in state.get("cookies", ()) if ours(str(c.get("domain", "")).lstrip("."))]
    origins = [
        each
        for each in state.get("origins", ())
        if ours(urlsplit(str(each.get("origin", ""))).hostname or "")
    ]
    return {**state, "cookies": cookies, "origins": origins}, list(left_out)


async def sign_in(url: str, *, headed: bool = True) -> dict[str, Any]:
    """Open a window, wait for the person, and return what the browser keeps of the session."""
    import trio

    from meetcore_browser.browser import open_browser
    from meetcore_browser.flags import LaunchOptions

    async with open_browser(LaunchOptions(headed=headed)) as browser:
        context = await browser.call(browser.raw.new_context, no_viewport=True)
        page = await browser.call(context.new_page)
        await browser.call(page.goto, url, timeout_s=OPEN_TIMEOUT_S)
        click.echo("Sign the bot's own account in, in the window that has opened.")
        waiting = "Press Enter here when the page shows that it is signed in: "
        with trio.fail_after(PERSON_TIMEOUT_S):
            await trio.to_thread.run_sync(input, waiting, abandon_on_cancel=True)
        state: dict[str, Any] = dict(await browser.call(context.storage_state))
        return state

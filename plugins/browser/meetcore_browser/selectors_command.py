"""`meetcore selectors`: the packs by which web clients are read, and newer ones for them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meetcore import MeetcoreError, Plugins
from meetcore_browser.errors import SelectorPackInvalid
from meetcore_browser.guest.guest_platform import GuestPlatform
from meetcore_browser.guest.packs import install_pack, packs_folder, version_of
from meetcore_browser.selectors import SelectorPack

if TYPE_CHECKING:
    from meetcore_browser.guest.pack_checks import PackFinding

__all__ = ["selectors"]

CSS_TIMEOUT_S = 60.0
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


plugin_files = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A plugin in one file, whose platforms count as well.",
)


def _platforms(plugins: tuple[Path, ...]) -> dict[str, type[GuestPlatform[Any]]]:
    found = Plugins(files=plugins).platforms
    return {name: cls for name, cls in found.items() if issubclass(cls, GuestPlatform)}


def _platform_of(pack: SelectorPack, path: Path, plugins: tuple[Path, ...]) -> GuestPlatform[Any]:
    platforms = _platforms(plugins)
    name = pack.about.platform if pack.about is not None else ""
    if name not in platforms:
        known = ", ".join(sorted(platforms)) or "none that is installed"
        raise SelectorPackInvalid(
            f"{path} is for the platform {name or 'of no name'!r}.", f"Packs are used by: {known}."
        )
    return platforms[name]()


@click.group()
def selectors() -> None:
    """Look at selector packs, compare them, and take a newer one without a release."""


@selectors.command("list")
@plugin_files
def list_packs(plugins: tuple[Path, ...]) -> None:
    """List the packs in use: platform, version, where from."""
    platforms = _platforms(plugins)
    if not platforms:
        click.echo("No installed platform uses selector packs.")
        return
    for name, cls in sorted(platforms.items()):
        chosen = cls().chosen_pack()
        version = chosen.pack.about.version if chosen.pack.about else "no version"
        controls = len(chosen.pack.controls)
        click.echo(f"{name}  {version}  {controls} controls, {chosen.why}: {chosen.path}")


@selectors.command()
@click.argument("file", type=FILE)
def check(file: Path) -> None:
    """Look for what is wrong with a pack: its format, its CSS, the traps that others fell into."""
    findings = _check(SelectorPack.load(file))
    for finding in findings:
        click.echo(f"{'wrong' if finding.grave else 'note '}  {finding.where}: {finding.text}")
    grave = sum(finding.grave for finding in findings)
    click.echo(f"{file}: {grave} wrong, {len(findings) - grave} notes.")
    if grave:
        sys.exit(1)


def _check(pack: SelectorPack) -> list[PackFinding]:
    import trio

    from meetcore_browser.browser import open_browser
    from meetcore_browser.guest.pack_checks import check_css, check_pack

    async def in_chromium() -> list[PackFinding]:
        with trio.fail_after(CSS_TIMEOUT_S):
            async with open_browser() as browser:
                return await check_css(browser, pack)

    try:
        css = trio.run(in_chromium)
    except MeetcoreError as error:
        click.echo(f"The CSS was not tried in a browser: {error}", err=True)
        css = []
    return [*css, *check_pack(pack)]


@selectors.command()
@click.argument("file", type=FILE)
@plugin_files
def diff(file: Path, plugins: tuple[Path, ...]) -> None:
    """Say what a pack changes of the one in use for its platform."""
    from meetcore_browser.guest.pack_checks import difference

    new = SelectorPack.load(file)
    chosen = _platform_of(new, file, plugins).chosen_pack()
    lines = difference(chosen.pack, new)
    for line in lines:
        click.echo(line)
    if not lines:
        versions = f"{_version(new)}, {_version(chosen.pack)} in use: {chosen.path}"
        click.echo(f"The same but for the version ({versions}).")


@selectors.command()
@click.argument("file", type=FILE)
@click.option("--older", is_flag=True, help="Also if the one in use is newer.")
@plugin_files
def update(file: Path, *, older: bool, plugins: tuple[Path, ...]) -> None:
    """Use a pack from now on, if it is newer and nothing is wrong with it."""
    new = SelectorPack.load(file)
    platform = _platform_of(new, file, plugins)
    grave = [finding for finding in _check(new) if finding.grave]
    if grave:
        raise SelectorPackInvalid(
            f"{file} is not taken: {grave[0].where}: {grave[0].text}",
            f"`meetcore selectors check {file}` says all that is wrong.",
        )
    used = platform.chosen_pack()
    built_in = SelectorPack.load(platform.pack_file)
    if version_of(new) <= version_of(used.pack) and not older:
        raise SelectorPackInvalid(
            f"{file} is not newer than the pack in use ({_version(used.pack)}, {used.why}).",
            "Give it a later `version`, or add --older.",
        )
    if version_of(new) <= version_of(built_in):
        raise SelectorPackInvalid(
            f"{file} is not newer than the pack that came with meetcore ({_version(built_in)}), and"
            " so would never be used.",
            f"Name it in [plugins.{platform.name}] selectors = … to use it all the same.",
        )
    target = install_pack(file, platform.name)
    click.echo(f"{platform.name} uses {_version(new)} from now on: {target}")


@selectors.command()
@click.argument("platform")
def reset(platform: str) -> None:
    """Go back to the pack that came with meetcore."""
    path = packs_folder() / f"{platform}.toml"
    if not path.is_file():
        click.echo(f"No pack for {platform!r} is installed.", err=True)
        sys.exit(1)
    path.unlink()
    click.echo(f"{path} is gone; {platform} uses the pack that came with it.")


def _version(pack: SelectorPack) -> str:
    return pack.about.version if pack.about is not None else "no version"

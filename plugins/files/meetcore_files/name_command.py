"""`meetcore name`: who a voice is, in a call and after it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from meetcore import MeetcoreError, load_config

if TYPE_CHECKING:
    from meetcore_files.naming import ShownSpeaker

__all__ = ["name_command"]

_SHOWN_CHARACTERS = 48


@click.command("name")
@click.argument("where", metavar="FOLDER|FILE|URL")
@click.argument("shown", required=False)
@click.argument("name", required=False)
@click.option("--track", "track_id", help="On which track, where the same name is on several.")
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    envvar="MEETCORE_CONFIG",
    help="TOML file with the configuration, for a FOLDER that is encrypted.",
)
@click.option("--api-key", envvar="MEETCORE_API_KEY", help="The server's key, for a URL.")
def name_command(
    where: str,
    shown: str | None,
    name: str | None,
    track_id: str | None,
    config_file: Path | None,
    api_key: str | None,
) -> None:
    """Give whoever is shown as SHOWN another NAME: a voice in a meeting room, a telephone.

    A bot's FOLDER, or a transcript's JSON FILE, gets a new transcript; the old one stays. A bot
    that is in a call at a server has its address as URL, like http://127.0.0.1:8080/v1/bots/ID:
    there a voice that was told apart on a track gets the name at once. Without SHOWN and NAME it
    lists who there is. For instance:

    meetcore name meetings/20260102-090000-abc123 "Meeting room A · speaker 2" Grace
    """
    if (shown is None) is not (name is None):
        raise click.UsageError("Give both: SHOWN, who is meant, and NAME, the new name.")
    try:
        if where.startswith(("http://", "https://")):
            from meetcore_files.naming_live import BotAtServer

            bot = BotAtServer(where, api_key)
            if shown is None or name is None:
                _list(bot.speakers(), "No voice was told apart on a track yet.")
            else:
                bot.name(shown, name, track_id)
                click.echo(f"{shown} is {name}." if name.strip() else f"{shown} has no name.")
            return
        from meetcore.cli import opened_folder, path_in
        from meetcore_files.naming import WrittenTranscript

        with opened_folder(Path(where), load_config(config_file)) as opened:
            transcript = WrittenTranscript.of(opened)
            if shown is None or name is None:
                _list(transcript.speakers, "Nothing was said.")
                return
            for path in transcript.name(shown, name, track_id):
                click.echo(path_in(Path(where), opened, path))
    except MeetcoreError as error:
        raise click.ClickException(f"{error.message} {error.remedy}".strip()) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename or where}: {error.strerror}.") from error


def _list(speakers: Sequence[ShownSpeaker], nobody: str) -> None:
    if not speakers:
        click.echo(nobody)
    width = max((len(each.name) for each in speakers), default=0)
    for each in speakers:
        first = each.first
        if len(first) > _SHOWN_CHARACTERS:
            first = f"{first[:_SHOWN_CHARACTERS].rstrip()}…"
        click.echo(f"{each.name:<{width}}  track {each.track_id}  {each.words:>5} words  {first}")

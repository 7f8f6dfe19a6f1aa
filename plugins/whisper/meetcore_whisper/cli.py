"""The commands `meetcore models …`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from meetcore_whisper.errors import ModelDamaged, ModelNotFound, WhisperError
from meetcore_whisper.fetch import fetch_from_folder, fetch_model, left_to_fetch
from meetcore_whisper.known_models import KNOWN_MODELS, KnownModel, known_model
from meetcore_whisper.models import (
    FoundModel,
    cache_folder,
    find_model,
    find_named,
    how_to_get,
    locate,
)

__all__ = ["models"]


@click.group()
def models() -> None:
    """Whisper's models on this machine: what is here, fetching one, checking it."""


@models.command("list")
def list_models() -> None:
    """Show the known models, where each is, and how large it is."""
    for model in KNOWN_MODELS:
        place = locate(model)
        where = "not here"
        if place is not None:
            source, folder = place
            where = f"{source}: {folder}" if folder is not None else f"{source} (in parts)"
        speaks = "99 languages" if model.multilingual else "English"
        click.echo(f"{model.name:8} {model.size / 1e6:4.0f} MB  {speaks:12}  {where}")
    try:
        found = find_model("auto")
    except WhisperError as error:
        click.echo(f"\nNone is used: {error.message} {error.remedy}")
    else:
        click.echo(f"\nUsed where none is named: {found.name}")


def _named(name: str) -> KnownModel:
    model = known_model(name)
    if model is None:
        known = ", ".join(each.name for each in KNOWN_MODELS)
        raise ModelNotFound(f"{name!r} is no model that is known here.", f"There are: {known}.")
    return model


def _found(model: KnownModel) -> FoundModel | None:
    """Return a model that is here and whole; a damaged copy of ours is thrown away."""
    try:
        return find_named(model.name)
    except ModelDamaged as error:
        own = cache_folder() / model.folder_name
        if not own.is_dir():
            raise
        click.echo(f"{error.message} It is thrown away.", err=True)
        shutil.rmtree(own)
        return find_named(model.name)


@models.command()
@click.argument("name")
@click.option(
    "--from",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder that holds its files, instead of the hub.",
)
@click.option("--endpoint", help="Another address of the hub; HF_ENDPOINT by default.")
def fetch(name: str, folder: Path | None, endpoint: str | None) -> None:
    """Put a known model into the cache: from an installed package, a FOLDER, or its hub.

    Every file is checked against its known hash. What was begun is gone on with.
    """
    try:
        model = _named(name)
        found = _found(model) if folder is None else None
        if found is not None:
            click.echo(f"{name} is here already ({found.source}): {found.folder}")
            return
        if folder is not None:
            total = model.size
            label = f"{name} from {folder}"
        else:
            total = left_to_fetch(model)
            label = f"{name}, {total / 1e6:.0f} of {model.size / 1e6:.0f} MB to come"
        with click.progressbar(length=total, label=label, file=sys.stderr, show_pos=False) as bar:
            if folder is not None:
                place = fetch_from_folder(model, folder, bar.update)
            else:
                place = fetch_model(model, bar.update, endpoint=endpoint)
    except WhisperError as error:
        raise click.ClickException(f"{error.message} {error.remedy}".strip()) from error
    click.echo(f"{name} is in {place}")


@models.command()
@click.argument("name", required=False)
def verify(name: str | None) -> None:
    """Check every byte of the models that are here, or of the one that is NAMED."""
    bad = False
    try:
        wanted = [_named(name)] if name else list(KNOWN_MODELS)
    except WhisperError as error:
        raise click.ClickException(f"{error.message} {error.remedy}") from error
    for model in wanted:
        try:
            found = find_named(model.name)
        except WhisperError as error:
            bad = True
            click.echo(f"{model.name}: {error.message} {error.remedy}")
            continue
        if found is not None:
            click.echo(f"{model.name}: every file is what it should be ({found.folder})")
        elif name:
            bad = True
            click.echo(f"{model.name}: not here. {how_to_get(model.name)}")
    if bad:
        sys.exit(1)

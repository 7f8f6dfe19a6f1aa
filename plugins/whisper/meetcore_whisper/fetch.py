"""Fetching a model from its hub, or from a folder: resumable, checked, whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from meetcore_whisper.errors import ModelDamaged, ModelFetchFailed
from meetcore_whisper.known_models import KnownFile, KnownModel
from meetcore_whisper.models import cache_folder, file_problem, held_cache, install

__all__ = ["ENDPOINT_ENV_NAME", "HUB", "fetch_from_folder", "fetch_model", "left_to_fetch"]

HUB = "https://huggingface.co"
ENDPOINT_ENV_NAME = "HF_ENDPOINT"
TRIES = 4
_FIRST_PAUSE_S = 1.0
_TIMEOUT_S = 30.0

Took = Callable[[int], None]


def _nothing(count: int) -> None:
    """Count nothing."""


def _partial_folder(model: KnownModel) -> Path:
    return cache_folder() / f".{model.folder_name}.partial"


def left_to_fetch(model: KnownModel) -> int:
    """Return how many bytes of a model are still to come, by what an earlier try left."""
    here = 0
    for wanted in model.files:
        path = _partial_folder(model) / wanted.name
        here += min(path.stat().st_size, wanted.size) if path.exists() else 0
    return model.size - here


def fetch_model(
    model: KnownModel,
    took: Took = _nothing,
    *,
    endpoint: str | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Path:
    """Fetch a model at its pinned commit into the cache; return its folder.

    What an earlier try had stays and is gone on from. A file that is not, byte for byte, what is
    known is refused and removed.

    Args:
        model: Which one.
        took: Called with each number of bytes that came.
        endpoint: The hub's address; `HF_ENDPOINT` or Hugging Face by default.
        pause: Waits between two tries, in seconds.

    Raises:
        ModelFetchFailed: The hub cannot be reached, has no such file, or there is no room.
        ModelDamaged: The hub gave other bytes.
    """
    base = (endpoint or os.environ.get(ENDPOINT_ENV_NAME) or HUB).rstrip("/")
    with held_cache(model) as target:
        if target.is_dir() and not any(
            file_problem(target / each.name, each) for each in model.files
        ):
            return target
        partial = _partial_folder(model)
        try:
            partial.mkdir(parents=True, exist_ok=True)
            for wanted in sorted(model.files, key=lambda each: each.size):
                url = f"{base}/{model.repository}/resolve/{model.revision}/{wanted.name}"
                _fetch_file(url, partial / wanted.name, wanted, took, pause)
            shutil.rmtree(target, ignore_errors=True)
            partial.rename(target)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise ModelFetchFailed(
                f"The model {model.name} cannot be written to {partial}: {error.strerror}.",
                (
                    f"Make room for {left_to_fetch(model) / 1e6:.0f} MB more and run it again; "
                    "it goes on where it stopped."
                    if full
                    else "Set XDG_CACHE_HOME to a folder that can be written."
                ),
            ) from error
        return target


def _fetch_file(
    url: str, path: Path, wanted: KnownFile, took: Took, pause: Callable[[float], None]
) -> None:
    if path.exists() and path.stat().st_size > wanted.size:
        path.unlink()
    trouble: ModelFetchFailed | None = None
    for attempt in range(TRIES):
        if attempt:
            pause(_FIRST_PAUSE_S * 2 ** (attempt - 1))
        trouble = _go_on(url, path, wanted, took)
        if trouble is None:
            break
    if trouble is not None:
        raise trouble
    problem = file_problem(path, wanted)
    if problem is not None:
        path.unlink(missing_ok=True)
        raise ModelDamaged(
            f"What came from {url} is not the file that is known: {problem}.",
            "Try again; if it stays so, the hub is not what it should be: do not use it.",
        )


def _go_on(url: str, path: Path, wanted: KnownFile, took: Took) -> ModelFetchFailed | None:
    """Fetch what is missing of a file; return what went wrong in a way that may pass.

    Raises:
        ModelFetchFailed: It will not pass.
    """
    import httpx2

    here = path.stat().st_size if path.exists() else 0
    if here == wanted.size:
        return None
    headers = {"Accept-Encoding": "identity"}
    if here:
        headers["Range"] = f"bytes={here}-"
    try:
        with (
            httpx2.Client(timeout=_TIMEOUT_S, follow_redirects=True) as client,
            client.stream("GET", url, headers=headers) as answer,
        ):
            if answer.status_code not in (200, 206):
                trouble = ModelFetchFailed(
                    f"{url} answered {answer.status_code}.",
                    "Is the hub's address right (HF_ENDPOINT)?",
                )
                if answer.status_code in (408, 425, 429) or answer.status_code >= 500:
                    return trouble
                raise trouble
            resumed = answer.status_code == 206
            with path.open("ab" if resumed else "wb") as out:
                length = here if resumed else 0
                for piece in answer.iter_raw():
                    length += len(piece)
                    if length > wanted.size:
                        break  # the check that follows says what is wrong
                    out.write(piece)
                    took(len(piece))
    except httpx2.HTTPError as error:
        return ModelFetchFailed(
            f"{url} cannot be fetched: {type(error).__name__}: {error}".rstrip(": ") + ".",
            "Is this machine connected? Run it again; it goes on where it stopped. Or take the "
            "files from elsewhere: `meetcore models fetch NAME --from FOLDER`.",
        )
    if path.stat().st_size < wanted.size:
        return ModelFetchFailed(f"{url} ended early.", "Run it again; it goes on from there.")
    return None


def fetch_from_folder(model: KnownModel, folder: Path, took: Took = _nothing) -> Path:
    """Copy a model's files from a folder into the cache, each checked; return its place there.

    Raises:
        ModelFetchFailed: The folder lacks one.
        ModelDamaged: One is not what it should be.
        ModelNotFound: The cache cannot be written.
    """
    missing = [each.name for each in model.files if not (folder / each.name).is_file()]
    if missing:
        raise ModelFetchFailed(
            f"The folder {folder} lacks {', '.join(missing)}.",
            f"It has to hold {', '.join(each.name for each in model.files)}.",
        )
    return install(model, {each.name: [folder / each.name] for each in model.files}, took)

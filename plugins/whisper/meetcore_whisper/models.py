"""Where a model's files are on this machine, each checked before anybody opens it.

In this order: a folder that the user named, our own cache, Hugging Face's cache, an installed
package of weights. A package is searched for files by its record and never imported: it is data of
somebody else's. Weights that come in parts are joined in our cache, once.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from attrs import frozen

from meetcore_whisper.errors import ModelDamaged, ModelNotFound
from meetcore_whisper.known_models import KNOWN_MODELS, KnownFile, KnownModel, known_model

__all__ = [
    "AUTO_MODEL",
    "FoundModel",
    "cache_folder",
    "check_folder",
    "file_problem",
    "find_model",
    "find_named",
    "held_cache",
    "install",
    "locate",
]

AUTO_MODEL = "auto"
_BEST_FIRST = ("base", "tiny.en")
_PIECE_BYTES = 1 << 20
_PART = re.compile(r"(?P<name>.+)\.part(?P<number>[0-9]+)")


@frozen(kw_only=True)
class FoundModel:
    """A model that can be opened.

    Attributes:
        name: What people call it, or the folder that was named.
        folder: Where its files lie.
        source: Where it was found, for people.
        known: What is known of it; None for a folder of the user's that is not known.
    """

    name: str
    folder: Path
    source: str
    known: KnownModel | None = None


def cache_folder() -> Path:
    """Return where our own copies of models are kept."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "meetcore" / "models"


def _hub_snapshots(model: KnownModel) -> Iterator[Path]:
    """Yield the folders of Hugging Face's cache in which a model may be, its commit first."""
    env = os.environ
    root = env.get("HF_HUB_CACHE") or env.get("HUGGINGFACE_HUB_CACHE")
    if not root:
        home = env.get("HF_HOME") or str(Path.home() / ".cache" / "huggingface")
        root = str(Path(home) / "hub")
    snapshots = Path(root) / f"models--{model.repository.replace('/', '--')}" / "snapshots"
    if snapshots.is_dir():
        yield from sorted(snapshots.iterdir(), key=lambda each: each.name != model.revision)


def _hash_of(pieces: Iterable[Path], took: Callable[[int], None] | None = None) -> str:
    digest = hashlib.sha256()
    for path in pieces:
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                digest.update(piece)
                if took is not None:
                    took(len(piece))
    return digest.hexdigest()


def file_problem(path: Path, wanted: KnownFile) -> str | None:
    """Return what is wrong with a file, None if it is what it should be, byte for byte."""
    try:
        size = path.stat().st_size
        if size != wanted.size:
            return f"{path} has {size:,} bytes instead of {wanted.size:,}"
        found = _hash_of([path])
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    if found != wanted.sha256:
        return f"{path} is not the file that is known (sha256 {found[:16]}…)"
    return None


def check_folder(folder: Path, model: KnownModel) -> None:
    """Check every file of a model.

    Raises:
        ModelDamaged: One is missing, of another length or of other bytes.
    """
    for wanted in sorted(model.files, key=lambda each: each.size):
        problem = file_problem(folder / wanted.name, wanted)
        if problem is not None:
            raise ModelDamaged(
                f"The model {model.name} cannot be used: {problem}.",
                f"Remove the folder, or run `meetcore models fetch {model.name}`.",
            )


def _has_sizes(folder: Path, model: KnownModel) -> bool:
    """Return whether a folder looks like a model's, by names and lengths alone."""
    try:
        return all((folder / each.name).stat().st_size == each.size for each in model.files)
    except OSError:
        return False


def _packaged(model: KnownModel) -> dict[str, list[Path]]:
    """Return a model's files in installed packages, by name, each in its parts in order."""
    found: dict[str, dict[int, Path]] = {}
    names = {each.name for each in model.files}
    for package in model.packages:
        try:
            files = metadata.files(package) or []
        except metadata.PackageNotFoundError:
            continue
        for file in files:
            part = _PART.fullmatch(file.name)
            name, number = (part["name"], int(part["number"])) if part else (file.name, 1)
            if name in names:
                found.setdefault(name, {})[number] = Path(str(file.locate()))
    whole = {name: [parts[n] for n in sorted(parts)] for name, parts in found.items()}
    sizes = {each.name: each.size for each in model.files}
    for name, parts in whole.items():
        try:
            if sum(part.stat().st_size for part in parts) != sizes[name]:
                return {}
        except OSError:
            return {}
    return whole if whole.keys() == names else {}


def locate(model: KnownModel) -> tuple[str, Path | None] | None:
    """Return where a model is, by names and lengths alone, without opening a file.

    Returns:
        What kind of place it is, and the folder (None for a package whose parts are not joined
        yet); None where it is nowhere.
    """
    own = cache_folder() / model.folder_name
    if _has_sizes(own, model):
        return "cache", own
    for snapshot in _hub_snapshots(model):
        if _has_sizes(snapshot, model):
            return "Hugging Face's cache", snapshot
    packaged = _packaged(model)
    if packaged:
        folders = {parts[0].parent for parts in packaged.values()}
        single = all(len(parts) == 1 for parts in packaged.values())
        whole = single and len(folders) == 1
        return "an installed package", folders.pop() if whole else None
    return None


@contextmanager
def held_cache(model: KnownModel) -> Iterator[Path]:
    """Hold a model's place in the cache: one process at a time writes there.

    Raises:
        ModelNotFound: The cache cannot be written.
    """
    root = cache_folder()
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = (root / f".{model.folder_name}.lock").open("ab")
    except OSError as error:
        raise ModelNotFound(
            f"The folder {root} for models cannot be written: {error.strerror}.",
            "Set XDG_CACHE_HOME to one that can.",
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield root / model.folder_name


def install(
    model: KnownModel,
    pieces: dict[str, list[Path]],
    took: Callable[[int], None] = lambda count: None,
) -> Path:
    """Copy a model's files into the cache, checked on the way; all of it appears at once.

    Args:
        model: What they have to be.
        pieces: For each file's name, the files that make it, in order.
        took: Called with each number of bytes that were copied.

    Raises:
        ModelDamaged: A file is not what it should be.
        ModelNotFound: The cache cannot be written.
    """
    with held_cache(model) as target:
        if _has_sizes(target, model):
            return target
        folder = Path(tempfile.mkdtemp(prefix=f".{model.name}-", dir=target.parent))
        try:
            for wanted in model.files:
                _copy(pieces[wanted.name], folder / wanted.name, wanted, took)
            folder.chmod(0o755)
            shutil.rmtree(target, ignore_errors=True)
            folder.rename(target)
        except OSError as error:
            raise ModelNotFound(
                f"The model {model.name} cannot be written to {target}: {error.strerror}.",
                f"It takes {model.size / 1e6:.0f} MB; make room, or set XDG_CACHE_HOME.",
            ) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return target


def _copy(pieces: list[Path], target: Path, wanted: KnownFile, took: Callable[[int], None]) -> None:
    digest = hashlib.sha256()
    with target.open("wb") as out:
        for path in pieces:
            with path.open("rb") as file:
                while piece := file.read(_PIECE_BYTES):
                    digest.update(piece)
                    out.write(piece)
                    took(len(piece))
        out.flush()
        os.fsync(out.fileno())
    if digest.hexdigest() != wanted.sha256:
        raise ModelDamaged(
            f"{wanted.name} from {', '.join(map(str, pieces))} is not the file that is known.",
            "Install the package again, or fetch the model from its hub.",
        )


def find_named(name: str) -> FoundModel | None:
    """Return a model of a name with every file checked, None if it is nowhere on this machine.

    Raises:
        ModelDamaged: It is there and not what it should be.
        ModelNotFound: Its parts cannot be joined in the cache.
    """
    model = known_model(name)
    place = locate(model) if model is not None else None
    if model is None or place is None:
        return None
    source, folder = place
    if folder is None:
        folder = install(model, _packaged(model))
    else:
        check_folder(folder, model)
    return FoundModel(name=name, folder=folder, source=source, known=model)


def find_model(wanted: str, language: str | None = None) -> FoundModel:
    """Return the model to use, with every file checked.

    Args:
        wanted: `auto` for the best that is here, the name of a known model, or a folder.
        language: What will be spoken; English models are no choice of `auto` for others.

    Raises:
        ModelNotFound: There is none; says what to do.
        ModelDamaged: A file is not what it should be.
    """
    if wanted == AUTO_MODEL:
        return _best(language)
    if known_model(wanted) is not None:
        found = find_named(wanted)
        if found is None:
            raise ModelNotFound(f"The model {wanted} is not on this machine.", how_to_get(wanted))
        return found
    folder = Path(wanted).expanduser()
    if not folder.is_dir():
        known = ", ".join(model.name for model in KNOWN_MODELS)
        raise ModelNotFound(
            f"{wanted!r} is neither a known model ({known}) nor a folder.",
            "Name one of these, `auto`, or the folder of a model in CTranslate2's format.",
        )
    missing = [each for each in ("model.bin", "config.json") if not (folder / each).is_file()]
    if missing:
        raise ModelDamaged(
            f"The folder {folder} lacks {' and '.join(missing)}.",
            "It has to hold a Whisper model in CTranslate2's format.",
        )
    matching = next((model for model in KNOWN_MODELS if _has_sizes(folder, model)), None)
    return FoundModel(name=folder.name, folder=folder, source="a folder", known=matching)


def _best(language: str | None) -> FoundModel:
    english = language is None or language.partition("-")[0].lower() == "en"
    for name in _BEST_FIRST:
        model = known_model(name)
        if model is not None and (model.multilingual or english):
            found = find_named(name)
            if found is not None:
                return found
    raise ModelNotFound("No model of Whisper's is on this machine.", how_to_get("base"))


def how_to_get(name: str) -> str:
    """Return how a person gets a model."""
    model = known_model(name)
    ways = [f"`meetcore models fetch {name}`"]
    if model is not None and model.extra is not None:
        ways.append(f"`pip install 'meetcore-whisper[{model.extra}]'`")
    size = f" ({model.size / 1e6:.0f} MB)" if model is not None else ""
    return f"Get it{size} with {' or '.join(ways)}."

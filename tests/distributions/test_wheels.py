"""The built wheels, installed alone outside the tree: the demonstration and the server run.

The environment holds our wheels and, of everything else that is installed here, only what the
wheels' own metadata asks for: a library that a plugin uses and does not declare is missing there.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.plugins.server.short_script import write_short_script

ROOT = Path(__file__).parents[2]
BUILD_S = 240
BUILD_ALL = """
import os, sys
from hatchling.build import build_sdist, build_wheel
for project in sys.argv[2:]:
    os.chdir(project)
    build_sdist(sys.argv[1])
    build_wheel(sys.argv[1])
"""
EXTRAS = ("demo", "server")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every distribution, built from the tree; it comes out as with `make dist`."""
    out = tmp_path_factory.mktemp("dist")
    projects = [ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]
    subprocess.run(
        [sys.executable, "-c", BUILD_ALL, str(out), *map(str, projects)],
        check=True, capture_output=True, timeout=BUILD_S,
    )  # fmt: skip
    return out


def closure(extras: tuple[str, ...], ours: dict[str, Distribution]) -> dict[str, Distribution]:
    """Return what `meetcore` with extras asks for, and what that asks for, by name."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, tuple[str, ...]]] = set()
    waiting = [("meetcore", extras)]
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        found[name] = ours.get(name) or distribution(name)
        for text in found[name].requires or ():
            asked = Requirement(text)
            marker = asked.marker
            if marker is None or any(marker.evaluate({"extra": each}) for each in ("", *extras)):
                waiting.append((canonicalize_name(asked.name), tuple(sorted(asked.extras))))
    return found


@pytest.fixture(scope="module")
def environment(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheels of two extras and what they ask for."""
    place = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    [site] = place.glob("lib/python*/site-packages")
    unpacked = tmp_path_factory.mktemp("unpacked")
    ours: dict[str, Distribution] = {}
    for wheel in dist.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unpacked)
        [info] = unpacked.glob(f"{wheel.name.partition('-')[0]}-*.dist-info")
        ours[canonicalize_name(info.name.partition("-")[0])] = PathDistribution(info)
    for each in closure(EXTRAS, ours).values():
        _link(each, site)
    return place


def _link(installed: Distribution, site: Path) -> None:
    """Put a distribution's packages into an environment without copying them."""
    for file in installed.files or ():
        top = file.parts[0]
        source = Path(str(installed.locate_file(top)))
        if top not in ("..", "__pycache__") and source.exists() and not (site / top).exists():
            os.symlink(source, site / top)


def run(environment: Path, folder: Path, *command: str, within_s: float = 150) -> str:
    done = subprocess.run(
        [str(environment / "bin" / "python"), "-P", "-m", "meetcore", *command],
        cwd=folder, env=_environ(), capture_output=True, text=True, timeout=within_s, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


def _environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def test_every_distribution_is_a_wheel_and_an_sdist_with_its_licence(dist: Path) -> None:
    wheels, sdists = sorted(dist.glob("*.whl")), sorted(dist.glob("*.tar.gz"))
    projects = 1 + len(list(ROOT.glob("plugins/*/pyproject.toml")))
    assert len(wheels) == len(sdists) == projects
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            assert [each for each in archive.namelist() if each.endswith("/licenses/LICENSE")]
            assert not [each for each in archive.namelist() if "tests/" in each]
    for sdist in sdists:
        with tarfile.open(sdist) as archive:
            assert [each for each in archive.getnames() if re.fullmatch(r"[^/]+/LICENSE", each)]


def test_nothing_of_the_tree_is_on_the_path(environment: Path, tmp_path: Path) -> None:
    shown = run(environment, tmp_path, "plugins")
    assert str(ROOT) not in shown
    where = subprocess.run(
        [str(environment / "bin" / "python"), "-P", "-c",
         "import meetcore, meetcore_server; print(meetcore.__file__, meetcore_server.__file__)"],
        cwd=tmp_path, env=_environ(), capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert str(ROOT) not in where.stdout


@pytest.mark.browser
@pytest.mark.long
def test_the_demonstration_runs_from_wheels_alone(environment: Path, tmp_path: Path) -> None:
    assert "planning" in run(environment, tmp_path, "rehearse", "--list")
    [bundled] = environment.glob("lib/python*/site-packages/meetcore_rehearsal/scripts/planning")
    script = write_short_script(tmp_path / "script", bundled)
    run(environment, tmp_path, "demo", "--plain", "--script", str(script))
    assert list(tmp_path.rglob("transcript.json"))


def test_the_server_runs_from_wheels_alone(environment: Path, tmp_path: Path) -> None:
    server = subprocess.Popen(
        [str(environment / "bin" / "python"), "-P", "-m", "meetcore", "serve", "--rehearsal",
         "--port", "0", "--out", str(tmp_path / "bots")],
        cwd=tmp_path, env=_environ(), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    said = ""
    try:
        assert server.stderr is not None
        for line in server.stderr:
            said += line
            if "No key was made" in line:
                break
        assert re.search(r"serving at http://127\.0\.0\.1:\d+", said), said
        for dialect in ("vexa", "skribby", "meetstream", "spoke"):
            assert f"/{dialect} " in said
    finally:
        server.send_signal(signal.SIGTERM)
        rest = server.communicate(timeout=30)[1]
    assert server.returncode == 0, rest

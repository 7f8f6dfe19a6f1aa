"""The way to a release: one version, notes out of fragments, and a workflow that publishes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import meetcore
from tests.deploy.kube_tools import ROOT

WORKFLOW = ROOT / ".github" / "workflows" / "release.yml"
FILES = (
    ".ci/bump",
    "pyproject.toml",
    "meetcore/model/version.py",
    "deploy/compose.yaml",
    "deploy/kubernetes/base/kustomization.yaml",
    "deploy/kubernetes/cluster/launcher-settings.env",
    "deploy/kubernetes/room/kustomization.yaml",
    "deploy/helm/Chart.yaml",
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The files of the tree that hold the version."""
    for path in [*map(ROOT.joinpath, FILES), *ROOT.glob("plugins/*/pyproject.toml")]:
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    return tmp_path


def bump(tree: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(tree / ".ci/bump"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def texts(tree: Path) -> dict[str, str]:
    return {
        str(path.relative_to(tree)): path.read_text("utf-8")
        for path in tree.rglob("*")
        if path.is_file() and path.name != "bump"
    }


def test_the_present_version_is_told():
    assert bump(ROOT).stdout.strip() == meetcore.__version__


def test_a_new_version_is_written_wherever_the_old_one_stood(tree):
    before = texts(tree)
    done = bump(tree, "12.34.56rc1")
    assert done.returncode == 0, done.stderr
    after = texts(tree)
    old = re.compile(
        rf'(meetcore[^"]*[=:]|ersion: "|version = "|__ = "|Tag: "){meetcore.__version__}'
    )
    assert {name for name, text in before.items() if old.search(text)} == set(before)
    assert [name for name, text in after.items() if old.search(text)] == []
    assert {name for name in before if before[name] != after[name]} == set(before)
    core = tomllib.loads(after["pyproject.toml"])["project"]
    assert core["version"] == "12.34.56rc1"
    ours = [each for extra in core["optional-dependencies"].values() for each in extra]
    assert all(each.endswith("==12.34.56rc1") for each in ours if "==" in each)
    assert bump(tree).stdout.strip() == "12.34.56rc1"
    assert bump(tree, meetcore.__version__).returncode == 0
    assert texts(tree) == before, "there and back, and nothing else was changed"


@pytest.mark.parametrize("wrong", ["v1.0.0", "1.0", "1.0.0.0", "", "1.0.0-beta"])
def test_what_is_no_version_is_refused(tree, wrong):
    before = texts(tree)
    assert bump(tree, wrong).returncode != 0
    assert texts(tree) == before


def test_a_file_that_holds_another_version_is_named_and_nothing_is_written(tree):
    plugin = tree / "plugins/files/pyproject.toml"
    plugin.write_text(plugin.read_text("utf-8").replace(meetcore.__version__, "9.9.9"), "utf-8")
    before = texts(tree)
    done = bump(tree, "2.0.0")
    assert done.returncode != 0
    assert "plugins/files/pyproject.toml" in done.stderr
    assert texts(tree) == before


def test_the_manifests_hold_the_version_of_the_code():
    chart = yaml.safe_load((ROOT / "deploy/helm/Chart.yaml").read_text("utf-8"))
    assert {chart["version"], chart["appVersion"]} == {meetcore.__version__}
    for folder in ("base", "room"):
        text = (ROOT / f"deploy/kubernetes/{folder}/kustomization.yaml").read_text("utf-8")
        tags = {image["newTag"] for image in yaml.safe_load(text)["images"]}
        assert tags == {meetcore.__version__}
    compose = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text("utf-8"))
    assert compose["services"]["server"]["image"] == f"meetcore-bot:{meetcore.__version__}"


def test_notes_are_made_of_every_fragment(tmp_path):
    """As text for users: no topic in brackets, one line for a change."""
    for name in ("pyproject.toml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    folder = tmp_path / "changelog.d"
    folder.mkdir()
    shutil.copy(ROOT / "changelog.d" / "notes.md.jinja", folder)
    (folder / "one.added.md").write_text("A thing.\n\nMore of `it`.\n", "utf-8")
    (folder / "two.fixed.md").write_text("Another thing.\n", "utf-8")
    command = [str(ROOT / ".venv/bin/towncrier"), "build", "--yes", "--version", "1.2.3"]
    command += ["--date", "2026-01-02"]
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True, timeout=30)
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    text = (tmp_path / "CHANGELOG.md").read_text("utf-8")
    assert "## 1.2.3, 2026-01-02\n\n### Added\n\n- A thing.\n\n  More of `it`.\n" in text
    assert "### Fixed\n\n- Another thing.\n" in text
    assert "(one)" not in text
    assert "\n\n\n\n" not in text
    assert text.startswith("# Changelog")
    assert not list(folder.glob("*.md"))


def test_every_fragment_is_of_a_kind_that_is_shown():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    kinds = {kind["directory"] for kind in project["tool"]["towncrier"]["type"]}
    fragments = [path.name for path in (ROOT / "changelog.d").glob("*.md")]
    assert [name for name in fragments if name.split(".")[-2] not in kinds] == []


def steps(job: dict[str, Any]) -> list[str]:
    return [step["uses"] for step in job["steps"] if "uses" in step]


def test_the_workflow_is_one_that_github_takes():
    check = subprocess.run(
        [
            ROOT / ".venv/bin/check-jsonschema",
            "--builtin-schema",
            "vendor.github-workflows",
            WORKFLOW,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert check.returncode == 0, check.stdout + check.stderr


def test_the_workflow_publishes_without_a_secret_and_only_where_it_is_switched_on():
    text = WORKFLOW.read_text("utf-8")
    flow = yaml.safe_load(text)
    assert flow[True] == {"push": {"tags": ["v*"]}}  # YAML 1.1 reads `on` so
    assert flow["permissions"] == {}
    build, publish = flow["jobs"]["build"], flow["jobs"]["publish"]
    assert "secrets." not in text
    assert "password" not in text.replace("without a password", "")
    assert publish["if"] == "vars.PUBLISH == 'true'"
    assert publish["environment"] == "pypi"
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["needs"] == "build"
    assert "run" not in {name for step in publish["steps"] for name in step}
    pinned = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40}")
    assert all(pinned.fullmatch(each) for each in steps(build) + steps(publish))
    assert any("attest-build-provenance" in each for each in steps(build))
    assert "make dist" in [step.get("run") for step in build["steps"]]
    assert "http" not in text


def test_what_the_workflow_runs_is_there():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    contributing = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    for target in ("dist", "notes", "bump"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
        assert f"make {target}" in contributing
    assert "pypi" in contributing
    assert "PUBLISH" in contributing

"""The Containerfile, and the reader that builds it in a root of Debian where no Docker can run."""

from __future__ import annotations

import re
import string
import subprocess
import sys
import tomllib
from contextlib import suppress
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.containerfile import ContainerfileError, expanded, is_ignored, parse
from meetcore.cli import main as cli
from meetcore.model.config import load_config
from tests.deploy.kube_tools import ROOT
from tests.deploy.settings_of import ANSWERED_ELSEWHERE, parse_serve

FILE = ROOT / "deploy" / "Containerfile"
READ = parse(FILE.read_text("utf-8"))
IGNORED = [
    line
    for line in (ROOT / "deploy/Containerfile.dockerignore").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]
TARGETS = ("server", "bot")


def steps_of(target: str, name: str) -> list[str]:
    """Return what follows an instruction in a target and in the stages that it begins with."""
    return [s.rest for stage in READ.line_of(target) for s in stage.steps if s.name == name]


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_runs_as_nobody_and_writes_to_one_folder(target):
    configured = READ.configuration(target)
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", configured["USER"].rest)
    [volume] = configured["VOLUME"].words()
    environ = READ.environment(target)
    assert environ["HOME"] == volume
    assert environ["MEETCORE_OUT_DIR"].startswith(volume)
    made = " ".join(steps_of(target, "RUN"))
    uid = configured["USER"].rest.partition(":")[0]
    assert f"--uid {uid}" in made
    assert f"-m 0750 {volume}" in made


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_serves_with_arguments_that_the_command_takes(target):
    configured = READ.configuration(target)
    parsed = parse_serve(configured["CMD"].words())
    assert parsed["host"] == "0.0.0.0"
    assert int(configured["EXPOSE"].rest) == parsed["port"]
    assert configured["ENTRYPOINT"].words()[-1] == "meetcore"
    assert configured["STOPSIGNAL"].rest == "SIGTERM"
    assert "serve" in cli.list_commands(None)


@pytest.mark.parametrize("target", TARGETS)
def test_an_images_variables_are_meetcores(target, caplog):
    environ = {k: v for k, v in READ.environment(target).items() if k.startswith("MEETCORE_")}
    load_config(None, None, environ)
    assert "names no option" not in caplog.text
    assert set(environ) - {"MEETCORE_OUT_DIR"} <= ANSWERED_ELSEWHERE


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_has_the_labels_of_the_oci(target):
    labels = READ.labels(target)
    prefix = "org.opencontainers.image."
    assert {"title", "description", "licenses", "revision", "base.name"} == {
        name.removeprefix(prefix) for name in labels
    }
    assert all(labels.values())
    core = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert labels[f"{prefix}licenses"] == core["license"]
    assert labels[f"{prefix}base.name"] == READ.arguments["DEBIAN"]


def test_the_servers_image_is_watched_and_has_no_browser():
    health = READ.configuration("server")["HEALTHCHECK"].rest
    assert "/health" in health
    assert "HEALTHCHECK" not in READ.configuration("bot")
    server, bot = (" ".join(steps_of(target, "RUN")) for target in TARGETS)
    assert "chromium" in bot
    assert "xvfb" in bot
    assert "chromium" not in server
    packages = " ".join(s.rest for s in READ.stages["server-packages"].steps)
    assert "whisper" not in packages
    assert "postgresql" in packages


def test_every_extra_that_is_installed_exists():
    core = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    homes = {"meetcore": core}
    for path in ROOT.glob("plugins/*/pyproject.toml"):
        project = tomllib.loads(path.read_text())["project"]
        homes[project["name"]] = project
    text = FILE.read_text("utf-8")
    asked = re.findall(r'/wheels/(meetcore[a-z_]*)-\*\.whl\)\[([a-z0-9,-]+)\]"', text)
    assert len(asked) == 5
    for name, extras in asked:
        known = homes[name.replace("_", "-")]["optional-dependencies"]
        assert set(extras.split(",")) <= set(known), name


def test_what_is_installed_is_pinned_and_ours_is_what_was_built():
    for stage in ("server-packages", "bot-packages"):
        for step in READ.stages[stage].steps:
            assert "-c requirements/pinned.txt -c /wheels/ours.txt" in step.rest
    assert READ.arguments["DEBIAN"] == "debian:trixie-slim"


def test_what_a_build_needs_is_not_left_out_and_secrets_are():
    needed = ["requirements/pinned.txt", ".ci/dist", "pyproject.toml", "README.md", "LICENSE",
              "NOTICE", "CHANGELOG.md", "meetcore/__init__.py", "plugins/s3/README.md"]  # fmt: skip
    assert [name for name in needed if is_ignored(PurePosixPath(name), IGNORED)] == []
    left = ["deploy/secrets/api_key", ".git/config", "tests/conftest.py", ".venv/bin/python",
            "meetcore/model/__pycache__/x.pyc", "docs/how-to/serve.md"]  # fmt: skip
    assert [name for name in left if not is_ignored(PurePosixPath(name), IGNORED)] == []


def test_a_file_is_read_as_it_is_written():
    read = parse(
        "ARG BASE=debian:x-slim\n"
        "# a comment\n"
        "FROM ${BASE} AS one\n"
        "ENV A=1 \\\n"
        "    # in the middle\n"
        '    B="two words"\n'
        "RUN a \\\n && b\n"
        "FROM one AS two\n"
        "ARG C=3\n"
        "ENV D=$C-${A}\n"
        'CMD ["x", "y z"]\n'
        "FROM debian:y-slim AS three\n"
        "COPY --from=two /a /b\n"
    )
    assert [stage.name for stage in read.needed_for("three")] == ["one", "two", "three"]
    assert read.base_of(read.stages["one"]) == "debian:x-slim"
    environ = read.environment("one")
    assert (environ["A"], environ["B"]) == ("1", "two words")
    assert read.environment("two")["D"] == "3-"  # of a base only what is in the environment counts
    assert read.environment("three")["PATH"], "as every image has one"
    assert read.configuration("two")["CMD"].words() == ["x", "y z"]
    assert [step.rest for step in read.stages["one"].steps][1] == "a && b"
    assert parse("ARG A=1\nFROM x AS y\n", {"A": "2"}).arguments == {"A": "2"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("RUN x\n", "before the first FROM"),
        ("FROM x\n", "FROM image AS name"),
        ("FROM x AS y\nADD a b\n", "ADD is not known"),
        ("FROM x AS y\nRUN a \\\n", "middle of an instruction"),
        ("# nothing\n", "no FROM"),
    ],
)
def test_what_is_not_understood_is_refused(text, said):
    with pytest.raises(ContainerfileError, match=said):
        parse(text)


def test_a_target_that_is_not_there_is_named():
    with pytest.raises(ContainerfileError, match="bot"):
        READ.needed_for("browser")


@given(st.text(string.printable, max_size=80))
def test_any_text_is_read_or_refused(text):
    with suppress(ContainerfileError):
        parse(text)


@given(st.dictionaries(st.sampled_from(["A", "B", "C"]), st.text("ab $", max_size=3)))
def test_variables_are_replaced_once(variables):
    """What a variable holds is not looked into again."""
    assert expanded("$A-${B}", variables) == f"{variables.get('A', '')}-{variables.get('B', '')}"


def test_the_builder_says_what_it_can_do_and_what_it_needs():
    script = [sys.executable, str(ROOT / "deploy/build-in-chroot")]
    shown = subprocess.run(
        [*script, "--help"], capture_output=True, text=True, timeout=30, check=True
    )
    assert "--target" in shown.stdout
    wrong = subprocess.run(
        [*script, "--target", "none"], capture_output=True, text=True, timeout=30, check=False
    )
    assert wrong.returncode != 0
    assert "server-packages" in wrong.stderr

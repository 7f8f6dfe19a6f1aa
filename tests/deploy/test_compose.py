"""The compose file: valid, and what it says of the server is what the server takes."""

from __future__ import annotations

import json
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.containerfile import parse
from meetcore_s3.options import BucketPlace
from meetcore_server.native.health import HANDLERS
from meetcore_server.storage.engine import shared_by_servers
from tests.deploy.kube_tools import ROOT
from tests.deploy.settings_of import parse_serve, read_as_meetcore_does, secrets_in

DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SERVER = SERVICES["server"]


@pytest.fixture(scope="module")
def secrets(tmp_path_factory) -> Path:
    """The folder of secrets, made as its reader would make it."""
    folder = tmp_path_factory.mktemp("of") / "secrets"
    command = [str(DEPLOY / "make-secrets"), str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return folder


def test_the_file_is_one_that_compose_takes():
    check = subprocess.run(
        [
            ROOT / ".venv/bin/check-jsonschema",
            "--builtin-schema",
            "vendor.compose-spec",
            DEPLOY / "compose.yaml",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert check.returncode == 0, check.stdout + check.stderr


def test_every_secret_it_names_is_made_and_kept_from_others(secrets):
    named = {entry["file"] for entry in COMPOSE["secrets"].values()}
    made = {f"secrets/{path.name}" for path in secrets.iterdir()}
    assert named == made
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    texts = [path.read_text("utf-8").strip() for path in secrets.iterdir()]
    assert all(texts)
    assert len(set(texts)) == len(texts)


def test_secrets_are_made_once(secrets):
    before = {path.name: path.read_text("utf-8") for path in secrets.iterdir()}
    subprocess.run(
        [str(DEPLOY / "make-secrets"), str(secrets)], check=True, capture_output=True, timeout=30
    )
    assert {path.name: path.read_text("utf-8") for path in secrets.iterdir()} == before


def test_no_secret_is_in_the_file_and_git_does_not_see_them(secrets):
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    for path in secrets.iterdir():
        assert path.read_text("utf-8").strip() not in text
    assert "deploy/secrets/" in (ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert not re.search(r"(PASSWORD|SECRET(_ACCESS)?(_KEY)?|TOKEN):", text)


def test_the_servers_settings_are_read_as_they_are_meant(secrets, tmp_path, caplog):
    files = {
        entry["source"]: COMPOSE["secrets"][entry["source"]]["file"] for entry in SERVER["secrets"]
    }
    values = {
        entry["target"]: (secrets.parent / files[entry["source"]]).read_text("utf-8").strip()
        for entry in SERVER["secrets"]
    }
    environ = dict(SERVER["environment"])
    assert environ["MEETCORE_SECRETS_FOLDER"] == "/run/secrets", "where compose puts them"
    environ = {n: re.sub(r"\$\{\w+:-([^}]+)\}", r"\1", value) for n, value in environ.items()}
    environ |= secrets_in(tmp_path / "secrets", values)
    config, options = read_as_meetcore_does(environ, caplog)
    assert options["server"].database == (secrets / "database_url").read_text("utf-8").strip()
    assert (secrets / "postgres_password").read_text("utf-8").strip() in options["server"].database
    assert shared_by_servers(options["server"].database)
    assert "@postgres/meetcore" in options["server"].database
    assert "postgres" in SERVICES
    place = BucketPlace.of_url(config.store.url or "")
    assert f"s3.bucket.create -name {place.bucket}" in SERVICES["bucket"]["command"][0]
    assert options["s3"].endpoint == "http://s3:8333"
    assert config.bus.url is None, "there is none by default"
    password = options["redis"].password.reveal()
    assert f"requirepass {password}\n" in (secrets / "valkey.conf").read_text("utf-8")
    assert "-s3.port=8333" in SERVICES["s3"]["command"]
    identity = json.loads((secrets / "s3.json").read_text("utf-8"))["identities"][0]
    [credentials] = identity["credentials"]
    assert credentials["accessKey"] == options["s3"].access_key_id.reveal()
    assert credentials["secretKey"] == options["s3"].secret_access_key.reveal()
    assert {action.partition(":")[2] for action in identity["actions"]} == {place.bucket}


def test_arguments_ports_paths_and_the_image_are_those_of_the_code():
    parsed = parse_serve(SERVER["command"])
    [published] = SERVER["ports"]
    assert published == f"127.0.0.1:{parsed['port']}:{parsed['port']}"
    paths = {path for handler in HANDLERS for path in handler.paths}
    asked = re.search(r"http://127\.0\.0\.1:(\d+)(/\w+)", SERVER["healthcheck"]["test"][-1])
    assert asked is not None
    assert (int(asked[1]), asked[2] in paths) == (parsed["port"], True)
    build = SERVER["build"]
    file = (DEPLOY / build["context"] / build["dockerfile"]).resolve()
    assert file == DEPLOY / "Containerfile"
    read = parse(file.read_text("utf-8"))
    assert SERVER["image"].startswith(f"meetcore-{build['target']}:")
    configured = read.configuration(build["target"])
    [volume] = SERVER["volumes"]
    assert configured["VOLUME"].words() == [volume.partition(":")[2]]


def test_everybody_is_watched_and_waits_for_those_they_need():
    once = {"bucket"}
    watched = {name for name, service in SERVICES.items() if "healthcheck" in service}
    assert watched | once | {"prometheus", "grafana"} == set(SERVICES)
    for service in SERVICES.values():
        for name, condition in service.get("depends_on", {}).items():
            healthy = condition["condition"] == "service_healthy"
            assert healthy is (name not in once)
    assert all(re.search(r":[^:]*\d", service["image"]) for service in SERVICES.values()), "pinned"


def test_the_server_may_no_more_than_it_needs():
    assert SERVER["read_only"] is True
    assert SERVER["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in SERVER["security_opt"]
    assert {entry.partition(":")[0] for entry in SERVER["tmpfs"]} == {"/tmp"}
    published = {name for name, service in SERVICES.items() if service.get("ports")}
    assert published == {"server", "grafana"}
    for name in published:
        assert all(port.startswith("127.0.0.1:") for port in SERVICES[name]["ports"])
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    for name in ("postgres", "s3", "valkey", "prometheus"):
        assert SERVICES[name]["networks"] == ["inside"]


def test_what_is_mounted_from_the_tree_is_there():
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source, _, target = volume.partition(":")
            if source.startswith("."):
                assert (DEPLOY / source).exists(), source
            else:
                assert source in COMPOSE["volumes"], source
            assert target.startswith("/")


def test_profiles_are_those_that_the_docs_name():
    profiles = {profile for service in SERVICES.values() for profile in service.get("profiles", ())}
    assert profiles == {"bus", "watch"}
    page = (ROOT / "docs/how-to/deploy.md").read_text("utf-8")
    assert all(f"`{profile}`" in page or f"--profile {profile}" in page for profile in profiles)

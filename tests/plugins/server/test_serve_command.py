"""`meetcore serve` in a terminal: what it says, how it ends, and its errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import chdir, contextmanager
from pathlib import Path
from types import SimpleNamespace

import httpx2
import psutil
import pytest
from click.testing import CliRunner

from meetcore.cli import main
from meetcore_server.command import _keeps_bots

from .running import PLUGIN, STAY, WAIT

ENVIRONMENT = {**os.environ, "MEETCORE_LOAD": "server,files,vexa"}


@contextmanager
def served(folder: Path, *arguments: str):
    command = [sys.executable, "-m", "meetcore", "serve", "--port", "0", "--plugin", str(PLUGIN)]
    with subprocess.Popen(
        [*command, *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if "No key was made" in line or ("for Vexa" in line and "--api-key" in arguments):
                break
        try:
            yield process, said
        finally:
            if process.poll() is None:
                process.kill()


def wait_until_recording(url: str, bot_id: str) -> None:
    address = f"{url}/v1/bots/{bot_id}/events/stream"
    with httpx2.stream("GET", address, trust_env=False, timeout=40) as answer:
        for line in answer.iter_lines():
            if '"state":"recording"' in line:
                return
    raise AssertionError("it ended before it recorded")


def refused(folder: Path, *arguments: str, **environment: str) -> str:
    """Run the command in this process; return what it says as it refuses."""
    load = ENVIRONMENT["MEETCORE_LOAD"]
    command = ["serve", "--port", "0", *arguments]
    with chdir(folder):
        done = CliRunner().invoke(main, command, env={"MEETCORE_LOAD": load, **environment})
    assert done.exit_code != 0
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.output


@pytest.mark.long
def test_it_says_where_everything_is_and_ends_on_ctrl_c_with_its_bots(tmp_path):
    with served(tmp_path) as (process, said):
        url = said[0].split()[-1]
        text = "".join(said)
        for part in (f"{url}/ ", f"{url}/docs ", "/v1", f"{url}/vexa ", "this machine only"):
            assert part in text
        body = {"meeting_url": STAY, "transcriber": "scripted"}
        bot = httpx2.post(f"{url}/v1/bots", json=body, trust_env=False).json()
        wait_until_recording(url, bot["id"])
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.wait(40) == 0
        assert "Ending" in process.stderr.read()
    assert not [child for child in children if child.is_running()]
    journal = (tmp_path / "meetings" / bot["id"] / "journal.jsonl").read_text()
    assert '"reason":"stop_requested"' in journal.splitlines()[-1]


@pytest.mark.parametrize("configuration", ["", 'launcher = "child_process"\n'])
def test_with_keep_bots_they_go_on(tmp_path, configuration):
    (tmp_path / "meetcore.toml").write_text(configuration)
    with served(tmp_path, "--keep-bots", "--config", "meetcore.toml") as (process, said):
        url = said[0].split()[-1]
        body = {"meeting_url": STAY, "transcriber": "scripted"}
        bot = httpx2.post(f"{url}/v1/bots", json=body, trust_env=False).json()
        folder = tmp_path / "meetings" / bot["id"]
        wait_until_recording(url, bot["id"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    pid = json.loads((folder / "process.json").read_text())["pid"]
    try:
        assert psutil.pid_exists(pid)
    finally:
        os.killpg(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("arguments", "configuration"),
    [
        (["--in-process"], ""),
        ([], 'launcher = "in_process"\n'),
        ([], 'launcher = "child_process"\n[plugins.child_process]\nstop_with_launcher = true\n'),
    ],
)
def test_where_bots_cannot_be_kept_it_says_so_at_the_start(tmp_path, arguments, configuration):
    (tmp_path / "meetcore.toml").write_text(configuration)
    command = ("--keep-bots", "--config", "meetcore.toml", *arguments)
    with served(tmp_path, *command) as (process, said):
        assert "--keep-bots has no effect" in said[0]
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
        assert "bots are leaving" in process.stderr.read()


@pytest.mark.parametrize(
    ("launcher", "asked", "kept"),
    [
        (SimpleNamespace(stop_with_launcher=True), True, False),
        (SimpleNamespace(options=SimpleNamespace(stop_with_launcher=False)), False, True),
        (SimpleNamespace(options=SimpleNamespace(stop_with_launcher=True)), True, False),
        (SimpleNamespace(options=None), True, True),
        (SimpleNamespace(), False, False),
    ],
)
def test_whether_bots_go_on_is_what_their_launcher_says_or_else_what_was_asked(
    launcher, asked, kept
):
    assert _keeps_bots(launcher, asked=asked) is kept


def test_the_file_that_the_environment_names_is_read(tmp_path):
    config = tmp_path / "meetcore.toml"
    config.write_text("[plugins.server]\ndatabse = 1\n")
    assert "databse" in refused(tmp_path, MEETCORE_CONFIG=str(config))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "Without an API key"),
        (["--root", "vexxa"], "There is no dialect 'vexxa'"),
        (["--script", "quiet"], "--script is for --rehearsal"),
        (["--database", "mysql://x"], "There is no database of kind 'mysql'"),
        (["--port", "99999"], "port must be 0 to 65535"),
        (["--database", "sqlite:////proc/nothing/server.db"], "cannot be used"),
    ],
)
def test_what_cannot_be_is_said_in_words(tmp_path, arguments, words):
    assert words in refused(tmp_path, *arguments)


def test_an_unknown_setting_is_named_with_the_nearest_known_one(tmp_path):
    config = tmp_path / "meetcore.toml"
    config.write_text("[plugins.server]\ndatabse = 1\n")
    said = refused(tmp_path, "--config", str(config))
    assert "databse" in said
    assert "Did you mean 'database'?" in said


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("[plugins.flies]", "Unknown option 'flies' in [plugins]. Did you mean 'files'?"),
        ('[plugins.files]\nformat = "m4b"', "[plugins.files] cannot be used: 'format' must be in"),
        ("[plugins.picture]\nurll = 1", "Unknown option 'urll' in [plugins.picture]"),
    ],
)
def test_settings_with_which_no_bot_starts_are_refused_at_the_start(tmp_path, table, words):
    config = tmp_path / "meetcore.toml"
    config.write_text(f"{table}\n")
    assert words in " ".join(refused(tmp_path, "--config", str(config)).split())


@pytest.fixture(scope="module")
def keyed(tmp_path_factory):
    """What a server says that was given a key, and allows each other key one bot."""
    folder = tmp_path_factory.mktemp("keyed")
    (folder / "meetcore.toml").write_text("[plugins.server]\nmax_bots_per_key = 1\n")
    arguments = ("--config", "meetcore.toml", "--in-process", "--api-key", "from-the-shell")
    with served(folder, *arguments) as (_, said):
        yield said


def test_a_key_given_on_the_command_line_opens_and_nothing_else_does(keyed):
    url = keyed[0].split()[-1]
    headers = {"authorization": "Bearer from-the-shell"}
    assert httpx2.get(f"{url}/v1/bots", trust_env=False).status_code == 401
    assert httpx2.get(f"{url}/v1/bots", headers=headers, trust_env=False).status_code == 200
    assert "from-the-shell" not in "".join(keyed)


def test_the_limit_of_a_key_without_its_own_is_the_configurations(keyed):
    root = {"authorization": "Bearer from-the-shell"}
    with httpx2.Client(base_url=keyed[0].split()[-1], headers=root, trust_env=False) as client:
        for key, most in (({}, 1), ({"max_bots": 2}, 2)):
            secret = client.post("/v1/keys", json=key).json()["secret"]
            mine = {"authorization": f"Bearer {secret}"}
            body = {"meeting_url": WAIT, "transcriber": "scripted"}
            answers = [
                client.post("/v1/bots", json=body, headers=mine).status_code
                for _ in range(most + 1)
            ]
            assert answers == [201] * most + [429]

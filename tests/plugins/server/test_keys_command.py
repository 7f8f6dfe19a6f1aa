"""`meetcore keys`, as a person types it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from meetcore.cli import main
from meetcore.gateway.records import Client, Scope
from meetcore_server.keys_command import keys
from meetcore_server.storage.accounts import AccountStore
from meetcore_server.storage.database import DEFAULT_DATABASE_URL, open_database
from meetcore_server.storage.keys import Keys


def run(url: str, *args: str) -> Result:
    return CliRunner().invoke(main, ["keys", "--database", url, *args])


async def whose(url: str, key: str) -> Client | None:
    async with open_database(url) as database:
        return await Keys(database).authenticate(key)


def on_trio(url: str, key: str) -> Client | None:
    import trio

    return trio.run(whose, url, key)


def test_a_key_is_shown_once_and_opens(database_url: str) -> None:
    made = run(database_url, "create", "--label", "my laptop")
    assert made.exit_code == 0, made.output
    key = made.stdout.strip()
    client = on_trio(database_url, key)
    assert client is not None
    assert (client.user_id, client.scopes) == (1, frozenset({Scope.READ, Scope.WRITE}))
    listed = run(database_url, "list")
    assert key not in listed.output
    assert key[:9] in listed.output
    assert all(word in listed.output for word in ("my laptop", "operator", "read, write", "valid"))


def test_a_key_for_somebody_new_with_scopes_and_an_end(sqlite_url: str) -> None:
    made = run(
        sqlite_url, "create", "--user", "ada@example.org", "--scope", "admin", "--scope", "read",
        "--expires-days", "30",
    )  # fmt: skip
    assert "A key of ada@example.org to read, admin, until 20" in made.stderr
    client = on_trio(sqlite_url, made.stdout.strip())
    assert client is not None
    assert (client.user_id, client.scopes) == (2, frozenset({Scope.READ, Scope.ADMIN}))
    assert "valid until" in run(sqlite_url, "list").output


def test_the_list_has_the_numbers_of_users(sqlite_url: str) -> None:
    run(sqlite_url, "create")
    run(sqlite_url, "create", "--user", "ada@example.org")
    head, operator, ada = run(sqlite_url, "list").output.splitlines()
    column = slice(head.index("number"), head.index("may"))
    assert (operator[column].strip(), ada[column].strip()) == ("1", "2")


def test_a_revoked_key_is_void_and_said_to_be(sqlite_url: str) -> None:
    made = run(sqlite_url, "create")
    (key_id,) = re.findall(r"keys --database \S+ revoke (\S+)", made.stderr)
    assert "is void" in run(sqlite_url, "revoke", key_id[:8]).output
    assert on_trio(sqlite_url, made.stdout.strip()) is None
    assert "was void already" in run(sqlite_url, "revoke", key_id).output
    assert "revoked" in run(sqlite_url, "list").output


def test_an_id_of_none_or_of_several_is_refused(sqlite_url: str) -> None:
    assert "no keys" in run(sqlite_url, "list").output
    for _ in range(17):
        run(sqlite_url, "create")
    nobody = run(sqlite_url, "revoke", "x")
    assert (nobody.exit_code, "There is no key 'x'." in nobody.output) == (1, True)
    several = run(sqlite_url, "revoke", "")
    assert (several.exit_code, "17 keys begin with" in several.output) == (1, True)


def test_a_key_with_a_limit_of_its_own_is_listed_with_it(sqlite_url: str) -> None:
    made = run(sqlite_url, "create", "--max-bots", "37", "--label", "crm")
    assert "read, write, for 37 bots at once, in sqlite:///" in made.stderr
    plain = run(sqlite_url, "create", "--label", "ops")
    assert "at once" not in plain.stderr
    head, limited, unlimited = run(sqlite_url, "list").output.splitlines()
    column = slice(head.index("bots"), head.index("made"))
    assert (limited[column].strip(), unlimited[column].strip()) == ("37", "")


@pytest.mark.parametrize("args", [("--scope", "all"), ("--expires-days", "0"), ("--max-bots", "0")])
def test_what_makes_no_sense_is_refused(sqlite_url: str, args: tuple[str, ...]) -> None:
    assert run(sqlite_url, "create", *args).exit_code == 2


def test_a_database_that_cannot_be_used_is_two_lines_for_a_person() -> None:
    result = run("mysql://x", "list")
    assert result.exit_code == 1
    assert "There is no database of kind 'mysql'" in result.output
    assert "Traceback" not in result.output


def test_without_a_url_it_is_the_database_that_serve_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(keys, ["create"]).exit_code == 0
    assert DEFAULT_DATABASE_URL == "sqlite:///meetings/server.db"
    assert (tmp_path / "meetings" / "server.db").is_file()
    assert DEFAULT_DATABASE_URL in CliRunner().invoke(keys, ["--help"]).output


def test_without_a_url_it_is_the_database_that_the_environment_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_url: str
) -> None:
    """As in a container, where the server has it from a file with a secret."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "plugins__server__database").write_text(sqlite_url, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEETCORE_SECRETS_FOLDER", str(tmp_path / "secrets"))
    made = CliRunner().invoke(keys, ["create"])
    assert made.exit_code == 0, made.output
    assert on_trio(sqlite_url, made.stdout.strip()) is not None
    assert not (tmp_path / "meetings").exists()


async def test_users_that_it_makes_are_users_like_others(sqlite_url: str) -> None:
    async with open_database(sqlite_url) as database:
        user, new = await AccountStore(database).create_user("ada@example.org")
    assert (user.id, new) == (2, True)


@pytest.mark.parametrize("command", [("list",), ("revoke", "x")])
def test_in_another_folder_than_the_servers_nothing_is_made(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    url = f"sqlite:///{tmp_path}/meetings/server.db"
    result = run(url, *command)
    assert result.exit_code == 1
    assert f"There is no database at {url}" in result.output
    assert "--database" in result.output
    assert list(tmp_path.iterdir()) == []


def made_in(folder: Path, *options: str, **environment: str) -> Result:
    """Make a key in a folder with a configuration; return what was said."""
    lines = 'out_dir = "bots"\n', "[plugins.server]\n", f'database = "sqlite:///{folder}/c.db"\n'
    (folder / "meetcore.toml").write_text("".join(lines))
    (folder / "plain.toml").write_text(lines[0])
    env = {"MEETCORE_CONFIG": None, **environment}
    done = CliRunner().invoke(main, ["keys", *options, "create"], env=env)
    assert done.exit_code == 0, done.output
    return done


@pytest.mark.parametrize(
    ("options", "file"),
    [
        ([], "meetings/server.db"),
        (["--config", "plain.toml"], "bots/server.db"),
        (["--config", "plain.toml", "--out", "a folder"], "a folder/server.db"),
        (["--out", "elsewhere"], "elsewhere/server.db"),
        (["--config", "meetcore.toml"], "c.db"),
        (["--config", "meetcore.toml", "--out", "elsewhere"], "c.db"),
        (["--config", "meetcore.toml", "--database", "sqlite:///d.db"], "d.db"),
    ],
)
def test_the_database_is_the_one_a_server_with_the_same_options_has(
    options: list[str], file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = made_in(tmp_path, *options)
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.db")] == [file]
    assert f"{file}." in made.stderr
    (again,) = re.findall(r"To make it void: meetcore (.*)", made.stderr)
    assert "is void" in CliRunner().invoke(main, shlex.split(again)).output


def test_the_configuration_that_the_environment_names_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made_in(tmp_path, MEETCORE_CONFIG="meetcore.toml")
    assert (tmp_path / "c.db").is_file()

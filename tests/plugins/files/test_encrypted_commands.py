"""Commands that work on a bot's folder work on one that is encrypted, and say what they need."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result
from trio.testing import MockClock

from meetcore import BotConfig, HealthReport, Plugins, RetentionConfig, StoreConfig
from meetcore.cli import main
from meetcore.cli.doctor import check_store
from meetcore.log.encrypted_store import EncryptedFolderStore
from meetcore.log.stores import store_of
from meetcore.testing import ScriptedTranscriber, SimMeeting
from tests.laws.conftest import MEETING

from .test_transcribe_command import STOPPING

Command = Callable[..., Result]


@pytest.fixture
def memory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="meetcore-tests-") as folder:
        yield Path(folder)


@pytest.fixture
def store(tmp_path: Path, memory: Path) -> EncryptedFolderStore:
    """A folder with an encrypted bot, `sim-5`."""
    (tmp_path / "key").write_bytes(base64.b64encode(bytes(range(32))))
    config = BotConfig(
        out_dir=tmp_path / "bots",
        fsync=False,
        sinks=("files",),
        store=StoreConfig(encrypt=f"file:{tmp_path / 'key'}"),
        retention=RetentionConfig(memory=memory),
    )

    async def attend() -> None:
        meeting = SimMeeting(MEETING)
        transcriber = ScriptedTranscriber(meeting.script)
        async with meeting.open_bot(tmp_path, config=config, transcriber=transcriber) as bot:
            await bot.wait_ended()

    # A clock that jumps would not wait for threads, which do the work here.
    trio.run(attend, clock=MockClock(rate=10))
    found = store_of(config, Plugins(entry_points=False))
    assert isinstance(found, EncryptedFolderStore)
    return found


@pytest.fixture
def command(tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command, with the key unless told otherwise."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, key: bool = True) -> Result:
        main.__dict__.pop("_with_plugins", None)
        settings = {
            "MEETCORE_STORE__ENCRYPT": f"file:{tmp_path / 'key'}" if key else None,
            "MEETCORE_RETENTION__MEMORY": str(memory),
        }
        return CliRunner().invoke(main, [str(a) for a in arguments], env=settings)

    return run


def files(store: EncryptedFolderStore) -> dict[str, bytes]:
    async def read() -> dict[str, bytes]:
        media = store.media("sim-5")
        names = [file.name async for file in media.files()]
        return {name: await media.read_bytes(name) for name in names}

    return trio.run(read)


def test_without_a_key_each_says_what_to_set(
    tmp_path: Path, store: EncryptedFolderStore, command: Command
) -> None:
    folder = store.folder / "sim-5"
    for arguments in (
        ("clip", folder, "--to", "1"),
        ("name", folder),
        ("transcribe", folder, "--transcriber", "pocketsphinx"),
        ("replay", folder),
        ("recover", folder),
        ("recover", store.folder),
        ("recover", "--set", f"out_dir={store.folder}"),
    ):
        result = command(*arguments, key=False)
        told = result.output + str(result.exception)
        assert result.exit_code != 0, arguments
        assert "MEETCORE_STORE__ENCRYPT" in told, (arguments, told)


def test_a_clip_of_it_is_encrypted_unless_another_place_is_named(
    tmp_path: Path, store: EncryptedFolderStore, command: Command, memory: Path
) -> None:
    folder, before = store.folder / "sim-5", files(store)
    result = command("clip", folder, "--from", "1", "--to", "3", "--transcript", "txt")
    assert result.exit_code == 0, result.output
    made = {name: data for name, data in files(store).items() if name not in before}
    assert sorted(made) == ["files/mix-000001-000003.m4a", "files/mix-000001-000003.txt"]
    assert b"good morning everyone" in made["files/mix-000001-000003.txt"].lower()
    assert str(folder / "files" / "mix-000001-000003.m4a") in result.output
    plain = tmp_path / "clip.wav"
    result = command("clip", folder, "--to", "1", "--out", plain)
    assert result.exit_code == 0, result.output
    assert plain.read_bytes().startswith(b"RIFF")
    assert [path for path in memory.rglob("*") if path.is_file() and path.suffix != ".jsonl"] == []


def test_a_name_a_replay_and_a_recovery_of_it(
    tmp_path: Path, store: EncryptedFolderStore, command: Command
) -> None:
    folder = store.folder / "sim-5"
    assert "Ada" in command("name", folder).output
    result = command("name", folder, "Ada", "Augusta")
    assert result.exit_code == 0, result.output
    assert b"Augusta" in files(store)["files/transcript-2.json"]
    result = command("replay", folder / "log.encrypted")
    assert result.exit_code == 0, result.output
    result = command("replay", folder)
    assert result.exit_code == 0, result.output
    assert "good morning everyone" in result.output
    refused = command("replay", folder, "--sink", "files")
    assert "not encrypted" in str(refused.exception) + refused.output
    for where in ((folder,), (store.folder,), ("--set", f"out_dir={store.folder}")):
        result = command("recover", *where)
        assert (result.exit_code, result.output) == (0, "Nothing to recover.\n")


def test_a_transcription_that_is_broken_off_goes_on_and_is_encrypted(
    tmp_path: Path, store: EncryptedFolderStore, command: Command
) -> None:
    plugin = tmp_path / "stopping.py"
    plugin.write_text(STOPPING)
    folder, before = store.folder / "sim-5", files(store)
    asked = ("transcribe", folder, "--transcriber", "stopping", "--plugin", plugin)
    result = command(*asked)
    assert result.exit_code == 1, result.output
    assert "it has had enough" in result.output
    assert files(store) == before
    (tmp_path / "went_on").touch()
    result = command(*asked)
    assert result.exit_code == 0, result.output
    assert "going on after" in result.output
    made = files(store)
    assert made.keys() - before.keys() == {
        f"files/transcript-2.{kind}" for kind in ("json", "srt", "vtt", "txt")
    }
    assert b"the second" in made["files/transcript-2.txt"]
    assert str(folder / "files" / "transcript-2.txt") in result.output


def test_it_is_moved_into_the_clear_and_back(
    tmp_path: Path, store: EncryptedFolderStore, command: Command
) -> None:
    here, there = f"folder://{store.folder}", f"folder://{tmp_path / 'plain'}"
    before = files(store)
    result = command("move", "--set", f"store.url={here}", "--to", there)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "plain" / "sim-5" / "files" / "transcript.txt").is_file()
    assert not (store.folder / "sim-5").exists()
    result = command("move", "--set", f"store.url={here}", "--from", there, "--to", here)
    assert result.exit_code == 0, result.output
    assert not (tmp_path / "plain" / "sim-5").exists()
    assert (store.folder / "sim-5" / "log.encrypted").is_file()
    assert files(store) == before


def test_the_doctor_looks_at_it(tmp_path: Path, store: EncryptedFolderStore, memory: Path) -> None:
    config = BotConfig(
        out_dir=store.folder,
        store=StoreConfig(encrypt=f"file:{tmp_path / 'key'}"),
        retention=RetentionConfig(memory=memory),
    )

    def looked() -> tuple[bool, str]:
        report = HealthReport()
        check_store(report, Plugins(entry_points=False), config)
        (finding,) = report.findings
        return finding.ok, finding.detail

    assert looked() == (True, f"{store.folder}, encrypted")
    (tmp_path / "key").write_bytes(base64.b64encode(bytes(32)))
    fine, told = looked()
    assert not fine
    assert told.startswith("sim-5: encrypted with the key")
    (tmp_path / "key").unlink()
    fine, told = looked()
    assert not fine
    assert "cannot be read" in told

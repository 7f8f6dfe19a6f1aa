"""`meetcore doctor`: every finding with its remedy, and nothing left behind."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

import meetcore
from meetcore import BotConfig, ConfigError, RetentionConfig, StoreConfig
from meetcore.cli.doctor import check_core, check_memory, check_options
from meetcore.plugin.health import HealthFinding, HealthReport
from meetcore.plugin.registry import Plugins


def test_where_something_is_missing_it_says_what_to_do_and_exits_with_1(meetcore_command):
    result = meetcore_command("doctor")
    assert result.exit_code == 1
    assert "platforms" in result.output
    assert "none installed" in result.output
    assert "→ Install one, for instance" in result.output


def test_it_leaves_no_folder_behind(meetcore_command, tmp_path):
    meetcore_command("doctor")
    meetcore_command("doctor", "--out", tmp_path / "deep" / "down")
    assert not list(Path().iterdir())
    assert not (tmp_path / "deep").exists()


def test_a_folder_that_is_there_stays(meetcore_command, tmp_path):
    (tmp_path / "kept").mkdir()
    result = meetcore_command("doctor", "--out", tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []
    assert "GiB free" in result.output


def test_a_folder_that_cannot_be_written_is_trouble_with_a_remedy(meetcore_command, tmp_path):
    (tmp_path / "file").write_text("in the way")
    result = meetcore_command("doctor", "--out", tmp_path / "file" / "below")
    assert result.exit_code == 1
    assert "cannot be written" in result.output.replace("\n", " ")
    assert "→ Choose another with --out" in result.output
    assert "Traceback" not in result.output


def test_with_everything_installed_it_lists_what_works(meetcore_command, tmp_path):
    result = meetcore_command("doctor", "--out", tmp_path, installed=True)
    for word in ("Python", "plugins", "platforms", "rehearsal", "pocketsphinx", "files"):
        assert word in result.output


def test_the_file_that_the_environment_names_is_read(meetcore_command, tmp_path, monkeypatch):
    (tmp_path / "meetcore.toml").write_text('[store]\nurl = "nothing://here"\n')
    monkeypatch.setenv("MEETCORE_CONFIG", str(tmp_path / "meetcore.toml"))
    assert "nothing" in meetcore_command("doctor").output


def test_a_broken_plugin_and_a_broken_check_are_findings(tmp_path):
    plugins = Plugins(entry_points=False)
    plugins.infos.append(type("Info", (), {"name": "x", "trouble": "it broke", "origin": "x 1"})())
    report = HealthReport()
    check_core(report, plugins, tmp_path)
    found = {finding.name: finding for finding in report.findings}
    assert (found["plugin x"].ok, found["plugin x"].remedy) == (False, "Reinstall x 1.")


def test_a_check_that_raises_is_itself_a_finding_and_is_told_as_it_is(
    meetcore_command, monkeypatch
):
    import meetcore

    class Broken:
        @meetcore.hookimpl
        def meetcore_check_health(self, report):
            raise ZeroDivisionError("[bold]: no [/such] style")

    really = Plugins.__init__
    monkeypatch.setattr(
        Plugins, "__init__", lambda self, **more: really(self, objects={"broken": Broken()}, **more)
    )
    result = meetcore_command("doctor")
    told = " ".join(result.output.split())
    assert (
        "'broken' failed in meetcore_check_health: ZeroDivisionError: [bold]: no [/such] style"
        in told
    )
    assert "test_doctor.py:" in told


@pytest.fixture
def with_check(monkeypatch):
    """A plugin that notes what it was asked, among those that are installed."""
    asked: list[str | None] = []

    class Checked:
        @meetcore.hookimpl
        def meetcore_check_health(self, report):
            asked.append(report.asked_for)
            report.fine("checked", "it is there")

    really = Plugins.__init__
    monkeypatch.setattr(
        Plugins, "__init__", lambda self, **more: really(self, objects={"mine": Checked()}, **more)
    )
    return asked


def test_a_plugin_that_is_asked_for_by_name_is_checked_alone(meetcore_command, with_check):
    result = meetcore_command("doctor", "mine")
    assert result.exit_code == 0
    assert result.output.split() == ["ok", "checked", "it", "is", "there"]
    meetcore_command("doctor")
    assert with_check == ["mine", None]


def test_a_name_that_nobody_checks_is_refused_with_those_that_are_checked(
    meetcore_command, with_check
):
    result = meetcore_command("doctor", "mien")
    assert result.exit_code != 0
    assert "Did you mean 'mine'?" in " ".join(result.output.split())
    assert with_check == []


def test_the_store_that_is_configured_is_asked(tmp_path, meetcore_command):
    """One that works has a line, and one that does not has its trouble and a remedy."""
    (tmp_path / "kept").mkdir()
    config = tmp_path / "meetcore.toml"
    config.write_text(f'[store]\nurl = "folder://{tmp_path}/kept"\n')
    told = meetcore_command("doctor", "--config", config).output
    assert f"folder://{tmp_path}/kept" in told.replace("\n", "").replace(" ", "")
    config.write_text('[store]\nurl = "nowhere://bucket"\n')
    result = meetcore_command("doctor", "--config", config)
    assert result.exit_code == 1
    assert "nowhere" in result.output


def memory_of(config: BotConfig) -> dict[str, HealthFinding]:
    report = HealthReport()
    check_memory(report, config)
    return {finding.name: finding for finding in report.findings}


def test_memory_is_looked_at_where_bots_work_in_it(tmp_path, monkeypatch):
    assert memory_of(BotConfig()) == {}
    nothing = RetentionConfig(keep="nothing")
    found = memory_of(BotConfig(retention=nothing))["memory"]
    assert found.ok
    assert "/dev/shm, " in found.detail
    disk = memory_of(BotConfig(retention=RetentionConfig(keep="nothing", memory=tmp_path)))
    assert not disk["memory"].ok
    assert "is on a disk" in disk["memory"].detail
    gone = RetentionConfig(keep="as_ordered", memory=tmp_path / "nowhere")
    assert "No such file" in memory_of(BotConfig(retention=gone))["memory"].detail
    monkeypatch.setattr("meetcore.cli.doctor.LOW_MEMORY_BYTES", 2**60)
    little = memory_of(BotConfig(retention=nothing))["memory"]
    assert not little.ok
    assert "--shm-size" in little.remedy


def test_a_key_that_others_can_read_is_trouble(tmp_path):
    key = tmp_path / "key"
    key.write_text("a" * 64)
    key.chmod(0o644)
    config = BotConfig(store=StoreConfig(encrypt=f"file:{key}"))
    found = memory_of(config)["key"]
    assert not found.ok
    assert found.remedy == f"Run: chmod 600 {key}"
    assert "aaaa" not in found.detail
    key.chmod(0o600)
    assert "key" not in memory_of(config)


def test_options_that_no_bot_could_use_are_trouble(monkeypatch):
    class Strict:
        @meetcore.hookimpl
        def meetcore_configure_bot(self, config):
            if "strict" in config.plugins:
                raise ConfigError("'hue' must be 'red'.", "Write red.")

    plugins = Plugins(entry_points=False, objects={"strict": Strict()})
    report = HealthReport()
    check_options(report, plugins, BotConfig())
    assert report.findings == []
    check_options(report, plugins, BotConfig(plugins={"strict": {"hue": "blue"}}))
    [found] = report.findings
    assert (found.name, found.ok, found.detail) == ("options", False, "'hue' must be 'red'.")
    assert found.remedy == "Write red."


def doctor_of(meetcore_command, tmp_path, written: str) -> str:
    """Return what it says of a configuration with which nothing starts, in one line."""
    config = tmp_path / "meetcore.toml"
    config.write_text(f"{written}\n")
    result = meetcore_command("doctor", "--config", config, installed=True)
    assert result.exit_code == 1
    return " ".join(result.output.split())


@pytest.fixture
def few_plugins(monkeypatch):
    """Those whose settings are looked at here: the checks of others take long."""
    monkeypatch.setenv("MEETCORE_LOAD", "files,server,deepgram,redact")
    monkeypatch.delenv("DEEPGRAM_API_KEY", raising=False)


def test_each_setting_with_which_no_bot_starts_is_trouble(meetcore_command, tmp_path, few_plugins):
    said = doctor_of(meetcore_command, tmp_path, '[plugins.flies]\n[plugins.files]\nformat="m4b"')
    assert "Unknown option 'flies' in [plugins]." in said
    assert "'format' must be in" in said


def test_a_transcriber_that_is_named_and_cannot_be_used_is_trouble(
    meetcore_command, tmp_path, few_plugins
):
    said = doctor_of(meetcore_command, tmp_path, 'transcriber = "deepgram"')
    assert "trouble transcriber deepgram" in said
    assert "ok transcriber deepgram" not in said
    assert "named 'deepgrm'" in doctor_of(meetcore_command, tmp_path, 'transcriber = "deepgrm"')


def test_a_trouble_that_two_find_is_told_once(meetcore_command, tmp_path, few_plugins):
    said = doctor_of(meetcore_command, tmp_path, "[plugins.redact]\nnmes = []")
    assert said.count("Unknown option 'nmes'") == 1


def test_a_server_that_would_not_start_is_trouble(meetcore_command, tmp_path, few_plugins):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        place = f"postgresql://me@127.0.0.1:{nobody.getsockname()[1]}/meetcore"
        said = doctor_of(
            meetcore_command, tmp_path, f'[plugins.server]\nprot = 1\ndatabase = "{place}"'
        )
    assert "Unknown option 'prot' in [plugins.server]" in said
    assert "does not answer" in said

"""Finding and loading plugins: files, entry points, objects; what is wrong is said by name."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest
from attrs import frozen

import meetcore
from meetcore.model.config import BotConfig
from meetcore.model.errors import (
    AmbiguousMeetingUrl,
    PluginError,
    PluginVersionMismatch,
    UnknownMeetingUrl,
    UnknownOption,
    UnknownPlugin,
)
from meetcore.plugin import registry as plugins_module
from meetcore.plugin.registry import Plugins

SINK = """
import meetcore
from attrs import frozen

class Options:
    pass

@frozen
class PrinterOptions:
    colour: str = "black"
    copies: int = 1

class Printer(meetcore.Sink):
    name = "printer"
    Options = PrinterOptions

@meetcore.hookimpl
def meetcore_register_sinks(register):
    register(Printer)
"""
PLATFORM = """
import meetcore

class {name}Platform(meetcore.Platform):
    name = "{name}"
    link_examples = ("{name}:ROOM", "{name}:OTHER")
    def parse(self, url):
        if url.startswith({claims!r}):
            return meetcore.MeetingLink(platform="{name}", native_id="x", url=url)
    def open_call(self, link, request, events):
        raise NotImplementedError

@meetcore.hookimpl
def meetcore_register_platforms(register):
    register({name}Platform)
"""


@pytest.fixture
def write(tmp_path: Path):
    def write(name: str, text: str) -> Path:
        path = tmp_path / f"{name}.py"
        path.write_text(textwrap.dedent(text))
        return path

    return write


def load(*files: Path, **more) -> Plugins:
    return Plugins(entry_points=False, files=files, **more)


def platform(name: str, claims: str | None = None) -> str:
    return PLATFORM.format(name=name, claims=claims or f"{name}:")


# --- one file ------------------------------------------------------------------------------


def test_a_plugin_is_one_file(write):
    path = write("printing", SINK)
    plugins = load(path)
    (info,) = plugins.infos
    assert (info.name, info.origin, info.trouble) == ("printing", str(path), "")
    assert info.registered == ["sink printer"]
    assert info.hooks == ["meetcore_register_sinks"]
    config = BotConfig(plugins={"printer": {"copies": "3"}, "printer:second": {"colour": "red"}})
    plugins.check_namespaces(config)
    assert plugins.sink("printer", config).options.copies == 3
    assert plugins.sink("printer:second", config).options.colour == "red"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nowhere_at_all", "ModuleNotFoundError.*nowhere_at_all"),
        ("def broken(:", "SyntaxError"),
        ("raise SystemError('no')", "SystemError: no"),
        ("x = 1", "implements no hook.*@meetcore.hookimpl"),
        (
            "import meetcore\n@meetcore.hookimpl\ndef meetcore_on_evnet(event): pass\n",
            "'broken'.*meetcore_on_evnet",
        ),
        (
            "import meetcore\n@meetcore.hookimpl\ndef meetcore_on_event(bot, evnet): pass\n",
            "'broken'.*evnet",
        ),
        (
            "import meetcore\n@meetcore.hookimpl\ndef meetcore_register_sinks(register):\n"
            "    register(meetcore.Sink())\n",
            "'broken' registered .*which is no Sink class",
        ),
        (
            "import meetcore\nclass S(meetcore.Sink): pass\n@meetcore.hookimpl\n"
            "def meetcore_register_sinks(register): register(S)\n",
            "S of plugin 'broken' has no name",
        ),
        (
            "import meetcore\n@meetcore.hookimpl\ndef meetcore_register_sinks(register): 1 / 0\n",
            "'broken'.*ZeroDivisionError",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_what_is_wrong(write, text, said):
    with pytest.raises(PluginError, match=f"(?s){said}"):
        load(write("broken", text))


def test_a_file_that_is_not_there_or_no_python_is_named(tmp_path):
    with pytest.raises(PluginError, match=r"no plugin file .*gone\.py"):
        load(tmp_path / "gone.py")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(PluginError, match=r"notes\.txt is not a Python file"):
        load(tmp_path / "notes.txt")


def test_a_hook_may_take_fewer_arguments_than_there_are(write):
    text = """
        import meetcore
        seen = []
        @meetcore.hookimpl
        def meetcore_on_event(event):
            seen.append(event)
    """
    plugins = load(write("short", text))
    (implementation,) = plugins.implementations("meetcore_on_event")
    implementation.call(bot=None, event="e")
    assert sys.modules["meetcore_plugin_short"].seen == ["e"]


# --- versions --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2.0", "1.9", "0.9", "next", "1"])
def test_a_plugin_for_another_hook_api_is_refused_with_both_versions(write, version):
    path = write("late", f"meetcore_api_version = {version!r}\n" + SINK)
    with pytest.raises(PluginVersionMismatch) as caught:
        load(path)
    for part in ("'late'", version, meetcore.API_VERSION):
        assert part in str(caught.value)


def test_a_plugin_for_this_hook_api_or_without_a_word_about_it_is_taken(write):
    said = load(write("said", f"meetcore_api_version = {meetcore.API_VERSION!r}\n" + SINK))
    silent = load(write("silent", SINK))
    assert [p.infos[0].api_version for p in (said, silent)] == [meetcore.API_VERSION, None]


# --- names -----------------------------------------------------------------------------------


def test_two_that_register_the_same_name_are_an_error_that_names_both(write):
    with pytest.raises(PluginError) as caught:
        load(write("one", SINK), write("two", SINK))
    assert "'two' registered the sink 'printer'" in str(caught.value)
    assert "meetcore_plugin_one" in str(caught.value)
    assert "--without two" in caught.value.remedy


def test_two_of_one_name_are_an_error(write, tmp_path):
    (tmp_path / "other").mkdir()
    again = tmp_path / "other" / "one.py"
    again.write_text(platform("x"))
    with pytest.raises(PluginError, match=r"'one' from .*other.* is loaded already"):
        load(write("one", SINK), again)


def test_a_plugin_that_was_refused_leaves_nothing_behind(write):
    text = SINK + textwrap.dedent(
        """
        class Bad: pass
        @meetcore.hookimpl
        def meetcore_register_launchers(register):
            register(Bad)
        @meetcore.hookimpl
        def meetcore_on_event(event):
            raise AssertionError
        """
    )
    plugins = load()
    with pytest.raises(PluginError, match="no Launcher class"):
        plugins._load_file(write("half", text))
    assert plugins.sinks == {}
    assert plugins.implementations("meetcore_on_event") == []
    assert plugins.infos == []


# --- links -----------------------------------------------------------------------------------


def test_a_platform_that_claims_first_wins_over_one_that_knows_the_link_too(write):
    first = platform("red", "room:").replace(
        'name = "red"', 'name = "red"\n    claims_first = True'
    )
    plugins = load(write("one", first), write("two", platform("blue", "room:")))
    taken, link = plugins.platform_for("room:7", BotConfig())
    assert taken.name == "red"
    assert link.native_id


def test_a_link_of_two_platforms_is_an_error_that_names_both(write):
    plugins = load(write("one", platform("red", "room:")), write("two", platform("blue", "room:")))
    with pytest.raises(AmbiguousMeetingUrl) as caught:
        plugins.platform_for("room:7?pwd=secret", BotConfig())
    assert "claimed by blue and red" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_link_of_nobody_names_the_platforms_and_their_links(write):
    plugins = load(write("one", platform("red")), write("two", platform("blue")))
    with pytest.raises(UnknownMeetingUrl) as caught:
        plugins.platform_for("https://nobody.example/x?pwd=secret#s", BotConfig())
    for part in ("https://nobody.example/x", "red: red:ROOM, red:OTHER", "blue: blue:ROOM"):
        assert part in str(caught.value)
    assert "secret" not in str(caught.value)
    with pytest.raises(UnknownMeetingUrl, match="no platform plugin is installed"):
        load().platform_for("x", BotConfig())


# --- names in the configuration -----------------------------------------------------------------


class ModuleWithHook:
    @meetcore.hookimpl
    def meetcore_configure_bot(self, config):
        return None


def test_settings_of_a_plugin_that_is_not_there_are_refused(write):
    plugins = load(write("printing", SINK))
    with pytest.raises(UnknownOption, match=r"'pinter' in \[plugins\].*'printer'"):
        plugins.check_namespaces(BotConfig(plugins={"pinter": {}}))


@pytest.mark.parametrize(
    ("choice", "installed", "words"),
    [
        ({"without": ["redact"]}, ("redact", "redis"), "That plugin is left out (--without"),
        ({"only": ["redis"]}, ("redact", "redis"), "That plugin is left out (--without"),
        ({}, ("redis",), "is not installed: pip install 'meetcore[redact]'"),
        ({"without": ["redact"]}, ("redis",), "is not installed: pip install 'meetcore[redact]'"),
    ],
)
def test_settings_of_a_plugin_that_is_not_loaded_say_why(monkeypatch, choice, installed, words):
    points = EntryPoints(EntryPoint(each, f"meetcore_{each}.plugin", "x") for each in installed)
    for module in ("registry", "settings_check"):
        monkeypatch.setattr(f"meetcore.plugin.{module}.entry_points", lambda group: points)
    monkeypatch.setattr("importlib.metadata.EntryPoint.load", lambda point: ModuleWithHook())
    [error] = Plugins(**choice).namespace_troubles(BotConfig(plugins={"redact": {}}))
    assert words in str(error)
    assert "Did you mean" not in str(error)


def test_what_only_an_order_brings_may_lack_and_what_is_unknown_may_not(write):
    plugins = load(write("printing", SINK.replace('colour: str = "black"', "colour: str")))
    plugins.check_settings(BotConfig(plugins={"printer": {}}))
    with pytest.raises(UnknownOption, match="'color'"):
        plugins.check_settings(BotConfig(plugins={"printer": {"color": "red"}}))
    with pytest.raises(UnknownPlugin, match="'pinter'"):
        plugins.check_settings(BotConfig(sinks=("pinter",)))


def test_an_unknown_option_of_a_plugin_names_the_nearest(write):
    plugins = load(write("printing", SINK))
    with pytest.raises(UnknownOption, match=r"'color' in \[plugins.printer\].*'colour'"):
        plugins.sink("printer", BotConfig(plugins={"printer": {"color": "red"}}))


def test_an_unknown_name_is_refused_with_what_is_installed(write):
    plugins = load(write("printing", SINK))
    with pytest.raises(UnknownPlugin, match=r"no sink named 'prinetr'.*'printer'.*printer"):
        plugins.sink("prinetr", BotConfig())
    with pytest.raises(UnknownPlugin, match=r"no transcriber named 'x'.*Installed: captions"):
        plugins.transcriber("x", BotConfig())


# --- what is installed ----------------------------------------------------------------------


@pytest.fixture
def installed(monkeypatch, write, tmp_path):
    monkeypatch.syspath_prepend(str(tmp_path))
    write("entry_good", SINK)
    write("entry_broken", "import nowhere_at_all")
    write("entry_late", "meetcore_api_version = '9.0'\n" + SINK)
    points = EntryPoints(
        EntryPoint(name, value, "meetcore")
        for name, value in (
            ("good", "entry_good"),
            ("broken", "entry_broken"),
            ("late", "entry_late"),
        )
    )
    monkeypatch.setattr(plugins_module, "entry_points", lambda group: points)
    yield
    for name in ("entry_good", "entry_broken", "entry_late"):
        sys.modules.pop(name, None)


def test_a_broken_installed_plugin_does_not_stop_the_others_and_says_why(installed):
    plugins = Plugins()
    trouble = {info.name: info.trouble for info in plugins.infos}
    assert trouble["good"] == ""
    assert "nowhere_at_all" in trouble["broken"]
    assert "9.0" in trouble["late"]
    assert meetcore.API_VERSION in trouble["late"]
    assert plugins.sinks.keys() == {"printer"}
    with pytest.raises(UnknownPlugin, match=r"broken .*nowhere_at_all"):
        plugins.transcriber("whisper", BotConfig())


def test_the_load_switch_takes_only_what_it_names(installed, monkeypatch):
    assert [i.name for i in Plugins(only=["good"]).infos] == ["good"]
    assert [i.name for i in Plugins(without=["good", "late"]).infos] == ["broken"]
    monkeypatch.setenv("MEETCORE_LOAD", "good, late")
    monkeypatch.setenv("MEETCORE_WITHOUT", "late")
    assert [i.name for i in Plugins().infos] == ["good"]
    with pytest.raises(UnknownPlugin, match=r"no plugin named 'god'.*'good'"):
        Plugins(only=["god"])


def test_the_trace_switch_prints_each_hook_call(write):
    program = "import sys, meetcore; meetcore.Plugins(entry_points=False, files=sys.argv[1:])"
    path = write("printing", SINK)
    for value, traced in (("1", True), ("0", False)):
        done = subprocess.run(
            [sys.executable, "-c", program, str(path)],
            env={"MEETCORE_TRACE_HOOKS": value, "PATH": "/usr/bin"},
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        assert ("hook meetcore_register_sinks(register) -> printing" in done.stderr) is traced


def test_configure_hooks_form_a_chain_the_last_one_loaded_first(write):
    text = """
        import attrs, meetcore
        @meetcore.hookimpl({order})
        def meetcore_configure_bot(config):
            return {result}
    """
    longer = "attrs.evolve(config, name=config.name + {!r})"
    first = write("first", text.format(order="tryfirst=True", result=longer.format("1")))
    second = write("second", text.format(order="", result=longer.format("2")))
    none = write("none", text.format(order="", result="None"))
    last = write("last", text.format(order="", result=longer.format("3")))
    plugins = load(first, second, none, last)
    assert plugins.configure(BotConfig(name="x")).name == "x132"


class Raises:
    """Fails in whatever hook it is asked for."""

    @meetcore.hookimpl
    def meetcore_configure_bot(self, config):
        return config.nmae

    @meetcore.hookimpl
    def meetcore_register_routes(self, app):
        app.mount(title="no name")


@pytest.mark.parametrize("hook", ["meetcore_configure_bot", "meetcore_register_routes"])
def test_a_mistake_in_a_hook_that_is_run_once_is_told_with_file_and_line(hook):
    plugins = Plugins(entry_points=False, objects={"raises": Raises()})
    (implementation,) = plugins.implementations(hook)
    argument = {"config": BotConfig()} if hook == "meetcore_configure_bot" else {"app": object()}
    with pytest.raises(PluginError, match=rf"'raises' failed in {hook}: .*test_registry.py:\d+"):
        implementation.call_named(hook, **argument)


@pytest.mark.parametrize("answer", ["a str", 7, {}])
def test_a_configuration_is_nothing_else(answer):
    class Wrong:
        @meetcore.hookimpl
        def meetcore_configure_bot(self, config):
            return answer or [0]

    plugins = Plugins(entry_points=False, objects={"wrong": Wrong()})
    with pytest.raises(PluginError, match="'wrong' returned a"):
        plugins.configure(BotConfig())


def test_a_hook_that_is_run_once_is_a_plain_function():
    class Later:
        @meetcore.hookimpl
        async def meetcore_configure_bot(self, config):
            return config

    with pytest.raises(PluginError, match="is async"):
        Plugins(entry_points=False, objects={"later": Later()}).configure(BotConfig())


TINY = """
import meetcore

class Mine(meetcore.Launcher):
    name = "mine"

    async def launch(self, spec, nursery):
        raise meetcore.MeetcoreError("nowhere to run")

@meetcore.hookimpl
def meetcore_register_launchers(register):
    register(Mine)

@meetcore.hookimpl
def meetcore_on_event(event):
    pass
"""


async def test_a_launcher_and_a_plugin_file_can_be_named(tmp_path, monkeypatch):
    file = tmp_path / "tiny.py"
    file.write_text(TINY)
    monkeypatch.setenv("MEETCORE_PLUGIN_FILES", str(file))
    assert "mine" in Plugins(entry_points=False, files=[file]).launchers, "named twice, loaded once"
    monkeypatch.delenv("MEETCORE_PLUGIN_FILES")
    config = BotConfig(out_dir=tmp_path, plugin_files=(str(file),), launcher="mine")
    async with meetcore.open_fleet(config) as fleet:
        assert fleet.launcher.name == "mine"
    with pytest.raises(meetcore.UnknownPlugin, match="no launcher named 'mime'"):
        async with meetcore.open_fleet(BotConfig(out_dir=tmp_path, launcher="mime")):
            """Never here."""


REDACTOR = """
import meetcore

@meetcore.hookimpl(fail_closed=True)
def meetcore_revise_segment(segment):
    pass
"""


async def test_a_reviser_that_fails_closed_is_where_the_bot_runs_or_there_is_no_bot(tmp_path):
    file = tmp_path / "redactor.py"
    file.write_text(REDACTOR + TINY.replace("import meetcore", ""))
    plugins = Plugins(entry_points=False, files=[file])
    config = BotConfig(out_dir=tmp_path, launcher="mine")
    async with meetcore.open_fleet(config, plugins=plugins, recover_first=False) as fleet:
        with pytest.raises(PluginError, match="'redactor' must not be passed by"):
            await fleet.launch(meetcore.BotSpec(bot_id="b", url="sim:x"))
        there = meetcore.BotSpec(bot_id="b", url="sim:x", plugin_files=(str(file),))
        with pytest.raises(meetcore.MeetcoreError, match="nowhere to run"):
            await fleet.launch(there)
    module = sys.modules["meetcore_plugin_redactor"]
    plugins = Plugins(entry_points=False, objects={"mine": module})
    with pytest.raises(PluginError, match="'mine' must not be passed by"):
        plugins.check_revisers([file])


def test_a_class_that_cannot_be_made_is_told_with_its_place():
    class Odd(meetcore.Sink):
        name = "odd"

        def __init__(self):
            """Takes no options."""

    class Plugin:
        @meetcore.hookimpl
        def meetcore_register_sinks(self, register):
            register(Odd)

    plugins = Plugins(entry_points=False, objects={"odd": Plugin()})
    with pytest.raises(PluginError, match=r"Odd \('odd'\) cannot be made: TypeError"):
        plugins.sink("odd", BotConfig())


@frozen(kw_only=True)
class LoudOptions:
    level: int = 3


class LoudSink(meetcore.Sink[LoudOptions]):
    name = "loud"


class LouderSink(LoudSink):
    name = "louder"


def test_the_class_in_the_brackets_is_the_class_of_the_options():
    assert LoudSink.Options is LouderSink.Options is LoudOptions
    assert LoudSink().options == LoudOptions()
    plugins = Plugins(entry_points=False)
    plugins.sinks["loud"] = LoudSink
    config = meetcore.BotConfig(plugins={"loud": {"level": 5}})
    assert plugins.sink("loud", config).options == LoudOptions(level=5)

"""The reference pages say what the code says: hooks, events, options, commands."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import attrs
import click
import pytest

import meetcore
import meetcore.gateway
from meetcore.cli import main
from meetcore.model import signals
from meetcore.model.commands import COMMAND_TYPES
from meetcore.model.config import (
    _NOT_SETTINGS,
    AudioConfig,
    AutomaticLeave,
    BotConfig,
    SpeechConfig,
    TranscriptionConfig,
)
from meetcore.model.errors import TROUBLE_KINDS
from meetcore.model.events import EVENT_TYPES
from meetcore.model.lifecycle import EndReason, State
from meetcore.plugin.hooks import HookSpecs
from meetcore_rehearsal.links import parse_link

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


def headings(page: str) -> list[str]:
    text = (REFERENCE / page).read_text("utf-8")
    return re.findall(r"^#+ `([^`]+)`", text, re.MULTILINE)


def test_the_generated_pages_are_up_to_date():
    check = subprocess.run(
        [sys.executable, "-m", "docs.reference.generate", "--check"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert check.returncode == 0, check.stdout + check.stderr


def test_every_hook_has_a_heading_with_its_name_and_arguments():
    hooks = [
        f"{name}({', '.join(list(inspect.signature(function).parameters)[1:])})"
        for name, function in vars(HookSpecs).items()
        if name.startswith("meetcore_")
    ]
    assert len(hooks) <= 15, "at most fifteen hooks"
    assert sorted(headings("hooks.md")) == sorted(hooks)


def test_every_public_name_of_the_gateway_has_a_heading():
    told = {heading.partition("(")[0].split()[-1] for heading in headings("gateway.md")}
    assert told >= set(meetcore.gateway.__all__)


def test_every_contract_and_each_of_its_methods_is_told():
    page = (REFERENCE / "contracts.md").read_text("utf-8")
    for contract in (meetcore.Platform, meetcore.Transcriber, meetcore.Sink, meetcore.Launcher):
        assert contract.__name__ in headings("contracts.md")
        for name in contract.__abstractmethods__:
            assert re.search(rf"`(.* )?{name}\b.* \*` \|", page), name


def test_every_type_of_event_has_a_heading():
    assert set(headings("events.md")) >= set(EVENT_TYPES)


def test_every_signal_has_a_heading_and_every_field_of_it_a_line():
    page = (REFERENCE / "signals.md").read_text("utf-8")
    known = {name: getattr(signals, name) for name in signals.__all__ if name != "Signal"}
    assert set(headings("signals.md")) == set(known)
    for cls in known.values():
        assert [a.name for a in attrs.fields(cls) if f"| `{a.name}` |" not in page] == []


def test_the_kinds_of_a_transcribers_trouble_are_told_to_its_author():
    page = (ROOT / "docs/how-to/write-a-transcriber.md").read_text("utf-8")
    assert [f"`{k}`" for k in TROUBLE_KINDS if f"| `{k}` | {TROUBLE_KINDS[k]} |" not in page] == []


@pytest.mark.parametrize(
    "cls", [BotConfig, AutomaticLeave, AudioConfig, TranscriptionConfig, SpeechConfig]
)
def test_every_option_is_in_the_page_of_the_configuration(cls):
    page = (REFERENCE / "configuration.md").read_text("utf-8")
    missing = [a.name for a in attrs.fields(cls) if f"`{a.name}`" not in page]
    assert missing == []


def test_every_command_and_every_option_of_it_is_in_the_page_of_the_command_line():
    page = (REFERENCE / "cli.md").read_text("utf-8")
    context = click.Context(main)
    names = main.list_commands(context)
    assert {"join", "plugins", "doctor", "replay", "recover"} <= set(names)
    for name in names:
        command = main.get_command(context, name)
        below = command.commands if isinstance(command, click.Group) else {}
        shown = {name: command} | {f"{name} {each}": one for each, one in below.items()}
        for path, each in {"": main, **shown}.items():
            section = section_of(page, f"meetcore {path}".strip())
            for option in each.params:
                for flag in option.opts if isinstance(option, click.Option) else ():
                    assert flag in section, f"{path} {flag}"


def section_of(page, heading):
    _, found, after = page.partition(f"\n## `{heading}`\n")
    assert found, heading
    return after.partition("\n## ")[0]


def test_every_command_of_a_bot_has_a_heading_and_each_of_its_fields_a_line():
    page = (REFERENCE / "commands.md").read_text("utf-8")
    assert headings("commands.md") == list(COMMAND_TYPES)
    for name, cls in COMMAND_TYPES.items():
        section = section_of(page, name)
        fields = {each.name for each in attrs.fields(cls)} - {"id", "by"}
        assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == fields


def test_every_variable_that_is_no_option_is_in_the_page_of_the_configuration():
    page = (REFERENCE / "configuration.md").read_text("utf-8")
    assert [name for name in _NOT_SETTINGS if f"| `MEETCORE_{name}` |" not in page] == []


def test_every_plugin_that_has_options_has_one_table_of_them():
    tables = headings("configuration.md")
    assert len(tables) == len(set(tables))
    named = set()
    for file in (ROOT / "plugins").glob("*/meetcore_*/plugin.py"):
        named |= set(re.findall(r'Options, .*"(\[plugins\.\w+\])"', file.read_text("utf-8")))
    assert len(named) >= 5
    assert named - set(tables) == set()


def test_every_page_is_reached_from_the_readme():
    found, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in found or page.suffix != ".md":
            continue
        found.add(page)
        links = PATHS.findall(CODE.sub("", page.read_text("utf-8")))
        todo += [(page.parent / link).resolve() for link in links]
    assert set(ROOT.glob("docs/**/*.md")) - found == set()


def test_every_state_and_every_reason_is_in_the_page_of_the_lifecycle():
    page = (REFERENCE / "lifecycle.md").read_text("utf-8")
    assert [word for word in (*State, *EndReason) if f"`{word}`" not in page] == []


CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
PATHS = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")


def test_no_page_points_to_a_file_that_is_not_there():
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in PATHS.findall(CODE.sub("", page.read_text("utf-8")))
        if not (page.parent / target).exists()
    ]
    assert len(pages) > 8
    assert broken == []


def test_every_room_of_a_rehearsal_in_the_docs_and_examples_is_a_link_that_is_taken():
    texts = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.py")]
    links = [
        found
        for path in [*texts, *ROOT.glob("plugins/*/*.md"), ROOT / "meetcore" / "bot" / "factory.py"]
        for found in re.findall(r"https?://[\w.:]+/r/[\w-]+", path.read_text("utf-8"))
    ]
    assert links
    assert [link for link in links if parse_link(link) is None] == []


def test_the_programs_of_the_readme_compile_and_use_names_that_are_there():
    code = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert len(code) >= 2
    for program in code:
        compile(program, "README.md", "exec")
        for name in re.findall(r"\bmeetcore\.(\w+)", program):
            assert hasattr(meetcore, name), name

"""Writes the reference pages from the code, so that they cannot drift from it.

`python -m docs.reference.generate` writes them, `--check` compares and fails on a difference.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import attrs
import click

import meetcore
from docs.reference.describe import attributes_of, described, description, sentence
from docs.reference.schema import events_schema
from meetcore import Capability, Signal, gateway
from meetcore.bot.bot_runner import CLOSE_TIMEOUT_S, HURRY_S
from meetcore.cli import main as cli
from meetcore.cli.ends import EXIT_MEANINGS
from meetcore.fleet.launchers import ChildProcessOptions
from meetcore.model.commands import COMMAND_TYPES
from meetcore.model.config import (
    AudioConfig,
    AutomaticLeave,
    BotConfig,
    BusConfig,
    ExclusionConfig,
    RetentionConfig,
    SpeechConfig,
    StoreConfig,
    TranscriptionConfig,
)
from meetcore.model.drafts import LevelDraft, SegmentDraft
from meetcore.model.events import EVENT_TYPES
from meetcore.model.lifecycle import (
    COMPLETING,
    EXIT_CODES,
    EXIT_INTERRUPTED,
    TRANSITIONS,
    EndReason,
    Outcome,
    State,
)
from meetcore.plugin.hooks import API_VERSION, HookSpecs
from meetcore.plugin.registry import Plugins
from meetcore_browser.options import BrowserOptions
from meetcore_consent.options import ConsentOptions
from meetcore_exclude.options import ExcludeOptions
from meetcore_meetstream.options import MeetstreamOptions
from meetcore_optout.options import OptoutOptions
from meetcore_otel.options import OtelOptions
from meetcore_redact.options import RedactOptions
from meetcore_server.options import ServerSettings
from meetcore_skribby.options import SkribbyOptions
from meetcore_spoke.options import SpokeOptions
from meetcore_vexa.options import VexaOptions
from meetcore_zoom_rtms.options import ReceiverOptions

HERE = Path(__file__).parent
COMPLETION = {
    "bash": 'eval "$(_MEETCORE_COMPLETE=bash_source meetcore)"',
    "zsh": 'eval "$(_MEETCORE_COMPLETE=zsh_source meetcore)"',
    "fish": "_MEETCORE_COMPLETE=fish_source meetcore | source",
}
VARIABLES = {
    "CONFIG": "The configuration that a command reads where it is given no `--config`.",
    "PLUGIN_FILES": "Python files to load as plugins, with commas between them.",
    "LOAD": "Names of the installed plugins to load, with commas between them; no other is.",
    "WITHOUT": "Names of plugins to leave out, with commas between them.",
    "TRACE_HOOKS": "`1` prints every call of a hook to standard error.",
    "SECRETS_FOLDER": "A folder with a file for each option that is secret.",
    "API_KEY": "The key of `meetcore serve`, and of the commands that ask a server.",
    "CHROMIUM": "The Chromium to use, by its path.",
    "CHROMIUM_SANDBOX": "`off` switches Chromium's sandbox off, where nobody may have one.",
    "SELECTORS": "The folder of selector packs that were installed.",
    "IDENTITIES": "The folder of the accounts that were signed in by `meetcore login`.",
    "IDENTITY_KEY_FILE": "The file of the key to these accounts, where there is no keyring.",
}
"""Variables that are no options, without `MEETCORE_`."""
NOTE = "<!-- Written by docs/reference/generate.py from the code. Do not edit. -->\n"


def _docstring(thing: object) -> str:
    return inspect.cleandoc(getattr(thing, "__doc__", None) or "")


def _type_name(annotation: object) -> str:
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return str(text or annotation).replace("|", "\\|")


def hooks_page() -> str:
    """Return the page of all hooks."""
    lines = [
        "# Hooks",
        "",
        NOTE,
        f"Hook API {API_VERSION}. A plugin says which it was written for with the module constant",
        f'`meetcore_api_version = "{API_VERSION}"`; one of another major version, or of a later',
        "minor one, is refused with both versions named. An implementation is marked with",
        "`@meetcore.hookimpl` and may take fewer arguments than are listed here.",
        "",
    ]
    for name, function in vars(HookSpecs).items():
        if not name.startswith("meetcore_"):
            continue
        parameters = [p for p in inspect.signature(function).parameters if p != "self"]
        lines += [f"## `{name}({', '.join(parameters)})`", "", _docstring(function), ""]
    return "\n".join(lines)


def _fields(cls: type, skip: frozenset[str] = frozenset()) -> Iterator[attrs.Attribute[Any]]:
    for attribute in attrs.fields(cls):  # type: ignore[arg-type]
        if attribute.name not in skip:
            yield attribute


def events_page() -> str:
    """Return the page of all events and drafts."""
    common = frozenset({"bot_id", "seq", "at", "meeting_s", "after_seq"})
    lines = [
        "# Events",
        "",
        NOTE,
        "On every wire and in the journal an event is one JSON object:",
        "",
        "```json",
        '{"type": "chat.received", "seq": 7, "bot_id": "…", "at": "2026-11-20T12:00:00.123456Z",',
        ' "meeting_s": 3.42, "data": {"message_id": "…", "text": "hello", "…": "…"}}',
        "```",
        "",
        "`seq` counts from 1 without a gap. `meeting_s` is seconds since the bot entered the call,",
        "`null` before that. In the journal file a line also ends with a checksum, `crc`.",
        "[events.schema.json](events.schema.json) says the same as a JSON Schema. A reader passes",
        "over types and fields that it does not know: a later version may write them.",
        "",
    ]
    for type_name, cls in sorted(EVENT_TYPES.items()):
        lines += [f"## `{type_name}`", "", f"`meetcore.{cls.__name__}`. {_docstring(cls)}", ""]
        rows = [f"| `{a.name}` | {_type_name(a.type)} |" for a in _fields(cls, common)]
        if rows:
            lines += ["| data | type |", "|---|---|", *rows, ""]
    lines += [
        "# Drafts",
        "",
        "Drafts are shown, not kept: they have `after_seq` instead of `seq`, and of a key the",
        "newest wins.",
        "",
    ]
    for draft in (SegmentDraft, LevelDraft):
        about = f"`meetcore.{draft.__name__}`. {_docstring(draft)}"
        lines += [f"## `{draft.type}`", "", about, ""]
    return "\n".join(lines)


def signals_page() -> str:
    """Return the page of all signals."""
    lines = [
        "# Signals",
        "",
        NOTE,
        "What a platform tells the core: `from meetcore import Admitted, …`, then",
        '`events.observe(Admitted("the leave button is there"))`. A platform reports what it saw,',
        "as often as it saw it; what follows from it is the bot's to decide.",
        "",
    ]
    for cls in sorted(Signal.__subclasses__(), key=lambda each: each.__name__):
        if cls.__module__ != Signal.__module__:
            continue
        text, _, _ = _docstring(cls).partition("Attributes:\n")
        described = attributes_of(cls)
        lines += [f"## `{cls.__name__}`", "", text.strip(), ""]
        rows = [
            f"| `{a.name}` | {_type_name(a.type)} | {_default(a)} | {described.get(a.name, '')} |"
            for a in _fields(cls)
        ]
        if rows:
            lines += ["| field | type | default | |", "|---|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _default(attribute: attrs.Attribute[Any]) -> str:
    default = attribute.default
    if default is attrs.NOTHING:
        return "required"
    if isinstance(default, attrs.Factory) or default == b"":  # type: ignore[arg-type]
        return "empty"
    if isinstance(default, Enum):
        return f"`{default.value!r}`"
    if attrs.has(type(default)):
        return "see below"
    return f"`{default!r}`" if not isinstance(default, Path) else f"`{default}`"


def _option_table(cls: type) -> list[str]:
    """Return the lines of a table of options, in the order of the docstrings."""
    described = attributes_of(cls)
    place = {name: number for number, name in enumerate(described)}
    options = sorted(_fields(cls), key=lambda a: place.get(a.name, len(place)))
    rows = [f"| `{a.name}` | {_default(a)} | {described.get(a.name, '')} |" for a in options]
    return ["| option | default | meaning |", "|---|---|---|", *rows] if rows else []


def _options_of_plugins() -> dict[str, type]:
    """Return the class of options of each table `[plugins.NAME]`, once for each name."""
    plugins = Plugins()
    found: dict[str, type] = {"browser": BrowserOptions}
    for kind in ("platforms", "transcribers", "synthesizers", "sinks"):
        for name, plugin in sorted(getattr(plugins, kind).items()):
            found.setdefault(name, plugin.Options)
    found["consent"] = ConsentOptions
    found["exclude"] = ExcludeOptions
    found["optout"] = OptoutOptions
    found["redact"] = RedactOptions
    found["otel"] = OtelOptions
    for kind in ("stores", "buses", "launchers"):
        for name, plugin in sorted(getattr(plugins, kind).items()):
            options = getattr(plugin, "Options", None)
            if options is not None:
                found.setdefault(name, options)
    found["child_process"] = ChildProcessOptions
    return found


def configuration_page() -> str:
    """Return the page of all options."""
    lines = [
        "# Configuration",
        "",
        NOTE,
        "From a TOML file (`--config`), from the environment (`MEETCORE_NAME`,",
        "`MEETCORE_AUTOMATIC_LEAVE__SILENCE_S`, `MEETCORE_PLUGINS__WEBHOOK__URL`), and from code",
        "or the command line, in rising rank. An option that nobody declared is an error that",
        "names the nearest known one.",
        "",
        "What is secret is better in files than in the environment: `MEETCORE_SECRETS_FOLDER`",
        "names a folder with a file for each option, named like its variable without `MEETCORE_`",
        "(`plugins__server__database`), as Docker, Kubernetes and systemd's `LoadCredential` hand",
        "them out. A variable wins over a file.",
        "",
        'Where an option may be None, `"none"` or `"never"` in a file, a variable or an option of',
        'the command line says so: `silence_s = "never"` switches that rule off.',
        "",
        "These variables are no options:",
        "",
        "| variable | |",
        "|---|---|",
        *(f"| `MEETCORE_{name}` | {said} |" for name, said in VARIABLES.items()),
        "",
    ]
    for title, cls in (
        ("The bot", BotConfig),
        ("`[automatic_leave]`", AutomaticLeave),
        ("`[audio]`", AudioConfig),
        ("`[transcription]`", TranscriptionConfig),
        ("`[speech]`", SpeechConfig),
        ("`[store]`", StoreConfig),
        ("`[bus]`", BusConfig),
        ("`[exclusion]`", ExclusionConfig),
        ("`[retention]`", RetentionConfig),
    ):
        lines += [f"## {title}", "", *_option_table(cls), ""]
    lines += ["## Plugins", ""]
    for name, options in _options_of_plugins().items():
        if table := _option_table(options):
            lines += [f"### `[plugins.{name}]`", "", *table, ""]
    lines += ["## The server", ""]
    for title, cls in (
        ("server", ServerSettings),
        ("server.dialects.meetstream", MeetstreamOptions),
        ("server.dialects.skribby", SkribbyOptions),
        ("server.dialects.spoke", SpokeOptions),
        ("server.dialects.vexa", VexaOptions),
        ("server.dialects.zoom_rtms", ReceiverOptions),
    ):
        lines += [f"### `[plugins.{title}]`", "", *_option_table(cls), ""]
    lines += [
        "The plugins' READMEs say more.",
        "",
    ]
    return "\n".join(lines)


def cli_page() -> str:
    """Return the page of all commands with their help."""
    lines = [
        "# Command line",
        "",
        NOTE,
        "## Exit codes",
        "",
        "| code | meaning |",
        "|---|---|",
        *(f"| {code} | {meaning} |" for code, meaning in sorted(EXIT_MEANINGS.items())),
        "",
        "Which end of a bot is which is in [lifecycle](lifecycle.md).",
        "",
        "## Completion in a shell",
        "",
        "Commands, options, and the names of plugins and scripts are completed after this, in the",
        "shell's start-up file:",
        "",
        "```sh",
        *(f"{line}  # {shell}" for shell, line in COMPLETION.items()),
        "```",
        "",
    ]
    with _shown_context(cli, "meetcore") as context:
        lines += ["## `meetcore`", "", "```text", cli.get_help(context), "```", ""]
        for name in cli.list_commands(context):
            command = cli.get_command(context, name)
            assert command is not None
            lines += _help_of(command, name, context)
    return "\n".join(lines)


def _help_of(command: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    """Yield the help of a command, and of the commands below it."""
    with _shown_context(command, name, parent) as context:
        yield from (f"## `{context.command_path}`", "", "```text", command.get_help(context))
        yield from ("```", "")
        if isinstance(command, click.Group):
            for below in command.list_commands(context):
                yield from _help_of(command.commands[below], below, context)


def _shown_context(
    command: click.Command, name: str, parent: click.Context | None = None
) -> click.Context:
    """Return a context whose help is as wide as the page."""
    return click.Context(
        command, info_name=name, parent=parent, terminal_width=96, max_content_width=96
    )


def _on_the_wire(kind: Any) -> str:
    """Return what a field of a command is in JSON, in words."""
    [kind] = [each for each in get_args(kind) if each is not NoneType] or [kind]
    if issubclass(kind, Enum):
        return ", ".join(f"`{each.value}`" for each in kind)
    return {bool: "true or false", bytes: "bytes in base64", int: "whole number", str: "text"}[kind]


def commands_page() -> str:
    """Return the page of all commands that a bot takes over a wire."""
    lines = [
        "# Commands",
        "",
        NOTE,
        "What a bot can be asked: `POST /v1/bots/BOT_ID/commands` with one JSON object, the same",
        "as `command` over [a WebSocket](../how-to/serve.md#follow-bots).",
        "",
        "```json",
        '{"type": "send_chat", "id": "9b2f…", "data": {"text": "hello"}}',
        "```",
        "",
        "With an `id` it is one command, however often it is sent. A field that is not listed here",
        "is refused.",
        "",
    ]
    for name, cls in COMMAND_TYPES.items():
        told = attributes_of(cls)
        lines += [f"## `{name}`", "", f"`meetcore.{cls.__name__}`. {description(cls)}", ""]
        rows = [
            f"| `{a.name}` | {_on_the_wire(a.type)} | {_default(a)} | {told.get(a.name, '')} |"
            for a in _fields(attrs.resolve_types(cls), frozenset({"id", "by"}))
        ]
        if rows:
            lines += ["| data | type | default | |", "|---|---|---|---|", *rows, ""]
    return "\n".join(lines)


WHERE = ("sound", "names", "people", "speakers", "chat", "captions")


def platforms_page() -> str:
    """Return the page of what each platform can do, and where it reads what."""
    platforms = sorted(Plugins().platforms.items())
    lines = [
        "# Platforms",
        "",
        NOTE,
        "What a call of each platform can do at best, known before there is one",
        "(`Platform.capabilities`); a single call may be able to do less, and then says so",
        "(`Call.capabilities`). What is tested against what is in [capabilities](capabilities.md).",
        "",
        "| platform | " + " | ".join(name.value.replace("_", " ") for name in Capability) + " |",
        "|---|" + "---|" * len(Capability),
    ]
    for name, cls in platforms:
        can = ["yes" if one in cls.capabilities else "no" for one in Capability]
        lines.append(f"| `{name}` | " + " | ".join(can) + " |")
    lines += ["", "## Where it is read", "", "The first is tried first, or believed most.", ""]
    for name, cls in platforms:
        if not cls.sources:
            continue
        lines += [f"### `{name}`", "", "| | |", "|---|---|"]
        told = sorted(cls.sources.items(), key=lambda pair: WHERE.index(pair[0]))
        lines += [f"| {what} | {where} |" for what, where in told]
        lines += ["", *(f"`{link}`  " for link in cls.link_examples), ""]
    return "\n".join(lines)


def lifecycle_page() -> str:
    """Return the page of states, their order, and the reasons for an end."""
    lines = ["# Lifecycle", "", NOTE, "| from | to |", "|---|---|"]
    for state, following in TRANSITIONS.items():
        after = ", ".join(f"`{s}`" for s in sorted(following)) or "terminal"
        lines.append(f"| `{state}` | {after} |")
    completing = ", ".join(f"`{reason}`" for reason in EndReason if reason in COMPLETING)
    failing = ", ".join(f"`{reason}`" for reason in EndReason if reason not in COMPLETING)
    lines += [
        "",
        "The first terminal reason wins; what is found later adds detail (`ending.detailed`).",
        "",
        f"These reasons complete a bot: {completing}.",
        "",
        f"These fail it, unless something was recorded first: {failing}.",
        "",
        "# Outcomes",
        "",
        "A terminal state and its reason together are one of three outcomes; no other pair exists.",
        "`completed` says that what was recorded is whole, not that the bot meant to end: one that",
        "crashed, or lost its connection, in the middle of a meeting has `completed` with that",
        "reason, and was cut short.",
        "",
        "| outcome | state | reason | exit code |",
        "|---|---|---|---|",
        *(
            f"| `{outcome}` | `{state}` | {reasons} | {EXIT_CODES[outcome]} |"
            for outcome, state, reasons in (
                (Outcome.ATTENDED, State.COMPLETED, "one that completes"),
                (Outcome.CUT_SHORT, State.COMPLETED, "any other, after something was recorded"),
                (Outcome.FAILED, State.FAILED, "any other"),
            )
        ),
        "",
        f"The exit code is that of `meetcore join` and `meetcore demo`; {EXIT_INTERRUPTED} stands "
        "for a",
        "bot that a second Ctrl-C cut off. All exit codes are in [command line](cli.md).",
        "",
        "# How long the end may take",
        "",
        "`stop` returns at once and waits for no other command; one in hand is given up and",
        "answered with `CommandFailed`. The bot begins to leave at that moment, also while it",
        "joins. Each step after that has its bound, whatever hangs:",
        "",
        "| step | at most |",
        "|---|---|",
        f"| a sink that is still opening | {HURRY_S:g} s |",
        "| leaving politely | `leave_timeout_s` (10 s) |",
        f"| the platform's call closing | {CLOSE_TIMEOUT_S:g} s |",
        "| the transcriber finishing, segments being revised | `drain_timeout_s` (30 s) |",
        f"| sinks writing, all together | {CLOSE_TIMEOUT_S * 3:g} s |",
        f"| sinks being told the end and closing, all together | {CLOSE_TIMEOUT_S * 3:g} s |",
        "",
        f"A bot that is cancelled hurries: {HURRY_S:g} s for each. `abandon` waits for nothing.",
        "",
    ]
    return "\n".join(lines)


CONTRACTS = (
    ("A platform", ("Platform", "Call", "SpeechOutput", "CallEvents", "CallRequest", "Capability")),
    (
        "A page that is seen",
        ("PageView", "LookIn", "PagePicture", "MouseInput", "KeyInput", "TextInput"),
    ),
    ("What it tells", ("MeetingLink", "Participant", "Chunk", "Evidence", "MeetingRefused")),
    ("A transcriber", ("Transcriber", "TranscriberStream", "TranscriberCapabilities")),
    ("What it gets and gives", ("StreamRequest", "Hypothesis", "Word", "UntranscribedAudio")),
    ("A synthesizer", ("Synthesizer", "SynthesisRequest")),
    ("A sink", ("Sink", "SinkContext", "JournalView", "MediaFragment")),
    ("A launcher", ("Launcher", "BotSpec", "RunningBot")),
    ("A bus", ("BotBus", "BusItem", "BusRequest")),
    (
        "Stores",
        (
            "BotStore",
            "BotLog",
            "MediaStore",
            "StoredFile",
            "Lease",
            "Runner",
            "Deletion",
            "BotRecord",
            "RemoteStore",
        ),
    ),
    ("A dialect", ("Dialect",)),
    ("What hooks get", ("BotView", "HealthReport")),
)
STAR = (
    "A method with a star has to be written; where a class has none, override what you have a use "
    "for. `async with`, `async for` and `await` stand before a method as it is called."
)


def contracts_page() -> str:
    """Return the page of what plugins implement, and what they are given."""
    lines = ["# Contracts", "", NOTE, f"All of it is in `meetcore`. {STAR}", ""]
    for title, names in CONTRACTS:
        lines += [f"# {title}", ""]
        for name in names:
            lines += described(name, getattr(meetcore, name))
    return "\n".join(lines)


def _errors(kind: type[meetcore.MeetcoreError]) -> Iterator[type[meetcore.MeetcoreError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _errors(below)


def gateway_page() -> str:
    """Return the page of what a vendor's API is made of, and of the codes of errors."""
    lines = ["# Gateway", "", NOTE, f"All of it is in `meetcore.gateway`. {STAR}", ""]
    for home, names in gateway._HOMES.items():
        module = import_module(f"meetcore.gateway.{home}")
        lines += [f"# {description(module).partition(chr(10))[0].rstrip('.')}", ""]
        for name in names:
            lines += described(name, getattr(gateway, name))
    public = {*gateway.__all__, *meetcore.__all__}
    codes = {
        error.code: f"| `{error.code}` | `{error.__name__}` | {sentence(error)} |"
        for error in _errors(meetcore.MeetcoreError)
        if error.__name__ in public and "code" in vars(error)
    }
    lines += [
        "# Codes of errors",
        "",
        "An error has its code from release to release; `ErrorTable` looks answers up by it.",
        "",
        "| code | error | |",
        "|---|---|---|",
        *(codes[code] for code in sorted(codes)),
        "",
    ]
    return "\n".join(lines)


PAGES: dict[str, Callable[[], str]] = {
    "hooks.md": hooks_page,
    "events.md": events_page,
    "events.schema.json": events_schema,
    "signals.md": signals_page,
    "commands.md": commands_page,
    "configuration.md": configuration_page,
    "cli.md": cli_page,
    "lifecycle.md": lifecycle_page,
    "contracts.md": contracts_page,
    "gateway.md": gateway_page,
    "platforms.md": platforms_page,
}


def run(*, check: bool) -> int:
    """Write the pages, or compare them; return how many differ."""
    different = 0
    for name, make in PAGES.items():
        path = HERE / name
        wanted = make().rstrip() + "\n"
        if check:
            if not path.is_file() or path.read_text("utf-8") != wanted:
                different += 1
                print(f"{path} is not what the code says; run `make docs`.", file=sys.stderr)
        else:
            path.write_text(wanted, "utf-8")
    return different


if __name__ == "__main__":
    sys.exit(1 if run(check="--check" in sys.argv) else 0)

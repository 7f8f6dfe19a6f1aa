"""Configuration, typed: from a TOML file, the environment and code, in that order of rising rank.

    # meetcore.toml
    name = "Notes"
    transcriber = "auto"
    sinks = ["files"]

    [automatic_leave]
    everyone_left_s = 30

    [plugins.webhook]
    url = "https://example.org/hook"

The same in the environment, with `__` between levels: `MEETCORE_NAME`,
`MEETCORE_AUTOMATIC_LEAVE__EVERYONE_LEFT_S`, `MEETCORE_PLUGINS__WEBHOOK__URL`; or each in a file of
the folder that `MEETCORE_SECRETS_FOLDER` names (`meetcore.model.config_files`). What nobody
declared is refused, and the nearest known option named; a variable that names no option is warned
of and left alone, since others set such variables too (Kubernetes does, for a Service `meetcore`).
"""

from __future__ import annotations

import logging
import os
import tomllib
import types
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import attrs
import cattrs
from attrs import Factory, field, frozen

from meetcore.model.commands import BargeIn
from meetcore.model.config_files import settings_in_files
from meetcore.model.config_sections import (
    BusConfig,
    ExclusionConfig,
    RetentionConfig,
    StoreConfig,
)
from meetcore.model.errors import ConfigError, UnknownOption, nearest
from meetcore.model.plain import parse_time
from meetcore.model.printable import is_blank
from meetcore.model.secrets import Secret

__all__ = [
    "AudioConfig",
    "AutomaticLeave",
    "BotConfig",
    "BusConfig",
    "ExclusionConfig",
    "RetentionConfig",
    "SpeechConfig",
    "StoreConfig",
    "TranscriptionConfig",
    "build_options",
    "changed",
    "environment_settings",
    "load_config",
    "merged",
    "read_settings",
    "written",
]

T = TypeVar("T")
ENV_PREFIX = "MEETCORE_"
_LOG = logging.getLogger("meetcore.config")
_NOTHING = ("", "none", "never")
_NOT_SETTINGS = frozenset(
    {
        "API_KEY",
        "CHROMIUM",
        "CHROMIUM_SANDBOX",
        "IDENTITIES",
        "IDENTITY_KEY_FILE",
        "SELECTORS",
        "CONFIG",
        "LOAD",
        "PLUGIN_FILES",
        "SECRETS_FOLDER",
        "TRACE_HOOKS",
        "WITHOUT",
    }
)


def _positive(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, (int, float)) and not value > 0:
        where = getattr(type(instance), "__config_section__", type(instance).__name__)
        raise ConfigError(
            f"{attribute.name} in [{where}] must be greater than 0, not {value!r}.",
        )


@frozen(kw_only=True)
class AutomaticLeave:
    """When a bot leaves by itself; every value in seconds, None for never but for `join_s`.

    Attributes:
        join_s: The client has to reach the meeting's lobby within this, in each attempt; a person
            who signs in or answers a question of the page takes their own time.
        waiting_room_s: In the waiting room this long without an answer.
        nobody_joined_s: In the call this long and nobody else ever came.
        everyone_left_s: Everybody else has been gone this long.
        only_bots_s: Only bots have been left this long.
        silence_s: Nobody has spoken this long, while audio did arrive. A steady hum, and sound in
            which the transcriber found no words, such as music on hold, counts as silence.
        max_duration_s: In the call this long, whatever happens.
        recording_permission_s: Leave to record asked for and not given this long.
    """

    __config_section__ = "automatic_leave"

    join_s: float = field(default=90.0, validator=_positive)
    waiting_room_s: float | None = field(default=600.0, validator=_positive)
    nobody_joined_s: float | None = field(default=600.0, validator=_positive)
    everyone_left_s: float | None = field(default=60.0, validator=_positive)
    only_bots_s: float | None = field(default=300.0, validator=_positive)
    silence_s: float | None = field(default=1800.0, validator=_positive)
    max_duration_s: float | None = field(default=4 * 3600.0, validator=_positive)
    recording_permission_s: float | None = field(default=60.0, validator=_positive)


@frozen(kw_only=True)
class AudioConfig:
    """How speech is found in audio.

    Attributes:
        vad_mode: webrtcvad's aggressiveness, 0 to 3.
        hangover_ms: How much silence ends an utterance.
        pre_roll_ms: How far an utterance reaches back before its first speech frame.
        max_utterance_s: The longest utterance.
        levels: Whether drafts with each track's loudness are made.
    """

    __config_section__ = "audio"

    vad_mode: int = field(default=3, validator=attrs.validators.in_((0, 1, 2, 3)))
    hangover_ms: int = field(default=500, validator=_positive)
    pre_roll_ms: int = 300
    max_utterance_s: float = field(default=20.0, validator=_positive)
    levels: bool = False


@frozen(kw_only=True)
class TranscriptionConfig:
    """How a call's tracks reach the transcriber.

    Attributes:
        streams: `tracks` for a stream per track that speaks; those for whom the transcriber has
            none wait. `mix` for one stream of all tracks mixed, cut by the speaking timeline.
            `auto` for tracks, and the mix while there are more tracks than it takes streams.
        diarize: Whether the transcriber is asked to tell voices on one track apart.
        withhold_echoes: Whether the same words on two tracks at the same time are shown once: a
            second device in a room, or an open loudspeaker, is nobody who speaks in chorus.
        captions_for_names: Whether the meeting's captions are turned on, where the platform has
            them, as evidence for who says what the transcriber hears.
        offer_names: Whether the participants' names are offered to the transcriber as words that
            are likely to be said, beside the vocabulary.
        fallback: Names of transcribers that take over, in this order, when the chosen one stops,
            cannot be opened or stays in trouble. The chosen one is tried out in the background,
            and has its place back when it answers. No word is lost or there twice by it.
        fallback_after_s: How long trouble that may pass lasts before another takes over.
    """

    __config_section__ = "transcription"

    streams: str = field(default="auto", validator=attrs.validators.in_(("auto", "tracks", "mix")))
    diarize: bool = False
    withhold_echoes: bool = True
    captions_for_names: bool = False
    offer_names: bool = True
    fallback: tuple[str, ...] = ()
    fallback_after_s: float = field(default=5.0, validator=_positive)


@frozen(kw_only=True)
class SpeechConfig:
    """How the bot speaks.

    Attributes:
        barge_in: What becomes of what it says when somebody begins to speak meanwhile: `stop` (it
            falls silent, and what was to follow with it), `duck` (it goes on, quieter while they
            speak) or `go_on`. Each speech may have its own. The bot's own voice in somebody's
            microphone is nobody who speaks.
        duck_db: How much quieter, in decibels.
        in_transcript: Whether what it says is in the transcript, under its name, as far as its
            words are known and were heard.
    """

    __config_section__ = "speech"

    barge_in: str = field(default="go_on", validator=attrs.validators.in_(tuple(BargeIn)))
    duck_db: float = field(default=15.0, validator=_positive)
    in_transcript: bool = False


@frozen(kw_only=True)
class BotConfig:
    """Everything about one bot that can be chosen.

    Attributes:
        name: The name the bot shows in the meeting.
        transcriber: Name of a transcriber plugin, None for no transcript.
        synthesizer: Name of the plugin that says what the bot is given as text, None for none.
        sinks: Names of sink plugins.
        language: BCP-47 tag for the transcriber, None for its own choice.
        vocabulary: Names and terms that are likely to be said, for transcribers that use them.
        out_dir: Where bots' folders are made, unless `[store]` names another place.
        exclusion: What becomes of the sound of who is excluded, where others are in it.
        retention: What is kept of a bot at all.
        store: Where what bots leave is kept.
        bus: What carries their events between machines.
        entry_message: A chat message to send once the bot is in the call.
        record: Whether audio goes to sinks and transcriber from the start.
        video: Whether the meeting is recorded as video, too, as a person would see it: one MP4, by
            a sink that takes it (`files` does), on a platform that can.
        screenshots: `states` keeps a picture of the bot's page at each change of its state, from
            the waiting room on, where its platform has a page; `off` none. They show everybody.
        leave_on_transcription_failure: Whether the bot leaves when its transcriber stops for good.
        leave_timeout_s: How long leaving politely may take.
        drain_timeout_s: How long the transcriber may take to finish what it was given.
        fsync: Whether the journal is brought to the disk (False suits simulations).
        metadata: Your own keys, kept in the journal's first event.
        automatic_leave: When it leaves by itself.
        audio: How speech is found.
        transcription: How tracks reach the transcriber.
        speech: How the bot speaks.
        plugins: Settings of plugins, by plugin name.
        plugin_files: Python files to load as plugins, relative to the TOML file that names them.
            `MEETCORE_PLUGIN_FILES` names further ones, for every command.
        launcher: Name of the launcher that runs a fleet's or a server's bots: `in_process`,
            `child_process`, or a plugin's. None for the usual one: in the process of a fleet, in a
            process each under a server.
        trusted: Whether a person wrote this configuration on their own machine (not over an API).
        ordered_sinks: Sinks whose settings, or some of them, came over an API: they are not
            trusted, whatever the others are.
        private_targets: Hosts and networks that are not public and that sinks may dial though
            their target came over an API; `*` for all.
    """

    __config_section__ = "the configuration"

    name: str = "meetcore bot"
    transcriber: str | None = None
    synthesizer: str | None = None
    sinks: tuple[str, ...] = ()
    language: str | None = None
    vocabulary: tuple[str, ...] = ()
    out_dir: Path = field(default=Path("meetings"), converter=Path)
    entry_message: str | None = None
    record: bool = True
    video: bool = False
    screenshots: str = field(default="off", validator=attrs.validators.in_(("off", "states")))
    leave_on_transcription_failure: bool = False
    leave_timeout_s: float = field(default=10.0, validator=_positive)
    drain_timeout_s: float = field(default=30.0, validator=_positive)
    fsync: bool = True
    metadata: Mapping[str, str] = Factory(dict)
    automatic_leave: AutomaticLeave = AutomaticLeave()
    audio: AudioConfig = AudioConfig()
    transcription: TranscriptionConfig = TranscriptionConfig()
    speech: SpeechConfig = SpeechConfig()
    exclusion: ExclusionConfig = field(factory=ExclusionConfig)
    retention: RetentionConfig = field(factory=RetentionConfig)
    store: StoreConfig = field(factory=StoreConfig)
    bus: BusConfig = field(factory=BusConfig)
    plugins: Mapping[str, Mapping[str, Any]] = field(factory=dict, repr=lambda p: str(sorted(p)))
    plugin_files: tuple[str, ...] = ()
    launcher: str | None = None
    trusted: bool = True
    ordered_sinks: tuple[str, ...] = ()
    private_targets: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        """Check what code gave; a table becomes what it stands for.

        Raises:
            ConfigError: A value of another kind than its field's.
        """
        for name, kind in get_type_hints(type(self)).items():
            value = _declared(getattr(self, name), kind, f"BotConfig({name}=...)")
            object.__setattr__(self, name, value)
        if is_blank(self.name):
            raise ConfigError(
                f"The bot's name {self.name!r} has nothing that can be seen.",
                "Give it one, or leave it out for the default.",
            )

    def trusts(self, sink: str) -> bool:
        """Return whether a person on their own machine wrote all of a sink's settings."""
        return self.trusted and sink not in self.ordered_sinks


_SCALARS: dict[Any, tuple[tuple[type, ...], str]] = {
    str: ((str,), "text"),
    bool: ((bool,), "True or False"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    Path: ((Path,), "a path"),
}


def _declared(value: Any, kind: Any, where: str) -> Any:
    """Return a value of code as its field has it; nothing is read out of text here.

    Raises:
        ConfigError: It is of another kind.
    """
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        inner = next(arg for arg in args if arg is not type(None))
        return None if value is None else _declared(value, inner, where)
    if kind in _SCALARS:
        fitting, named = _SCALARS[kind]
        if not isinstance(value, fitting) or (isinstance(value, bool) and kind is not bool):
            raise ConfigError(f"{where} must be {named}, not {value!r}.")
        return value
    if attrs.has(kind):
        return value if isinstance(value, kind) else build_options(kind, value, where)
    if origin is tuple:
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
            remedy = f"Write [{value!r}]." if isinstance(value, str) else ""
            raise ConfigError(f"{where} must be a list, not {value!r}.", remedy)
        return tuple(_declared(item, args[0], where) for item in value)
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must be a table, not {value!r}.")
    return value


def _structure_scalar(value: Any, kind: type) -> Any:
    if kind is bool and isinstance(value, str):
        lowered = value.strip().lower()
        if lowered in ("1", "true", "yes", "on"):
            return True
        if lowered in ("0", "false", "no", "off"):
            return False
        raise ValueError("must be true or false")
    if kind in (int, float) and isinstance(value, str):
        try:
            return kind(value)
        except ValueError:
            raise ValueError(f"must be a {'whole ' * (kind is int)}number") from None
    if kind is bool and not isinstance(value, bool):
        raise ValueError("must be true or false")
    if kind is str and not isinstance(value, str):
        raise ValueError("must be text")
    if kind in (int, float) and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise ValueError("must be a number")
    if kind is int and value != int(value):
        raise ValueError("must be a whole number")
    return kind(value)


def _structure(value: Any, kind: Any, where: str) -> Any:
    """Turn a plain value into what `kind` asks for, or raise ConfigError naming `where`."""
    origin, args = get_origin(kind), get_args(kind)
    if kind is Any or kind is object:
        return value
    if origin in (Union, types.UnionType):
        nothing = value is None or (isinstance(value, str) and value.lower() in _NOTHING)
        if nothing and type(None) in args and not (Secret in args and value == ""):
            return None
        rest = [arg for arg in args if arg is not type(None)]
        return _structure(value, rest[0], where)
    if attrs.has(kind) and isinstance(kind, type):
        if isinstance(value, kind):
            return value
        return build_options(kind, value, where)
    if isinstance(origin, type) and issubclass(origin, (Sequence, Set)):
        made = origin if origin in (tuple, list, frozenset, set) else tuple
        return made(_structure(item, args[0], where) for item in _items(value, where))
    if origin is Literal:
        if value not in args:
            choices = ", ".join(map(repr, args))
            raise ConfigError(f"{where} is {value!r}, but must be one of {choices}.")
        return value
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} must be a table, not {value!r}.")
        return {str(k): _structure(v, args[1], f"{where}.{k}") for k, v in value.items()}
    if kind is Secret:
        text = (value.reveal() if isinstance(value, Secret) else str(value)).strip()
        if not text:
            raise ConfigError(f"{where} is empty.", "Write the secret, or leave it out.")
        return Secret(text)
    if kind is Path:
        return Path(str(value)).expanduser()
    try:
        if kind is datetime:
            return value if isinstance(value, datetime) else parse_time(str(value))
        if kind in (str, int, float, bool):
            return _structure_scalar(value, kind)
        return cattrs.structure(value, kind)
    except (TypeError, ValueError, cattrs.BaseValidationError) as error:
        raise ConfigError(f"{where} is {value!r}, but {error}.") from error


class _Written(str):
    """Text from where there is nothing but text: a variable, an option of the command line."""

    __slots__ = ()


def written(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings in which a text may stand for a list, its items parted by commas.

    So it is in the environment and on the command line, where nothing but text can be written.
    """
    marked: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            marked[name] = written(value)
        else:
            marked[name] = _Written(value) if isinstance(value, str) else value
    return marked


def _items(value: Any, where: str) -> Sequence[Any]:
    if isinstance(value, _Written):
        return [_Written(part.strip()) for part in value.split(",") if part.strip()]
    if isinstance(value, str):
        raise ConfigError(f"{where} must be a list, not {value!r}.", f'Write ["{value}"].')
    if not isinstance(value, (list, tuple, Set)):
        raise ConfigError(f"{where} must be a list, not {value!r}.")
    return list(value)


def build_options(cls: type[T], settings: Mapping[str, Any] | None, where: str) -> T:
    """Build an attrs class from plain settings, as written in TOML or the environment.

    Args:
        cls: The attrs class whose fields are the known options.
        settings: The values by option name.
        where: The place they stood, for error messages.

    Raises:
        UnknownOption: An option that `cls` does not have.
        ConfigError: A value of the wrong kind or out of range.
    """
    settings = settings or {}
    if not isinstance(settings, Mapping):
        raise ConfigError(f"{where} must be a table of options, not {settings!r}.")
    hints = get_type_hints(cls)
    known = {a.name for a in attrs.fields(cls) if a.init}  # type: ignore[arg-type]
    for option in settings:
        if option not in known:
            raise UnknownOption(str(option), known, where)
    values = {
        name: _structure(value, hints[name], f"{name} in {where}")
        for name, value in settings.items()
    }
    try:
        return cls(**values)
    except ConfigError:
        raise
    except (TypeError, ValueError) as error:
        reason = str(error.args[0]) if error.args else str(error)
        raise ConfigError(f"{where} cannot be used: {reason}.") from error


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain settings laid over each other, tables merged, the last one on top."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            below = result.get(key)
            if isinstance(value, Mapping) and isinstance(below, Mapping):
                result[key] = merged(below, value)
            else:
                result[key] = value
    return result


def read_settings(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: It is not there, cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(
            f"The configuration file {path} cannot be read: {error.strerror}."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The configuration file {path} is not TOML: {error}.") from error


def environment_settings(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the settings in `MEETCORE_…` variables and in files of `MEETCORE_SECRETS_FOLDER`.

    `__` parts the levels. A variable wins over a file.

    Raises:
        ConfigError: Two of them contradict each other, or a file names no option or cannot be read.
    """
    environ = os.environ if environ is None else environ
    settings: dict[str, Any] = {}
    known = {attribute.name for attribute in attrs.fields(BotConfig)}
    given = {
        name: (variable, value)
        for variable, value in environ.items()
        if (name := variable.removeprefix(ENV_PREFIX)) not in (variable, *_NOT_SETTINGS)
    }
    for name, value in settings_in_files(environ, known).items():
        given.setdefault(name, (f"The file {name.lower()}", value))
    for name, (source, value) in sorted(given.items()):
        level = settings
        *tables, option = name.lower().split("__")
        first = (*tables, option)[0]
        if first not in known:
            _warn_of(source, nearest(first, known))
            continue
        for table in tables:
            below = level.setdefault(table, {})
            if not isinstance(below, dict):
                raise ConfigError(f"{source} cannot be used beside a value for {table!r} itself.")
            level = below
        level[option] = value
    return written(settings)


@cache
def _warn_of(variable: str, guess: str | None) -> None:
    """Say once that a variable names no option."""
    hint = f" Did you mean {ENV_PREFIX}{guess.upper()}?" if guess else ""
    _LOG.warning("The variable %s names no option of meetcore and is left alone.%s", variable, hint)


def load_config(
    path: Path | str | None = None,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> BotConfig:
    """Return the configuration from a file, the environment and code.

    Args:
        path: A TOML file, None for none.
        overrides: Plain settings that win over both.
        environ: Instead of the process's environment.
        defaults: Plain settings for what neither says; an empty list is said, too.

    Raises:
        ConfigError: Something in one of them cannot be used; the message says what and where.
    """
    path = Path(path) if path else None
    from_file = read_settings(path) if path else {}
    if path and isinstance(from_file.get("plugin_files"), list):
        from_file["plugin_files"] = [str(path.parent / str(f)) for f in from_file["plugin_files"]]
    layers = [defaults or {}, from_file, environment_settings(environ), overrides or {}]
    settings = merged(*layers)
    where = f"{path}" if path else "the configuration"
    return build_options(BotConfig, settings, where)


def changed(config: BotConfig, settings: Mapping[str, Any]) -> BotConfig:
    """Return a configuration with some options of code laid over it, tables merged.

    Raises:
        ConfigError: An option that nobody knows, or a value that cannot be used.
    """
    if not settings:
        return config
    built = load_config(overrides=settings, environ={})
    changes: dict[str, Any] = {}
    for name, given in settings.items():
        below, value = getattr(config, name), getattr(built, name)
        if isinstance(given, Mapping) and isinstance(below, Mapping):
            value = merged(below, value)
        elif isinstance(given, Mapping):
            value = attrs.evolve(below, **{inner: getattr(value, inner) for inner in given})
        changes[name] = value
    return attrs.evolve(config, **changes)

"""Finding, loading and asking plugins: entry points, single files, objects; one way for all."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pluggy
from attrs import define, field

from meetcore.model.config import BotConfig, build_options
from meetcore.model.errors import (
    AmbiguousMeetingUrl,
    MeetcoreError,
    PluginError,
    PluginVersionMismatch,
    UnknownMeetingUrl,
    UnknownPlugin,
    brief,
)
from meetcore.model.meeting import MeetingLink
from meetcore.plugin.auto_transcriber import AUTO, ChosenTranscriber, choose_transcriber
from meetcore.plugin.bus import BotBus
from meetcore.plugin.captions import CaptionsTranscriber
from meetcore.plugin.hook_calls import HookImplementation, told_of
from meetcore.plugin.hooks import API_VERSION, FAIL_CLOSED, MUST_BE_LOADED, RULES, HookSpecs
from meetcore.plugin.launcher import Launcher
from meetcore.plugin.platform import Platform
from meetcore.plugin.settings_check import setting_troubles, unknown_table
from meetcore.plugin.sink import Sink
from meetcore.plugin.store import BotStore
from meetcore.plugin.synthesizer import Synthesizer
from meetcore.plugin.transcriber import Transcriber

__all__ = ["PluginInfo", "Plugins"]

ENTRY_POINT_GROUP = "meetcore"
_BUILT_IN = ("child_process",)
"""What has options and no plugin."""
_LAUNCHERS = ("in_process", *_BUILT_IN)
_ONE_OF = {"buses": "bus"}
T = TypeVar("T")


@define
class PluginInfo:
    """One loaded plugin, as `meetcore plugins` lists it.

    Attributes:
        name: Its name.
        origin: Where it came from: distribution and version, or a file.
        api_version: The hook API it was written for, None if it does not say.
        registered: What it registered, as `kind name`.
        hooks: The hooks it implements.
        trouble: Why it could not be loaded, empty if it could.
        installed: Whether it is there in every process, by an entry point.
    """

    name: str
    origin: str
    api_version: str | None = None
    registered: list[str] = field(factory=list)
    hooks: list[str] = field(factory=list)
    trouble: str = ""
    installed: bool = False


def _check_version(name: str, written_for: str | None) -> None:
    """Refuse a plugin of another major version, or of a later minor one, than ours."""
    if written_for is None:
        return
    try:
        major, minor = (int(part) for part in str(written_for).split("."))
        our_major, our_minor = (int(part) for part in API_VERSION.split("."))
    except ValueError:
        raise PluginVersionMismatch(name, str(written_for), API_VERSION) from None
    if major != our_major or minor > our_minor:
        raise PluginVersionMismatch(name, written_for, API_VERSION)


def _names(variable: str) -> tuple[str, ...] | None:
    value = os.environ.get(variable)
    if value is None:
        return None
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _state(folder: str) -> tuple[str, int]:
    """Return a folder and when anything was last installed in it."""
    try:
        return folder, os.stat(folder or ".").st_mtime_ns
    except OSError:
        return folder, 0


@lru_cache(maxsize=1)
def _installed(
    find: Callable[..., Iterable[EntryPoint]], _folders: tuple[tuple[str, int], ...]
) -> tuple[EntryPoint, ...]:
    """Return the installed plugins by name, found anew when a folder on the path has changed.

    To find them reads the metadata of everything installed: 25 ms, for each bot in a process.
    """
    return tuple(sorted(find(group=ENTRY_POINT_GROUP), key=lambda point: point.name))


class Plugins:
    """The plugins of a process and what they registered.

    Args:
        only: Load no installed plugin but these; None for all. `MEETCORE_LOAD` does the same.
        without: Leave these out. `MEETCORE_WITHOUT` does the same.
        files: Python files to load as plugins. `MEETCORE_PLUGIN_FILES` names more.
        objects: Modules or objects with hook implementations, by name.
        entry_points: Whether installed plugins are loaded at all.
        trace: Print every hook call to stderr. `MEETCORE_TRACE_HOOKS=1` does the same.

    Raises:
        PluginError: A file or object cannot be loaded, or two register the same name. An
            installed plugin that cannot be loaded does not stop the others; see `infos`.
    """

    def __init__(
        self,
        *,
        only: Iterable[str] | None = None,
        without: Iterable[str] = (),
        files: Iterable[str | Path] = (),
        objects: Mapping[str, object] | None = None,
        entry_points: bool = True,
        trace: bool | None = None,
    ) -> None:
        self.platforms: dict[str, type[Platform]] = {}
        self.synthesizers: dict[str, type[Synthesizer]] = {}
        self.transcribers: dict[str, type[Transcriber]] = {"captions": CaptionsTranscriber}
        self.sinks: dict[str, type[Sink]] = {}
        self.launchers: dict[str, type[Launcher]] = {}
        self.stores: dict[str, type[BotStore]] = {}
        self.buses: dict[str, type[BotBus]] = {}
        self.infos: list[PluginInfo] = []
        self.manager = pluggy.PluginManager("meetcore")
        self.manager.add_hookspecs(HookSpecs)
        if os.environ.get("MEETCORE_TRACE_HOOKS") == "1" if trace is None else trace:
            self.manager.add_hookcall_monitoring(self._trace_call, self._trace_result)
        env_only = _names("MEETCORE_LOAD")
        self._only = set(only) if only is not None else (set(env_only) if env_only else None)
        self._without = {*without, *(_names("MEETCORE_WITHOUT") or ())}
        if entry_points:
            self._load_installed()
        named = [Path(file) for file in [*files, *self._env_files()]]
        for path in {path.absolute(): path for path in named}.values():
            self._load_file(path)
        for name, plugin in (objects or {}).items():
            self._register(plugin, PluginInfo(name, "this program"))

    # --- loading -------------------------------------------------------------------

    def _env_files(self) -> tuple[str, ...]:
        return _names("MEETCORE_PLUGIN_FILES") or ()

    def _load_installed(self) -> None:
        points = _installed(entry_points, tuple(map(_state, sys.path)))
        known = {point.name for point in points}
        for name in (self._only or set()) - known:
            raise UnknownPlugin("plugin", name, known)
        for point in points:
            if point.name in self._without:
                continue
            if self._only is not None and point.name not in self._only:
                continue
            self._load_entry_point(point)

    def _load_entry_point(self, point: EntryPoint) -> None:
        origin = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
        info = PluginInfo(point.name, origin, installed=True)
        try:
            self._register(point.load(), info)
        except Exception as error:  # noqa: BLE001  one broken plugin must not stop the others
            if info not in self.infos:
                self.infos.append(info)
            info.trouble = str(error) if isinstance(error, MeetcoreError) else told_of(error)

    def _load_file(self, path: Path) -> None:
        info = PluginInfo(path.stem, str(path))
        if not path.is_file():
            raise PluginError(f"There is no plugin file {path}.")
        spec = importlib.util.spec_from_file_location(f"meetcore_plugin_{path.stem}", path)
        if spec is None or spec.loader is None:
            raise PluginError(f"{path} is not a Python file.", "A plugin file ends in .py.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[spec.name]
            raise PluginError(
                f"The plugin file {path} cannot be loaded: {told_of(error)}."
            ) from error
        self._register(module, info)

    def _register(self, plugin: object, info: PluginInfo) -> None:
        info.api_version = getattr(plugin, "meetcore_api_version", None)
        _check_version(info.name, info.api_version)
        if self.manager.has_plugin(info.name):
            raise PluginError(
                f"Plugin {info.name!r} from {info.origin} is loaded already.",
                "Two plugins cannot share a name; rename one.",
            )
        before = [(registry, dict(registry)) for _, registry, _ in self._registries()]
        try:
            self.manager.register(plugin, name=info.name)
            self._check_hooks(plugin, info)
            self._ask_registrations(plugin, info)
        except Exception as error:
            for registry, kept in before:
                registry.clear()
                registry.update(kept)
            info.registered.clear()
            if self.manager.has_plugin(info.name):
                self.manager.unregister(name=info.name)
            if isinstance(error, MeetcoreError):
                raise
            raise PluginError(
                f"Plugin {info.name!r} from {info.origin} cannot be used: {told_of(error)}."
            ) from error
        self.infos.append(info)

    def _check_hooks(self, plugin: object, info: PluginInfo) -> None:
        self.manager.check_pending()
        for caller in self.manager.get_hookcallers(plugin) or []:
            info.hooks.append(caller.name)
            for implementation in caller.get_hookimpls():
                marked = getattr(implementation.function, FAIL_CLOSED, False)
                if marked and caller.name != "meetcore_revise_segment":
                    raise PluginError(
                        f"{caller.name} of plugin {implementation.plugin_name!r} is marked "
                        "fail_closed.",
                        "Only meetcore_revise_segment can be.",
                    )
        if not info.hooks and isinstance(plugin, ModuleType):
            raise PluginError(
                f"Plugin {info.name!r} from {info.origin} implements no hook.",
                "Mark its functions with @meetcore.hookimpl.",
            )

    def _registries(self) -> list[tuple[str, dict[str, Any], tuple[type, ...]]]:
        return [
            ("platforms", self.platforms, (Platform,)),
            ("transcribers", self.transcribers, (Transcriber,)),
            ("synthesizers", self.synthesizers, (Synthesizer,)),
            ("sinks", self.sinks, (Sink,)),
            ("launchers", self.launchers, (Launcher,)),
            ("stores", self.stores, (BotStore,)),
            ("buses", self.buses, (BotBus,)),
        ]

    def registered(self) -> list[Mapping[str, type]]:
        """Return all that plugins registered: of each kind the classes, by name."""
        return [registry for _, registry, _ in self._registries()]

    def _ask_registrations(self, plugin: object, info: PluginInfo) -> None:
        for kind, registry, contracts in self._registries():
            implementation = getattr(plugin, f"meetcore_register_{kind}", None)
            if implementation is None or f"meetcore_register_{kind}" not in info.hooks:
                continue
            others = self.manager.get_plugins() - {plugin}
            caller = self.manager.subset_hook_caller(f"meetcore_register_{kind}", others)
            caller(
                register=self._registrar(_ONE_OF.get(kind, kind[:-1]), registry, contracts, info)
            )

    @staticmethod
    def _registrar(
        kind: str, registry: dict[str, Any], contracts: tuple[type, ...], info: PluginInfo
    ) -> Callable[[type], None]:
        def register(cls: type) -> None:
            if not (isinstance(cls, type) and issubclass(cls, contracts)):
                wanted = " or ".join(contract.__name__ for contract in contracts)
                raise PluginError(
                    f"Plugin {info.name!r} registered {cls!r}, which is no {wanted} class.",
                    "Register the class itself, not an instance.",
                )
            name = getattr(cls, "name", None)
            if not isinstance(name, str) or not name:
                raise PluginError(f"{cls.__name__} of plugin {info.name!r} has no name.")
            if name in registry:
                raise PluginError(
                    f"Plugin {info.name!r} registered the {kind} {name!r}, "
                    f"which {registry[name].__module__} registered before.",
                    f"Switch one of the two off, for instance with --without {info.name}.",
                )
            registry[name] = cls
            info.registered.append(f"{kind} {name}")

        return register

    # --- asking --------------------------------------------------------------------

    def _known_trouble(self) -> str:
        broken = [f"{i.name} ({i.trouble})" for i in self.infos if i.trouble]
        return f" Could not be loaded: {'; '.join(broken)}." if broken else ""

    def _pick(
        self, kind: str, registry: Mapping[str, type[T]], name: str, beside: Collection[str] = ()
    ) -> type[T]:
        cls = registry.get(name.partition(":")[0])
        if cls is None:
            error = UnknownPlugin(kind, name, {*registry, *beside})
            error.remedy += self._known_trouble()
            raise error
        return cls

    @staticmethod
    def _make(made: type[T], name: str, config: BotConfig) -> T:
        options_type: type = getattr(made, "Options")  # noqa: B009  not every T has it
        settings = config.plugins.get(name)
        options: object = build_options(options_type, settings, f"[plugins.{name}]")
        try:
            return made(options)  # type: ignore[call-arg]
        except MeetcoreError:
            raise
        except Exception as error:
            raise PluginError(
                f"{made.__name__} ({name!r}) cannot be made: {told_of(error)}.",
                "It takes its options as the one argument, as the class it is built on does.",
            ) from error

    def check_namespaces(self, config: BotConfig) -> None:
        """Refuse settings for a plugin that nobody registered.

        Raises:
            UnknownOption: A table under `[plugins]` has no plugin.
            PluginError: One names a plugin that could not be loaded.
        """
        for trouble in self.namespace_troubles(config):
            raise trouble

    def namespace_troubles(self, config: BotConfig) -> list[MeetcoreError]:
        """Return why tables under `[plugins]` cannot be used: what `check_namespaces` raises."""
        found: list[MeetcoreError] = [
            PluginError(
                f"The plugin {info.name!r} has settings and could not be loaded: {info.trouble}.",
                "Mend it, or take its table out of the configuration.",
            )
            for info in self.infos
            if info.trouble and info.name in config.plugins
        ]
        known = {*self.platforms, *self.transcribers, *self.synthesizers, *self.sinks}
        known |= {*self.launchers, *self.stores, *self.buses, *_BUILT_IN}
        known |= {info.name for info in self.infos}
        missing = [name for name in config.plugins if name.partition(":")[0] not in known]
        for name in missing:
            plugin = name.partition(":")[0]
            loads = plugin not in self._without and (not self._only or plugin in self._only)
            found.append(unknown_table(name, known, left_out=not loads))
        return found

    def check_settings(self, config: BotConfig) -> None:
        """Refuse settings of plugins with which no bot would start, before one is asked for.

        Raises:
            MeetcoreError: A table that no plugin has, options or a sink that cannot be made.
        """
        for trouble in setting_troubles(self, config):
            raise trouble

    def platform_for(
        self, url: str, config: BotConfig, named: str | None = None
    ) -> tuple[Platform, MeetingLink]:
        """Return the one platform that knows a link, and the meeting it means.

        Args:
            url: The link.
            config: Settings of the platforms.
            named: Ask this platform only.

        Raises:
            UnknownPlugin: There is no platform of that name.
            UnknownMeetingUrl: No installed platform knows it.
            AmbiguousMeetingUrl: More than one does.
        """
        claims: list[tuple[Platform, MeetingLink]] = []
        asked = {named: self._pick("platform", self.platforms, named)} if named else self.platforms
        for name, cls in sorted(asked.items()):
            platform = self._make(cls, name, config)
            link = self._parsed(platform, url)
            if link is not None:
                claims.append((platform, link))
        if not claims:
            examples = [(name, cls.link_examples) for name, cls in sorted(self.platforms.items())]
            raise UnknownMeetingUrl(url, examples)
        claims = [claim for claim in claims if claim[0].claims_first] or claims
        if len(claims) > 1:
            raise AmbiguousMeetingUrl(url, [platform.name for platform, _ in claims])
        return claims[0]

    @staticmethod
    def _parsed(platform: Platform, url: str) -> MeetingLink | None:
        try:
            return platform.parse(url)
        except MeetcoreError:
            raise
        except Exception as error:
            raise PluginError(
                f"The platform {platform.name!r} failed on the link: {told_of(error)}.",
                f"Ask for another one, or leave it out with --without {platform.name}.",
            ) from error

    def platform(self, name: str, config: BotConfig) -> Platform:
        """Return a platform by its name, with its settings.

        Raises:
            UnknownPlugin: There is none of that name.
            ConfigError: Its settings cannot be used.
        """
        return self._make(self._pick("platform", self.platforms, name), name, config)

    def launcher(self, name: str, config: BotConfig) -> Launcher:
        """Return a launcher with its settings, if it has any.

        Raises:
            UnknownPlugin: There is none of that name.
            ConfigError: Its settings cannot be used.
        """
        cls = self._pick("launcher", self.launchers, name, _LAUNCHERS)
        return self._make(cls, name, config) if hasattr(cls, "Options") else cls()

    def store(self, url: str, config: BotConfig) -> BotStore:
        """Return the store that a URL means, with its settings, if it has any.

        Raises:
            UnknownPlugin: There is none for its scheme.
            ConfigError: Its URL or its settings cannot be used.
        """
        known: dict[str, Any] = {"folder": BotStore, **self.stores}
        made: BotStore = self._by_url("store", known, url, config)
        return made

    def bus(self, url: str, config: BotConfig) -> BotBus:
        """Return the bus that a URL means, with its settings, if it has any.

        Raises:
            UnknownPlugin: There is none for its scheme.
            ConfigError: Its URL or its settings cannot be used.
        """
        made: BotBus = self._by_url("bus", self.buses, url, config)
        return made

    def _by_url(self, kind: str, known: dict[str, Any], url: str, config: BotConfig) -> Any:
        name = url.partition(":")[0]
        cls: Any = self._pick(kind, known, name)
        options_type = getattr(cls, "Options", None)
        given: tuple[object, ...] = (url,)
        if options_type is not None:
            settings = config.plugins.get(name)
            given = (url, build_options(options_type, settings, f"[plugins.{name}]"))
        try:
            return cls(*given)
        except MeetcoreError:
            raise
        except Exception as error:
            told = f"{cls.__name__} ({name!r}) cannot be made: {brief(error)}."
            remedy = "It takes the URL, and its options if the class has some."
            raise PluginError(told, remedy) from error

    def transcriber(self, name: str, config: BotConfig) -> Transcriber:
        """Return a transcriber with its settings; `auto` is the best that can be used.

        `openai:spare` is a second one of `openai`, with settings and in journals under that name.

        Raises:
            UnknownPlugin: There is none of that name.
            ConfigError: Its settings cannot be used, or `auto` finds none.
        """
        if name == AUTO:
            return self.best_transcriber(config).transcriber
        cls = self._pick("transcriber", self.transcribers, name)
        made = self._make(cls, name, config)
        if ":" in name:
            made.name = name  # type: ignore[misc]  # as configured: two can be told apart
        return made

    def best_transcriber(
        self, config: BotConfig, *, captions: bool = False, language: str | None = None
    ) -> ChosenTranscriber:
        """Return what `auto` stands for, and why.

        Args:
            config: Settings of the transcribers, and the language.
            captions: Whether the meeting's platform gives captions.
            language: What is spoken, where the configuration does not say.

        Raises:
            ConfigError: None can be used, or one has settings that cannot.
        """
        candidates = [
            self._make(cls, name, config)
            for name, cls in self.transcribers.items()
            if cls.auto_order is not None
        ]
        wanted = language or config.language
        return choose_transcriber(candidates, captions=captions, language=wanted)

    def synthesizer(self, name: str, config: BotConfig) -> Synthesizer:
        """Return a synthesizer with its settings.

        Raises:
            UnknownPlugin: There is none of that name.
            ConfigError: Its settings cannot be used.
        """
        return self._make(self._pick("synthesizer", self.synthesizers, name), name, config)

    def sink(self, name: str, config: BotConfig) -> Sink:
        """Return a sink with its settings; `webhook:crm` is a second one of `webhook`.

        Raises:
            UnknownPlugin: There is none of that name.
            ConfigError: Its settings cannot be used.
        """
        return self._make(self._pick("sink", self.sinks, name), name, config)

    def configure(self, config: BotConfig) -> BotConfig:
        """Return what the plugins' `meetcore_configure_bot` make of a configuration, in a chain."""
        for implementation in self.implementations("meetcore_configure_bot"):
            hook = "meetcore_configure_bot"
            answer = implementation.call_named(hook, config=config)
            if answer is not None and not isinstance(answer, BotConfig):
                raise PluginError(
                    f"{hook} of plugin {implementation.plugin_name!r} returned a "
                    f"{type(answer).__name__} ({implementation.place}).",
                    "It returns a BotConfig, or None to leave it as it is.",
                )
            config = answer or config
        return config

    def check_revisers(self, plugin_files: Iterable[str | Path]) -> None:
        """Refuse a bot in another process that would lack a plugin that must not be passed by.

        Args:
            plugin_files: What is loaded there beside installed plugins.

        Raises:
            PluginError: Such a one is an object of this program, or in another file.
        """
        there = {str(Path(f).absolute()) for f in [*plugin_files, *self._env_files()]}
        infos = {info.name: info for info in self.infos}
        for each in [e for hook in MUST_BE_LOADED for e in self.implementations(hook)]:
            info = infos.get(each.plugin_name)
            if not each.fail_closed or info is None or info.installed:
                continue
            if str(Path(info.origin).absolute()) not in there:
                raise PluginError(
                    f"The plugin {info.name!r} must not be passed by, and is not loaded where "
                    f"this bot would run (it is from {info.origin}).",
                    "Name its file in `plugin_files`, install it, or run bots in this process.",
                )

    def implementations(self, hook: str) -> list[HookImplementation]:
        """Return the plugins' own functions for a hook, to be called one by one, in order."""
        caller = getattr(self.manager.hook, hook)
        return [
            HookImplementation(
                impl.plugin_name,
                impl.function,
                tuple(impl.argnames),
                fail_closed=hook == RULES or getattr(impl.function, FAIL_CLOSED, False),
            )
            for impl in reversed(caller.get_hookimpls())
        ]

    # --- tracing -------------------------------------------------------------------

    @staticmethod
    def _trace_call(hook_name: str, hook_impls: Any, kwargs: Mapping[str, Any]) -> None:
        who = ", ".join(impl.plugin_name for impl in hook_impls) or "nobody"
        print(f"hook {hook_name}({', '.join(kwargs)}) -> {who}", file=sys.stderr)

    @staticmethod
    def _trace_result(
        outcome: Any, hook_name: str, hook_impls: Any, kwargs: Mapping[str, Any]
    ) -> None:
        if outcome.exception is not None:
            print(f"hook {hook_name} raised {outcome.exception!r}", file=sys.stderr)

"""From an order to what runs: settings laid over the server's own, and checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import attrs
from attrs import frozen

from meetcore import (
    BotConfig,
    BotSpec,
    Capability,
    ConfigError,
    Event,
    LanguageRefused,
    MeetcoreError,
    MeetingLink,
    Platform,
    Plugins,
    PrivateTargets,
    Readiness,
    Secret,
    load_config,
)
from meetcore.gateway import BotRequest, LinkRefused, TranscriberChoice, WebhookTarget
from meetcore.log import check_unkept, head_of
from meetcore.model import language_tag, merged, spoken_language

__all__ = ["Sandbox", "Specs", "beginning", "check_webhooks", "plain_settings"]

STAGE = "rehearsal_stage"
AUTO = "auto"


@frozen(kw_only=True)
class Sandbox:
    """How the server rehearses.

    Attributes:
        script: The script every meeting plays, unless its order or its native id says another.
        scripts: Scripts by native id.
        transcriber: Who plays every provider.
    """

    script: str = "planning"
    scripts: Mapping[str, str] = attrs.field(factory=dict)
    transcriber: str = AUTO


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if attrs.has(type(value)):
        return _plain(attrs.asdict(value, recurse=False))
    return value


def plain_settings(config: BotConfig) -> dict[str, Any]:
    """Return a configuration as plain settings, from which it can be built again anywhere."""
    settings = {name: _plain(value) for name, value in attrs.asdict(config, recurse=False).items()}
    for name, default in attrs.asdict(BotConfig(), recurse=False).items():
        if settings[name] is None and default is None:
            del settings[name]
    return settings


def check_webhooks(webhooks: Iterable[WebhookTarget], private: PrivateTargets) -> None:
    """Refuse webhooks that can never be told anything.

    Args:
        webhooks: The targets of an order.
        private: Those that need not be public, nor https.

    Raises:
        ConfigError: It says what is wrong with its address.
    """
    for target in webhooks:
        trouble = private.webhook_trouble(target.url) if target.url else None
        if trouble is not None:
            raise ConfigError(f"The url of a webhook {trouble}.")


class Specs:
    """Makes specs from orders.

    Args:
        config: What all bots of the server have in common.
        plugins: The loaded plugins.
        sandbox: Set where the server rehearses.
        plugin_files: Plugin files that a bot's process loads too.
    """

    def __init__(
        self,
        config: BotConfig,
        plugins: Plugins,
        sandbox: Sandbox | None = None,
        plugin_files: tuple[str, ...] = (),
    ) -> None:
        self.config = config
        self.sandbox = sandbox
        self.plugins = plugins
        self.plugin_files = plugin_files

    def check(self) -> None:
        """Say at the start what would fail with each bot: a script, a setting of a plugin.

        Raises:
            MeetcoreError: It says what to do.
        """
        self.plugins.check_settings(self.config)
        if self.sandbox is not None:
            self.plugins.platform(STAGE, self._with_stage(None))

    def link(self, url: str) -> MeetingLink:
        """Return the meeting a link means.

        Raises:
            LinkRefused: It is none we can join.
        """
        return self._known(url)[1]

    def capabilities(self, url: str) -> frozenset[Capability]:
        """Return what can be done in calls of the platform that a link leads to.

        Raises:
            LinkRefused: It is none we can join.
        """
        return self._known(url)[0].capabilities

    def _known(self, url: str) -> tuple[Platform, MeetingLink]:
        try:
            return self.plugins.platform_for(url, self._with_stage(None), self._platform)
        except MeetcoreError as error:
            raise LinkRefused(error.message, error.remedy) from error

    def link_examples(self) -> list[str]:
        """Return what links of the installed platforms look like."""
        return [x for _, each in sorted(self.plugins.platforms.items()) for x in each.link_examples]

    @property
    def _platform(self) -> str | None:
        return STAGE if self.sandbox else None

    def _with_stage(self, script: str | None) -> BotConfig:
        if self.sandbox is None:
            if script is not None:
                raise ConfigError(
                    "The order names a script, and this server does not rehearse: its bots join "
                    "the meetings of their links.",
                    "Leave script out, or start the server with --rehearsal.",
                )
            return self.config
        if script is not None:
            self._check_script(script, self.sandbox)
        stage = {
            "enabled": True,
            "script": script or self.sandbox.script,
            "scripts": {} if script else dict(self.sandbox.scripts),
        }
        return attrs.evolve(self.config, plugins=merged(self.config.plugins, {STAGE: stage}))

    @staticmethod
    def _check_script(script: str, sandbox: Sandbox) -> None:
        """Take a script by a name, or one that the operator set: no order opens a file.

        Raises:
            ConfigError: It is neither.
        """
        set_here = {sandbox.script, *sandbox.scripts.values()}
        if script not in set_here and not re.fullmatch(r"[A-Za-z0-9_-]+", script):
            raise ConfigError(
                f"script is {script!r}, which is no name of a script.",
                "Name a bundled one (`meetcore rehearse --list`), or one that the server's "
                "rehearsal_scripts has.",
            )

    def transcriber(self, provider: str | None, language: str | None = None) -> TranscriberChoice:
        """Return who transcribes for a provider's name, and in which language.

        Raises:
            UnknownPlugin: It is not installed.
            LanguageRefused: The language is unknown, or the transcriber does not speak it.
        """
        if self.sandbox is not None and provider is not None:
            return self._played(provider, language, self.sandbox.transcriber)
        name = self.config.transcriber if provider == "default" else provider
        if name is None:
            return TranscriberChoice(name=None, language=language_tag(language))
        if name == AUTO:
            name = self._best(language_tag(language))
        speaks = self.plugins.transcriber(name, self.config).capabilities.languages
        return TranscriberChoice(name=name, language=spoken_language(language, speaks, name))

    def listening(self) -> list[tuple[str, Readiness]]:
        """Return who can transcribe a recording, by name, and whether it can be used here.

        Blocks for as long as it takes to look whether files and libraries are there.
        """
        found: list[tuple[str, Readiness]] = []
        for name, kind in sorted(self.plugins.transcribers.items()):
            if kind.capabilities.wants == "captions":
                continue
            try:
                found.append((name, self.plugins.transcriber(name, self.config).readiness()))
            except MeetcoreError as error:
                found.append(
                    (name, Readiness(usable=False, because=error.message, remedy=error.remedy))
                )
        return found

    def _best(self, language: str | None) -> str:
        """Return whom `auto` stands for here; a platform's captions are for the bot to choose."""
        try:
            return self.plugins.best_transcriber(self.config, language=language).transcriber.name
        except ConfigError:
            return AUTO

    def _played(self, provider: str, language: str | None, embedded: str) -> TranscriberChoice:
        """Return who plays a provider in a rehearsal: its language is that of the script."""
        notes: list[str] = []
        if embedded == AUTO:
            embedded = self._best("en")
        if provider not in ("default", embedded):
            notes.append(f"{provider} is played by {embedded}.")
        tag = None
        try:
            tag = spoken_language(language, ("en",), embedded)
        except LanguageRefused:
            notes.append(f"The language {(language or '')[:50]!r} is played in English.")
        note = " ".join(["This is a rehearsal:", *notes]) if notes else None
        return TranscriberChoice(name=embedded, note=note, language=tag)

    def spec(self, bot_id: str, order: BotRequest) -> BotSpec:
        """Return the spec of an order, checked.

        Raises:
            ConfigError, UnknownPlugin: A setting, sink or transcriber.
        """
        settings = self._settings(order)
        config = load_config(overrides=settings, environ={})
        self.plugins.check_namespaces(config)
        if self.sandbox is not None:
            self.plugins.platform(STAGE, config)
        self._check_sinks(config)
        if len(set(config.sinks)) != len(config.sinks):
            raise ConfigError("A sink is named twice.", "A second one is written NAME:SOMETHING.")
        return BotSpec(
            bot_id=bot_id,
            url=order.url,
            settings=settings,
            platform=self._platform,
            scheduled_for=order.join_at,
            plugin_files=self.plugin_files,
        )

    def check_retention(self) -> None:
        """Refuse a server that would keep something though nothing is to be kept.

        Raises:
            ConfigError: A sink that makes files, or pictures.
        """
        if self.config.retention.keep == "nothing":
            self._check_sinks(self.config)

    def _check_sinks(self, config: BotConfig) -> None:
        sinks = [(name, self.plugins.sink(name, config)) for name in config.sinks]
        if config.retention.keep == "nothing":
            check_unkept(config, sinks)

    def keep(self, order: BotRequest) -> Literal["all", "nothing"]:
        """Return what is kept of an order's bot.

        Raises:
            ConfigError: It wants what this server does not do.
        """
        ours = self.config.retention.keep
        if ours == "as_ordered":
            return order.keep or "all"
        if order.keep not in (None, ours):
            each = "nothing of any bot" if ours == "nothing" else "all of every bot"
            raise ConfigError(
                f"The order says keep {order.keep!r}, and this server keeps {each}.",
                'Leave it out, or have the server set keep = "as_ordered" in [retention].',
            )
        return ours

    def _without_files(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Return settings of a server that keeps others' bots for one of which nothing is kept."""
        config = load_config(overrides=settings, environ={})
        able = [name for name in config.sinks if not self.plugins.sink(name, config).keeps]
        return {**settings, "sinks": able, "screenshots": "off"}

    def _leaves_it_to_the_bot(self, order: BotRequest) -> bool:
        """Return whether the bot chooses who transcribes, and tells why."""
        wanted = self.config.transcriber if order.transcriber == "default" else order.transcriber
        return self.sandbox is None and wanted == AUTO

    def _video(self, order: BotRequest) -> bool:
        wanted = self.config.video if order.video is None else order.video
        if not wanted or Capability.VIDEO in self.capabilities(order.url):
            return wanted
        if order.video and order.dialect == "native":
            raise ConfigError(
                "A meeting of this platform cannot be recorded as video.", "Leave out video."
            )
        return False

    def _tables(self, order: BotRequest) -> dict[str, dict[str, Any]]:
        """Return an order's settings of plugins: of its sinks, and of others that are here."""
        here = {info.name for info in self.plugins.infos if not info.trouble}
        return {
            name: dict(table)
            for name, table in order.plugins.items()
            if name in order.sinks or name in here
        }

    def _settings(self, order: BotRequest) -> dict[str, Any]:
        keep = self.keep(order)
        if order.keep == "nothing" and order.video:
            raise ConfigError(
                "The order says keep 'nothing', and asks for a video.", "Leave one of them out."
            )
        base = plain_settings(self._with_stage(order.script))
        base["retention"] = {**base.get("retention", {}), "keep": keep}
        if keep != self.config.retention.keep and keep == "nothing":
            base = self._without_files(base)
        choice = self.transcriber(order.transcriber, order.language)
        asked: dict[str, Any] = {
            "record": order.record,
            "video": self._video(order),
            "metadata": dict(order.metadata),
            "automatic_leave": dict(order.automatic_leave),
            "plugins": self._tables(order),
            "transcriber": AUTO if self._leaves_it_to_the_bot(order) else choice.name,
        }
        if order.name is not None:
            asked["name"] = order.name
        if order.language is not None:
            base.pop("language", None)
            if choice.language is not None:
                asked["language"] = choice.language
        if order.vocabulary:
            terms = (*base.get("vocabulary", ()), *order.vocabulary)
            asked["vocabulary"] = list(dict.fromkeys(terms))
        if order.entry_message:
            asked["entry_message"] = order.entry_message
        settings = merged(base, asked)
        own = tuple(base.get("sinks", ()))
        added = [name for name in order.sinks if name not in own]
        settings["sinks"] = [*own, *added]
        if self.sandbox is None:
            changed = [name for name in own if name in order.plugins]
            settings["ordered_sinks"] = [*changed, *added]
        return settings


def beginning(spec: BotSpec, link: MeetingLink) -> Sequence[Event]:
    """Return what a bot's log begins with."""
    config = load_config(overrides=spec.settings, environ={})
    return head_of(
        link,
        config,
        transcriber=config.transcriber,
        sinks=config.sinks,
        scheduled_for=spec.scheduled_for,
    )

"""Opening a bot: from a link and names to everything resolved, checked and running."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Unpack

import trio
from attrs import evolve

from meetcore.bot.bot import Bot
from meetcore.bot.bot_runner import BotRunner
from meetcore.log.folders import make_bot_folder
from meetcore.log.stores import store_of
from meetcore.log.unkept import UnkeptStore, check_unkept
from meetcore.log.unkept_fleet import UnkeptFleetStore
from meetcore.model.config import BotConfig, changed, load_config
from meetcore.model.errors import ConfigError, MeetcoreError, NotInTrio
from meetcore.model.languages import LanguageRefused, spoken_language
from meetcore.model.lifecycle import EndReason, Evidence
from meetcore.model.settings import BotSettings, PluginSettings
from meetcore.plugin.auto_transcriber import AUTO
from meetcore.plugin.platform import Capability
from meetcore.plugin.registry import Plugins
from meetcore.plugin.sink import Sink
from meetcore.plugin.store import BotStore
from meetcore.plugin.transcriber import Transcriber

_LOG = logging.getLogger("meetcore.bot")

__all__ = ["OpenBotOptions", "new_bot_id", "open_bot", "prepare_bot", "require_trio"]


class OpenBotOptions(BotSettings, total=False):
    """Everything that `open_bot` takes besides the link."""

    config: BotConfig | Path | str | None
    plugins: Plugins | PluginSettings | None
    transcriber: Transcriber | str | None
    sinks: Sequence[Sink | str]
    bot_id: str | None
    passcode: str | None
    random: Random | None
    wall_clock: Callable[[], datetime] | None


def require_trio(what: str, *, elsewhere: bool = True) -> None:
    """Check that Trio runs here.

    Args:
        what: What was called, for instance `open_bot`.
        elsewhere: Whether `meetcore.from_asyncio` and `meetcore.blocking` have it, too.

    Raises:
        NotInTrio: It does not; the remedy names the call that fits.
    """
    if not trio.lowlevel.in_trio_run():
        raise NotInTrio(what, elsewhere=elsewhere)


def new_bot_id(now: datetime | None = None, random: Random | None = None) -> str:
    """Return an id that sorts by time and reads well: `20261120-120301-3f9a1c`."""
    now = now or datetime.now(UTC)
    return f"{now:%Y%m%d-%H%M%S}-{(random or Random()).getrandbits(24):06x}"


def _instance_name(sink: Sink) -> str:
    name = getattr(sink, "name", None)
    if not isinstance(name, str):
        raise MeetcoreError(f"{type(sink).__name__} has no name.", "Give the sink class a `name`.")
    return name


def _fallback(
    transcriber: Transcriber | None, config: BotConfig, plugins: Plugins
) -> list[Transcriber]:
    """Return the transcribers that take over, in order: those of the configuration that can.

    The list may be a server's and the choice an order's: the chosen one is passed over in it, and
    so is, with a warning, one that does not speak the language.

    Raises:
        UnknownPlugin: A name.
        ConfigError: One is there twice, or makes its text of captions, which needs no stream.
    """
    taken: list[Transcriber] = []
    for name in config.transcription.fallback:
        each = plugins.transcriber(name, config)
        if each.name in {other.name for other in taken}:
            raise ConfigError(
                f"The transcriber {each.name!r} is there twice in fallback of [transcription].",
                "Name each once.",
            )
        if each.capabilities.wants == "captions":
            raise ConfigError(
                f"The transcriber {each.name!r} has no place in a fallback: it hears nothing.",
                "Choose transcribers that listen; captions can be the transcriber itself.",
            )
        taken.append(each)
    if transcriber is None:
        return []
    if transcriber.capabilities.wants == "captions":
        if taken:
            _LOG.warning("The fallback has no part in it: %s hears nothing.", transcriber.name)
        return []
    able: list[Transcriber] = []
    for each in taken:
        try:
            spoken_language(config.language, each.capabilities.languages, each.name)
        except LanguageRefused as error:
            _LOG.warning("It takes no part in the fallback: %s", error.message)
        else:
            able.append(each)
    return [each for each in able if each.name != transcriber.name]


def _check_place(config: BotConfig, store: BotStore | None, bot_id: str) -> None:
    """Refuse a bot of which nothing is to be kept where it would be on a disk, and the other way.

    Raises:
        ConfigError: It says which.
        StorageUnavailable: There is no room in memory for it.
    """
    unkept = isinstance(store, UnkeptStore)
    if isinstance(store, UnkeptFleetStore):
        if config.retention.keep == "nothing":
            store.claim(bot_id)
        unkept = store.in_memory(bot_id)
    if config.retention.keep == "nothing" and not unkept:
        raise ConfigError(
            "keep in [retention] is 'nothing', and this bot would work on a disk.",
            "Set it for the whole fleet, or use `meetcore join` or open_bot.",
        )
    if unkept and config.retention.keep != "nothing":
        raise ConfigError(
            "All is to be kept of this bot, and it would work in memory.",
            "Set keep in [retention] for the whole fleet, or to 'as_ordered'.",
        )


def prepare_bot(
    url: str,
    config: BotConfig,
    plugins: Plugins,
    *,
    bot_id: str | None = None,
    platform: str | None = None,
    passcode: str | None = None,
    transcriber: Transcriber | None = None,
    sinks: Sequence[Sink | str] = (),
    scheduled_for: datetime | None = None,
    store: BotStore | None = None,
    random: Random | None = None,
    wall_clock: Callable[[], datetime] | None = None,
) -> BotRunner:
    """Resolve a link and names to plugins, make the folder, open the journal.

    Args:
        url: The meeting's link.
        config: The configuration; its `transcriber` and `sinks` are names.
        plugins: The loaded plugins.
        bot_id: Its id; a new one by default. Where its folder holds a journal with nothing but
            the request, that one is taken up.
        platform: Name of the platform that is to take the link, whichever knows it too.
        passcode: What the meeting asks guests for; wins over one in the link.
        transcriber: An object in place of a name.
        sinks: Objects or names besides those of the configuration.
        scheduled_for: When it is to join, None for now.
        store: Where it is kept; by default where the configuration says.
        random: Source of chance, for repeatable runs.
        wall_clock: Gives the wall time, for repeatable runs.

    Raises:
        UnknownMeetingUrl, AmbiguousMeetingUrl: The link.
        UnknownPlugin: A name.
        ConfigError: A setting, or captions as transcript or video on a platform that gives none,
            or a fallback that cannot be one.
        LanguageRefused: The transcriber does not speak the language.
        StorageUnavailable: The folder.
    """
    if isinstance(sinks, str):
        raise ConfigError(f"sinks must be a list, not {sinks!r}.", f'Write ["{sinks}"].')
    config = plugins.configure(config)
    plugins.check_namespaces(config)
    chosen, link = plugins.platform_for(url, config, platform)
    if passcode:
        link = evolve(link, passcode=passcode)
    chosen_because = None
    if transcriber is None and config.transcriber == AUTO:
        gives_captions = Capability.CAPTIONS in chosen.capabilities
        best = plugins.best_transcriber(config, captions=gives_captions)
        transcriber, chosen_because = best.transcriber, best.because
    elif transcriber is None and config.transcriber is not None:
        transcriber = plugins.transcriber(config.transcriber, config)
    captions = transcriber is not None and transcriber.capabilities.wants == "captions"
    if captions and Capability.CAPTIONS not in chosen.capabilities:
        raise ConfigError(
            f"The platform {chosen.name!r} gives no captions to make a transcript of.",
            "Choose a transcriber that listens, or none.",
        )
    if config.video and Capability.VIDEO not in chosen.capabilities:
        raise ConfigError(
            f"A meeting of the platform {chosen.name!r} cannot be recorded as video.",
            "Leave out video = true.",
        )
    synthesizer = config.synthesizer and plugins.synthesizer(config.synthesizer, config)
    if transcriber is not None and config.language is not None:
        speaks = transcriber.capabilities.languages
        language = spoken_language(config.language, speaks, transcriber.name)
        config = evolve(config, language=language)
    fallback = _fallback(transcriber, config, plugins)
    named: list[tuple[str, Sink]] = []
    for sink in [*config.sinks, *sinks]:
        name = sink if isinstance(sink, str) else _instance_name(sink)
        found = plugins.sink(sink, config) if isinstance(sink, str) else sink
        if any(name == other for other, _ in named):
            raise MeetcoreError(
                f"The sink {name!r} is named twice.",
                f"A second one of a kind is written {name}:SOMETHING.",
            )
        named.append((name, found))
    bot_id = bot_id or new_bot_id(wall_clock() if wall_clock else None, random)
    if config.retention.keep == "nothing":
        check_unkept(config, named)
    _check_place(config, store, bot_id)
    store = store or store_of(config, plugins)
    workplace = store.workplace(bot_id)
    return BotRunner(
        link=link,
        platform=chosen,
        config=config,
        folder=make_bot_folder(workplace.parent, workplace.name),
        store=store,
        bot_id=bot_id,
        transcriber=transcriber,
        transcriber_because=chosen_because,
        fallback=fallback,
        synthesizer=synthesizer or None,
        sinks=named,
        plugins=plugins,
        scheduled_for=scheduled_for,
        random=random,
        wall_clock=wall_clock,
    )


@asynccontextmanager
async def open_bot(
    url: str,
    *,
    config: BotConfig | Path | str | None = None,
    plugins: Plugins | PluginSettings | None = None,
    transcriber: Transcriber | str | None = None,
    sinks: Sequence[Sink | str] = (),
    bot_id: str | None = None,
    passcode: str | None = None,
    random: Random | None = None,
    wall_clock: Callable[[], datetime] | None = None,
    **settings: Unpack[BotSettings],
) -> AsyncIterator[Bot]:
    """Send a bot to a meeting; it attends while the block runs, and is gone after it.

        async with meetcore.open_bot("https://…", name="Notes", transcriber="auto") as bot:
            async for event in bot.events():
                ...

    Args:
        url: The meeting's link.
        config: A configuration, or the path of a TOML file, under everything else.
        plugins: Loaded plugins, by default all that are installed; or options of plugins by name,
            `{"files": {"format": "flac"}}`, as in a configuration file's `[plugins.files]`.
        transcriber: Name or object.
        sinks: Names or objects, besides those of the configuration.
        bot_id: Its id; a new one by default.
        passcode: What the meeting asks guests for; wins over one in the link.
        random: Source of chance, for repeatable runs.
        wall_clock: Gives the wall time, for repeatable runs.
        settings: Any field of `BotConfig`, for instance `name` or `automatic_leave`.

    Yields:
        The bot, on its way to the meeting. Leaving the block leaves the meeting.

    Raises:
        NotInTrio: Under asyncio, or in a blocking program.
        MeetcoreError: Of the kind that says what was wrong, before anything was started.
    """
    require_trio("open_bot")
    given: dict[str, object] = {**settings}
    if isinstance(transcriber, str):
        given["transcriber"] = transcriber
        transcriber = None
    if isinstance(plugins, Mapping):
        given["plugins"] = plugins
        plugins = None
    if isinstance(sinks, str):
        raise ConfigError(f"sinks is a list of sinks, not {sinks!r}.", f"Write [{sinks!r}].")
    if isinstance(config, BotConfig):
        config = changed(config, given)
    else:
        config = load_config(config or None, given)
    unkept = UnkeptStore(config) if config.retention.keep == "nothing" else None
    async with AsyncExitStack() as stack:
        if unkept is not None:
            bot_id = bot_id or new_bot_id(wall_clock() if wall_clock else None, random)
            stack.push_async_callback(unkept.bury, bot_id)
            stack.enter_context(unkept.scratch())
        runner = prepare_bot(
            url,
            config,
            plugins if plugins is not None else Plugins(files=config.plugin_files),
            bot_id=bot_id,
            passcode=passcode,
            transcriber=transcriber,
            sinks=sinks,
            store=unkept,
            random=random,
            wall_clock=wall_clock,
        )
        bot = runner.bot
        if unkept is None and bot.store is not None:
            stack.enter_context(bot.store.scratch())
        async with _attending(runner):
            yield bot


@asynccontextmanager
async def _attending(runner: BotRunner) -> AsyncIterator[None]:
    """Run a bot while the block runs; it is gone after it."""
    trouble: Exception | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.run)
        try:
            yield
        except Exception as error:  # noqa: BLE001  raised again below, outside of the nursery
            trouble = error
        if not runner.ended:
            runner.conclude(EndReason.STOP_REQUESTED, Evidence("block_left"))
    if trouble is not None:
        raise trouble

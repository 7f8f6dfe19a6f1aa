"""The hook specifications: where a plugin can join in.

A hook implementation is a plain function marked with `meetcore.hookimpl`, in a module that is
named by an entry point of the group `meetcore` or given with `--plugin path.py`. It may take
fewer arguments than the specification has. `register_*` hooks run once, when the plugins are
loaded; no hook is called per chunk of audio.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar, overload

import pluggy

if TYPE_CHECKING:
    import click

    from meetcore.model.config import BotConfig
    from meetcore.model.events import Event
    from meetcore.model.meeting import MeetingLink
    from meetcore.model.transcript import Segment
    from meetcore.plugin.bot_view import BotView
    from meetcore.plugin.bus import BotBus
    from meetcore.plugin.exclusion import ExclusionRules
    from meetcore.plugin.health import HealthReport
    from meetcore.plugin.join_token import JoinToken
    from meetcore.plugin.launcher import Launcher
    from meetcore.plugin.platform import Platform
    from meetcore.plugin.sink import Sink
    from meetcore.plugin.store import BotStore
    from meetcore.plugin.synthesizer import Synthesizer
    from meetcore.plugin.transcriber import Transcriber

__all__ = ["API_VERSION", "DROP", "Drop", "HookSpecs", "hookimpl", "hookspec"]

API_VERSION = "1.0"
"""Version of this file: the first number changes when a plugin can break, the second when
something was added. A plugin says which it was written for with `meetcore_api_version`."""


class Drop(Enum):
    """What `meetcore_revise_segment` returns to drop a segment."""

    DROP = "drop"


DROP = Drop.DROP
FAIL_CLOSED = "meetcore_fail_closed"
RULES = "meetcore_exclusion_rules"
MUST_BE_LOADED = ("meetcore_revise_segment", RULES)
"""Hooks whose implementations are loaded where a bot runs, if they fail closed; rules always do."""

hookspec = pluggy.HookspecMarker("meetcore")
_mark = pluggy.HookimplMarker("meetcore")
F = TypeVar("F", bound=Callable[..., object])


@overload
def hookimpl(function: F) -> F: ...


@overload
def hookimpl(
    *,
    fail_closed: bool = False,
    tryfirst: bool = False,
    trylast: bool = False,
    specname: str | None = None,
) -> Callable[[F], F]: ...


def hookimpl(
    function: F | None = None,
    *,
    fail_closed: bool = False,
    tryfirst: bool = False,
    trylast: bool = False,
    specname: str | None = None,
) -> F | Callable[[F], F]:
    """Mark a function as an implementation of the hook it is named after.

    Args:
        function: The function, where the mark stands without brackets.
        fail_closed: For `meetcore_revise_segment` alone: where this one does not do its part, the
            segment is withheld instead of going on as it was.
        tryfirst: Be called before the others.
        trylast: Be called after the others.
        specname: The hook's name, where the function has another.
    """
    if function is not None:
        return _mark(function)

    def marked(function: F) -> F:
        if fail_closed:
            setattr(function, FAIL_CLOSED, True)
        return _mark(tryfirst=tryfirst, trylast=trylast, specname=specname)(function)

    return marked


class HookSpecs:
    """Every hook there is."""

    @hookspec
    def meetcore_register_platforms(self, register: Callable[[type[Platform]], None]) -> None:
        """Offer platforms: call `register` with each `Platform` class."""

    @hookspec
    def meetcore_register_transcribers(self, register: Callable[[type[Transcriber]], None]) -> None:
        """Offer transcribers: call `register` with each `Transcriber` class."""

    @hookspec
    def meetcore_register_synthesizers(self, register: Callable[[type[Synthesizer]], None]) -> None:
        """Offer synthesizers: call `register` with each `Synthesizer` class."""

    @hookspec
    def meetcore_register_sinks(self, register: Callable[[type[Sink]], None]) -> None:
        """Offer sinks: call `register` with each `Sink` class."""

    @hookspec
    def meetcore_register_launchers(self, register: Callable[[type[Launcher]], None]) -> None:
        """Offer launchers: call `register` with each `Launcher` class."""

    @hookspec
    def meetcore_register_stores(self, register: Callable[[type[BotStore]], None]) -> None:
        """Offer stores: call `register` with each `BotStore` class."""

    @hookspec
    def meetcore_register_buses(self, register: Callable[[type[BotBus]], None]) -> None:
        """Offer buses: call `register` with each `BotBus` class."""

    @hookspec
    def meetcore_register_cli(self, group: click.Group) -> None:
        """Add commands to the `meetcore` command line."""

    @hookspec
    def meetcore_register_routes(self, app: Any) -> None:
        """Add routes to the server, where the server plugin is installed."""

    @hookspec(firstresult=False)
    def meetcore_configure_bot(self, config: BotConfig) -> BotConfig | None:
        """Return a changed configuration before a bot starts, or None to leave it.

        Implementations form a chain, the plugin loaded last first: each gets what the one before
        it returned.
        """

    @hookspec
    def meetcore_join_token(
        self, link: MeetingLink, bot_id: str
    ) -> Awaitable[JoinToken | None] | JoinToken | None:
        """Return the token with which a bot is to join, or None where it needs none.

        Called just before each attempt to join, of the platforms that take tokens; plain or
        async, within 15 s. The first token that a plugin gives counts. Where one fails, the bot
        does not join without. A token is in no event, no log and no error.
        """

    @hookspec
    def meetcore_on_event(self, bot: BotView, event: Event) -> None:
        """See every event of every bot, in order.

        May be a plain function, which must return at once, or an async one. Each plugin has a
        task of its own; a call that hangs is given up after 30 s.
        """

    @hookspec(firstresult=False)
    def meetcore_revise_segment(self, bot: BotView, segment: Segment) -> Segment | Drop | None:
        """Change or drop a segment before anybody sees it: neither journal, sink nor client.

        Return a changed segment, `meetcore.DROP` to drop it, or None to leave it.
        Implementations form a chain: each gets what the one before it returned.

        **What it sees.** Every segment of a transcript, once as it is finalized, and before that
        its drafts (`segment.finalized` is False), where somebody watches drafts; of drafts that
        come faster than they are revised the newest. Also a later revision of a segment, for
        instance with a name that was learned late. One segment at a time; a finalized one comes
        before drafts, and a draft in hand is cancelled for it. The time a reviser may take,
        2 s, is for each segment. Of a recording that is transcribed once more it sees each segment,
        too: then `bot` is in no meeting, and can do nothing.

        **What it does not see.** Chat, participants' names outside of segments
        (`participant.joined`, `speaking.started`), the words of errors, and sound: a recording
        holds what was said. A reviser for which that matters comes with `record = false`, or
        without a sink that records.

        **Text and words say the same.** Change `text` alone, and `words` are laid over the new
        text where their times can be known, and else dropped; change `words` alone, and `text` is
        theirs. `id`, `revision`, `finalized` and `track_id` stay what they were.

        **When it fails.** One that raises, takes longer than 2 s or returns something else is
        reported as `plugin.failed`, and the segment goes on as it was. Marked
        `@meetcore.hookimpl(fail_closed=True)`, its segment is withheld instead, with the event
        `segment.withheld`, and so are drafts (without an event for each). The error's words are
        then in no event and no log, since they may hold what was said. A bot is not
        sent to a process in which such a reviser is not loaded. A plugin that cannot be loaded
        cannot fail closed: a table `[plugins.NAME]` in the configuration, even an empty one,
        keeps a bot from starting without it.
        """

    @hookspec
    def meetcore_exclusion_rules(self, config: BotConfig) -> ExclusionRules | None:
        """Return who is left out of a bot's recording and transcript, None for nobody.

        A plain function, called once for each bot, before it joins. Where it raises, the bot does
        not start. What the rules say holds for all plugins of a bot together: one that excludes is
        enough.

        Nothing of whoever is excluded goes anywhere: not the sound of their track (a sink learns of
        it by `on_gap` with the cause `excluded`), not what they say or write. Sound whose owner is
        not known is held back for up to 30 s until it is, and given up then. Of a track that the
        platform mixes of everybody, `[exclusion] over_a_mix` says what becomes.
        """

    @hookspec
    def meetcore_check_health(self, report: HealthReport) -> None:
        """Say for `meetcore doctor` what works here and what is missing, with a remedy."""

"""What the plugin registers: what a message asks for, and the bot's answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, ClassVar

from meetcore import (
    BotConfig,
    BotView,
    CapabilityMissing,
    CommandFailed,
    CommandRefused,
    Event,
    ExclusionRequest,
    ExclusionRules,
    HealthReport,
    ParticipantExcluded,
    SendChat,
    build_options,
    hookimpl,
)
from meetcore.model import plain_name
from meetcore_optout.options import OptoutOptions

meetcore_api_version = "1.0"
_LOG = logging.getLogger("meetcore.optout")


def _options(settings: Mapping[str, Any]) -> OptoutOptions | None:
    """Return how it is set; None where nobody asked for it: a table in the settings does."""
    if "optout" not in settings:
        return None
    return build_options(OptoutOptions, settings["optout"], "[plugins.optout]")


class ChatWords(ExclusionRules):
    """Excludes who asks for it in the chat.

    Args:
        options: The words.
    """

    judges_people: ClassVar[bool] = False

    def __init__(self, options: OptoutOptions) -> None:
        start = ExclusionRequest.EXCLUDE_SINCE_START
        leave = start if options.back_to_start else ExclusionRequest.EXCLUDE
        self._asked = {
            **{plain_name(word): leave for word in options.words},
            **{plain_name(word): start for word in options.forget},
            **{plain_name(word): ExclusionRequest.INCLUDE for word in options.undo},
        }

    def requested(self, text: str) -> ExclusionRequest | None:
        """Return what a message asks for, if it is one of the words and nothing else."""
        return self._asked.get(plain_name(text))


@hookimpl
def meetcore_configure_bot(config: BotConfig) -> None:
    """Refuse options that cannot be, before the bot starts."""
    _options(config.plugins)


@hookimpl
def meetcore_exclusion_rules(config: BotConfig) -> ExclusionRules | None:
    """Return which messages exclude whoever writes them."""
    options = _options(config.plugins)
    return None if options is None else ChatWords(options)


@hookimpl
async def meetcore_on_event(bot: BotView, event: Event) -> None:
    """Answer whoever took themselves out: them alone, where the platform has such messages."""
    if not isinstance(event, ParticipantExcluded) or event.by != "optout":
        return
    options = _options(bot.config.plugins)
    if options is None or not options.confirm:
        return
    undo = options.undo[0] if options.undo else ""
    text = options.confirm.format(name=event.name or "Whoever asked", undo=undo)
    try:
        try:
            await bot.perform(SendChat(text, event.participant_id or None))
        except CapabilityMissing:
            await bot.perform(SendChat(text))
    except (CommandRefused, CommandFailed) as error:
        _LOG.warning("bot=%s cannot answer in the chat: %s", bot.id, error)


@hookimpl
def meetcore_check_health(report: HealthReport) -> None:
    """Say with which words people take themselves out."""
    options = _options(report.config)
    if options is None:
        report.fine("people take themselves out", "by nothing: [plugins.optout] is not set")
    else:
        said = ", ".join((*options.words, *options.forget))
        report.fine("people take themselves out", f"by writing one of: {said}")

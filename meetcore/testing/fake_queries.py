"""Which bots a query means, and who transcribes, at the fake service."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

from meetcore.gateway.records import BotQuery, BotRow, TranscriberChoice
from meetcore.model.errors import UnknownPlugin
from meetcore.model.languages import LanguageRefused, spoken_language

__all__ = ["chosen", "matches"]


def matches(row: BotRow, query: BotQuery) -> bool:
    """Whether a query asks for a bot, apart from its limit."""
    return (
        query.dialect in (None, row.dialect)
        and query.platform in (None, row.platform)
        and query.native_id in (None, row.native_id)
        and query.public_url in (None, row.public_url)
        and (query.states is None or row.state in query.states)
        and (query.created_after is None or row.created_at >= query.created_after)
        and (query.created_before is None or row.created_at < query.created_before)
        and (
            query.ended_after is None
            or (row.ended_at is not None and row.ended_at >= query.ended_after)
        )
        and (
            query.before is None
            or (row.number > query.before if query.oldest_first else row.number < query.before)
        )
    )


def chosen(
    provider: str | None,
    language: str | None,
    providers: Collection[str] | None,
    languages: tuple[str, ...],
    rehearsal: bool,
) -> TranscriberChoice:
    """Return who transcribes, and in which language; a rehearsal plays any of either."""
    if rehearsal and provider is not None:
        note, tag = f"{provider} is played by embedded", None
        with suppress(LanguageRefused):
            tag = spoken_language(language, languages, "embedded")
        return TranscriberChoice(name="embedded", note=note, language=tag)
    if providers is not None and provider not in (None, "default", *providers):
        raise UnknownPlugin("transcriber", str(provider), sorted(providers))
    tag = spoken_language(language, languages if provider else (), str(provider))
    return TranscriberChoice(name=provider, language=tag)

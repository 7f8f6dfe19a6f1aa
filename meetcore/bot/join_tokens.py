"""Fetching the token with which a bot joins, from the plugin that has it, just before it is used.

Such tokens are good for minutes, so one that came with the order for a bot would be too old for a
bot that was sent ahead of its meeting. What a plugin raises may hold a token, so only the kind of
the error is told.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence

import trio

from meetcore.model.errors import JoinTokenFailed
from meetcore.model.meeting import MeetingLink
from meetcore.model.secrets import Redactor
from meetcore.plugin.hook_calls import HookImplementation
from meetcore.plugin.join_token import JoinToken

__all__ = ["HOOK", "TOKEN_TIMEOUT_S", "token_source"]

HOOK = "meetcore_join_token"
TOKEN_TIMEOUT_S = 15.0


def token_source(
    sources: Sequence[HookImplementation], link: MeetingLink, bot_id: str, redactor: Redactor
) -> Callable[[], Awaitable[JoinToken | None]]:
    """Return what fetches a token: the first one that a plugin gives, None where none does.

    Args:
        sources: The plugins' functions, in order.
        link: Where the bot goes.
        bot_id: Its id.
        redactor: Learns every token, before anybody can write it.
    """

    async def fetch() -> JoinToken | None:
        for source in sources:
            token = await _ask(source, link, bot_id)
            if token is not None:
                redactor.add(token.value)
                return token
        return None

    return fetch


async def _ask(source: HookImplementation, link: MeetingLink, bot_id: str) -> JoinToken | None:
    who = source.plugin_name
    try:
        with trio.fail_after(TOKEN_TIMEOUT_S):
            given = source.call(link=link, bot_id=bot_id)
            token = await given if inspect.isawaitable(given) else given
    except trio.TooSlowError:
        raise JoinTokenFailed(who, f"gave none within {TOKEN_TIMEOUT_S:g} s") from None
    except Exception as error:  # noqa: BLE001  a plugin's; its words may hold a token
        raise JoinTokenFailed(who, f"failed with {type(error).__name__}") from None
    if token is not None and not isinstance(token, JoinToken):
        raise JoinTokenFailed(who, f"gave a {type(token).__name__} and no JoinToken")
    return token

"""One of a bot's transcribers: held open from the moment it is wanted, with places for streams."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import trio
from attrs import evolve

from meetcore.bot.context import BotContext
from meetcore.bot.stream_slots import StreamSlots
from meetcore.model.backoff import backoff_s
from meetcore.model.errors import TranscriberError, found_in
from meetcore.model.languages import spoken_language
from meetcore.plugin.transcriber import Transcriber, TranscriberContext

__all__ = ["FIRST_RETRY_S", "LONGEST_RETRY_S", "MOST_RETRIES", "HeldTranscriber"]

FIRST_RETRY_S = 0.25
LONGEST_RETRY_S = 8.0
MOST_RETRIES = 12


class HeldTranscriber:
    """A transcriber of one bot, and what its streams share.

    Args:
        index: Its place among the bot's transcribers; 0 is the chosen one.
        transcriber: The plugin's object.
        bot: The bot's records.
        context: What the transcriber gets.

    Attributes:
        wanted: Set when it is to be open.
        ready: Set when its streams may be opened.

    Raises:
        LanguageRefused: It does not speak the bot's language.
    """

    def __init__(
        self, index: int, transcriber: Transcriber, bot: BotContext, context: TranscriberContext
    ) -> None:
        self.index = index
        self.transcriber = transcriber
        self.name = transcriber.name
        self.limits = transcriber.capabilities
        self.slots = StreamSlots(self.limits.max_streams)
        self.language = spoken_language(bot.config.language, self.limits.languages, self.name)
        self.ready = trio.Event()
        self.wanted = trio.Event()
        self._bot = bot
        self._context = evolve(context, notice=partial(bot.transcriber_notice, self.name))

    def want(self) -> None:
        """Have it opened, if it is not."""
        self.wanted.set()

    async def run(
        self,
        opened: Callable[[], None],
        failed: Callable[[TranscriberError, float, bool], None],
    ) -> None:
        """Keep it open once it is wanted, for ever; open it again when it fails.

        Args:
            opened: Called when its streams may be opened.
            failed: Called with the trouble, since when there has been any (on Trio's clock), and
                whether it was the last attempt. After the last one its streams are let go on: each
                will meet the same trouble, and declare what is not transcribed.
        """
        await self.wanted.wait()
        attempt, since_s = 0, trio.current_time()
        while True:
            try:
                async with self.transcriber.open(self._context):
                    self.ready.set()
                    opened()
                    await trio.sleep_forever()
            except Exception as error:  # noqa: BLE001  a plugin's trouble is an event, not ours
                trouble = found_in(error, TranscriberError)
                attempt += 1
                self._bot.plugin_failed(self.name, "transcriber open", trouble or error)
                final = (trouble is not None and not trouble.retryable) or attempt > MOST_RETRIES
                if self.ready.is_set():
                    since_s = trio.current_time()
                if final:
                    self.ready.set()
                    opened()
                if trouble is None:
                    trouble = TranscriberError("crashed", str(error), retryable=not final)
                failed(trouble, since_s, final)
                if final:
                    await trio.sleep_forever()
            await trio.sleep(backoff_s(attempt, FIRST_RETRY_S, LONGEST_RETRY_S))

"""The way from a page to the host: one CDP binding, and the ends of documents.

Not Playwright's `expose_binding`: that makes a round trip of every call and costs the host and its
driver about three times the CPU. Not a WebSocket: content security policies, mixed-content rules
and local network access checks stand in its way. A binding of the Runtime domain is under
none of them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from meetcore_browser.browser import Browser
from meetcore_browser.capture import DOCUMENT_GONE
from meetcore_browser.handover import MAX_BLOCKS, Handed, Handover
from meetcore_browser.wire import PageMessage, WireError, decode

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, CDPSession, Page

__all__ = ["PageChannel"]

MAX_CONSOLE_CHARS = 500


class PageChannel:
    """Receives what the scripts of one page tell.

    Args:
        browser: The page's browser.
        deliver: Takes each item in order, on the Trio thread. It must not raise.
        fail: Takes an error of the channel's own, on the Trio thread.
        say: Takes each line of the page's console, on the browser thread.
        max_blocks: How many audio blocks may wait for the Trio thread.

    Attributes:
        binding: Name of the binding, not to be guessed by the page.
    """

    def __init__(
        self,
        browser: Browser,
        deliver: Callable[[Handed], None],
        fail: Callable[[Exception], None],
        say: Callable[[str], object],
        max_blocks: int = MAX_BLOCKS,
    ) -> None:
        self.binding = f"__{secrets.token_hex(8)}"
        self._browser = browser
        self._fail = fail
        self._say = say
        self._documents: dict[int, int] = {}
        self._handover = Handover(deliver, self._wake, fail, max_blocks)

    async def open(self, context: BrowserContext, page: Page) -> None:
        """Install the binding; what a document tells arrives from then on."""
        session = await self._browser.call(context.new_cdp_session, page)
        await self._browser.sync(self._listen, session)
        await self._browser.call(session.send, "Runtime.enable")
        await self._browser.call(session.send, "Runtime.addBinding", {"name": self.binding})

    def drain(self) -> None:
        """Deliver all that has arrived, now. On the Trio thread."""
        while self._handover.waiting:
            self._handover.drain()

    def _wake(self, drain: Callable[[], None]) -> None:
        self._browser.aio.to_trio(drain, idempotent=True)

    # --- on the browser thread ----------------------------------------------------------

    def _listen(self, session: CDPSession) -> None:
        session.on("Runtime.bindingCalled", self._called)
        session.on("Runtime.executionContextDestroyed", self._context_destroyed)
        session.on("Runtime.executionContextsCleared", self._contexts_cleared)
        session.on("Runtime.consoleAPICalled", self._console)
        session.on("Runtime.exceptionThrown", self._exception)

    def _called(self, event: dict[str, Any]) -> None:
        if event["name"] != self.binding:
            return
        try:
            items = decode(event["payload"])
        except WireError as error:
            self._browser.aio.to_trio(self._fail, error)
            return
        self._documents[event["executionContextId"]] = items[0].document
        self._handover.put(*items)

    def _context_destroyed(self, event: dict[str, Any]) -> None:
        document = self._documents.pop(event["executionContextId"], None)
        if document is not None:
            self._handover.put(PageMessage(document, DOCUMENT_GONE, None, own=True))

    def _contexts_cleared(self, event: dict[str, Any]) -> None:
        del event
        for context in list(self._documents):
            self._context_destroyed({"executionContextId": context})

    def _console(self, event: dict[str, Any]) -> None:
        said = " ".join(_in_words(argument) for argument in event.get("args", ()))
        self._say(f"{event.get('type', 'log')}: {said}"[:MAX_CONSOLE_CHARS])

    def _exception(self, event: dict[str, Any]) -> None:
        details = event.get("exceptionDetails", {})
        said = details.get("exception", {}).get("description") or details.get("text", "")
        self._say(f"uncaught: {said}"[:MAX_CONSOLE_CHARS])


def _in_words(argument: dict[str, Any]) -> str:
    return str(argument.get("value", argument.get("description", argument.get("type"))))

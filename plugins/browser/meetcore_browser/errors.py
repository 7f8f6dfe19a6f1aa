"""What can go wrong with a browser, as types a joiner can catch and text a person can act on."""

from __future__ import annotations

from meetcore import MeetcoreError

__all__ = [
    "BrowserCrashed",
    "BrowserError",
    "BrowserThreadClosed",
    "CallTimedOut",
    "ChromiumFailed",
    "ChromiumMissing",
    "ClickForbidden",
    "DriverCrashed",
    "NoDisplay",
    "PageCrashed",
    "PageGone",
    "SelectorMissed",
    "SelectorPackInvalid",
    "StepFailed",
    "StepTimedOut",
]


class BrowserError(MeetcoreError):
    """Root of this plugin's errors."""


class ChromiumMissing(BrowserError):
    """No Chromium was found, or not where it was said to be."""


class ChromiumFailed(BrowserError):
    """Chromium was found but did not start."""


class NoDisplay(BrowserError):
    """A visible browser was asked for where there is no display."""


class CallTimedOut(BrowserError):
    """A call into the browser did not return within its deadline."""

    def __init__(self, call: str, timeout_s: float) -> None:
        super().__init__(f"The browser call {call} did not return within {timeout_s:g} s.")
        self.call = call
        self.timeout_s = timeout_s


class BrowserThreadClosed(BrowserError):
    """A call was made after the browser thread had ended."""


class PageGone(BrowserError):
    """The page cannot be used any more. Subclasses say what took it away."""


class PageCrashed(PageGone):
    """The page's own process crashed; the browser and its other pages live."""


class BrowserCrashed(PageGone):
    """Chromium is gone. Another can be launched at once."""


class DriverCrashed(PageGone):
    """Playwright's driver process is gone, and its Chromium with it. Another can be started."""


class SelectorMissed(BrowserError):
    """No selector of a control matched in time."""

    def __init__(self, control: str, tried: tuple[str, ...], timeout_s: float) -> None:
        super().__init__(
            f"Nothing on the page matched {control!r} within {timeout_s:g} s;"
            f" tried, in this order: {'; '.join(tried)}."
        )
        self.control = control
        self.tried = tried


class ClickForbidden(BrowserError):
    """A selector led to something that is never to be clicked."""

    def __init__(self, control: str, said: str) -> None:
        super().__init__(
            f"What matched {control!r} is on the list of what is never clicked: {said!r}.",
            "Correct the selector pack; `meetcore selectors check FILE` looks at one.",
        )
        self.control = control


class SelectorPackInvalid(BrowserError):
    """A selector pack that does not follow the format."""


class StepFailed(BrowserError):
    """A step of a join went wrong; the cause is its `__cause__`.

    Attributes:
        step: Name of the step.
        diagnostics: Folder of the diagnostics bundle relative to the bot's, None if there is none.
    """

    def __init__(self, step: str, message: str, diagnostics: str | None = None) -> None:
        remedy = f"What the page looked like is in {diagnostics}." if diagnostics else ""
        super().__init__(message, remedy)
        self.step = step
        self.diagnostics = diagnostics


class StepTimedOut(StepFailed):
    """A step of a join took longer than it may."""

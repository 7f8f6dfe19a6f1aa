"""What a plugin did wrong, told where a person looks: an event with the place, a log with the way.

The event goes to everybody who reads the journal, so it names the place shortly; the log is the
operator's and the author's, so it has the whole traceback.
"""

from __future__ import annotations

import logging
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path

from meetcore.model.errors import MeetcoreError, brief
from meetcore.model.events import Event, PluginFailed

__all__ = ["FailureReports", "frame_of", "plugin_failure"]

_LOG = logging.getLogger("meetcore.plugins")
_STDLIB = Path(sysconfig.get_path("stdlib"))
_BETWEEN = ("trio", "outcome", "pluggy", "attr", "attrs", "cattrs")
_CORE = Path(__file__).parent


def _innermost(error: BaseException) -> BaseException:
    """Return the first error in a group that is none itself: that is where it began."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _is_between(file: Path) -> bool:
    """Whether a file belongs to what stands between a plugin and the core, or to the core."""
    if "site-packages" in file.parts:
        return file.parts[file.parts.index("site-packages") + 1].partition(".")[0] in _BETWEEN
    return file.is_relative_to(_STDLIB) or file.is_relative_to(_CORE)


def _frame(error: BaseException) -> traceback.FrameSummary | None:
    frames = traceback.extract_tb(_innermost(error).__traceback__)
    own = [frame for frame in frames if not _is_between(Path(frame.filename))]
    return own[-1] if own else next(reversed(frames), None)


def frame_of(error: BaseException) -> str:
    """Return where an error was raised, as `/path/file.py:12 function`; empty if nobody knows.

    The last frame outside of meetcore, Trio and the standard library: the author's own line.
    """
    frame = _frame(error)
    return f"{frame.filename}:{frame.lineno} {frame.name}" if frame else ""


def _short(place: str) -> str:
    """Return a place with no more of its path than the file and its folder."""
    return str(Path(*Path(place).parts[-2:])) if place else ""


def plugin_failure(
    plugin: str,
    where: str,
    error: BaseException | str,
    *,
    bot_id: str = "",
    redact: Callable[[str], str] = str,
    detached: bool = False,
    private: bool = False,
    frame: str = "",
) -> PluginFailed:
    """Log what a plugin did wrong, at WARNING with its traceback; return the event to record.

    Args:
        plugin: The plugin's name.
        where: Which call on it.
        error: What it raised, or words where it raised nothing.
        bot_id: The bot in whose life it happened.
        redact: Takes secrets out of what is logged and recorded.
        detached: Whether it is called no more.
        private: Whether the error's words may hold what people said: its kind alone is shown.
        frame: The place, where nothing was raised.
    """
    said, way = str(error), ""
    if isinstance(error, BaseException):
        said = type(_innermost(error)).__name__ if private else brief(error)
        frame = frame_of(error)
        way = _way(error, private=private)
    _LOG.warning(
        "bot=%s plugin=%s failed in %s: %s%s%s",
        bot_id,
        plugin,
        where,
        redact(said),
        f" ({frame})" if frame else "",
        f"\n{redact(way)}" if way else "",
    )
    return PluginFailed(
        plugin=plugin, where=where, error=redact(said), frame=_short(frame), detached=detached
    )


def _way(error: BaseException, *, private: bool) -> str:
    """Return the traceback; none for an error in our own words, which is no mistake of code."""
    if private:
        return "".join(traceback.format_tb(_innermost(error).__traceback__)).rstrip()
    if isinstance(error, MeetcoreError):
        return ""
    return "".join(traceback.format_exception(error)).rstrip()


class FailureReports:
    """Where the failures of one bot's plugins are told: each is logged and in the journal.

    Args:
        bot_id: The bot.
        record: Appends an event.
        redact: Takes secrets out.

    Attributes:
        listener: Called with each failure and what was raised, for tests that want to see it.
    """

    def __init__(
        self, bot_id: str, record: Callable[[Event], Event], redact: Callable[[str], str]
    ) -> None:
        self._bot_id = bot_id
        self._record = record
        self._redact = redact
        self.listener: Callable[[PluginFailed, BaseException | None], None] | None = None

    def __call__(
        self,
        plugin: str,
        where: str,
        error: BaseException | str,
        *,
        detached: bool = False,
        private: bool = False,
        frame: str = "",
    ) -> None:
        """Tell a failure; see `plugin_failure`."""
        event = plugin_failure(
            plugin,
            where,
            error,
            bot_id=self._bot_id,
            redact=self._redact,
            detached=detached,
            private=private,
            frame=frame,
        )
        self._record(event)
        if self.listener is not None:
            self.listener(event, error if isinstance(error, BaseException) else None)

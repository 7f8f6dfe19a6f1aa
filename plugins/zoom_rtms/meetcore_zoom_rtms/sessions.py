"""Whether a stream is paused, by what is told of its sessions. Pure.

A stream has a session for each user of the app for whom it is streamed, and each of them can be
paused by itself: the stream rests only when all of them do.
"""

from __future__ import annotations

from attrs import define, field

from meetcore_zoom_rtms.wire import SessionState

__all__ = ["Sessions"]

_PAUSED = {
    SessionState.STARTED: False,
    SessionState.PAUSED: True,
    SessionState.RESUMED: False,
}


@define
class Sessions:
    """The sessions of one stream, and which of them are paused.

    The one with which the stream began was there before us: it stands without an id, until the
    first thing that is told of a session that we did not see begin.
    """

    _paused: dict[str | None, bool] = field(factory=lambda: {None: False})

    @property
    def paused(self) -> bool:
        """Whether nothing is streamed for anybody."""
        return bool(self._paused) and all(self._paused.values())

    def take(self, session_id: object, state: object) -> None:
        """Take a `SESSION_STATE`; without an id it is of all of them."""
        if state not in (*_PAUSED, SessionState.STOPPED):
            return
        known = SessionState(state)  # type: ignore[arg-type]
        if not isinstance(session_id, str) or not session_id:
            if known in _PAUSED:
                self.whole(paused=_PAUSED[known])
            return
        if session_id not in self._paused and known is not SessionState.STARTED:
            self._paused.pop(None, None)
        if known is SessionState.STOPPED:
            self._paused.pop(session_id, None)
        else:
            self._paused[session_id] = _PAUSED[known]

    def whole(self, *, paused: bool) -> None:
        """Take that the stream itself was paused, or goes on."""
        for session_id in self._paused or {None: False}:
            self._paused[session_id] = paused

"""What a meeting's web client may show, and what follows from it for a bot. Pure."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from meetcore import EndReason

__all__ = ["END_OF", "PageState", "StateEnd", "is_final"]


class PageState(StrEnum):
    """What a page shows."""

    LOADING = "loading"
    GETTING_READY = "getting_ready"
    LAUNCHER = "launcher"
    PRE_JOIN = "pre_join"
    PASSCODE_ASKED = "passcode_asked"
    CONNECTING = "connecting"
    WAITING = "waiting"
    WAITING_FOR_HOST = "waiting_for_host"
    IN_CALL = "in_call"
    RECONNECTING = "reconnecting"
    DENIED = "denied"
    LOBBY_TIMEOUT = "lobby_timeout"
    REFUSED = "refused"
    BOT_WALL = "bot_wall"
    OFFICIAL_API = "official_api"
    CAPTCHA = "captcha"
    SIGN_IN = "sign_in"
    WRONG_PASSCODE = "wrong_passcode"
    NOT_FOUND = "not_found"
    NOT_STARTED = "not_started"
    BROWSER_UNWANTED = "browser_unwanted"
    LOCKED = "locked"
    FULL = "full"
    ENCRYPTED = "encrypted"
    REMOVED = "removed"
    ENDED = "ended"
    MOVED = "moved"
    CONNECTION_LOST = "connection_lost"
    UNKNOWN = "unknown"


@frozen
class StateEnd:
    """How a state ends a bot's attendance.

    Attributes:
        reason: The reason.
        hint: What a host or an operator can do about it, in a sentence.
        again: Whether another attempt from a fresh context may help.
        person: Whether a person at the browser can get the bot past it.
    """

    reason: EndReason
    hint: str = ""
    again: bool = False
    person: bool = False


END_OF: dict[PageState, StateEnd] = {
    PageState.DENIED: StateEnd(
        EndReason.DENIED, "Ask the host to let the bot in, then send it again."
    ),
    PageState.LOBBY_TIMEOUT: StateEnd(
        EndReason.ADMISSION_TIMEOUT,
        "Nobody answered the bot's knock in time. The host must admit it while it waits.",
    ),
    PageState.REFUSED: StateEnd(
        EndReason.BOT_BLOCKED,
        "The platform turned the bot away before anybody in the meeting saw it.",
    ),
    PageState.BOT_WALL: StateEnd(
        EndReason.BOT_BLOCKED, "This meeting does not let automated guests in."
    ),
    PageState.OFFICIAL_API: StateEnd(
        EndReason.OFFICIAL_API_REQUIRED,
        "The platform wants bots to come by its official interface.",
    ),
    PageState.CAPTCHA: StateEnd(
        EndReason.CAPTCHA_REQUIRED,
        "A person has to answer the question that the page asks.",
        person=True,
    ),
    PageState.SIGN_IN: StateEnd(
        EndReason.SIGN_IN_REQUIRED,
        "Only people with an account may join: the host has to allow guests.",
        person=True,
    ),
    PageState.WRONG_PASSCODE: StateEnd(
        EndReason.WRONG_PASSCODE, "Send the bot with the meeting's passcode, or its whole link."
    ),
    PageState.NOT_FOUND: StateEnd(
        EndReason.MEETING_NOT_FOUND, "Check the link: there is no such meeting."
    ),
    PageState.NOT_STARTED: StateEnd(
        EndReason.MEETING_NOT_STARTED, "Send the bot again once the host has started the meeting."
    ),
    PageState.BROWSER_UNWANTED: StateEnd(
        EndReason.CLIENT_NEVER_LOADED,
        "The organiser has to allow people to join from a browser.",
    ),
    PageState.LOCKED: StateEnd(
        EndReason.MEETING_LOCKED, "The host has to unlock the meeting first."
    ),
    PageState.FULL: StateEnd(EndReason.MEETING_FULL, "The meeting has no room for another guest."),
    PageState.ENCRYPTED: StateEnd(
        EndReason.CLIENT_NEVER_LOADED,
        "The web client cannot join a meeting that is encrypted from end to end.",
    ),
    PageState.REMOVED: StateEnd(EndReason.REMOVED),
    PageState.ENDED: StateEnd(EndReason.MEETING_ENDED),
    PageState.MOVED: StateEnd(
        EndReason.REMOVED, "The meeting went on elsewhere; send the bot there."
    ),
    PageState.CONNECTION_LOST: StateEnd(EndReason.CONNECTION_LOST, again=True),
}
"""The states in which there is no call any more, or there never will be."""


def is_final(state: PageState) -> bool:
    """Whether there is no call any more, or never will be, once a page shows it."""
    return state in END_OF

"""Why a stream ended, as a bot's end: a table. Pure."""

from __future__ import annotations

from typing import Any

from meetcore import EndReason, Evidence
from meetcore_zoom_rtms.wire import Status, StopReason

__all__ = ["end_of_stream", "refusal"]

_R = StopReason
_ENDS: dict[StopReason, tuple[EndReason, str]] = {
    _R.HOST: (EndReason.REMOVED, "the host ended the stream"),
    _R.USER: (EndReason.REMOVED, "the user who started the stream ended it"),
    _R.USER_LEFT: (EndReason.REMOVED, "the user for whom it was streamed left the meeting"),
    _R.USER_EJECTED: (EndReason.REMOVED, "the user for whom it was streamed was removed"),
    _R.HOST_DISABLED_APP: (EndReason.REMOVED, "the host disabled the app"),
    _R.MEETING_ENDED: (EndReason.MEETING_ENDED, "the meeting ended"),
    _R.CANCELED: (EndReason.REMOVED, "the stream was cancelled"),
    _R.REVOKED: (EndReason.REMOVED, "the app's leave to stream was revoked"),
    _R.ALL_APPS_DISABLED: (EndReason.REMOVED, "the host disabled all apps"),
    _R.AUTHENTICATION_FAILED: (
        EndReason.SIGN_IN_REQUIRED,
        "Zoom did not accept the app's credentials",
    ),
    _R.CLOSED_BY_RECEIVER: (EndReason.STOP_REQUESTED, "we asked for the stream to be closed"),
    _R.CUSTOMER_DISCONNECTED: (EndReason.MEETING_ENDED, "the customer hung up"),
    _R.AGENT_DISCONNECTED: (EndReason.MEETING_ENDED, "the agent hung up"),
    _R.ADMIN_DISABLED_APP: (EndReason.REMOVED, "an administrator disabled the app"),
    _R.MANUAL_API: (EndReason.REMOVED, "the stream was ended over Zoom's API"),
    _R.NOT_SUPPORTED: (EndReason.BOT_BLOCKED, "the meeting cannot be streamed"),
}
_REFUSALS: dict[int, tuple[EndReason, str]] = {
    Status.INVALID_STREAM: (EndReason.MEETING_NOT_FOUND, "Zoom knows no such stream (any more)"),
    Status.INVALID_SIGNATURE: (
        EndReason.SIGN_IN_REQUIRED,
        "Zoom did not accept the signature: is client_secret that of the app client_id?",
    ),
    Status.DUPLICATE_SIGNALLING: (EndReason.BOT_BLOCKED, "another client receives this stream"),
    Status.MEDIA_CONNECTION_EXISTS: (EndReason.BOT_BLOCKED, "another client has its media"),
    Status.DUPLICATE_MEDIA: (EndReason.BOT_BLOCKED, "another client has its media"),
}


def end_of_stream(stop_reason: Any) -> tuple[EndReason, Evidence]:
    """Return what a stream's `stop_reason` means; what is not in the table is a lost connection."""
    try:
        known = StopReason(stop_reason)
    except ValueError:
        return EndReason.CONNECTION_LOST, Evidence("stream_ended", f"stop_reason {stop_reason!r}")
    words = known.name.lower().replace("_", " ")
    reason, detail = _ENDS.get(known, (EndReason.CONNECTION_LOST, f"Zoom says: {words}"))
    return reason, Evidence("stream_ended", f"{detail} (stop_reason {int(known)})")


def refusal(status: Any, said: Any, where: str) -> tuple[EndReason, Evidence]:
    """Return what the status of a handshake means for a bot that cannot go on.

    Args:
        status: `status_code`.
        said: `reason`, Zoom's own words.
        where: Which handshake: `signalling` or `media`.
    """
    reason, detail = _REFUSALS.get(
        status if isinstance(status, int) else -1,
        (EndReason.CONNECTION_LOST, "Zoom refused the handshake"),
    )
    words = f" ({said})" if isinstance(said, str) and said else ""
    return reason, Evidence(f"{where}_handshake", f"{detail}: status_code {status}{words}")

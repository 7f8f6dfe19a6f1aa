"""Links to what a bot recorded, that end by themselves."""

from __future__ import annotations

from datetime import datetime, timedelta

from meetcore.gateway import BotRow, Client, Service
from meetcore_skribby.bot_object import wish_of
from meetcore_skribby.journal_summary import JournalSummary

__all__ = ["recording_link"]

_DAY_S = 24 * 3600
_RECORDING_S = 7 * _DAY_S
_RECORDING_YEAR_S = 365 * _DAY_S


def recording_link(
    service: Service, origin_url: str, client: Client, row: BotRow, summary: JournalSummary
) -> tuple[str | None, datetime | None]:
    """Return a link to the recording of a bot that has ended, and until when it is good.

    It is the video where there is one, and the meeting's sound otherwise. The link is no stronger
    than the client's key, and ends with it.
    """
    recording = summary.video or summary.recording
    if recording is None or not row.ended:
        return None, None
    now = service.now()
    expires_s = float(_RECORDING_YEAR_S if wish_of(row).keep_a_year else _RECORDING_S)
    if row.delete_after is not None:
        expires_s = min(expires_s, (row.delete_after - now).total_seconds())
    if expires_s <= 0:
        return None, None
    path = recording.path
    url = service.media_url(origin_url, row, path, client=client, expires_s=expires_s)
    return url, now + timedelta(seconds=expires_s)

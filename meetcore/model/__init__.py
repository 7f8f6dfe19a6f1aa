"""The words of a meeting, and what can be decided without waiting: classes and functions.

What every plugin needs of it stands in `meetcore`; a server or a dialect finds the rest here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meetcore.model.lazy import lazy_face

if TYPE_CHECKING:
    from meetcore.model.addresses import is_address as is_address
    from meetcore.model.addresses import is_public as is_public
    from meetcore.model.addresses import url_trouble as url_trouble
    from meetcore.model.backoff import backoff_s as backoff_s
    from meetcore.model.chapters import Chapter as Chapter
    from meetcore.model.chapters import Chapters as Chapters
    from meetcore.model.config import merged as merged
    from meetcore.model.errors import brief as brief
    from meetcore.model.errors import found_in as found_in
    from meetcore.model.errors import nearest as nearest
    from meetcore.model.events import EVENT_TYPES as EVENT_TYPES
    from meetcore.model.exclusion import ExcludedTimes as ExcludedTimes
    from meetcore.model.exclusion import plain_name as plain_name
    from meetcore.model.languages import language_tag as language_tag
    from meetcore.model.languages import spoken_language as spoken_language
    from meetcore.model.links import NoLinkFromId as NoLinkFromId
    from meetcore.model.links import build_link as build_link
    from meetcore.model.links import is_teams_host as is_teams_host
    from meetcore.model.links import known_id as known_id
    from meetcore.model.links import with_passcode as with_passcode
    from meetcore.model.meeting import without_query as without_query
    from meetcore.model.paragraphs import Paragraph as Paragraph
    from meetcore.model.paragraphs import ParagraphFlow as ParagraphFlow
    from meetcore.model.paragraphs import paragraphs_of as paragraphs_of
    from meetcore.model.paragraphs import txt_paragraph as txt_paragraph
    from meetcore.model.paragraphs import without_fillers as without_fillers
    from meetcore.model.plain import as_utc as as_utc
    from meetcore.model.printable import is_blank as is_blank
    from meetcore.model.printable import one_line as one_line
    from meetcore.model.subtitles import VTT_HEAD as VTT_HEAD
    from meetcore.model.subtitles import Cue as Cue
    from meetcore.model.subtitles import CueQueue as CueQueue
    from meetcore.model.subtitles import cues_of as cues_of
    from meetcore.model.subtitles import srt_block as srt_block
    from meetcore.model.subtitles import vtt_block as vtt_block
    from meetcore.model.transcript import spoken_order as spoken_order
    from meetcore.model.wire import command_from_wire as command_from_wire
    from meetcore.model.wire import event_to_wire as event_to_wire
    from meetcore.model.work_events import REVISES as REVISES

_HOMES: dict[str, tuple[str, ...]] = {
    "addresses": ("is_address", "is_public", "url_trouble"),
    "backoff": ("backoff_s",),
    "chapters": ("Chapter", "Chapters"),
    "config": ("merged",),
    "errors": ("brief", "found_in", "nearest"),
    "events": ("EVENT_TYPES",),
    "exclusion": ("ExcludedTimes", "plain_name"),
    "languages": ("language_tag", "spoken_language"),
    "links": ("NoLinkFromId", "build_link", "is_teams_host", "known_id", "with_passcode"),
    "meeting": ("without_query",),
    "plain": ("as_utc",),
    "printable": ("is_blank", "one_line"),
    "paragraphs": (
        "Paragraph",
        "ParagraphFlow",
        "paragraphs_of",
        "txt_paragraph",
        "without_fillers",
    ),
    "subtitles": ("Cue", "CueQueue", "VTT_HEAD", "cues_of", "srt_block", "vtt_block"),
    "transcript": ("spoken_order",),
    "wire": ("command_from_wire", "event_to_wire"),
    "work_events": ("REVISES",),
}

__all__ = sorted(name for names in _HOMES.values() for name in names)  # pyright: ignore[reportUnsupportedDunderAll]

__getattr__, __dir__ = lazy_face(__name__, _HOMES)

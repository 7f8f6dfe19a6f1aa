"""What a call's captions say: the transcript of those who need no sound, or evidence for names."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import trio

from meetcore.bot.context import BotContext
from meetcore.log.mailbox import Wake
from meetcore.model.caption_names import NamedLine
from meetcore.model.captions import CaptionReader, CaptionText
from meetcore.model.plain import rounded_s
from meetcore.model.roster import NameSource, Roster
from meetcore.model.signals import CaptionSeen
from meetcore.model.transcript import Segment
from meetcore.plugin.captions import CaptionsOptions

__all__ = ["CAPTIONS_TRACK", "Captioning", "caption_line", "caption_segment"]

CAPTIONS_TRACK = "captions"
_BY_ID = 0.9
_BY_NAME = 0.8
_NAME_ONLY = 0.7


class Captioning:
    """Makes texts, growing and finished, of what a platform's captions show.

    Args:
        bot: The bot's records.
        options: When a line counts as finished.
        take_text: Takes each stretch, whenever it is another than before.
    """

    def __init__(
        self,
        bot: BotContext,
        options: CaptionsOptions,
        take_text: Callable[[CaptionText], None],
    ) -> None:
        self._bot = bot
        self._take_text = take_text
        self._reader = CaptionReader(options.settle_s, options.longest_s, options.lag_s)
        self._wake = Wake()

    def see(self, caption: CaptionSeen, offset_s: float | None) -> None:
        """Take a caption.

        Args:
            caption: What the line shows.
            offset_s: Where sample 0 of the call's clock lies in the meeting, None while unknown.
        """
        at_s = self._bot.meeting_now() or 0.0
        if caption.at_s is not None and offset_s is not None:
            at_s = caption.at_s + offset_s
        self._tell(self._reader.see(caption, rounded_s(at_s), trio.current_time()))
        self._wake.set()

    def pause(self, *, paused: bool) -> None:
        """Keep everything back, or no longer."""
        if paused:
            self._tell(self._reader.pause())
        else:
            self._reader.resume(trio.current_time())

    def finish(self) -> None:
        """Finalize every line: nothing follows."""
        self._tell(self._reader.finish())

    async def run(self) -> None:
        """Finalize lines that change no more, for ever."""
        while True:
            with trio.move_on_at(self._reader.due_s):
                await self._wake.wait()
            self._tell(self._reader.settle(trio.current_time()))

    def _tell(self, texts: Iterable[CaptionText]) -> None:
        for text in texts:
            self._take_text(text)


def caption_segment(roster: Roster, text: CaptionText) -> Segment:
    """Return a caption as a segment, for those whose transcript the captions are."""
    participant_id, confidence = _whose(roster, text)
    return Segment(
        id=text.id,
        revision=text.revision,
        finalized=text.final,
        track_id=CAPTIONS_TRACK,
        participant_id=participant_id,
        speaker_name=roster.name_of(participant_id) or text.name or None,
        speaker_source=NameSource.CAPTION,
        speaker_confidence=confidence,
        text=text.text,
        start_s=text.start_s,
        end_s=text.end_s,
        onset_s=text.start_s,
    )


def caption_line(roster: Roster, text: CaptionText) -> NamedLine:
    """Return a finished caption as evidence for who says the words that the transcriber hears."""
    return NamedLine(
        key=text.id,
        participant_id=_whose(roster, text)[0],
        text=text.text,
        start_s=text.start_s,
        end_s=text.end_s,
    )


def _whose(roster: Roster, text: CaptionText) -> tuple[str | None, float]:
    """Return who speaks and how sure that is; a name that two people have is nobody's."""
    if text.participant_id is not None:
        return text.participant_id, _BY_ID
    for people in (roster.present, roster.known):
        named = [person.id for person in people.values() if person.name == text.name]
        if len(named) == 1:
            return named[0], _BY_NAME
    return None, _NAME_ONLY

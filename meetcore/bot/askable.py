"""What can be asked of a bot, a method each; `Bot` is one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager

from meetcore.bot.looks import BotLooks
from meetcore.bot.speaking import Speech, SpeechQueue, SpeechSource
from meetcore.model.commands import (
    AnswerPerson,
    BargeIn,
    Command,
    HidePicture,
    MarkTopic,
    NameVoice,
    PauseRecording,
    PersonAnswer,
    Reconnect,
    ResumeRecording,
    SendChat,
    ShareImage,
    SharePage,
    ShowImage,
    ShowPage,
    Speak,
    Stop,
    StopSharing,
    WhenSpeaking,
)
from meetcore.model.errors import CommandRefused
from meetcore.model.page_input import PagePicture, PictureFormat
from meetcore.plugin.page_view import LookIn

__all__ = ["AskableBot"]


class AskableBot(ABC):
    """Whoever carries out commands, speaks and has a page to be seen."""

    _speeches: SpeechQueue
    _looks: BotLooks

    @abstractmethod
    async def perform(self, command: Command) -> None:
        """Carry out a command; see `CommandRunner.perform` for its errors. At most 30 s."""

    async def stop(self, detail: str = "") -> None:
        """Leave the meeting and finish; returns at once, `wait_ended` waits for the end.

        It waits for no other command; one in hand is given up with `CommandFailed`.
        """
        await self.perform(Stop(detail))

    async def send_chat(self, text: str, to: str | None = None) -> None:
        """Send a chat message to everybody in the meeting, or `to` one person alone.

        Args:
            text: The message.
            to: A participant's id, or their name where only one has it; None for everybody.

        Raises:
            CapabilityMissing: The platform has no chat, or no direct messages.
            RecipientRefused: Nobody is called so, or several are.
            CommandRefused: The bot is not in the call.
            CommandFailed: It did not work.
        """
        await self.perform(SendChat(text, to))

    def say(
        self,
        source: SpeechSource,
        *,
        sample_rate_hz: int = 16_000,
        when_speaking: WhenSpeaking | str = WhenSpeaking.APPEND,
        text: str = "",
        barge_in: BargeIn | str | None = None,
    ) -> Speech:
        """Say something, where the platform can; returns at once.

        Args:
            source: Int16 mono PCM; a Path to a WAV file; text, for the configured synthesizer; or
                an async iterator of PCM, as a voice agent gives it: it is read as it is played.
                Text among its pieces is what the sound after it says.
            sample_rate_hz: The rate of PCM.
            when_speaking: Whether it waits (`append`), takes the place (`interrupt`) or is refused
                (`refuse`) while something is being said.
            text: What it says in words, for its events, where the source is none.
            barge_in: As in `[speech]` of the configuration, whose value holds where it is None.

        Returns:
            The speech, to wait for and to interrupt.

        Raises:
            CommandRefused: The bot is not in the call, or this cannot be said.
            CapabilityMissing: The platform cannot.
        """
        return self._speeches.say(
            source,
            sample_rate_hz=sample_rate_hz,
            when_speaking=when_speaking,
            text=text,
            barge_in=barge_in,
        )

    async def speak(self, pcm: bytes, sample_rate_hz: int = 16_000) -> None:
        """Say int16 mono PCM, where the platform can; returns when it has its place."""
        await self.perform(Speak(pcm, sample_rate_hz))

    async def show_image(self, image: bytes, media_type: str = "image/png") -> None:
        """Show a picture as the bot's camera, where the platform can."""
        await self.perform(ShowImage(_bytes_of(image), media_type))

    async def show_page(self, url: str) -> None:
        """Show a web page as the bot's camera, as it changes, where the platform can.

        Its host, and whatever it loads from, has to be listed by the operator: `page_hosts` in
        `[plugins.browser]`.
        """
        await self.perform(ShowPage(url))

    async def hide_picture(self) -> None:
        """Show nothing any more, neither a picture nor a page: the camera goes off."""
        await self.perform(HidePicture())

    async def share_image(self, image: bytes, media_type: str = "image/png") -> None:
        """Share a picture as the bot's screen, where the platform can, until `stop_sharing`."""
        await self.perform(ShareImage(_bytes_of(image), media_type))

    async def share_page(self, url: str) -> None:
        """Share a web page as the bot's screen, as it changes, where the platform can.

        Its host, and whatever it loads from, has to be listed by the operator: `page_hosts` in
        `[plugins.browser]`.
        """
        await self.perform(SharePage(url))

    async def stop_sharing(self) -> None:
        """Share no screen any more."""
        await self.perform(StopSharing())

    async def answer_person(self, answer: PersonAnswer | str = PersonAnswer.DONE) -> None:
        """Say that what the page wanted of a person is `done`, or that the bot is to `give_up`."""
        await self.perform(AnswerPerson(answer))

    async def reconnect(self, url: str) -> None:
        """Go on with the same meeting at another address, where the platform has moved it."""
        await self.perform(Reconnect(url))

    async def name_voice(self, track_id: str, voice: str, name: str) -> None:
        """Give a voice that a segment names by its label a name; an empty one takes it back."""
        await self.perform(NameVoice(track_id, voice, name))

    async def mark_topic(self, topic: str) -> None:
        """Say what the meeting is about from now on: it begins a chapter of the recording."""
        await self.perform(MarkTopic(topic))

    async def pause(self) -> None:
        """Record and transcribe nothing from now on; stay in the call."""
        await self.perform(PauseRecording())

    async def resume(self) -> None:
        """Record and transcribe again."""
        await self.perform(ResumeRecording())

    async def screenshot(
        self, picture_format: PictureFormat | str = PictureFormat.JPEG, *, by: str = ""
    ) -> PagePicture:
        """Return a picture of the bot's page as it is now, in any state; at most 10 s.

        It shows everybody, whoever is left out of the recording.

        Args:
            picture_format: `jpeg` or `png`.
            by: Who asks, for the journal.

        Raises:
            CommandRefused: It is neither; or there is no page now, or (`CapabilityMissing`) not on
                this platform.
            CommandFailed: The page gave none, or not in time.
        """
        if picture_format not in tuple(PictureFormat):
            known = " or ".join(PictureFormat)
            raise CommandRefused(f"A picture of the page is {known}, not {picture_format!r}.")
        return await self._looks.screenshot(PictureFormat(picture_format), by=by)

    def look_in(self, *, by: str = "") -> AbstractAsyncContextManager[LookIn]:
        """Look at the bot's page while the block lasts, and take it over where that is needed.

            async with bot.look_in(by="ada") as look:
                picture = await look.next_picture()
                await look.take_over()
                await look.act(MouseInput(action="down", x=0.5, y=0.5))

        Args:
            by: Who looks, for the journal.

        Raises:
            CommandRefused: There is no page now, as many look as may, or (`CapabilityMissing`)
                there is none on this platform.
            CommandFailed: The page cannot be looked at.
        """
        return self._looks.look_in(by=by)


def _bytes_of(image: object) -> bytes:
    if isinstance(image, (bytes, bytearray, memoryview)):
        return bytes(image)
    raise CommandRefused(
        f"A {type(image).__name__} is no picture.", "Give the bytes of a whole PNG, JPEG or GIF."
    )

"""What a bot is asked to do in the meeting: chat; speak, show and appear where a platform can."""

from __future__ import annotations

import base64
import binascii
import io
import wave
from collections.abc import Mapping
from contextlib import suppress

from meetcore import (
    IN_CALL,
    Capability,
    InterruptSpeech,
    MediaRefused,
    NotFetched,
    SendChat,
    ShareImage,
    SharePage,
    ShowImage,
    Speak,
    StopSharing,
)
from meetcore.gateway import (
    BodyFields,
    BotRow,
    Refusal,
    Reply,
    Request,
    Route,
    Scope,
    fetched_picture,
    history_of,
    note_headers,
    picture,
    plain_picture,
)
from meetcore_vexa.create_request import fields_of
from meetcore_vexa.errors import invalid
from meetcore_vexa.lookup import Lookup

__all__ = ["ActionRoutes"]

_BYTES = 8 * 1024 * 1024
_RATE_HZ = 24_000


class ActionRoutes:
    """Handlers of /bots/{platform}/{native_id}/(chat, speak, screen, avatar).

    Args:
        lookup: The way in.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._service = lookup.service

    def routes(self) -> list[Route]:
        """Return the routes."""
        meeting = "/bots/{platform}/{native_id}"
        return [
            Route("GET", f"{meeting}/chat", self.read_chat),
            Route("POST", f"{meeting}/chat", self.send_chat),
            Route("POST", f"{meeting}/speak", self.speak, body_bytes=_BYTES),
            Route("DELETE", f"{meeting}/speak", self.be_quiet),
            Route("POST", f"{meeting}/screen", self.share_screen),
            Route("DELETE", f"{meeting}/screen", self.stop_screen),
            Route("PUT", f"{meeting}/avatar", self.set_avatar, body_bytes=_BYTES),
            Route("DELETE", f"{meeting}/avatar", self.reset_avatar),
        ]

    async def _active(self, request: Request) -> BotRow:
        client = await self._lookup.client(request, Scope.WRITE)
        platform, native_id = request.params["platform"], request.params["native_id"]
        rows = await self._lookup.meetings(client, platform, native_id, live=True)
        for row in rows:
            if row.state in IN_CALL:
                return row
        raise Refusal(404, f"No active meeting found for {platform}/{native_id}")

    async def read_chat(self, request: Request) -> Reply:
        """Return what was said in the chat, also after the meeting."""
        client = await self._lookup.client(request, Scope.READ)
        platform, native_id = request.params["platform"], request.params["native_id"]
        rows = await self._lookup.meetings(client, platform, native_id)
        if not rows:
            raise Refusal(404, f"No meeting found for {platform}/{native_id}")
        history = await history_of(self._service, rows[0])
        messages = [
            {
                "sender": line.sender_name,
                "text": line.text,
                "timestamp": round(line.at.timestamp() * 1000),
                "is_from_bot": line.by_bot,
            }
            for line in history.chat
        ]
        return Reply(json={"messages": messages, "meeting_id": rows[0].number})

    async def send_chat(self, request: Request) -> Reply:
        """Write into the chat."""
        await self._lookup.client(request, Scope.WRITE)
        body = fields_of(request.json())
        text = body.text("text", longest=10_000)
        if text is None or not text.strip():
            raise Refusal(400, "text is required")
        row = await self._active(request)
        await self._service.perform(row, SendChat(text))
        return _accepted("Chat message sent", row)

    async def speak(self, request: Request) -> Reply:
        """Say something: audio that is sent or fetched, or a text with the server's voice."""
        await self._lookup.client(request, Scope.WRITE)
        body = fields_of(request.json())
        text, url = body.text("text", longest=10_000), body.text("audio_url")
        audio = body.text("audio_base64", longest=2 * _BYTES)
        if text is None and url is None and audio is None:
            raise Refusal(400, "Must provide one of: text, audio_url, or audio_base64")
        row = await self._active(request)
        if audio is not None:
            data = _decoded("audio_base64", audio.rpartition(";base64,")[2])
            speech = await self._sound(body, data, body.text("format", longest=20) or "wav")
        elif url is not None:
            data = await self._service.fetch(url, most_bytes=_BYTES)
            speech = await self._sound(body, data, body.text("format", longest=20) or "")
        else:
            speech = Speak(text=text or "")
        if not speech.pcm and not speech.text:
            raise MediaRefused("There is no sound in it.")
        await self._service.perform(row, speech)
        chosen = body.get("voice") or body.get("provider")
        note = "The voice is the server's own." if chosen and speech.text else None
        return _accepted("Speak command sent", row, note)

    async def _sound(self, body: BodyFields, data: bytes, kind: str) -> Speak:
        """Return what is to be said, from samples as they are or from a file of sound."""
        if kind == "pcm":
            rate = body.body.get("sample_rate", _RATE_HZ)
            if isinstance(rate, bool) or not isinstance(rate, int) or not 8000 <= rate <= 48_000:
                raise invalid(["body", "sample_rate"], "Input should be between 8000 and 48000")
            if body.body.get("channels", 1) != 1:
                raise invalid(["body", "channels"], "Input should be 1 for format 'pcm'")
            return Speak(data[: len(data) // 2 * 2], rate)
        plain = _plain_wav(data)
        if plain is not None:
            return plain
        return Speak(await self._service.pcm_of(data, _RATE_HZ), _RATE_HZ)

    async def be_quiet(self, request: Request) -> Reply:
        """Have a bot be silent; where it cannot speak, it is."""
        row = await self._active(request)
        if Capability.SPEAK in self._service.capabilities(row.url):
            await self._service.perform(row, InterruptSpeech())
        return _accepted("Speak stop command sent", row)

    async def share_screen(self, request: Request) -> Reply:
        """Share an image or a page as the bot's screen; without one an image is its camera's."""
        await self._lookup.client(request, Scope.WRITE)
        body = fields_of(request.json())
        kind = body.text("type", longest=50)
        if kind not in ("image", "video", "url", "html"):
            raise Refusal(400, "type must be one of: image, video, url, html")
        url = body.text("url")
        if kind == "image" and url is None:
            raise Refusal(400, "url is required for type image")
        if kind == "url" and url is None:
            raise Refusal(400, "url is required for type url")
        row = await self._active(request)
        shares = Capability.SHARE_SCREEN in self._service.capabilities(row.url)
        if url is None or kind not in ("image", "url") or (kind == "url" and not shares):
            raise _missing(f"The bot can share no {kind} there.")
        note = None
        if kind == "url":
            await self._service.perform(row, SharePage(url))
        else:
            image = await fetched_picture(self._service, url)
            if shares:
                await self._service.perform(row, ShareImage(image.image, image.media_type))
            else:
                await self._service.perform(row, image)
                note = "The image is shown as the bot's camera: it cannot share a screen here."
        kept = {**row.extras, "screen": "shared" if shares else "camera"}
        row = await self._service.put_extras(row, kept)
        return _accepted("Screen content command sent", row, note)

    async def stop_screen(self, request: Request) -> Reply:
        """Share nothing any more; of an image as the camera, the avatar stands in its place."""
        row = await self._active(request)
        if screen := row.extras.get("screen"):
            command = StopSharing() if screen == "shared" else await self._avatar(row)
            await self._service.perform(row, command)
            row = await self._service.put_extras(row, {**row.extras, "screen": False})
        return _accepted("Screen stop command sent", row)

    async def _avatar(self, row: BotRow) -> ShowImage:
        avatar = row.extras.get("avatar")
        if isinstance(avatar, Mapping):
            with suppress(NotFetched, MediaRefused):  # it was there once
                return await fetched_picture(self._service, str(avatar["url"]))
        return plain_picture()

    async def set_avatar(self, request: Request) -> Reply:
        """Show a picture as the bot's camera, where the platform can."""
        await self._lookup.client(request, Scope.WRITE)
        body = fields_of(request.json())
        url = body.text("url")
        encoded = body.text("image_base64", longest=2 * _BYTES)
        if url is None and encoded is None:
            raise Refusal(400, "Must provide one of: url or image_base64")
        row = await self._active(request)
        if encoded is not None:
            command = picture(_decoded("image_base64", encoded.rpartition(";base64,")[2]))
        else:
            command = await fetched_picture(self._service, url or "")
        await self._service.perform(row, command)
        kept = True if encoded is not None else {"url": url}
        row = await self._service.put_extras(row, {**row.extras, "avatar": kept})
        return _accepted("Avatar set command sent", row)

    async def reset_avatar(self, request: Request) -> Reply:
        """Take the picture back: an even grey stands in its place, for the camera stays on."""
        row = await self._active(request)
        if row.extras.get("avatar"):
            await self._service.perform(row, plain_picture())
            row = await self._service.put_extras(row, {**row.extras, "avatar": False})
        return _accepted("Avatar reset command sent", row)


def _accepted(message: str, row: BotRow, note: str | None = None) -> Reply:
    body = {"message": message, "meeting_id": row.number}
    return Reply(status=202, json=body, headers=note_headers(note))


def _missing(what: str) -> Refusal:
    """Return what the vendor answers where a feature is not served: 404."""
    return Refusal(404, f"Not Found. {what}")


def _decoded(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid(["body", name], "This is not base64") from error


def _plain_wav(data: bytes) -> Speak | None:
    """Return what a WAV file of 16 bits and one channel says; None for any other file."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            if file.getsampwidth() != 2 or file.getnchannels() != 1:
                return None
            return Speak(file.readframes(file.getnframes()), file.getframerate())
    except (wave.Error, EOFError, ValueError):
        return None

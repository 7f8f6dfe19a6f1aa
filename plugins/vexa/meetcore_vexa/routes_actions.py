"""What a bot is asked to do in the meeting: chat; speak, show and appear where a platform can."""

from __future__ import annotations

import base64
import binascii
import io
import wave

from meetcore import IN_CALL, Capability, InterruptSpeech, SendChat, ShowImage, Speak
from meetcore.gateway import BodyFields, BotRow, Refusal, Reply, Request, Route, Scope, history_of
from meetcore_vexa.create_request import fields_of
from meetcore_vexa.errors import invalid
from meetcore_vexa.lookup import Lookup

__all__ = ["ActionRoutes"]

_BYTES = 8 * 1024 * 1024
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"


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
        """Say something: audio as it is sent; for text there is no voice here."""
        await self._lookup.client(request, Scope.WRITE)
        body = fields_of(request.json())
        text, url = body.text("text", longest=10_000), body.text("audio_url")
        audio = body.text("audio_base64", longest=2 * _BYTES)
        if text is None and url is None and audio is None:
            raise Refusal(400, "Must provide one of: text, audio_url, or audio_base64")
        row = await self._active(request)
        if audio is None:
            raise _missing(
                "This server has no text-to-speech and fetches no audio; "
                "send 'audio_base64' with format 'wav' or 'pcm'."
            )
        speech = _speech(body, audio)
        await self._service.perform(row, speech)
        return _accepted("Speak command sent", row)

    async def be_quiet(self, request: Request) -> Reply:
        """Have a bot be silent; where it cannot speak, it is."""
        row = await self._active(request)
        if Capability.SPEAK in self._service.capabilities(row.url):
            await self._service.perform(row, InterruptSpeech())
        return _accepted("Speak stop command sent", row)

    async def share_screen(self, request: Request) -> Reply:
        """Refuse: no platform here shares a screen."""
        await self._lookup.client(request, Scope.WRITE)
        body = fields_of(request.json())
        kind = body.text("type", longest=50)
        if kind not in ("image", "video", "url", "html"):
            raise Refusal(400, "type must be one of: image, video, url, html")
        await self._active(request)
        raise _missing("This server cannot share a screen.")

    async def stop_screen(self, request: Request) -> Reply:
        """Agree: no screen is ever shared."""
        return _accepted("Screen stop command sent", await self._active(request))

    async def set_avatar(self, request: Request) -> Reply:
        """Show a picture as the bot's camera, where the platform can."""
        await self._lookup.client(request, Scope.WRITE)
        body = fields_of(request.json())
        url = body.text("url")
        encoded = body.text("image_base64", longest=2 * _BYTES)
        if url is None and encoded is None:
            raise Refusal(400, "Must provide one of: url or image_base64")
        row = await self._active(request)
        if encoded is None:
            raise _missing("This server fetches no pictures; send 'image_base64'.")
        image = _decoded("image_base64", encoded.rpartition(";base64,")[2])
        if not image.startswith((_PNG, _JPEG)):
            raise invalid(["body", "image_base64"], "The picture must be a PNG or a JPEG")
        media_type = "image/png" if image.startswith(_PNG) else "image/jpeg"
        await self._service.perform(row, ShowImage(image, media_type))
        row = await self._service.put_extras(row, {**row.extras, "avatar": True})
        return _accepted("Avatar set command sent", row)

    async def reset_avatar(self, request: Request) -> Reply:
        """Agree while no picture is shown; one that is stays until the next."""
        row = await self._active(request)
        if row.extras.get("avatar"):
            raise _missing("This server cannot take a picture back.")
        return _accepted("Avatar reset command sent", row)


def _accepted(message: str, row: BotRow) -> Reply:
    return Reply(status=202, json={"message": message, "meeting_id": row.number})


def _missing(what: str) -> Refusal:
    """Return what the vendor answers where a feature is not served: 404."""
    return Refusal(404, f"Not Found. {what}")


def _decoded(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid(["body", name], "This is not base64") from error


def _speech(body: BodyFields, encoded: str) -> Speak:
    raw = _decoded("audio_base64", encoded.rpartition(";base64,")[2])
    kind = body.text("format", longest=20) or "wav"
    if kind == "pcm":
        rate = body.body.get("sample_rate", 24_000)
        if isinstance(rate, bool) or not isinstance(rate, int) or not 8000 <= rate <= 48_000:
            raise invalid(["body", "sample_rate"], "Input should be between 8000 and 48000")
        return Speak(raw[: len(raw) // 2 * 2], rate)
    if kind != "wav":
        raise _missing(f"Audio of format '{kind}' cannot be decoded here; send 'wav' or 'pcm'.")
    try:
        with wave.open(io.BytesIO(raw)) as file:
            if file.getsampwidth() != 2 or file.getnchannels() != 1:
                raise invalid(["body", "audio_base64"], "The audio must be 16 bit and mono")
            return Speak(file.readframes(file.getnframes()), file.getframerate())
    except (wave.Error, EOFError, ValueError) as error:
        raise invalid(["body", "audio_base64"], "This is no WAV file") from error

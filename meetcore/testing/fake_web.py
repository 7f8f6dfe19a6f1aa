"""The web as a `FakeService` sees it: what a test says lies where, and how sound is decoded."""

from __future__ import annotations

from meetcore.model.errors import MediaRefused, NotFetched

__all__ = ["FakeWeb"]


class FakeWeb:
    """What `FakeService` fetches and decodes.

    Attributes:
        web: What lies at which URL; nothing else can be fetched.
        sounds: The PCM of encoded sound; nothing else can be decoded.
        fetched: The URLs that were asked for.
        decoded_at: The rates that sound was asked for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.web: dict[str, bytes] = {}
        self.sounds: dict[bytes, bytes] = {}
        self.fetched: list[str] = []
        self.decoded_at: list[int] = []

    async def fetch(self, url: str, *, most_bytes: int) -> bytes:
        """Return what lies at a URL."""
        self.fetched.append(url)
        found = self.web.get(url)
        if found is None:
            raise NotFetched("There is nothing to be had at that address.")
        if len(found) > most_bytes:
            raise NotFetched(f"What lies there is longer than {most_bytes} bytes.")
        return found

    async def pcm_of(self, data: bytes, sample_rate_hz: int) -> bytes:
        """Return the sound of a media file."""
        self.decoded_at.append(sample_rate_hz)
        if data not in self.sounds:
            raise MediaRefused("It holds no sound that can be decoded.")
        return self.sounds[data]

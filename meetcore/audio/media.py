"""A piece of media that passes the core by: encoded sound, video, a screen share."""

from __future__ import annotations

from attrs import field, frozen

__all__ = ["MediaFragment"]


@frozen(kw_only=True)
class MediaFragment:
    """One fragment of a stream of media, as the platform made it; the core looks at none of it.

    Attributes:
        track_id: What it is a fragment of.
        number: Its number within the track, from 0; none is given twice, and one that is missing
            was lost or kept back.
        kind: What it shows or sounds: `audio`, `video`, `screen`, or `tab` for all of a page.
        container: How it is wrapped, as a media type, for instance `video/mp4;codecs=avc1,opus`.
        data: The bytes.
        at_s: When it begins, in seconds on the call's sample clock.
        duration_s: How long it is, in seconds; 0 for a header.
        header: Whether it is the container's beginning, without which what follows cannot be
            read. It has no media in it, so it is passed on in a pause as well.
    """

    track_id: str
    number: int
    kind: str
    container: str
    data: bytes = field(repr=lambda data: f"<{len(data)} bytes>")
    at_s: float
    duration_s: float
    header: bool = False

"""The options of the platform, and of the webhook that sends bots to streams."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen
from attrs.validators import in_

from meetcore import Secret

__all__ = ["ReceiverOptions", "RtmsOptions"]


@frozen(kw_only=True)
class RtmsOptions:
    """How Zoom is told who we are.

    Attributes:
        client_id: The app's client id.
        client_secret: The app's client secret.
        audio: `speakers` for one track for each speaker, with name; `mixed` for one track of
            everybody, which Zoom makes smaller, named by who the active speaker is.
        hosts: Where servers of streams may be: these hosts and all below them. A handshake proves
            to its server that we are the app, so no other server gets one.
    """

    client_id: str = ""
    client_secret: Secret | None = None
    audio: Literal["speakers", "mixed"] = field(
        default="speakers", validator=in_(("speakers", "mixed"))
    )
    hosts: tuple[str, ...] = ("zoom.us",)


@frozen(kw_only=True)
class ReceiverOptions:
    """Of `[plugins.server.dialects.zoom_rtms]`.

    Attributes:
        secret_token: The app's secret token, by which Zoom signs its webhooks. Without one there
            is no webhook.
        api_key: A key of this server: whose bots they are.
        transcriber: Who transcribes: a name, `default` for the server's own, `none` for nobody.
        name: The bots' name, None for the server's default.
    """

    secret_token: Secret | None = None
    api_key: Secret | None = None
    transcriber: str = "default"
    name: str | None = None

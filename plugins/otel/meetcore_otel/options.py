"""The plugin's options, `[plugins.otel]`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from attrs import Factory, field, frozen

from meetcore import ConfigError, Secret

__all__ = ["OtelOptions"]

_PATH = "/v1/traces"


def _http(instance: object, attribute: Any, value: str | None) -> None:
    if value is None:
        return
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ConfigError(
            f"{attribute.name} in [plugins.otel] is no URL of a collector without a user in it.",
            "Write for instance http://collector:4318; what it asks for goes into headers.",
        )


def _between(least: float, most: float) -> Any:
    def check(instance: object, attribute: Any, value: float) -> None:
        if not least <= value <= most:
            raise ConfigError(
                f"{attribute.name} in [plugins.otel] must be {least:g} to {most:g}, not {value!r}."
            )

    return check


@frozen(kw_only=True)
class OtelOptions:
    """How traces are made, and where they go. Off where there is no table `[plugins.otel]`.

    Attributes:
        endpoint: URL of a collector that takes OTLP over HTTP, for instance
            `http://collector:4318`; None for what OpenTelemetry's own variables say, else this
            machine's port 4318.
        headers: What is sent along with each request, for instance a key.
        service_name: The name under which the traces are found.
        sample: Which part of the bots is traced, 0 to 1. Whether one is follows from its id.
        segments: Which segments of the transcript have spans of their own: the `first`, or `all`.
            The delays of all of them are counted in any case.
        timeout_s: How long a request may take, with what is tried again in it.
        flush_s: How long the end of a bot may wait until its spans are sent.
    """

    endpoint: str | None = field(default=None, validator=_http)
    headers: Mapping[str, Secret] = Factory(dict)
    service_name: str = "meetcore"
    sample: float = field(default=1.0, validator=_between(0, 1))
    segments: Literal["first", "all"] = "first"
    timeout_s: float = field(default=10.0, validator=_between(0.1, 60))
    flush_s: float = field(default=5.0, validator=_between(0, 25))

    @property
    def url(self) -> str | None:
        """Where spans are POSTed; None for what OpenTelemetry's own variables say."""
        if self.endpoint is None or self.endpoint.endswith(_PATH):
            return self.endpoint
        return self.endpoint.rstrip("/") + _PATH

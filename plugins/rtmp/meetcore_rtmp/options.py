"""The sink's options, `[plugins.rtmp]`."""

from __future__ import annotations

from pathlib import Path

from attrs import field, frozen

from meetcore import ConfigError, Secret
from meetcore_rtmp.rtmp_target import RtmpTarget

__all__ = ["RtmpOptions"]

_WHERE = "[plugins.rtmp]"
_LONGEST_FLUSH_S = 50.0


@frozen(kw_only=True)
class RtmpOptions:
    """Where a meeting is streamed to, and how hard it is tried.

    Attributes:
        url: The receiver, `rtmps://…` or `rtmp://…`, as it shows it. What stands behind its host
            is treated as a secret.
        key: The stream's key. Without one, the last part of `url` is it.
        black: Whether a meeting of which no picture comes is streamed with a black one: most
            receivers take no sound alone.
        black_after_s: How long, from the first sound on, a picture is waited for before that.
        behind_s: How far what is sent may lie behind the meeting. Where a receiver reads too
            slowly, pictures and sound are left out up to a picture that stands alone.
        attempts: How many attempts may fail, one after the other, before the stream is given up.
        allow_private: Whether the receiver may be an address of your own machine or network. Only
            heeded where a person named it; one that came over an API must be public, or listed
            in `private_targets`.
        ca_file: Certificates to trust instead of the system's.
        connect_timeout_s: How long connecting may take, up to where the receiver takes the stream.
        send_timeout_s: How long a receiver may read nothing before it counts as gone.
        first_retry_s: The pause before the second attempt; it doubles from there.
        longest_retry_s: The longest pause.
        flush_timeout_s: How long, at the end of a meeting, the rest is tried for.
    """

    url: str = field(default="", repr=False)
    key: Secret | None = None
    black: bool = True
    black_after_s: float = 10.0
    behind_s: float = 8.0
    attempts: int = 20
    allow_private: bool = True
    ca_file: Path | None = None
    connect_timeout_s: float = 15.0
    send_timeout_s: float = 30.0
    first_retry_s: float = 1.0
    longest_retry_s: float = 30.0
    flush_timeout_s: float = 10.0

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: Which option, and why; never with the key in it.
        """
        self.target  # noqa: B018  raises
        for name in ("connect_timeout_s", "send_timeout_s", "first_retry_s", "longest_retry_s",
                     "attempts"):  # fmt: skip
            if not getattr(self, name) > 0:
                raise self._refusal(name, "It must be greater than 0.")
        if not self.behind_s >= _KEYS_APART_S:
            raise self._refusal(
                "behind_s", f"It can be {_KEYS_APART_S:g} or more: pictures that stand alone come "
                "every 2 s."
            )  # fmt: skip
        if not self.black_after_s >= 0:
            raise self._refusal("black_after_s", "It must be 0 or more.")
        if not 0 <= self.flush_timeout_s <= _LONGEST_FLUSH_S:
            raise self._refusal(
                "flush_timeout_s", f"It can be 0 to {_LONGEST_FLUSH_S:g}: a bot has to end."
            )

    def _refusal(self, option: str, remedy: str) -> ConfigError:
        return ConfigError(f"{_WHERE} {option} is {getattr(self, option)!r}.", remedy)

    @property
    def target(self) -> RtmpTarget:
        """Where it goes."""
        return RtmpTarget.read(self.url, self.key, _WHERE)


_KEYS_APART_S = 3.0

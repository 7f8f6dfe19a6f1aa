"""The ways to the sound of a call, tried one after the other where one gives nothing. Pure.

In a call with people in it and no sound for 20 s something is wrong, unless nobody speaks: then the
tracks give blocks, and all of them are silent. So what counts as trouble is no block at all, or
silence while the page shows that somebody speaks. It is told, and the next layer is tried: what the
page plays by Web Audio or in elements, and at last what the tab plays. Where an earlier layer gives
sound again, the later one is switched off, so that nobody is heard twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from attrs import define, field, frozen

from meetcore_browser.capture_levels import TrackLevel

__all__ = ["LAYER_SWITCHES", "LayerChange", "LayerWatch", "SoundLayer"]


class SoundLayer(StrEnum):
    """Where the sound is taken from."""

    PEER_CONNECTIONS = "peer connections"
    WEB_AUDIO = "web audio"
    TAB = "tab capture"


LAYER_SWITCHES = {SoundLayer.WEB_AUDIO: "webAudio", SoundLayer.TAB: "tabCapture"}
"""What a page offers to switch a layer on and off: a function of one boolean."""

SPOKEN_S = 3.0
"""How long somebody has to be shown speaking, in a stretch of silence, for it to be trouble."""
MOST_SWITCHES = 6


@frozen
class LayerChange:
    """What follows from a look at the sound.

    Attributes:
        healthy: Whether sound arrives again.
        detail: Which layer, and why.
        on: The layer to switch on.
        off: The layers to switch off.
    """

    healthy: bool
    detail: str
    on: SoundLayer | None = None
    off: tuple[SoundLayer, ...] = ()


@define
class LayerWatch:
    """Watches whether sound arrives in a call, and by which layer.

    Attributes:
        layers: Those there are, in the order in which they are tried.
        limit_s: How long there may be no sound.
    """

    layers: Sequence[SoundLayer] = tuple(SoundLayer)
    limit_s: float = 20.0
    at: int = field(default=0, init=False)
    _since_s: float | None = field(default=None, init=False)
    _looked_s: float | None = field(default=None, init=False)
    _spoken_s: float = field(default=0.0, init=False)
    _troubled: bool = field(default=False, init=False)
    _exhausted: bool = field(default=False, init=False)
    _switches: int = field(default=0, init=False)

    @property
    def layer(self) -> SoundLayer:
        """The layer that is relied on now."""
        return self.layers[self.at]

    def look(
        self, levels: Sequence[TrackLevel], others: int, *, speaking: bool, now_s: float
    ) -> LayerChange | None:
        """Take one look while the bot is in the call.

        Args:
            levels: The page's tracks.
            others: How many people are there beside the bot.
            speaking: Whether the page shows that one of them speaks now.
            now_s: The host's clock.
        """
        since = self._since_s
        elapsed_s = 0.0 if self._looked_s is None else now_s - self._looked_s
        self._looked_s = now_s
        if since is None or not others:
            self._restart(now_s)
            return None
        taken = [level for level in levels if level.taken]
        if heard := [t for t in taken if t.sound_s is not None and t.sound_s > since]:
            self._restart(max(t.sound_s for t in heard if t.sound_s is not None))
            return self._heard({t.layer for t in heard})
        self._spoken_s += elapsed_s if speaking else 0.0
        if now_s - since < self.limit_s or self._exhausted:
            return None
        reason = self._reason(taken, others, since)
        return None if reason is None else self._fail(reason, now_s)

    def missing(self, why: str, now_s: float) -> LayerChange:
        """Note that the layer that was to be switched on cannot be; return what is next."""
        return self._fail(why, now_s)

    def _restart(self, since_s: float) -> None:
        self._since_s, self._spoken_s = since_s, 0.0

    def _heard(self, layers: set[str]) -> LayerChange | None:
        first = min((n for n, layer in enumerate(self.layers) if layer in layers), default=self.at)
        off = tuple(self.layers[first + 1 : self.at + 1]) if first < self.at else ()
        self.at = min(self.at, first)
        news = self._troubled or off
        self._troubled = self._exhausted = False
        return LayerChange(True, f"layer {self.layer}: sound arrives", off=off) if news else None

    def _reason(self, taken: Sequence[TrackLevel], others: int, since_s: float) -> str | None:
        people = "1 person is" if others == 1 else f"{others} people are"
        if not taken:
            return f"there is no track, although {people} there"
        if all(level.block_s is None or level.block_s <= since_s for level in taken):
            return f"no block of sound came for {self.limit_s:g} s, although {people} there"
        if self._spoken_s >= SPOKEN_S:
            return f"silence for {self.limit_s:g} s, although the page shows somebody speaking"
        return None

    def _fail(self, reason: str, now_s: float) -> LayerChange:
        detail = f"layer {self.layer}: {reason}"
        self._restart(now_s)
        self._troubled = True
        if self.at + 1 >= len(self.layers) or self._switches >= MOST_SWITCHES:
            self._exhausted = True
            return LayerChange(False, f"{detail}; there is no other to try")
        self.at += 1
        self._switches += 1
        return LayerChange(False, f"{detail}; {self.layer} is tried", on=self.layer)

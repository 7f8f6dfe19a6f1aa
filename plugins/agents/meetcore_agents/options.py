"""The options of the sink `agent`, `[plugins.agent]`."""

from __future__ import annotations

from attrs import frozen

from meetcore import ConfigError, Secret
from meetcore_websocket.access import Access, is_own_machine

__all__ = ["PATH", "AgentOptions"]

PATH = "/agent"
_WHERE = "[plugins.agent]"
_SHORTEST_TOKEN = 8
_RATES_HZ = (8_000, 16_000, 24_000, 48_000)


@frozen(kw_only=True)
class AgentOptions:
    """Where the bot waits for its agent, and how they talk.

    Attributes:
        host: The address to listen on. Without a token it must be the own machine's.
        port: The port; 0 for any that is free.
        token: What the agent has to show: `Authorization: Bearer …`, or `?token=…`.
        sample_rate_hz: The rate of the sound, both ways.
        behind_s: How much sound may wait for an agent that does not read; what is more is lost.
        ahead_s: How much sound of the agent's may wait to be said.
    """

    host: str = "127.0.0.1"
    port: int = 0
    token: Secret | None = None
    sample_rate_hz: int = 24_000
    behind_s: float = 2.0
    ahead_s: float = 120.0

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot work, or would leave a meeting open to anybody.

        Raises:
            ConfigError: Which option, and why; never with the token.
        """
        if self.token is not None and len(self.token.reveal()) < _SHORTEST_TOKEN:
            raise ConfigError(
                f"token in {_WHERE} is shorter than {_SHORTEST_TOKEN} characters.",
                "Make one: python -c 'import secrets; print(secrets.token_urlsafe(24))'",
            )
        if self.token is None and not is_own_machine(self.host):
            raise ConfigError(
                f"host in {_WHERE} is {self.host!r}, and there is no token.",
                "Set token, or listen on 127.0.0.1.",
            )
        if not 0 <= self.port <= 65_535:
            raise ConfigError(f"port in {_WHERE} is {self.port}.", "It must be 0 to 65535.")
        if self.sample_rate_hz not in _RATES_HZ:
            known = ", ".join(map(str, _RATES_HZ))
            raise ConfigError(
                f"sample_rate_hz in {_WHERE} is {self.sample_rate_hz}.", f"It can be {known}."
            )
        for name in ("behind_s", "ahead_s"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} in {_WHERE} must be greater than 0.")

    @property
    def access(self) -> Access:
        """Who may come in."""
        return Access(PATH, full_tokens=() if self.token is None else (self.token,))

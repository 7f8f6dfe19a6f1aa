"""`meetcore drain`: takes a running server out of service, before its machine is taken down."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import httpx2

__all__ = ["drain"]

_ASK_WITHIN_S = 15.0
_LOOK_EVERY_S = 1.0
_MOST_FAILURES = 5
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
_USER = re.compile(r"//[^/@]*@")
_LOOPBACK = ("127.", "localhost", "[::1]")
NOT_DRAINED = 1


@click.command("drain")
@click.option(
    "--url",
    help="The server's own address, not a balancer's.  [default: that of the configuration, "
    "on this machine]",
)
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    envvar="MEETCORE_CONFIG",
    help="The TOML file that the server was started with.",
)
@click.option(
    "--api-key",
    envvar="MEETCORE_API_KEY",
    help="A key with the scope operate.  [default: that of the configuration]",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0),
    default=600.0,
    show_default=True,
    help="How many seconds to wait for what is left; it drains on after that, too.",
)
@click.option(
    "--bots-stay",
    is_flag=True,
    help="Do not wait for bots that run on this machine and that other servers have: only the "
    "server is to end, not the machine.",
)
@click.option("--undo", is_flag=True, help="Have it serve again.")
def drain(
    url: str | None,
    config_path: Path | None,
    api_key: str | None,
    timeout_s: float,
    bots_stay: bool,
    undo: bool,
) -> None:
    """Take a running server out of service, before its machine is taken down.

    It takes no new bots, leaves those that it looks after to the other servers of its database,
    and closes its sockets so that clients connect to another one, where they go on after the last
    event they have. This command returns 0 when nothing is left, and 1 when time is up.

    A bot cannot be moved: one that runs as a process of that machine goes on there until its
    meeting ends. Where no other server is there, that holds for all.
    """
    import trio

    place, key = _found(url, config_path, api_key)
    sys.exit(trio.run(_run, place, key, timeout_s, bots_stay, undo))


async def _run(place: str, key: str | None, timeout_s: float, bots_stay: bool, undo: bool) -> int:
    import httpx2

    local = place.partition("://")[2].startswith(_LOOPBACK)
    async with httpx2.AsyncClient(
        headers=_headers(key), timeout=_ASK_WITHIN_S, trust_env=not local
    ) as client:
        server = _DrainedServer(client, place)
        if undo:
            named = _named(await server.ask("DELETE"))
            click.echo(f"{named} takes bots again. Those handed over stay where they are.")
            return 0
        first = await server.ask("POST")
        click.echo(f"{_named(first)} drains: it takes no new bots.", err=True)
        return await _wait(server, first, timeout_s, bots_stay=bots_stay)


def _found(
    url: str | None, config_path: Path | None, api_key: str | None
) -> tuple[str, str | None]:
    """Return where the server is and the key for it, as the configuration has it if not given."""
    from meetcore import build_options, load_config
    from meetcore_server.options import ServerSettings

    config = load_config(config_path)
    table = config.plugins.get("server", {})
    settings = build_options(ServerSettings, dict(table), "[plugins.server]")
    if api_key is None and settings.api_key is not None:
        api_key = settings.api_key.reveal()
    if url is None:
        host = _ANYWHERE.get(settings.host, settings.host)
        url = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    return url.rstrip("/"), api_key.strip() if api_key else None


def _headers(key: str | None) -> dict[str, str]:
    from meetcore import ConfigError

    if key is None:
        return {}
    if not (key.isascii() and key.isprintable()):
        raise ConfigError("The key holds characters that no key has.", "Give it as it was shown.")
    return {"authorization": f"Bearer {key}"}


class _DrainedServer:
    """The server, as far as it drains."""

    def __init__(self, client: httpx2.AsyncClient, place: str) -> None:
        self._client = client
        self._place = place
        given = "authorization" in client.headers
        self._refuses = "does not take that key for this" if given else "asks for a key"

    async def ask(self, method: str) -> dict[str, Any]:
        """Return what it says of its draining.

        Raises:
            CommandFailed: It does not answer now.
            MeetcoreError: It refuses, or is none that drains.
        """
        import httpx2

        from meetcore import CommandFailed, ConfigError, MeetcoreError

        shown = _USER.sub("//", self._place)
        try:
            answer = await self._client.request(method, f"{self._place}/v1/drain")
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise ConfigError(
                f"{shown!r} is no address of a server.",
                "Write it as http://127.0.0.1:8080.",
            ) from error
        except httpx2.HTTPError as error:
            words = str(error) or type(error).__name__
            raise _silent(shown, words) from error
        if answer.status_code == 429 or answer.status_code >= 500:
            raise CommandFailed(
                f"The server at {shown} answers with status {answer.status_code}.",
                "Ask again; if it stays, its log says why.",
            )
        if answer.status_code in (401, 403):
            raise MeetcoreError(
                f"The server at {shown} {self._refuses}.",
                "Make one with `meetcore keys create --scope operate`; give it with --api-key.",
            )
        try:
            state = dict(answer.json())
        except (ValueError, TypeError):
            state = {}
        if "instance" not in state:
            said = state.get("detail") or f"status {answer.status_code}"
            raise MeetcoreError(f"What answers at {shown} does not drain: {said}")
        return state


def _silent(place: str, words: str) -> Exception:
    from meetcore import CommandFailed

    return CommandFailed(
        f"The server at {place} does not answer: {words}.",
        "Say where it is with --url, for instance --url http://127.0.0.1:8080.",
    )


async def _wait(
    server: _DrainedServer, first: dict[str, Any], timeout_s: float, *, bots_stay: bool
) -> int:
    """Show what is left until nothing is, or time is up; return the command's exit code."""
    import trio

    from meetcore import CommandFailed, MeetcoreError

    state, shown, failures = first, "", 0
    until = trio.current_time() + timeout_s
    while True:
        line = _left(state)
        if line != shown:
            click.echo(line, err=True)
            shown = line
        if _is_done(state, bots_stay=bots_stay):
            click.echo(_last_words(state))
            return 0
        left_s = until - trio.current_time()
        if left_s <= 0:
            click.echo(_time_is_up(state, timeout_s), err=True)
            return NOT_DRAINED
        await trio.sleep(min(_LOOK_EVERY_S, left_s))
        try:
            state, failures = await server.ask("GET"), 0
        except CommandFailed:
            failures += 1
            if failures == _MOST_FAILURES:
                raise
        if state["instance"] != first["instance"]:
            raise MeetcoreError(
                f"{_named(state)} answers now, and what drains is {_process(first)}.",
                "Give the address of that server with --url, not a balancer's.",
            )


def _named(state: dict[str, Any]) -> str:
    return f"The server with {_process(state)}"


def _process(state: dict[str, Any]) -> str:
    return f"process {state['pid']} on {state['host']}"


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _left(state: dict[str, Any]) -> str:
    """Return what is left, in a line."""
    bots, here = _many(state["bots"], "bot"), _many(state["bots_here"], "bot")
    who = "no other server to take its bots"
    if state["handed_over"]:
        who = "other servers have its bots"
    elif state["takers"]:
        who = f"{_many(state['takers'], 'other server')} to take its bots"
    sockets = _many(state["sockets"], "socket")
    return f"{bots} to look after, {here} on this machine, {sockets} left; {who}"


def _is_done(state: dict[str, Any], *, bots_stay: bool) -> bool:
    if bots_stay and state["handed_over"]:
        return not (state["bots"] or state["sockets"])
    return bool(state["drained"])


def _last_words(state: dict[str, Any]) -> str:
    words = f"{_named(state)} is drained: nothing is lost when it ends."
    if state["bots_here"]:
        words = (
            f"{_named(state)} is drained, and can be ended. {_many(state['bots_here'], 'bot')} "
            "on its machine would end with the machine."
        )
    if state["scheduled"]:
        words += (
            f" {_many(state['scheduled'], 'bot')} of its database have their time still to come: "
            "they join if a server is there then."
        )
    return words


def _time_is_up(state: dict[str, Any], timeout_s: float) -> str:
    words = f"{_named(state)} is not drained after {timeout_s:g} s; it drains on."
    if state["bots_here"]:
        words += (
            f" On this machine: {_many(state['bots_here'], 'bot')}; a bot cannot be moved. "
            "It goes on until its meeting ends, or ends with the machine. Ask again later, or "
            "have them leave (POST /v1/bots/ID/stop)."
        )
    elif state["bots"] and not state["takers"]:
        words += " No other server of its database is there to take its bots."
    return words

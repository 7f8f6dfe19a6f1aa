"""The whole server: a database, bots, webhooks, and one port, in the caller's nursery."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any

import trio
from attrs import evolve, field, frozen

from meetcore import ConfigError, Fleet, MeetcoreError, PrivateTargets
from meetcore.gateway import BotRow, Mount, Reply, Request, Service, SocketSession, WebhookFormat
from meetcore.log import EncryptedFolderStore, FolderStore, UnkeptFleetStore
from meetcore_server.background import keep_running
from meetcore_server.callers import NATIVE_KEYS, Callers
from meetcore_server.draining import Draining
from meetcore_server.http_connection import HttpLimits
from meetcore_server.leftovers import carry_the_rest
from meetcore_server.membership import Membership, ServerDraining
from meetcore_server.mounts import Mounts
from meetcore_server.native.app import make_app
from meetcore_server.native.look_in_socket import admit_look_in
from meetcore_server.native.problems import problem_reply
from meetcore_server.native.socket import admit_native
from meetcore_server.neighbours import SERVE_TARGET, hear_neighbours
from meetcore_server.options import SharedOptions
from meetcore_server.orders_to_specs import Sandbox, Specs
from meetcore_server.origin_guard import Guard
from meetcore_server.port import ConnectionLimit, Port
from meetcore_server.retention import keep_retention
from meetcore_server.seen import Seen
from meetcore_server.service import BotService
from meetcore_server.storage.accounts import AccountStore
from meetcore_server.storage.bots import BotLimits, BotRows
from meetcore_server.storage.database import DEFAULT_DATABASE_URL, Database, open_database
from meetcore_server.storage.endpoints import Endpoints
from meetcore_server.storage.engine import shared_by_servers
from meetcore_server.storage.holding import Holder
from meetcore_server.storage.keys import Keys
from meetcore_server.storage.server_lock import folder_identity, held_file, shared_folder
from meetcore_server.storage.server_secrets import server_secret
from meetcore_server.storage.servers import Servers, Terms
from meetcore_server.storage.stores import Stores
from meetcore_server.storage.transcriptions import TranscriptionRows
from meetcore_server.supervisor import BotSupervisor
from meetcore_server.transcriptions import TranscriptionLimits, Transcriptions
from meetcore_server.unbegun import end_unbegun
from meetcore_server.webhooks.dispatcher import WebhookDispatcher
from meetcore_server.webhooks.native import NativeFormat
from meetcore_websocket.limits import Limits as SocketLimits

__all__ = ["ServeOptions", "Server", "open_server", "serve"]

_LOG = logging.getLogger("meetcore.server")
_THIS_MACHINE = ("localhost", "127.0.0.0/8", "::1")
_BACKLOG = 2048
_STORE_WITHIN_S = 10.0
_OWN_SOCKETS = {"/v1/ws": admit_native, "/v1/look-in": admit_look_in}
HTTP_LIMITS = HttpLimits()


def _bare_key(key: str | None) -> str | None:
    """Return a key without what a file or a shell put around it: nobody could send that."""
    bare = key.strip() if key is not None else None
    if bare == "":
        raise ConfigError("api_key is empty.", "Write the key, or leave it out.")
    return bare


@frozen(kw_only=True)
class ServeOptions(SharedOptions):
    """How a server is set in code.

    Attributes:
        database: URL of the database; a relative SQLite path is below the working directory.
        sandbox: Set to rehearse: every link leads to a scripted meeting.
        api_key: A key that is valid beside those in the database.
        plugin_files: Plugin files that a bot's process loads too.
    """

    database: str = DEFAULT_DATABASE_URL
    sandbox: Sandbox | None = None
    api_key: str | None = field(default=None, repr=False, converter=_bare_key)
    plugin_files: tuple[str, ...] = ()


class Server:
    """A running server.

    Attributes:
        url: Where it is.
        service: The bots.
        mounts: What plugins mounted.
        guard: Keeps other people's pages out.
        seen: Where clients see it.
        anonymous_access: Whether it took requests without a key when it began.
    """

    def __init__(
        self,
        url: str,
        service: BotService,
        mounts: Mounts,
        *,
        guard: Guard,
        seen: Seen,
        anonymous_access: bool,
    ) -> None:
        self.url = url
        self.service = service
        self.mounts = mounts
        self.guard = guard
        self.seen = seen
        self.anonymous_access = anonymous_access


class _ServerApp:
    """What plugins get to add their routes. An `App`."""

    def __init__(self, service: Service, options: Mapping[str, Any], mounts: Mounts) -> None:
        self.service = service
        self.options = options
        self.formats: dict[str, WebhookFormat] = {}
        self._mounts = mounts

    def mount(self, mount: Mount) -> None:
        """Add routes and sockets."""
        self._mounts.add(mount)

    def add_webhook_format(self, webhook_format: WebhookFormat) -> None:
        """Add a way to write webhooks."""
        self.formats[webhook_format.name] = webhook_format


async def _listen(host: str, port: int) -> list[trio.SocketListener]:
    try:
        return await trio.open_tcp_listeners(port, host=host, backlog=_BACKLOG)
    except OSError as error:
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        raise ConfigError(
            f"The server cannot listen on port {port} of {host}: {cause.strerror or cause}.",
            "Choose another with --port (0 for any that is free) or --host.",
        ) from error


def _is_loopback(listener: trio.SocketListener) -> bool:
    address: str = listener.socket.getsockname()[0]
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


@asynccontextmanager
async def open_server(fleet: Fleet, options: ServeOptions) -> AsyncIterator[Server]:
    """Serve for as long as the block runs; then everybody is let go in a few seconds.

    Bots are the fleet's: whether they leave with it is its launcher's to say.

    Args:
        fleet: Where bots run, with their configuration and plugins.
        options: How the server is set.

    Raises:
        ConfigError: It cannot listen there; or not without a key.
        AlreadyServed: Another server holds the database, or the bots' folder, and it is not a
            PostgreSQL that both share.
        ServersDiffer: Another server of the database is set otherwise in what they must be alike.
        DatabaseUnavailable: The database cannot be opened.
    """
    fleet.buries = False  # the server does, when it knows how a bot ended and all is delivered
    listeners = await _listen(options.host, options.port)
    try:
        loopback = all(map(_is_loopback, listeners))
        async with _opened(fleet, options.database) as database:
            server = await _assemble(fleet, options, database, listeners, loopback=loopback)
            membership = server.service.membership
            async with membership.held() as orphans:
                await _check_unkept(server.service, orphans)
                try:
                    async with trio.open_nursery() as nursery:
                        await _start(server, fleet, options, listeners, nursery, orphans)
                        yield server
                        nursery.cancel_scope.cancel()
                finally:
                    await end_unbegun(server.service, fleet)
    finally:
        for listener in listeners:
            await trio.aclose_forcefully(listener)


@asynccontextmanager
async def _opened(fleet: Fleet, url: str) -> AsyncIterator[Database]:
    """Hold the database and the bots' folder: alone, or with others where they may be shared."""
    lock, what = fleet.config.out_dir / ".served", "The bots' folder"
    with ExitStack() as stack:
        if shared_by_servers(url):
            async with open_database(url) as database:
                name = hmac.digest(await server_secret(database), b"database", "sha256").hex()
                stack.enter_context(shared_folder(lock, what, name[:32]))
                yield database
        else:
            stack.enter_context(held_file(lock, what))
            async with open_database(url, alone=True) as database:
                yield database


async def _store_name(fleet: Fleet) -> str:
    """Return what names the store, the same for every server that has the same bots."""
    store = fleet.store
    if isinstance(store, FolderStore | EncryptedFolderStore):
        return await trio.to_thread.run_sync(folder_identity, store.folder)
    place = f"{store.name} {fleet.config.store.url}"
    return hashlib.sha256(place.encode()).hexdigest()[:32]


async def _assemble(
    fleet: Fleet,
    options: ServeOptions,
    database: Any,
    listeners: list[trio.SocketListener],
    *,
    loopback: bool,
) -> Server:
    holder = Holder()
    stores = Stores(
        accounts=AccountStore(database),
        keys=Keys(database),
        bots=BotRows(database, holder=holder),
        endpoints=Endpoints(database),
        transcriptions=TranscriptionRows(database, holder=holder),
    )
    if not (loopback or options.api_key or await stores.keys.any_valid()):
        raise ConfigError(
            f"Without an API key the server listens on this machine alone, not on {options.host}.",
            "Make a key with `meetcore keys create`, give one with --api-key, or leave --host out.",
        )
    listed = (*fleet.config.private_targets, *options.private_targets)
    rehearsed = () if options.sandbox is None else _THIS_MACHINE
    private = PrivateTargets.listed((*listed, *rehearsed))
    config = evolve(fleet.config, private_targets=listed)
    specs = Specs(config, fleet.plugins, options.sandbox, options.plugin_files)
    specs.check()
    specs.check_retention()
    limits = BotLimits(
        per_key=options.max_bots_per_key,
        per_user=options.max_bots_per_user,
        scheduled_per_user=options.max_scheduled_per_user,
        total=options.max_bots or fleet.limit,
    )
    service = BotService(
        stores,
        fleet.store,
        specs,
        limits=limits,
        secret=await server_secret(database),
        anonymous_access=loopback,
        extra_key=options.api_key,
        private_targets=private,
        keep_s=None if options.keep_hours is None else options.keep_hours * 3600.0,
        links_lead_on=options.links_lead_on,
    )
    membership = service.membership = Membership(
        Servers(database),
        holder,
        Terms(
            store=await _store_name(fleet),
            rehearsal=options.sandbox is not None,
            private_targets=listed,
        ),
        shared=shared_by_servers(options.database),
    )
    service.draining = Draining(service, options.drain_s)
    mounts = Mounts(root=options.root)
    app = _ServerApp(service, options.dialects, mounts)
    for implementation in fleet.plugins.implementations("meetcore_register_routes"):
        implementation.call_named("meetcore_register_routes", app=app)
    if options.root is not None and options.root not in mounts.by_name:
        known = ", ".join(sorted(mounts.by_name)) or "none are installed"
        raise ConfigError(f"There is no dialect {options.root!r}.", f"Known: {known}.")
    formats = {NativeFormat.name: NativeFormat(), **app.formats}
    service.webhooks = WebhookDispatcher(
        database,
        formats,
        read_events=service.events_of,
        private=private,
        holder=holder,
        elsewhere=lambda server, target: membership.servers.ask(server, SERVE_TARGET, str(target)),
        sure=lambda: membership.sure,
    )
    host, port, *_ = listeners[0].socket.getsockname()
    shown = f"[{host}]" if ":" in host else host
    anonymous_access = loopback and not await service.has_keys()
    return Server(
        f"http://{shown}:{port}",
        service,
        mounts,
        guard=Guard(service, options.allowed_origins),
        seen=Seen(options.public_url),
        anonymous_access=anonymous_access,
    )


async def _check_unkept(service: BotService, rows: Sequence[BotRow]) -> None:
    """Refuse to look on a disk for bots that work in memory, of which nothing is to be kept.

    They would be taken for dead, and told as deleted, while they go on.

    Raises:
        ConfigError: There are some.
    """
    if isinstance(service.store, UnkeptFleetStore):
        return
    found = 0
    for row in rows:
        with suppress(MeetcoreError):
            found += (await service.order(row)).keep == "nothing"
    if found:
        raise ConfigError(
            f"{found} bots that have not ended were ordered with keep 'nothing', and this server "
            "keeps all: it would not find them.",
            'Start it with keep = "as_ordered" in [retention] until they have ended.',
        )


async def _start(
    server: Server,
    fleet: Fleet,
    options: ServeOptions,
    listeners: list[trio.SocketListener],
    nursery: trio.Nursery,
    orphans: Sequence[BotRow],
) -> None:
    service = server.service
    service.supervisor = BotSupervisor(
        fleet,
        service.live,
        service.membership,
        service.stores.bots,
        spec_of=service.specs.spec,
        order_of=service.order,
        now=service.now,
        give_up=service.give_up,
        forget=service.forget,
        recovery_plugins=fleet.plugins,
        finish_within_s=options.finish_within_s,
        nursery=nursery,
    )
    service.transcriptions = Transcriptions(
        service, TranscriptionLimits(at_once=options.transcriptions_at_once)
    )

    def begin(what: str, task: Callable[..., Awaitable[None]], *args: Any) -> None:
        nursery.start_soon(keep_running, what, task, *args)

    def inherit(rows: Sequence[BotRow]) -> None:
        begin("looking after the bots of another server", service.inherit, rows)

    newer = service.draining.yield_to_newer
    begin("saying that it lives", service.membership.run, service.give_up_all, inherit, newer)
    begin("webhooks", service.webhooks.run)
    if unreadable := await fleet.store.unreadable():
        _LOG.error("Bots that cannot be read: %s.", unreadable.rstrip("."))
    await service.supervisor.resume(orphans)
    begin("hearing other servers", hear_neighbours, service)
    begin("retention", keep_retention, service)
    begin("transcriptions", service.transcriptions.run)
    guard, seen = server.guard, server.seen
    callers = Callers(service, options.requests_per_s, service.supervisor.fleet.bus)
    begin("ending what void keys opened", service.openings.run)

    async def admit(request: Request) -> SocketSession | Reply:
        own = _OWN_SOCKETS.get(request.path)
        place = None if own is not None else server.mounts.place(request.path)
        if place is None and own is None:
            return Reply(status=404, json={"code": "not_found", "detail": "No WebSocket is here."})
        refusal = await guard.decide(request)
        if refusal is not None:
            return refusal
        try:
            if service.draining.closed:
                raise ServerDraining
            if await callers.who(request, place.mount.keys if place else NATIVE_KEYS) is None:
                callers.may_guess(request.client_host)  # what comes now may be a token, or a key
            if own is not None:
                decision = await own(service, request)
            else:
                assert place is not None
                decision = await server.mounts.admit(place, request)
        except MeetcoreError as error:
            return server.mounts.refuse(place, request, error) if place else problem_reply(error)
        if isinstance(decision, Reply) and decision.status in (401, 403):
            callers.guessed(request.client_host)
        return decision

    app = make_app(service, server.mounts, service.metrics, guard, callers, seen)
    port = Port(
        app,
        admit,
        SocketLimits(),
        service.openings,
        seen,
        callers.guessed,
        HTTP_LIMITS,
        ConnectionLimit(most_of_one=options.connections_per_address),
    )
    service.metrics.sockets = service.draining.sockets = lambda: port.sockets
    service.draining.part, service.draining.send_elsewhere = (
        port.part_with_sockets,
        port.send_elsewhere,
    )
    begin("draining", service.draining.run)
    await nursery.start(partial(port.run, listeners))
    _LOG.info("serving at %s", server.url)
    begin("looking at the store", _say_trouble, fleet)
    begin("carrying what bots left here", carry_the_rest, fleet.store, service.live.__contains__)


async def _say_trouble(fleet: Fleet) -> None:
    """Say at once what `/ready` would say later: that nothing can be kept now."""
    trouble = "it does not answer"
    with suppress(MeetcoreError, OSError), trio.move_on_after(_STORE_WITHIN_S):
        trouble = await fleet.store.trouble()
    if trouble:
        _LOG.error("the store cannot be used now, orders are refused: %s", trouble)


async def serve(
    fleet: Fleet,
    options: ServeOptions | None = None,
    task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled, inside the caller's nursery.

        server = await nursery.start(meetcore_server.serve, fleet, ServeOptions(port=0))

    Args:
        fleet: Where bots run.
        options: How the server is set.
        task_status: Gets the running `Server`.
    """
    async with open_server(fleet, options or ServeOptions()) as server:
        task_status.started(server)
        await trio.sleep_forever()

"""The process that serves a house: from its sockets to its end. Prints nothing; `on_ready` tells the address.

With a certificate the house speaks TLS to everybody but its own control socket, and looks each second whether the files
changed. SIGHUP reloads. SIGTERM and SIGINT drain: what is at work may end (at most `drain_s`), what comes is answered
503; a second one ends at once. When `serve` returns no worker is left and no socket's file either, and the ledger is
closed. Call it from the main thread: signals and the workers' parent-death signal follow it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import logging
import resource
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn

from freehold.app import House, access, build_house, door_loop, guarded, measures_energy, require_kept
from freehold.core.errors import FreeholdError, SettingsError, StoreError
from freehold.core.organization import Policy
from freehold.core.settings import Settings, load
from freehold.server import logs, sockets, tls
from freehold.server.admin import Running
from freehold.server.asgi import Application
from freehold.server.drain import Drain
from freehold.server.protocol import BoundedProtocol
from freehold.server.security import refuse_open_address
from freehold.server.telemetry.configured import require_usable

KEEP_ALIVE_S = 30
LOOK_S = 1.0
FILES_WANTED = 65536
# What a client gets to take the end of its answer where the time to drain has run out, or somebody will not wait.
LAST_BYTES_S = 0.25
# What a collector gets to take the last of what was measured.
LAST_MEASURED_S = 3.0
_log = logging.getLogger("freehold.server")


def serve(
    settings: Settings,
    *,
    reread: Callable[[], Settings] = load,
    on_ready: Callable[[str], None] = lambda _: None,
) -> int:
    """Serve `settings` until stopped; gives the exit code. `reread` gives the settings for a reload.

    `on_ready` is called once with the address, when connections are accepted. Raises SettingsError, AddressInUseError
    before anything is started.
    """
    logs.set_up(settings.log)
    keys = access(settings)
    refuse_open_address(settings.server, keys)
    if settings.ledger.mode == "off" and keys.has_budgets:
        raise SettingsError(
            "Some keys have a budget of tokens, and without a ledger nobody remembers what they used.",
            hint='Set mode in [ledger] of freehold.toml to "relaxed" or "strict".',
        )
    if keys.has_energy_budgets and not measures_energy():
        raise SettingsError(
            "Some keys have a budget of energy, and no counter of this machine's processor or cards can be read.",
            hint="Let this account read /sys/class/powercap/*/energy_uj, or revoke them: `freehold keys list`.",
        )
    require_usable(settings)
    with sockets.only_house(settings.runtime_dir, settings.home), guarded(settings) as guard:
        return run(build_house(settings, recorded="house", guard=guard), reread=reread, on_ready=on_ready)


def run(house: House, *, reread: Callable[[], Settings], on_ready: Callable[[str], None]) -> int:
    """Serve `house`, holding the lock of its home already. Once it has bound its sockets, a restricted one gives up the
    right to make others."""
    server = house.settings.server
    _allow_many_files()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold prompts, and the keys to what is kept
    with (
        contextlib.closing(sockets.tcp_socket(server.host, server.port)) as tcp,
        sockets.control_socket(house.settings.runtime_dir) as control,
    ):
        certificate = tls.of_settings(server)
        if house.guard is not None:
            house.guard.shut(_own_folders(house.settings), [tcp, control])
        with asyncio.Runner(loop_factory=lambda: _new_loop(house)) as runner:
            process = _Process(house, reread, certificate)
            runner.run(process.serve(tcp, control, on_ready))
    return process.code


class _Process:
    """One run of one house."""

    def __init__(self, house: House, reread: Callable[[], Settings], certificate: tls.Certificate | None) -> None:
        self._house = house
        self._reread = reread
        self._certificate = certificate
        self._reloading: set[asyncio.Task[None]] = set()
        self._looking: asyncio.TimerHandle | None = None
        self.code = 0
        self._running = Running(reload=self._reload, stop=self._stop, certificate=certificate)
        application = Application(house, self._running)
        self._telemetry = application.telemetry
        self._server = _Server(_config(application), application.drain, house.settings.server.drain_s)

    async def serve(self, tcp: socket.socket, control: socket.socket, on_ready: Callable[[str], None]) -> None:
        """Until told to stop. The workers are gone when it returns, whatever happened."""
        gateway, certificate = self._house.gateway, self._certificate
        names = certificate.shown.names if certificate is not None else None
        self._running.address = sockets.address_of(tcp, self._house.settings.server.host, names)
        listeners = [tcp, control]
        if certificate is not None:
            listeners = [control]
            self._server.encrypted = (tcp, certificate.context)
        with self._signals():
            try:
                await self._house.begin_record(self._lost)
                await gateway.start()
                if self._telemetry is not None:
                    self._telemetry.start()
                # What was imported stays for good; without this the garbage collector looks through it again and again.
                gc.freeze()
                self._look()
                self._server.on_started = lambda: on_ready(self._running.address)
                await self._server.serve(sockets=listeners)
            finally:
                if self._looking is not None:
                    self._looking.cancel()
                async with contextlib.AsyncExitStack() as closing:  # each is closed, whatever becomes of those before
                    closing.push_async_callback(self._house.end_record)
                    if self._telemetry is not None:
                        left_s = 0.0 if self._server.force_exit else LAST_MEASURED_S
                        closing.push_async_callback(self._telemetry.close, left_s)
                    # What may be drained has been: now only the workers are left to end.
                    await gateway.close(drain_s=0)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        handlers = {signal.SIGTERM: self._stop, signal.SIGINT: self._stop, signal.SIGHUP: self._reload_soon}
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    def _look(self) -> None:
        """Every LOOK_S: what is at work by a key ends when the key does, and a new certificate is taken."""
        self._house.access.end_dead()
        if self._certificate is not None:
            self._certificate.look()
        self._looking = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _stop(self) -> None:
        """The first time drains, the second ends at once."""
        if self._server.should_exit:
            self._server.end_now()
        self._server.stop()

    def _lost(self) -> None:
        """A process has ended that a restricted house does not run without."""
        self.code = FreeholdError.exit_code
        self._stop()

    async def _reload(self) -> tuple[str, ...]:
        """Read the settings again and put them in force. Raises SettingsError; then nothing has changed."""
        settings = self._reread()
        require_kept(dataclasses.replace(settings, policy=self._policy_at_start(settings)))
        lines = await self._house.gateway.reload(settings)
        for line in lines:
            _log.info("reload: %s", line)
        return lines

    def _policy_at_start(self, settings: Settings) -> Policy:
        """The policy of `settings` with the egress that the house is held to since its start."""
        return dataclasses.replace(settings.policy, egress=self._house.settings.policy.egress)

    def _reload_soon(self) -> None:
        task = asyncio.create_task(self._reload_logged(), name="reload")
        self._reloading.add(task)
        task.add_done_callback(self._reloading.discard)

    async def _reload_logged(self) -> None:
        try:
            await self._reload()
        except FreeholdError as error:
            _log.error("reload: nothing has changed. %s", error)
        except Exception:
            _log.exception("reload failed; nothing has changed")


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, with a word when it accepts connections, and with a drain before its end.
    `encrypted` is a socket for TLS alone, beside those that are plain: uvicorn knows one certificate for all of its
    sockets."""

    on_started: Callable[[], None] = staticmethod(lambda: None)
    encrypted: tuple[socket.socket, ssl.SSLContext] | None = None

    def __init__(self, config: uvicorn.Config, drain: Drain, drain_s: float) -> None:
        super().__init__(config)
        self._drain = drain
        self._drain_s = drain_s

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.encrypted is not None:
            listener, context = self.encrypted
            server = await asyncio.get_running_loop().create_server(
                self._protocol,
                sock=listener,
                ssl=context,
                backlog=self.config.backlog,
                ssl_handshake_timeout=tls.HANDSHAKE_TIMEOUT_S,
            )
            self.servers.append(server)
        self.on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain first, with the sockets open; then let clients take what is still on its way to them."""
        left_s = await self._drain.run(0.0 if self.force_exit else self._drain_s)
        self.config.timeout_graceful_shutdown = max(left_s, LAST_BYTES_S)  # type: ignore[assignment]  # floats too
        await super().shutdown(sockets)

    def stop(self) -> None:
        """Drain: from now on, and not from when uvicorn looks next."""
        self._drain.begin(self._drain_s)
        self.should_exit = True

    def end_now(self) -> None:
        """Cut off what is at work, which tells its clients so, and then the connections of those who take nothing."""
        self.force_exit = True
        for task in self.server_state.tasks:
            task.cancel()
        asyncio.get_running_loop().call_later(LAST_BYTES_S, self._abort)

    def _abort(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    def _protocol(self) -> BoundedProtocol:
        return BoundedProtocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(app: Application) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level=logging.ERROR,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
    )


def _new_loop(house: House) -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop() if house.outgoing is None else door_loop(house.outgoing)


def _own_folders(settings: Settings) -> list[Path]:
    """Where a restricted house goes on writing; made here, because the kernel is told of folders that are there."""
    folders = [settings.home, settings.runtime_dir, settings.ledger_folder]
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{folder} cannot be made: {error.strerror}.", folder=str(folder)) from error
    return folders


def _allow_many_files() -> None:
    """Every stream holds two sockets; the usual soft limit of 1024 is meant for programs that use select(2)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WANTED if hard == resource.RLIM_INFINITY else min(FILES_WANTED, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

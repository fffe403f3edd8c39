"""The two sockets a house listens on, and the lock that keeps a second house from taking its place.

The lock is the kernel's (flock), so a house that was killed leaves none behind; its file holds the process id for the
message. The control socket lies in the runtime folder, which belongs to this user alone (0700).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from freehold.core.errors import AddressInUseError, FreeholdError, SettingsError, StoreError
from freehold.core.paths import ensure_private

LOCK_NAME = "house.lock"
SOCKET_NAME = "house.sock"


@contextlib.contextmanager
def only_house(runtime_dir: Path, home: Path) -> Iterator[None]:
    """Hold the lock of this home's runtime folder. Raises AddressInUseError naming the house that has it,
    and StoreError where nothing can be written there."""
    with _writing_in(runtime_dir):
        # Unbuffered, so that a full disk is told by the write and not once more by the closing.
        opened = (ensure_private(runtime_dir) / LOCK_NAME).open("ab+", buffering=0)
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().decode("ascii", "replace").strip()
            raise AddressInUseError(
                f"A house for {home} is already running (process {holder or 'unknown'}).",
                hint="See it with `freehold ps`, or end it with `freehold stop`.",
                pid=int(holder) if holder.isdigit() else None,
            ) from None
        with _writing_in(runtime_dir):
            file.truncate(0)
            file.write(b"%d" % os.getpid())
        yield
        file.truncate(0)


@contextlib.contextmanager
def control_socket(runtime_dir: Path) -> Iterator[socket.socket]:
    """The bound Unix socket. Call it under `only_house`: it takes the place of a file that a killed house left."""
    path = runtime_dir / SOCKET_NAME
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        with _writing_in(runtime_dir):
            path.unlink(missing_ok=True)
            listener.bind(str(path))
            path.chmod(0o600)
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


def tcp_socket(host: str, port: int) -> socket.socket:
    """Bound to the first address of `host`; port 0 takes a free one. Raises AddressInUseError, SettingsError."""
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise SettingsError(f"{host} is not an address of this machine: {error.strerror}.", host=host) from error
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # Listening here, not in the server: two sockets may be bound to one port, only one may listen.
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise _cannot_bind(host, port, error) from error
    return listener


def address_of(listener: socket.socket, host: str, names: tuple[str, ...] | None = None) -> str:
    """The address people type for `listener`; one that listens everywhere is named by its loopback. `names` are
    the certificate's, None without TLS: an address that it does not vouch for is of no use to anybody."""
    port = listener.getsockname()[1]
    name = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104  # only renamed here
    if names and name not in names:
        name = next((each for each in names if not each.startswith("*")), name)
    scheme = "http" if names is None else "https"
    return f"{scheme}://[{name}]:{port}" if ":" in name else f"{scheme}://{name}:{port}"


@contextlib.contextmanager
def _writing_in(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"The runtime folder {folder} cannot be used: {error.strerror or error}.",
            hint="Make room there, or set XDG_RUNTIME_DIR to a short path of your own with room.",
            folder=str(folder),
        ) from error


def _cannot_bind(host: str, port: int, error: OSError) -> FreeholdError:
    if error.errno == errno.EADDRINUSE:
        return AddressInUseError(
            f"Port {port} on {host} is taken by another program.",
            hint=f"Take another: `freehold up --port {port + 1 if port < 65535 else 0}`. `ss -ltnp` shows who has it.",
            host=host,
            port=port,
        )
    if error.errno == errno.EACCES:
        return SettingsError(
            f"Port {port} is for the system alone.", hint="Take one above 1023: `freehold up --port 8300`."
        )
    return SettingsError(f"The house cannot listen on {host}:{port}: {error.strerror}.", host=host, port=port)

"""Speaks to the house that runs on this home, over its control socket. Standard library only, so that it loads fast;
where no house runs, which most commands ask about, not even its HTTP.

Nothing here starts a house or reaches another machine. That no house runs is an answer, not an error.
"""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from freehold.core.errors import EngineError, FreeholdError, LoadingError, NotFoundError, SettingsError
from freehold.core.settings import Secret, Settings

SOCKET_NAME = "house.sock"
LOCK_NAME = "house.lock"
ANSWER_TIMEOUT_S = 10.0
RELOAD_TIMEOUT_S = 600.0
LOAD_TIMEOUT_S = 3600.0
ERASE_TIMEOUT_S = 3600.0
STOP_MARGIN_S = 20.0
REFUSED = "Refused; nothing has changed."
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class HouseInfo:
    """A house that answers. `started_at` is in seconds since the epoch."""

    pid: int
    address: str
    version: str
    started_at: float


def running(settings: Settings) -> HouseInfo | None:
    """The house of this home, or None where none answers."""
    try:
        report = ps(settings)
    except NotFoundError:
        return None
    return HouseInfo(report["pid"], report["address"], report["version"], report["started_at"])


def ps(settings: Settings) -> dict[str, Any]:
    """What runs: version, pid, address, started_at, tls, endpoints, workers, and closes_within_s, None while it stays.
    Raises NotFoundError where none runs."""
    return _ask(settings, "GET", "/admin/ps", ANSWER_TIMEOUT_S)


def admits(address: str, key: Secret | None) -> bool:
    """Whether the house at `address` takes `key` over HTTP, where every client comes in: False is a missing or a wrong
    one. Raises EngineError where it does not answer there."""
    import http.client
    import ssl

    place = urlsplit(address)
    kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
    connection = kind(place.hostname or "", place.port, timeout=ANSWER_TIMEOUT_S)
    try:
        connection.request("GET", "/v1/models", headers={"authorization": f"Bearer {key.reveal()}"} if key else {})
        return connection.getresponse().status != HTTPStatus.UNAUTHORIZED
    except (OSError, http.client.HTTPException, ValueError) as error:
        hint = "An authority of your own is trusted where SSL_CERT_FILE names its certificate."
        raise EngineError(
            f"The house does not answer at {address}: {error}.", hint=hint if isinstance(error, ssl.SSLError) else ""
        ) from error
    finally:
        connection.close()


def reload(settings: Settings) -> tuple[str, ...]:
    """Let the house read its settings again; one line for each change. Raises SettingsError with what the house says
    is wrong: then nothing has changed."""
    return tuple(_ask(settings, "POST", "/admin/reload", RELOAD_TIMEOUT_S, hint=REFUSED)["changes"])


def load(settings: Settings, endpoint: str) -> dict[str, Any]:
    """Let the house bring the model of an endpoint into memory, also one that was set aside, and wait until it answers.
    Gives the endpoint. Raises SettingsError where there is none of that name, EngineError with why it does not start.
    """
    return dict(_ask(settings, "POST", "/admin/load", LOAD_TIMEOUT_S, body={"model": endpoint})["endpoint"])


def unload(settings: Settings, endpoint: str) -> dict[str, Any]:
    """Let the house end the model of an endpoint when its last request has ended, and wait for that. Gives the
    endpoint. Raises SettingsError where there is none of that name."""
    return dict(_ask(settings, "POST", "/admin/unload", LOAD_TIMEOUT_S, body={"model": endpoint})["endpoint"])


def reread_keys(settings: Settings) -> int | None:
    """Let the running house read its API keys again; how many requests that ended, or None where no house runs. Raises
    SettingsError, EngineError where it could not: then the old keys are in force there."""
    try:
        return int(_ask(settings, "POST", "/admin/keys", ANSWER_TIMEOUT_S)["ended"])
    except NotFoundError:
        return None


def erase(settings: Settings, chain: str, contents: list[list[int]], by: str, reason: str | None) -> int:
    """Let the house erase what it kept beside the ledger of this name: spans of segment, first and last place. How many
    contents were there. Raises NotFoundError where none runs, SettingsError where it writes another ledger, EngineError
    where it could not."""
    asked = {"chain": chain, "contents": contents, "by": by, "reason": reason}
    return int(_ask(settings, "POST", "/admin/erase", ERASE_TIMEOUT_S, body=asked)["erased"])


def accessed(settings: Settings, chain: str, admission: int, by: str, reason: str | None) -> None:
    """Let the house record, in the ledger of this name, that somebody is about to open what was kept of a request.
    Raises NotFoundError where none runs, SettingsError where it writes another ledger, EngineError where it cannot."""
    asked = {"chain": chain, "admission": admission, "by": by, "reason": reason}
    _ask(settings, "POST", "/admin/access", ANSWER_TIMEOUT_S, body=asked)


def rekeyed(settings: Settings, chain: str, by: str, made: dict[str, Any]) -> None:
    """Let the house record, in the ledger of this name, that somebody exchanged the keys of what is kept; `made` are
    the fields of that. Raises as `accessed`."""
    _ask(settings, "POST", "/admin/rekey", ANSWER_TIMEOUT_S, body={"chain": chain, "by": by, **made})


def stop(settings: Settings) -> None:
    """End the house and wait until its process is gone: at most its `drain_s` and a margin, then LoadingError."""
    pid = ps(settings)["pid"]
    _ask(settings, "POST", "/admin/stop", ANSWER_TIMEOUT_S)
    deadline = time.monotonic() + settings.server.drain_s + STOP_MARGIN_S
    while _is_locked(settings.runtime_dir / LOCK_NAME):
        if time.monotonic() > deadline:
            raise LoadingError(f"The house (process {pid}) is still ending.", hint=f"End it at once: `kill -9 {pid}`.")
        time.sleep(_POLL_S)


def _ask(
    settings: Settings,
    method: str,
    path: str,
    timeout_s: float,
    *,
    hint: str = "",
    body: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The house's answer; `hint` goes with an error that the house itself tells."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connected:
            connected.settimeout(timeout_s)
            connected.connect(str(settings.runtime_dir / SOCKET_NAME))
            status, answer = _exchange(connected, method, path, body)
    except (FileNotFoundError, ConnectionRefusedError, ConnectionResetError) as error:
        raise NotFoundError("running house", str(settings.home), hint="Start one: `freehold up`.") from error
    except (OSError, ValueError) as error:
        raise EngineError(f"The house does not answer on its control socket: {error}.") from error
    if status >= 400:
        raise _told(status, answer, hint)
    return dict(answer)


def _exchange(connected: socket.socket, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, Any]:
    """The status and the JSON of one answer. Raises OSError, and ValueError where that is no answer of a house."""
    from http.client import HTTPConnection, HTTPException

    connection = HTTPConnection("house")
    connection.sock = connected
    sent, headers = (None, {}) if body is None else (json.dumps(body), {"content-type": "application/json"})
    try:
        connection.request(method, path, body=sent, headers=headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    except ConnectionError:  # one of them is an HTTPException as well: the house has gone
        raise
    except HTTPException as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _told(status: int, body: dict[str, Any], hint: str) -> FreeholdError:
    """The house's own error, as this side can say it."""
    message = str(body.get("error", {}).get("message", f"The house answered {status}."))
    return SettingsError(message, hint=hint) if status < 500 else EngineError(message, hint=hint)


def _is_locked(lock: Path) -> bool:
    import fcntl

    try:
        descriptor = os.open(lock, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False

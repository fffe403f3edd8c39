"""Remote models as workers: nothing runs here, so starting one checks the address and that there is a key for it.

It calls nobody: the first word that leaves the house is a client's request. The key goes into the Authorization header
of that one address, never into a message, a repr, a report or a log. A server on this very machine needs none.
"""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from freehold.core.errors import WorkerStartError
from freehold.core.ports import Choice, MemoryNeeds, Room, Upstream, WorkerReport, WorkerState
from freehold.core.quantity import Exact
from freehold.core.refs import LOOPBACK_HOSTS, RemoteRef
from freehold.core.settings import Secret
from freehold.engines.remote.services import service_at

NAME = "remote"


class Remote:
    """Makes workers for references like `openai:NAME`."""

    def worker(self, ref: RemoteRef, key: Secret | None) -> RemoteWorker:
        """A worker for `ref` with `key`, which `start` will check."""
        return RemoteWorker(ref, key)


class RemoteWorker:
    """A `core.ports.Worker` without a process: ready once its address and its key are seen to be there."""

    def __init__(self, ref: RemoteRef, key: Secret | None) -> None:
        self._ref = ref
        self._key = key
        self._state: WorkerState = "stopped"
        self._started_at: float | None = None
        self._failure: WorkerStartError | None = None
        self._service = service_at(urlsplit(ref.base_url).hostname or "")

    @property
    def state(self) -> WorkerState:
        return self._state

    @property
    def upstream(self) -> Upstream:
        headers = {"authorization": f"Bearer {self._key.reveal()}"} if self._key is not None else {}
        return Upstream(
            engine=NAME,
            base_url=self._ref.base_url,
            model=self._ref.model,
            capabilities=self._service.capabilities,
            headers=headers,
        )

    async def plan(self, room: Room) -> MemoryNeeds:
        """None of this machine's memory."""
        del room
        return MemoryNeeds(Exact(0))

    async def start(self) -> None:
        """Check the address and the key. Raises WorkerStartError; no connection is made."""
        self._failure = self._trouble()
        if self._failure is not None:
            self._state = "failed"
            raise self._failure
        if self._state != "ready":
            self._state, self._started_at = "ready", time.time()

    async def ready(self) -> Upstream:
        if self._state != "ready":
            raise self._failure or WorkerStartError(str(self._ref), f"it is {self._state}.", hint="Start it first.")
        return self.upstream

    async def stop(self, *, grace_s: float = 5.0) -> None:
        del grace_s
        self._state, self._started_at, self._failure = "stopped", None, None

    def report(self) -> WorkerReport:
        return WorkerReport(
            build=str(self._ref),
            engine=NAME,
            state=self._state,
            pid=None,
            started_at=self._started_at,
            restarts=0,
            memory_bytes=None,
            lock="none: it runs elsewhere, and sees every prompt sent to it",
            choices={"address": Choice(self._ref.base_url, "set", f"{self._service.name}, by the reference")},
            last_error=self._failure.message if self._failure else None,
            log_path=None,
        )

    def _trouble(self) -> WorkerStartError | None:
        parts = urlsplit(self._ref.base_url)
        if _port_is_wrong(self._ref.base_url) or parts.username or parts.query:
            return self._not_started("its address must be https://HOST[:PORT]/PATH, with no user and no query.")
        if self._key is not None and not (self._key.reveal().isascii() and self._key.reveal().isprintable()):
            return self._not_started("its key holds a character that no header may have, such as a line break.")
        if parts.hostname in LOOPBACK_HOSTS:
            return None
        if parts.scheme != "https":
            return self._not_started(
                "its address is plain http, where prompts and the key could be read on the way.",
                hint=f"Use https: openai+{self._ref.base_url.replace('http:', 'https:', 1)}:{self._ref.model}",
            )
        if self._key is None:
            return self._not_started(f"there is no key for {parts.hostname}.", hint=self._key_hint())
        return None

    def _key_hint(self) -> str:
        if self._service.key_env is not None:
            return f"Set {self._service.key_env} (or {self._service.key_env}_FILE to a file that holds it)."
        return (
            "Name its environment variable in freehold.toml, "
            f'NAME = {{ ref = "{self._ref}", key_env = "SOME_KEY" }}, and set that variable.'
        )

    def _not_started(self, reason: str, hint: str = "") -> WorkerStartError:
        return WorkerStartError(str(self._ref), reason, hint=hint)


def _port_is_wrong(url: str) -> bool:
    try:
        _ = urlsplit(url).port
    except ValueError:
        return True
    return False

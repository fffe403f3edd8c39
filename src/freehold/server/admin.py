"""What `freehold ps`, `load`, `unload`, `reload`, `stop`, `keys` and `ledger` ask of the running house. Only over its
Unix socket, which only this user can open: over TCP these routes do not exist."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from freehold import __version__
from freehold.app import House, Ledger, Why, read_spans, rekeyed_of
from freehold.core.errors import LedgerError, RequestError
from freehold.gateway import requests
from freehold.server.answers import Handler
from freehold.server.body import read_object
from freehold.server.call import Call
from freehold.server.drain import Drain
from freehold.server.tls import Certificate

EVENTS_SHOWN = 20
NAME_LIMIT_BYTES = 65536
SPANS_LIMIT_BYTES = 1024 * 1024
TEXT_LIMIT = 1000
"""Of a reason: a record of the ledger is a short line."""


@dataclass(slots=True)
class Running:
    """What the process that serves knows of itself, and what it can be told. `address` is set once it listens."""

    reload: Callable[[], Awaitable[tuple[str, ...]]]
    stop: Callable[[], None]
    certificate: Certificate | None = None
    address: str = ""
    started_at: float = field(default_factory=time.time)


class Admin:
    """Handlers of the control socket."""

    def __init__(self, house: House, running: Running, drain: Drain) -> None:
        self._house = house
        self._gateway = house.gateway
        self._access = house.access
        self._running = running
        self._drain = drain

    def routes(self) -> dict[str, tuple[str, Handler]]:
        """Method and handler by path."""
        return {
            "/admin/ps": ("GET", self._ps),
            "/admin/load": ("POST", self._load),
            "/admin/unload": ("POST", self._unload),
            "/admin/reload": ("POST", self._reload),
            "/admin/stop": ("POST", self._stop),
            "/admin/keys": ("POST", self._keys),
            "/admin/erase": ("POST", self._erase),
            "/admin/access": ("POST", self._access_to_content),
            "/admin/rekey": ("POST", self._rekey),
        }

    async def _ps(self, call: Call) -> None:
        report = {
            "version": __version__,
            "pid": os.getpid(),
            "address": self._running.address,
            "started_at": self._running.started_at,
            "closes_within_s": self._drain.left_s,
            "tls": self._running.certificate.report() if self._running.certificate is not None else None,
            "endpoints": self._gateway.endpoints(),
            "lines": {name: line._asdict() for name, line in self._gateway.lines().items()},
            "workers": self._gateway.workers(),
            "memory": self._gateway.memory(),
            "events": tuple(self._gateway.life.kept)[-EVENTS_SHOWN:],
            "egress": self._egress(),
        }
        # Reports may hold read-only mappings, which the serializer does not know.
        raw = to_json(report, fallback=dict)
        await call.reply_bytes(200, raw, ((b"content-type", b"application/json"),))

    async def _load(self, call: Call) -> None:
        await call.reply(200, {"endpoint": dataclasses.asdict(await self._gateway.load(await _name(call)))})

    async def _unload(self, call: Call) -> None:
        await call.reply(200, {"endpoint": dataclasses.asdict(await self._gateway.unload(await _name(call)))})

    def _egress(self) -> dict[str, object]:
        """Where connections may go, None for anywhere; how much of that the kernel holds the house to; and what the
        house's own processes, and others that it started, were refused."""
        guard, record = self._house.guard, self._house.egress
        return {
            "allowed": None if guard is None else [str(peer) for peer in guard.peers],
            "by_kernel": None if guard is None else guard.by_kernel,
            "attempts": {} if record is None else record.seen(),
        }

    async def _reload(self, call: Call) -> None:
        await call.reply(200, {"changes": await self._running.reload()})

    async def _keys(self, call: Call) -> None:
        """Read the keys again. What is at work by one that opens no more ends now."""
        await call.reply(200, {"ended": self._access.reread()})

    async def _erase(self, call: Call) -> None:
        """Erase what is kept: those who ask name the contents, having read the chain."""
        asked = await read_object(call, SPANS_LIMIT_BYTES)
        these = read_spans(asked.get("contents"))
        if these is None:
            raise RequestError("`contents` must be spans of segment, first and last place.", param="contents")
        why, ledger = Why("asked", _text(asked, "by"), _reason(asked)), self._ledger(asked)
        if (unknown := await ledger.never_kept(these)) is not None:
            text = f"`contents` names places at which nothing was ever kept: {list(unknown)}."
            raise RequestError(text, param="contents")
        await call.reply(200, {"erased": await ledger.erasures.erase(these, why)})

    async def _access_to_content(self, call: Call) -> None:
        """Record who is about to open what is kept of a request, which they do themselves."""
        asked = await read_object(call, NAME_LIMIT_BYTES)
        admission = asked.get("admission")
        if type(admission) is not int:
            raise RequestError("`admission` must be the number of a record.", param="admission")
        await self._ledger(asked).accessed(admission, by=_text(asked, "by"), reason=_reason(asked))
        await call.reply(200, {"recorded": True})

    async def _rekey(self, call: Call) -> None:
        """Record an exchange of the keys of what is kept, which those who ask make themselves."""
        asked = await read_object(call, NAME_LIMIT_BYTES)
        made = rekeyed_of(asked)
        if made is None:
            text = "`key` and `former` must be names of keys; `segments`, `unopened` and `damaged` must count segments."
            raise RequestError(text, param="key")
        await self._ledger(asked).rekeyed(made, by=_text(asked, "by"))
        await call.reply(200, {"recorded": True})

    def _ledger(self, asked: Mapping[str, Any]) -> Ledger:
        """The ledger, which must be the one that those who ask have read: places mean nothing in another."""
        ledger = self._gateway.ledger
        if ledger is None:
            raise LedgerError("This house keeps no ledger.", hint="Set mode in [ledger] of freehold.toml.")
        if asked.get("chain") != ledger.chain:
            raise RequestError(
                "The house that runs writes another ledger than the one that your settings name. Use the freehold.toml "
                "that it was started with (FREEHOLD_CONFIG).",
                param="chain",
            )
        return ledger

    async def _stop(self, call: Call) -> None:
        await call.reply(202, {"stopping": True})
        self._running.stop()


def _text(asked: Mapping[str, Any], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str) or len(value) > TEXT_LIMIT:
        raise RequestError(f"`{name}` must be a text of at most {TEXT_LIMIT:,} characters.", param=name)
    return value


def _reason(asked: Mapping[str, Any]) -> str | None:
    return _text(asked, "reason") if asked.get("reason") is not None else None


async def _name(call: Call) -> str:
    """The endpoint that the call is about."""
    return requests.endpoint_name(await read_object(call, NAME_LIMIT_BYTES))

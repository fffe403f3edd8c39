"""A home with a ledger that keeps what it is asked, its clock in the test's hands: for every test of kept content."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from freehold.gateway.keeping import Keeping
from freehold.ledger.content.check import check
from freehold.ledger.content.erasing import Why
from freehold.ledger.content.house_key import FILE, KeyRing
from freehold.ledger.content.rekeyed import Rekeyed
from freehold.ledger.content.rekeying import rekey
from freehold.ledger.content.requests import KeptRequest, Sought, kept_requests
from freehold.ledger.content.shelf import Shelf, no_keys
from freehold.ledger.content.transcript import read
from freehold.ledger.ledger import Ledger, opened
from freehold.ledger.record import Asked, Clock, Outcome
from freehold.ledger.verdict import Verdict
from freehold.ledger.verify import verify

CANARY = "quicksilver-heron"
WHY = Why("asked", "ada", "asked by the customer")
HOUR_S, DAY_MS = 3600.0, 86_400_000
REQUESTS = 6


class Killed(BaseException):
    """What ends a house in the middle."""


@dataclass
class Time:
    """The time that a test sets, and by how much the wall clock is wrong."""

    ms: int = 1_800_000_000_000
    wrong_ms: int = 0

    @property
    def clock(self) -> Clock:
        return Clock(wall_ns=lambda: (self.ms + self.wrong_ms) * 1_000_000, boot_ns=lambda: self.ms * 1_000_000)


@dataclass
class Place:
    """A home: its ledger, and the key of its content, which another home may have lent it."""

    home: Path
    time: Time = field(default_factory=Time)
    key: Path | None = None

    @property
    def ledger(self) -> Path:
        return self.home / "ledger"

    @property
    def content(self) -> Path:
        return self.ledger / "content"

    @property
    def ring(self) -> KeyRing:
        return KeyRing(self.key or self.home / FILE)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Ledger]:
        ledger = await opened(self.ledger, "strict", version="1", ring=self.ring, clock=self.time.clock)
        try:
            yield ledger
        finally:
            await ledger.close()

    def verdict(self, *, with_key: bool = True) -> Verdict:
        verdict = verify(self.ledger)
        check(self.ledger, verdict, self.ring.read if with_key else no_keys)
        return verdict

    def rekey(self) -> Rekeyed:
        """Exchange the keys, as where the record of that is made at once."""
        return rekey(self.content, self.ring, lambda _: None)

    def requests(self, **sought: str) -> list[KeptRequest]:
        return kept_requests(self.ledger, Sought(**sought))  # type: ignore[arg-type]  # texts alone here

    def told(self, request: KeptRequest) -> str:
        """What opens of it, as text."""
        shelf = Shelf(self.content, self.ring.read)
        parts = [(name, shelf.find(name)) for name in request.names]
        return str(read(shelf.open(name, part) for name, part in parts if part is not None))

    def holds_canary(self) -> bool:
        return any(CANARY.encode() in path.read_bytes() for path in self.home.rglob("*") if path.is_file())


async def ask(ledger: Ledger, number: int, endpoint: str = "demo", keep_s: float = HOUR_S) -> None:
    keeping = Keeping(ledger.contents, endpoint, keep_s)
    keeping.sent("/chat/completions", {"messages": [{"role": "user", "content": f"{CANARY} {number}"}]})
    asked = Asked(f"req_{number}", "k_ada", endpoint, "/v1/chat/completions", None, "fake", 1)
    admission, began = ledger.admit(asked, await keeping.kept())
    keeping.event(json.dumps({"choices": [{"index": 0, "delta": {"content": f"answer {CANARY}"}}]}).encode())
    ledger.settle(admission, Outcome("done"), began, await keeping.kept())
    await ledger.durable()

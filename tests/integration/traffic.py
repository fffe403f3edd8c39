"""Clients that go on asking while something breaks, and the account that is taken afterwards.

Every request goes under an id of its own, which the ledger records. The account holds what the clients saw against
what was recorded: no admitted request without its records, no record without a request.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from freehold.ledger.segments import segments
from freehold.ledger.verify import verify
from tests.integration.house_process import HELLO, until

PAUSE_S = 0.01
LOST, REFUSED = "connection lost", "connection refused"


class Traffic:
    """`clients` threads that ask one endpoint each, in turn, at 127.0.0.1:`port`. `seen` is what came of each id: a
    status, LOST or REFUSED."""

    def __init__(self, port: int, endpoints: tuple[str, ...], *, clients: int = 6) -> None:
        self.seen: dict[str, int | str] = {}
        self._port = port
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(number, endpoints[number % len(endpoints)]))
            for number in range(clients)
        ]

    def answered(self) -> int:
        """How many requests were answered whole so far."""
        return [*self.seen.values()].count(200)

    def goes_on(self) -> None:
        """Return once twenty more requests have been answered whole."""
        before = self.answered()
        until(lambda: self.answered() >= before + 20)

    @contextmanager
    def running(self) -> Iterator[Traffic]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()

    def _ask(self, number: int, endpoint: str) -> None:
        count = 0
        while not self._over.is_set():
            count += 1
            name = f"client-{number}-{count}"
            self.seen[name] = found = self._one(name, endpoint)
            if found != 200:
                self._over.wait(PAUSE_S)  # as a client would that tries again

    def _one(self, name: str, endpoint: str) -> int | str:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        headers = {"content-type": "application/json", "x-request-id": name}
        try:
            connection.request("POST", "/v1/chat/completions", json.dumps({"model": endpoint, **HELLO}), headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except ConnectionRefusedError:
            return REFUSED
        except (OSError, http.client.HTTPException):
            return LOST
        finally:
            connection.close()


def account(ledger: Path, *traffic: Traffic) -> Counter[str]:
    """Hold the ledger of a house that has ended against what its clients saw; how each recorded request ended."""
    verdict = verify(ledger)
    assert (verdict.findings, verdict.open, verdict.torn_bytes) == ([], 0, 0)
    records = [json.loads(line) for path in segments(ledger) for line in path.read_bytes().splitlines()]
    admitted = {record["seq"]: record["request"] for record in records if record["kind"] == "admission"}
    outcomes: dict[int, dict[str, Any]] = {record["of"]: record for record in records if record["kind"] == "outcome"}
    assert len(set(admitted.values())) == len(admitted), "a request was admitted twice"
    assert admitted.keys() == outcomes.keys(), "an admission without an outcome, or the other way about"
    sent = {name: found for each in traffic for name, found in each.seen.items()}
    assert set(admitted.values()) <= sent.keys(), "a record of a request that nobody sent"
    ended = {request: outcomes[seq]["outcome"] for seq, request in admitted.items()}
    for name, found in sent.items():
        if found == 200:
            assert ended.get(name) == "done", f"{name} was answered and is recorded as {ended.get(name)}"
        if found == REFUSED:
            assert name not in ended, f"{name} never came in and is recorded as {ended[name]}"
    return Counter(ended.values())

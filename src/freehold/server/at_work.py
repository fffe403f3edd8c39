"""What the house is doing now and what went wrong lately, for who watches over it. Prompts and answers are in neither.

What failed is known by its code and the request's id, which the log has too: a message may hold words of the request.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

from freehold.core.errors import NotFoundError, StoppedError
from freehold.server.call import Call

MOST_FAILURES = 50


@dataclass(frozen=True, slots=True)
class Work:
    """One request at work. `key` and `owner` are None where no key was needed, `endpoint` until it is known. `pieces`
    are those of its answer that have come, the least number of tokens there can be; None while nobody can tell."""

    number: int
    key: str | None
    owner: str | None
    endpoint: str | None
    route: str
    seconds: float
    pieces: int | None
    is_with_engine: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """One request that had no whole answer. `at_s` is in seconds since 1970."""

    at_s: float
    request: str
    owner: str | None
    endpoint: str | None
    route: str
    code: str
    status: int


class AtWork:
    """`begin` and `end` around every request; only those that may reach an engine are shown."""

    def __init__(self) -> None:
        self._calls: dict[int, Call] = {}
        self._last = 0
        self._failures: deque[Failure] = deque(maxlen=MOST_FAILURES)

    def begin(self, call: Call) -> int:
        self._last += 1
        self._calls[self._last] = call
        return self._last

    def end(self, number: int) -> None:
        call = self._calls.pop(number)
        code = call.broken or call.refused
        # What strangers try is counted by the metrics; here it would push out what matters.
        if code is not None and call.status != 401:
            endpoint, owner = _endpoint(call), call.key.owner if call.key is not None else None
            request = call.id.decode()
            self._failures.append(Failure(time.time(), request, owner, endpoint, call.route, code, call.status))

    def now(self) -> list[Work]:
        """Oldest first."""
        return [_work(number, call) for number, call in self._calls.items() if call.work is not None]

    def failures(self) -> list[Failure]:
        """Newest first."""
        return list(reversed(self._failures))

    def stop(self, number: int) -> Call:
        """End the request `number`, which is told why. Raises NotFoundError where it has ended already."""
        call = self._calls.get(number)
        if call is None or call.work is None or call.ended is not None:
            raise NotFoundError("request at work", str(number), text="This request has ended already.")
        call.ended = StoppedError("This request was stopped by whoever runs the house.")
        call.work.cancel()
        return call


def _work(number: int, call: Call) -> Work:
    key, asking = call.key, call.asking
    return Work(
        number=number,
        key=key.id if key is not None else None,
        owner=key.owner if key is not None else None,
        endpoint=_endpoint(call),
        route=call.route,
        seconds=time.perf_counter() - call.started_at,
        pieces=asking.pieces if asking is not None else None,
        is_with_engine=asking is not None,
    )


def _endpoint(call: Call) -> str | None:
    """The endpoint that was asked; a name that nobody has yet found to be one is not shown."""
    if call.endpoint is not None or call.asking is None:
        return call.endpoint
    return call.asking.endpoint

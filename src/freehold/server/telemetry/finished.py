"""What is kept of a request that has ended until it is encoded: counts, times and names of the house's own.

No prompt and no answer is in it, nor anything else that a client or an engine could have written freely, but for the
request's id (which the log has too) and the trace's. It is taken on the event loop, so it is small.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from freehold.core.ports import Upstream
from freehold.gateway.asking import Asking
from freehold.server.call import Call
from freehold.server.telemetry.context import MOST_BYTES
from freehold.server.telemetry.conventions import OPERATIONS, known_reason

CLIENT_GONE = "client_gone"
MOST_REASONS = 128
"""As many answers as one request may ask for; completions of a list of prompts, or a remote engine, could tell more."""
_AT_THE_DOOR = frozenset({401, 403})


class EngineCall(NamedTuple):
    """The engine's part. Times are in seconds since the request came; counts are None where the engine did not tell."""

    upstream: Upstream
    sent_s: float
    ended_s: float
    first_s: float | None
    ending: str
    error: str | None
    tokens_in: int | None
    tokens_cached: int | None
    tokens_out: int | None
    reasons: tuple[str, ...]


class Finished(NamedTuple):
    """`ended_ns` is in nanoseconds since 1970. `status` is 0 where no answer began; `error` the code of what the client
    was told, or that it left; `is_broken` where an answer began and was not finished. `server` is the end of the
    connection that is the house's."""

    ended_ns: int
    duration_s: float
    method: str
    scheme: str
    path: str
    endpoint: str | None
    request: bytes
    traceparent: bytes | None
    status: int
    error: str | None
    is_broken: bool
    server: tuple[str, int | None] | None
    engine: EngineCall | None


def finished(call: Call) -> Finished | None:
    """What is kept of `call`, whose answer has ended; None where it did not ask a model."""
    if call.path not in OPERATIONS:
        return None
    asking, traceparent = call.asking, call.headers.get(b"traceparent")
    error = call.broken or call.refused
    if error is None and (call.gone or not call.status):
        error = CLIENT_GONE
    return Finished(
        time.time_ns(),
        time.perf_counter() - call.started_at,
        call.method,
        call.scope["scheme"],
        call.path,
        call.endpoint or (asking.endpoint if asking is not None else None),
        call.id,
        # A stranger joins no trace, and so does not decide what is sent.
        traceparent[:MOST_BYTES] if traceparent is not None and call.status not in _AT_THE_DOOR else None,
        call.status,
        error,
        call.broken is not None,
        call.scope.get("server"),
        _engine_call(asking, call.started_at) if asking is not None else None,
    )


def _engine_call(asking: Asking, started_at: float) -> EngineCall | None:
    """None where the engine was never asked."""
    outcome, sent_at = asking.outcome, asking.sent_at
    if outcome is None or outcome.total_us is None or sent_at is None:
        return None
    return EngineCall(
        asking.upstream,
        sent_at - started_at,
        outcome.total_us / 1e6,
        None if outcome.first_us is None else outcome.first_us / 1e6,
        outcome.ending,
        outcome.error,
        outcome.tokens_in,
        outcome.tokens_cached,
        outcome.tokens_out,
        tuple(map(known_reason, asking.reasons[:MOST_REASONS])),
    )

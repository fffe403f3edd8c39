"""Where a request stands in a trace: W3C Trace Context, level 1, and whether its spans are sent.

A client's `traceparent` is followed, its word on sampling too, so that a trace is whole or absent. Without one, or with
one that is not sound, a trace begins here. `tracestate` is not read. Pure but for the bytes of chance.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

MOST_BYTES = 64  # a traceparent of version 00 has 55
_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_SAMPLED = 0x01


class Context(NamedTuple):
    """`parent_id` is the client's span, empty where the trace begins here."""

    trace_id: bytes
    parent_id: bytes
    sampled: bool


def context_of(traceparent: bytes | None, sample: float) -> Context:
    """The place of one request; `sample` is the part of the traces that begin here which is sent."""
    if traceparent is not None and (joined := _joined(traceparent)) is not None:
        return joined
    trace_id = new_id(16)
    # TraceIdRatioBased of the SDKs: every one of them decides the same of the same id.
    return Context(trace_id, b"", int.from_bytes(trace_id[8:], "big") < sample * 2**64)


def new_id(size_bytes: int) -> bytes:
    """Never all zeros, which means none."""
    while not any(made := os.urandom(size_bytes)):
        pass
    return made


def _joined(traceparent: bytes) -> Context | None:
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or found[1] == b"ff" or (found[1] == b"00" and found[5] is not None):
        return None
    trace_id, parent_id = (bytes.fromhex(found[group].decode()) for group in (2, 3))
    if not any(trace_id) or not any(parent_id):
        return None
    return Context(trace_id, parent_id, bool(int(found[4], 16) & _SAMPLED))

"""What a request says of its place among others: its priority and its deadline. Pure.

Both are the client's to lower: less than its key's priority, less time than the house gives. `service_tier` "flex" is
how OpenAI's clients say that nobody waits for the answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from freehold.core.admission_settings import DAY_S, AdmissionSettings
from freehold.core.errors import RequestError
from freehold.gateway.access.key import PRIORITIES, Priority
from freehold.gateway.admission.ticket import Wish

PRIORITY_HEADER = b"x-freehold-priority"
DEADLINE_HEADER = b"x-freehold-deadline"
LEAST_S = 0.001


def read_wish(
    headers: Mapping[bytes, bytes], body: Mapping[str, Any], settings: AdmissionSettings, began_at: float
) -> Wish:
    """The wish of a request that began at `began_at` (`time.perf_counter`). Raises RequestError."""
    given_s, most_s = _deadline_s(headers.get(DEADLINE_HEADER)), settings.deadline_s or math.inf
    return Wish(_priority(headers.get(PRIORITY_HEADER), body), began_at + min(given_s, most_s))


def _priority(given: bytes | None, body: Mapping[str, Any]) -> Priority:
    if given is None:
        return "batch" if body.get("service_tier") == "flex" else "interactive"
    for priority in PRIORITIES:
        if given == priority.encode():
            return priority
    raise RequestError(f"The header x-freehold-priority must be {' or '.join(PRIORITIES)}, not {_shown(given)}.")


def _deadline_s(given: bytes | None) -> float:
    """Seconds, infinite where nothing is said."""
    if given is None:
        return math.inf
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not LEAST_S <= seconds <= DAY_S:
        raise RequestError(
            f"The header x-freehold-deadline must be seconds, {LEAST_S} to {DAY_S:,.0f}, not {_shown(given)}.",
            hint="Such as `x-freehold-deadline: 30`.",
        )
    return seconds


def _shown(given: bytes) -> str:
    return repr(given[:40].decode("latin-1"))

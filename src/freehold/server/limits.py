"""The headers that tell a client how much its key may still do, as OpenAI names them. Pure."""

from __future__ import annotations

import math

from freehold.gateway.access.meter import Meter, Standing

Header = tuple[bytes, bytes]


def limit_headers(meter: Meter) -> list[Header]:
    """`x-ratelimit-limit-`, `-remaining-` and `-reset-` of requests and of tokens; none where a key has no such limit.
    Of tokens it is the shortest of the key's limits. `reset` is the time until more is left, such as `1m30s`."""
    headers: list[Header] = []
    for what, standing in ((b"requests", meter.requests()), (b"tokens", meter.tokens())):
        if standing is not None:
            headers += _of(what, standing)
    return headers


def _of(what: bytes, standing: Standing) -> list[Header]:
    return [
        (b"x-ratelimit-limit-" + what, b"%d" % standing.limit),
        (b"x-ratelimit-remaining-" + what, b"%d" % standing.remaining),
        (b"x-ratelimit-reset-" + what, _span(standing.reset_s)),
    ]


def _span(seconds: float) -> bytes:
    whole = math.ceil(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    text = f"{hours}h" * bool(hours) + f"{minutes}m" * bool(hours or minutes) + f"{whole % 60}s"
    return text.encode()

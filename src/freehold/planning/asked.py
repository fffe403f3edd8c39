"""The engine's own word on how large its buffers would be, set beside the arithmetic.

It is asked in a locked process of its own, about a build whose header is here; no weight is read and nothing allocated.
What it prints is taken as measured, to the hundredth of a MiB that it prints; weights are to the byte.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from freehold.core.quantity import Exact, Measured, Quantity, Unknown, as_json, at_least, likeliest
from freehold.engines.llamacpp.identity import engine_id
from freehold.engines.llamacpp.oracle import PRINTED_BYTES, EngineSays, Oracle
from freehold.fit.memory import MemoryNeed, need
from freehold.fit.options import Option
from freehold.fit.plan import Wanted

PARTS = ("weights_bytes", "kv_cache_bytes", "state_bytes", "compute_bytes", "output_bytes")


async def ask(oracle: Oracle, options: Sequence[Option], wanted: Wanted) -> list[dict[str, Any]]:
    """What it says of each of `options`, in their order.

    `difference_bytes` is how much more the engine says of a part than the arithmetic, null where one of them says
    nothing; `unknown` is why nothing is said of a build, null where something is.
    """
    answers = []
    for each in options:
        run = wanted.run(each.blueprint)
        if each.outline is None:
            said: EngineSays | Unknown = Unknown("no header of it is here: `freehold pull` brings one")
        else:
            (said,) = await oracle.ask(each.outline, [run])
        answers.append(_json(said, need(each.blueprint, run)))
    return answers


def _json(said: EngineSays | Unknown, needed: MemoryNeed) -> dict[str, Any]:
    parts = {name: said if isinstance(said, Unknown) else _part(said, name) for name in PARTS}
    return {
        "engine": engine_id(),
        "unknown": said.reason if isinstance(said, Unknown) else None,
        **{name: as_json(part) for name, part in parts.items()},
        "difference_bytes": {name: _difference(part, getattr(needed, name), name) for name, part in parts.items()},
    }


def _part(said: EngineSays, name: str) -> Quantity:
    value = getattr(said, name)
    if name == "weights_bytes" or not value:
        return Exact(value)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return Measured(value, value - PRINTED_BYTES, value + PRINTED_BYTES, 1, today)


def _difference(said: Quantity, computed: Quantity, name: str) -> float | None:
    """The engine begins with the output of one token of every slot, which is the low end of what is computed."""
    theirs, ours = likeliest(said), (at_least if name == "output_bytes" else likeliest)(computed)
    return None if theirs is None or ours is None else theirs - ours

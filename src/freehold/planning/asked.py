"""The engine's own word on a build, set beside the arithmetic: how large its buffers would be, or why it refuses it.

It is asked in a locked process of its own, about a build whose header is here; no weight is read and nothing allocated.
What it prints is taken as measured, to the hundredth of a MiB that it prints; weights are to the byte.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from freehold.core.quantity import Exact, Measured, Quantity, Unknown, as_json, at_least, likeliest
from freehold.engines.llamacpp.identity import engine_id
from freehold.engines.llamacpp.oracle import PRINTED_BYTES, EngineSays, Oracle, Refused, Word
from freehold.fit.memory import need
from freehold.fit.options import Option
from freehold.fit.plan import Wanted

PARTS = ("weights_bytes", "kv_cache_bytes", "state_bytes", "compute_bytes", "output_bytes")


async def ask(oracle: Oracle, options: Sequence[Option], wanted: Wanted) -> list[Word]:
    """What it says of each of `options`, in their order."""
    return [await _word(oracle, each, wanted) for each in options]


async def _word(oracle: Oracle, each: Option, wanted: Wanted) -> Word:
    if each.outline is None:
        return Unknown("no header of it is here: `freehold pull` brings one")
    (said,) = await oracle.ask(each.outline, [wanted.run(each.blueprint)])
    return said


def heard(options: Sequence[Option], words: Sequence[Word]) -> tuple[Option, ...]:
    """`options`, those that it refuses marked: they fit nowhere."""
    return tuple(
        replace(each, refused=word.reason) if isinstance(word, Refused) else each
        for each, word in zip(options, words, strict=True)
    )


def word_json(said: Word, each: Option, wanted: Wanted) -> dict[str, Any]:
    """What it said of one build. `difference_bytes` is how much more that is of a part than the arithmetic, null where
    one of them says nothing; `unknown` is why nothing is said of a build, null where something is; `refused` why the
    engine does not load it."""
    needed = need(each.blueprint, wanted.run(each.blueprint))
    parts: dict[str, Quantity] = {
        name: _part(said, name) if isinstance(said, EngineSays) else Unknown(said.reason) for name in PARTS
    }
    return {
        "engine": engine_id(),
        "unknown": None if isinstance(said, EngineSays) else said.reason,
        "refused": said.reason if isinstance(said, Refused) else None,
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

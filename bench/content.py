"""What keeping content costs: requests per second, closed loop, 16 clients, an engine that answers at once, with the
ledger in each mode, of an endpoint that keeps what it is asked and answers, and of one that does not."""

from __future__ import annotations

from contextlib import AsyncExitStack

import uvloop

from bench.harness import arms
from bench.harness.measure import Claim, Measurement, arguments
from bench.ledger import PER_S, arm

CLIENTS = 16
MODES = ("relaxed", "strict")


async def main() -> None:
    chosen = arguments(__doc__)
    total = 2400 if chosen.quick else 12_000
    result = Measurement("content", quick=chosen.quick)
    async with AsyncExitStack() as stack:
        compared = {}
        for mode in MODES:
            for keep_content in (None, "30d"):
                running = arms.house("fake:bench?tokens=1", ledger=f'mode = "{mode}"', keep_content=keep_content)
                name = mode if keep_content is None else _kept(mode)
                compared[name] = arm(await stack.enter_async_context(running), total, CLIENTS)
        await result.interleave(compared, chosen.repetitions)
    result.save(_claims(result))


def _kept(mode: str) -> str:
    return f"{mode}, kept"


def _claims(result: Measurement) -> list[Claim]:
    claims = []
    for mode in MODES:
        share = result.paired(_kept(mode), mode, "requests/s", lambda mine, without: mine / without)
        text = f"{mode}, of the rate where nothing is kept"
        claims.append(Claim(text, "(no mark set)", f"{share:.3f}", None))
        added = result.paired(_kept(mode), mode, f"p50 ms at {PER_S}/s", lambda mine, without: mine - without)
        claims.append(Claim(f"{mode} adds at {PER_S}/s, p50 ms", "(no mark set)", f"{added:.2f} ms", None))
    return claims


if __name__ == "__main__":
    uvloop.run(main())

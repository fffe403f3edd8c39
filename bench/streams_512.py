"""512 streams of 40 individually flushed events per second each, through the house: do all keep pace?

The time between two events of one stream should be 25 ms. What is taken is the 99th percentile over all gaps of all
streams, and how many streams ended later than their pace allows (the last event over 5 % behind).
"""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AsyncExitStack

import uvloop

from bench.harness import arms
from bench.harness.chat import chat
from bench.harness.load import Address, Client, Seen
from bench.harness.measure import Arm, Claim, Measurement, Values, arguments, quantile

STREAMS = 512
RATE_PER_S = 40
REACH_P99_MS = 60
BEHIND_SHARE = 1.05


def _arm(address: Address, tokens: int) -> Arm:
    request = chat(stream=True)

    async def run() -> Values:
        clients = [await Client.connect(address) for _ in range(STREAMS)]
        seen = await asyncio.gather(*(client.ask(request) for client in clients))
        for client in clients:
            client.close()
        return _values(seen, tokens)

    return run


def _values(seen: list[Seen], tokens: int) -> Values:
    failed = sum(one.status != 200 or len(one.arrivals_s) < tokens for one in seen)
    if failed:
        raise RuntimeError(f"{failed} of {len(seen)} streams were not whole")
    # The first token's event, and all after it up to the last token's: what follows at the end is not paced.
    paced = [one.arrivals_s[1 : tokens + 1] for one in seen]
    gaps = [later - earlier for arrivals in paced for earlier, later in itertools.pairwise(arrivals)]
    planned_s = (tokens - 1) / RATE_PER_S
    behind = sum(arrivals[-1] - arrivals[0] > BEHIND_SHARE * planned_s for arrivals in paced)
    return {"gap p50 ms": 1e3 * quantile(gaps, 0.5), "gap p99 ms": 1e3 * quantile(gaps, 0.99), "streams behind": behind}


async def main() -> None:
    chosen = arguments(__doc__)
    tokens = 80 if chosen.quick else 400
    options = f"rate={RATE_PER_S}&tokens={tokens}"
    result = Measurement("streams_512", quick=chosen.quick)
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(arms.fake(f"fake:bench?{options}"))
        house = await stack.enter_async_context(arms.house(f"fake:bench?{options}"))
        compared = {"engine alone": _arm(engine.address, tokens), "house": _arm(house.address, tokens)}
        await result.interleave(compared, chosen.repetitions)
    p99, behind = result.median("house", "gap p99 ms"), result.median("house", "streams behind")
    result.save(
        [
            Claim("inter-event p99", f"under {REACH_P99_MS} ms", f"{p99:.1f} ms", p99 < REACH_P99_MS),
            Claim(f"of {STREAMS} streams, behind their pace", "0", f"{behind:.0f}", behind == 0),
        ]
    )


if __name__ == "__main__":
    uvloop.run(main())

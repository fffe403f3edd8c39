"""The house's resident memory: idle after its start, and how much it grows over 20,000 requests.

Each repetition is a house of its own. It is warmed by 2,000 requests first (code and caches that the first requests
bring in are no growth), then growth is taken over the next 20,000; half of them stream. The engine's process is its
own and is not counted.
"""

from __future__ import annotations

import psutil
import uvloop

from bench.harness import arms
from bench.harness.chat import chat
from bench.harness.load import closed_loop
from bench.harness.measure import Claim, Measurement, Values, arguments

REACH_IDLE_MB = 130
REACH_GROWTH = 5
OPTIONS = "tokens=16"


async def _house(warm_up: int, total: int) -> Values:
    async with arms.house(f"fake:bench?{OPTIONS}") as house:
        process = psutil.Process(house.pid)

        def resident_mb() -> float:
            return float(process.memory_info().rss) / 1e6

        async def load(requests: int) -> None:
            for request in (chat(), chat(stream=True)):
                seen = await closed_loop(house.address, request, clients=16, total=requests // 2)
                if seen.failures:
                    raise RuntimeError(f"{seen.failures} of {seen.requests} requests failed")

        idle_mb = resident_mb()
        await load(warm_up)
        before_mb = resident_mb()
        await load(total)
        after_mb = resident_mb()
        grown = 100 * (after_mb - before_mb) / before_mb
        return {"idle MB": idle_mb, "warm MB": before_mb, "after MB": after_mb, "growth %": grown}


async def main() -> None:
    chosen = arguments(__doc__)
    warm_up, total = (200, 2000) if chosen.quick else (2000, 20_000)
    result = Measurement("gateway_memory", quick=chosen.quick)
    await result.interleave({"house": lambda: _house(warm_up, total)}, chosen.repetitions)
    idle, growth = result.median("house", "idle MB"), result.median("house", "growth %")
    result.save(
        [
            Claim("resident, idle", f"under {REACH_IDLE_MB} MB", f"{idle:.0f} MB", idle < REACH_IDLE_MB),
            Claim(
                f"growth over {total:,} requests", f"under {REACH_GROWTH} %", f"{growth:.1f} %", growth < REACH_GROWTH
            ),
        ]
    )


if __name__ == "__main__":
    uvloop.run(main())

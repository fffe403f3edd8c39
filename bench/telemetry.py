"""What it costs to send traces and metrics: requests per second, closed loop, 16 clients, an engine without work.

24,000 requests an arm. "on" sends to a collector that takes everything at once, "away" to an address where nobody
listens; "off" sends nothing. Added latency is taken open loop at 200 requests per second, against "off"."""

from __future__ import annotations

from contextlib import AsyncExitStack

import psutil
import uvloop

from bench.harness import arms
from bench.harness.chat import chat
from bench.harness.load import Address, closed_loop, open_loop
from bench.harness.measure import Arm, Claim, Measurement, Values, arguments, quantile

CLIENTS = 16
PER_S = 200
REACH = 0.9
ARMS = ("on", "away")


def _arm(house: arms.Running, total: int) -> Arm:
    request = chat()
    process = psutil.Process(house.pid)

    async def run() -> Values:
        before = process.cpu_times()
        seen = await closed_loop(house.address, request, clients=CLIENTS, total=total)
        after = process.cpu_times()
        calm = await open_loop(house.address, request, per_s=PER_S, total=total // 48)
        if seen.failures or calm.failures:
            raise RuntimeError(f"{seen.failures + calm.failures} requests failed")
        used_s = after.user + after.system - before.user - before.system
        return {
            "requests/s": seen.requests_per_s,
            "CPU ms/request": 1e3 * used_s / total,
            f"p50 ms at {PER_S}/s": 1e3 * quantile(calm.latencies_s, 0.5),
            f"p99 ms at {PER_S}/s": 1e3 * quantile(calm.latencies_s, 0.99),
        }

    return run


async def main() -> None:
    chosen = arguments(__doc__)
    total = 2400 if chosen.quick else 24_000
    result = Measurement("telemetry", quick=chosen.quick)
    async with AsyncExitStack() as stack:
        taking = await stack.enter_async_context(arms.collector())
        places = {"off": None, "on": taking.address, "away": Address(port=arms.free_port())}
        compared = {}
        for name, place in places.items():
            house = await stack.enter_async_context(arms.house("fake:bench?tokens=1", collector=place))
            compared[name] = _arm(house, total)
        await result.interleave(compared, chosen.repetitions)
    result.save(_claims(result))


def _claims(result: Measurement) -> list[Claim]:
    claims = []
    for name in ARMS:
        kept = result.paired(name, "off", "requests/s", lambda mine, without: mine / without)
        claims.append(Claim(f"{name}, of the rate without", f"at least {REACH}", f"{kept:.3f}", kept >= REACH))
        added = result.paired(name, "off", f"p50 ms at {PER_S}/s", lambda mine, without: mine - without)
        claims.append(Claim(f"{name} adds at {PER_S}/s, p50 ms", "(no mark set)", f"{added:.2f} ms", None))
    return claims


if __name__ == "__main__":
    uvloop.run(main())

"""What it costs to send traces and metrics: requests per second, closed loop, 16 clients, an engine without work.

24,000 requests an arm. "on" sends to a collector that takes everything at once, "away" to an address where nobody
listens; "off" sends nothing. Added latency is taken open loop at 200 requests per second, against "off"."""

from __future__ import annotations

from contextlib import AsyncExitStack

import uvloop

from bench.harness import arms
from bench.harness.load import Address
from bench.harness.measure import Claim, Measurement, arguments
from bench.ledger import PER_S, arm

CLIENTS = 16
REACH = 0.9
ARMS = ("on", "away")


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
            compared[name] = arm(house, total, CLIENTS)
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

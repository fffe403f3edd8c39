"""What the ledger costs: requests per second, closed loop, an engine that answers at once, in each mode.

24,000 requests an arm. `strict` waits for the disk twice a request, `relaxed` for the kernel; `off` keeps no ledger.
16 clients wait for the disk more than they ask; 512 at once are what a house of many has, and share its writes.
Added latency is taken open loop at 200 requests per second, against the house without a ledger."""

from __future__ import annotations

from contextlib import AsyncExitStack

import psutil
import uvloop

from bench.harness import arms
from bench.harness.chat import chat
from bench.harness.load import closed_loop, open_loop
from bench.harness.measure import Arm, Claim, Measurement, Values, arguments, quantile

CLIENTS = (16, 512)
PER_S = 200
MODES = ("off", "relaxed", "strict")
REACH = 0.9


def arm(house: arms.Running, total: int, clients: int) -> Arm:
    """The rate of a house in a closed loop of `total` requests, and its latency in an open one."""
    request = chat()
    process = psutil.Process(house.pid)

    async def run() -> Values:
        before = process.cpu_times()
        seen = await closed_loop(house.address, request, clients=clients, total=total)
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
    result = Measurement("ledger", quick=chosen.quick)
    async with AsyncExitStack() as stack:
        compared: dict[str, Arm] = {}
        for mode in MODES:
            house = await stack.enter_async_context(arms.house("fake:bench?tokens=1", ledger=f'mode = "{mode}"'))
            compared |= {_name(mode, clients): arm(house, total, clients) for clients in CLIENTS}
        await result.interleave(compared, chosen.repetitions)
    result.save([claim for clients in CLIENTS for mode in MODES[1:] for claim in _claims(result, mode, clients)])


def _name(mode: str, clients: int) -> str:
    return f"{mode}, {clients} clients"


def _claims(result: Measurement, mode: str, clients: int) -> list[Claim]:
    mine, without = _name(mode, clients), _name("off", clients)
    kept = result.paired(mine, without, "requests/s", lambda its, others: its / others)
    added = result.paired(mine, without, f"p50 ms at {PER_S}/s", lambda its, others: its - others)
    return [
        Claim(f"{mine}, of the rate without a ledger", f"at least {REACH}", f"{kept:.3f}", kept >= REACH),
        Claim(f"{mode} adds at {PER_S}/s, p50 ms", "(no mark set)", f"{added:.2f} ms", None),
    ]


if __name__ == "__main__":
    uvloop.run(main())

"""Requests per second, closed loop, 16 clients, an engine that answers at once: the house, a bare relay, LiteLLM.

Everything shares the machine's cores: generator, gateway and engine. The engine alone is measured too, to show that
neither it nor the generator is what limits the others.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

import psutil
import uvloop

from bench.harness import arms
from bench.harness.chat import chat
from bench.harness.load import closed_loop
from bench.harness.measure import Arm, Claim, Measurement, Values, arguments, quantile

CLIENTS = 16
OPTIONS = "tokens=1"
REACH_PER_S = 3000


def _arm(server: arms.Running, total: int) -> Arm:
    request = chat()
    process = psutil.Process(server.pid)

    async def run() -> Values:
        before_s = _cpu_s(process)
        seen = await closed_loop(server.address, request, clients=CLIENTS, total=total)
        if seen.failures:
            raise RuntimeError(f"{seen.failures} of {seen.requests} requests failed")
        used_s = _cpu_s(process) - before_s
        return {
            "requests/s": seen.requests_per_s,
            "p50 ms": 1e3 * quantile(seen.latencies_s, 0.5),
            "CPU ms/request": 1e3 * used_s / seen.requests,
        }

    return run


def _cpu_s(process: psutil.Process) -> float:
    """Time that the server's process has computed: unlike the rate, it hardly depends on what else runs here."""
    used = process.cpu_times()
    return float(used.user + used.system)


async def main() -> None:
    chosen = arguments(__doc__)
    total = 1000 if chosen.quick else 10_000
    result = Measurement("gateway_throughput", quick=chosen.quick)
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(arms.fake(f"fake:bench?{OPTIONS}"))
        relay = await stack.enter_async_context(arms.relay(engine.address))
        house = await stack.enter_async_context(arms.house(f"fake:bench?{OPTIONS}"))
        compared = {
            "engine alone": _arm(engine, total),
            "bare relay": _arm(relay, total),
            "house": _arm(house, total),
        }
        try:
            litellm = await stack.enter_async_context(arms.litellm(OPTIONS))
            compared["LiteLLM"] = _arm(litellm, max(100, total // 10))
        except arms.SkippedError as reason:
            result.skip("LiteLLM", str(reason))
        await result.interleave(compared, chosen.repetitions)
    result.save(_claims(result))


def _claims(result: Measurement) -> list[Claim]:
    found = result.median("house", "requests/s")
    ratio = result.paired("house", "bare relay", "requests/s", lambda mine, other: mine / other)
    claims = [
        Claim("requests per second, 16 clients", f"over {REACH_PER_S:,}", f"{found:,.0f}", found > REACH_PER_S),
        Claim("of a bare relay in the same run", "(no mark set)", f"{ratio:.2f}", None),
    ]
    if result.has("LiteLLM"):
        ratio = result.paired("house", "LiteLLM", "requests/s", lambda mine, other: mine / other)
        claims.append(Claim("times LiteLLM's proxy in the same run", "over 1", f"{ratio:.1f}", ratio > 1))
    return claims


if __name__ == "__main__":
    uvloop.run(main())

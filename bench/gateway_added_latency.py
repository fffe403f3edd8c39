"""What the house adds to a request, open loop at 200 requests per second, against the same engine asked directly.

p50 and p99 of both arms are taken in the same repetition, and what is added is their difference. Latency counts from
the moment a request was planned for, so a stall shows in every request behind it.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

import uvloop

from bench.harness import arms
from bench.harness.chat import chat
from bench.harness.load import Address, open_loop
from bench.harness.measure import Arm, Claim, Measurement, Values, arguments, quantile

PER_S = 200
# LiteLLM's proxy gives out far below 200 per second here; asked more slowly, its own time shows instead of a queue's.
LITELLM_PER_S = 20
LITELLM = f"LiteLLM at {LITELLM_PER_S}/s"
OPTIONS = "tokens=1"
REACH_MS = {"p50 ms": 0.8, "p99 ms": 4.0}


def _arm(address: Address, total: int, per_s: float = PER_S) -> Arm:
    request = chat()

    async def run() -> Values:
        seen = await open_loop(address, request, per_s=per_s, total=total)
        if seen.failures:
            raise RuntimeError(f"{seen.failures} of {total} requests failed")
        p50, p99 = (1e3 * quantile(seen.latencies_s, share) for share in (0.5, 0.99))
        return {"p50 ms": p50, "p99 ms": p99, "sent late %": 100 * seen.late_sends / total}

    return run


async def main() -> None:
    chosen = arguments(__doc__)
    total = 400 if chosen.quick else 2000
    result = Measurement("gateway_added_latency", quick=chosen.quick)
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(arms.fake(f"fake:bench?{OPTIONS}"))
        relay = await stack.enter_async_context(arms.relay(engine.address))
        house = await stack.enter_async_context(arms.house(f"fake:bench?{OPTIONS}"))
        compared = {
            "engine alone": _arm(engine.address, total),
            "bare relay": _arm(relay.address, total),
            "house": _arm(house.address, total),
        }
        try:
            litellm = await stack.enter_async_context(arms.litellm(OPTIONS))
            compared[LITELLM] = _arm(litellm.address, total * LITELLM_PER_S // PER_S, LITELLM_PER_S)
        except arms.SkippedError as reason:
            result.skip(LITELLM, str(reason))
        await result.interleave(compared, chosen.repetitions)
    result.save(_claims(result))


def _claims(result: Measurement) -> list[Claim]:
    claims = []
    for metric, reach in REACH_MS.items():
        added = result.paired("house", "engine alone", metric, lambda mine, other: mine - other)
        claims.append(Claim(f"added at {PER_S}/s, {metric}", f"under {reach:g} ms", f"{added:.2f} ms", added < reach))
        if result.has(LITELLM):
            theirs = result.paired(LITELLM, "engine alone", metric, lambda mine, other: mine - other)
            text = f"{LITELLM} adds, {metric}"
            claims.append(Claim(text, "(for comparison)", f"{theirs:.2f} ms, {theirs / added:.1f} times", None))
    return claims


if __name__ == "__main__":
    uvloop.run(main())

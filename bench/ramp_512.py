"""512 streaming clients that come within 5 s: does any fail, what memory does the house take, how soon is the first
event?

Each client comes at its planned moment on a connection of its own, which counts in its time to the first event. An
answer is 10 s long, so that all of them are there together. Two paces: 20 events a second and client, which is what
people read, and 40, which is what `streams_512` holds a house to that nobody comes to meanwhile. Memory is the peak of
the house's process, looked at ten times a second.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import psutil
import uvloop

from bench.harness import arms
from bench.harness.chat import chat
from bench.harness.load import Client
from bench.harness.measure import Arm, Claim, Measurement, Values, arguments, quantile

CLIENTS = 512
RAMP_S = 5.0
ANSWER_S = 10
RATES_PER_S = (20, 40)
REACH_MB = 400
REACH_FIRST_MS = 250
LOOK_EVERY_S = 0.1


def _arm(server: arms.Running, tokens: int) -> Arm:
    request = chat(stream=True)
    process = psutil.Process(server.pid)

    async def run() -> Values:
        began_s = time.perf_counter()
        peak = asyncio.create_task(_peak_mb(process))
        found = await asyncio.gather(
            *(_client(server, request, began_s + RAMP_S * number / CLIENTS, tokens) for number in range(CLIENTS))
        )
        peak.cancel()
        firsts_s = [first_s for first_s in found if first_s is not None]
        return {
            "failed": CLIENTS - len(firsts_s),
            "first event p50 ms": 1e3 * quantile(firsts_s, 0.5),
            "first event p99 ms": 1e3 * quantile(firsts_s, 0.99),
            "peak MB": await peak,
        }

    return run


async def _client(server: arms.Running, request: bytes, planned_s: float, tokens: int) -> float | None:
    """Seconds from the planned moment to the first event; None where the answer was not whole."""
    await asyncio.sleep(max(0.0, planned_s - time.perf_counter()))
    try:
        client = await Client.connect(server.address)
        seen = await client.ask(request)
    except OSError:
        return None
    client.close()
    whole = seen.status == 200 and len(seen.arrivals_s) >= tokens
    return seen.arrivals_s[0] - planned_s if whole else None


async def _peak_mb(process: psutil.Process) -> float:
    """The most that `process` had, until this is cancelled."""
    peak = 0.0
    try:
        while True:
            peak = max(peak, process.memory_info().rss / 1e6)
            await asyncio.sleep(LOOK_EVERY_S)
    except asyncio.CancelledError:
        return peak


async def main() -> None:
    chosen = arguments(__doc__)
    result = Measurement("ramp_512", quick=chosen.quick)
    async with AsyncExitStack() as stack:
        compared = {}
        for rate_per_s in RATES_PER_S:
            tokens = rate_per_s * (2 if chosen.quick else ANSWER_S)
            reference = f"fake:bench?rate={rate_per_s}&tokens={tokens}"
            engine = await stack.enter_async_context(arms.fake(reference))
            house = await stack.enter_async_context(arms.house(reference))
            compared[f"engine alone at {rate_per_s}/s"] = _arm(engine, tokens)
            compared[_house(rate_per_s)] = _arm(house, tokens)
        await result.interleave(compared, chosen.repetitions)
    result.save([claim for rate_per_s in RATES_PER_S for claim in _claims(result, rate_per_s)])


def _house(rate_per_s: int) -> str:
    return f"house at {rate_per_s}/s"


def _claims(result: Measurement, rate_per_s: int) -> list[Claim]:
    arm = _house(rate_per_s)
    failed, peak = result.median(arm, "failed"), result.median(arm, "peak MB")
    first = result.median(arm, "first event p99 ms")
    return [
        Claim(f"{arm}: of {CLIENTS} clients, failed", "0", f"{failed:.0f}", failed == 0),
        Claim(f"{arm}: first event p99", f"under {REACH_FIRST_MS} ms", f"{first:.0f} ms", first < REACH_FIRST_MS),
        Claim(f"{arm}: its memory at its peak", f"under {REACH_MB} MB", f"{peak:.0f} MB", peak < REACH_MB),
    ]


if __name__ == "__main__":
    uvloop.run(main())

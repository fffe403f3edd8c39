"""Ten times the load that can be served: what is still answered in time, how soon the rest is refused, and is /health
there?

The engine is the fake one with 4 slots and answers of half a second: 8 a second, whatever is asked. A client gives up
after 2 s, and tells the house so (`x-freehold-deadline`). Goodput is what was answered whole within that time, taken
from a second after the beginning on. "At capacity" is a closed loop of as many clients as there are slots; "ten times"
an open loop at ten times that rate, each request on a connection of its own. LiteLLM's proxy stands before the same
engine, told of the same slots (`max_parallel_requests`) and the same time (`timeout`), and is started anew for each
run: what the one before left in it would count in the next.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import uvloop

from bench.harness import arms
from bench.harness.chat import PATH, QUESTION
from bench.harness.load import Address, Client, closed_loop, post
from bench.harness.measure import Arm, Claim, Measurement, Values, arguments, quantile

SLOTS, ANSWER_S, DEADLINE_S, TIMES = 4, 0.5, 2.0, 10
CAPACITY_PER_S = SLOTS / ANSWER_S
TOKENS = 20
OPTIONS = f"rate={TOKENS / ANSWER_S:g}&tokens={TOKENS}&slots={SLOTS}"
SETTLED_S = 1.0
LOOK_EVERY_S = 0.05
REACH_GOODPUT, REACH_HEALTH_MS, REACH_REFUSED_MS = 0.95, 50, 100


@dataclass(slots=True)
class _Seen:
    """When answers in time came, how long refusals took, and how many clients gave up or saw a connection break."""

    good_s: list[float] = field(default_factory=list)
    refused_s: list[float] = field(default_factory=list)
    lost: int = 0


def _request(*, deadline: bool) -> bytes:
    body = {"model": "bench", "messages": [{"role": "user", "content": QUESTION}]}
    return post(PATH, json.dumps(body).encode(), {"x-freehold-deadline": f"{DEADLINE_S:g}"} if deadline else {})


def _at_capacity(address: Address, request: bytes, seconds: float) -> Arm:
    async def run() -> Values:
        seen = await closed_loop(address, request, clients=SLOTS, total=round(CAPACITY_PER_S * seconds))
        return {"goodput/s": (seen.requests - seen.failures) / seen.elapsed_s}

    return run


def _at_ten_times(address: Address, request: bytes, health: str, seconds: float) -> Arm:
    async def run() -> Values:
        seen = _Seen()
        began_s = time.perf_counter()
        looking = asyncio.create_task(_looks_s(address, health))
        count = round(TIMES * CAPACITY_PER_S * seconds)
        planned = [began_s + seconds * number / count for number in range(count)]
        await asyncio.gather(*(_one(address, request, planned_s, seen) for planned_s in planned))
        looking.cancel()
        looks_s = await looking
        counted = [at_s for at_s in seen.good_s if SETTLED_S <= at_s - began_s <= seconds]
        return {
            "goodput/s": len(counted) / (seconds - SETTLED_S),
            "health p99 ms": 1e3 * quantile(looks_s, 0.99),
            "refused %": 100 * len(seen.refused_s) / count,
            "gave up %": 100 * seen.lost / count,
            **({"refused p99 ms": 1e3 * quantile(seen.refused_s, 0.99)} if seen.refused_s else {}),
        }

    return run


async def _one(address: Address, request: bytes, planned_s: float, seen: _Seen) -> None:
    """Ask once at the planned moment, and leave when the time is over."""
    await asyncio.sleep(max(0.0, planned_s - time.perf_counter()))
    client: Client | None = None
    try:
        async with asyncio.timeout(planned_s + DEADLINE_S - time.perf_counter()):
            client = await Client.connect(address)
            answer = await client.ask(request)
    except (TimeoutError, OSError):
        seen.lost += 1
        return
    finally:
        if client is not None:
            client.close()
    if answer.status == 200:
        seen.good_s.append(answer.ended_s)
    else:
        seen.refused_s.append(answer.ended_s - planned_s)


async def _looks_s(address: Address, path: str) -> list[float]:
    """How long each look at `path` took from its planned moment, until this is cancelled; of the last, how long it had
    taken by then."""
    request = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()
    found_s: list[float] = []
    client = await Client.connect(address)
    planned_s = time.perf_counter()
    try:
        while True:
            await asyncio.sleep(max(0.0, planned_s - time.perf_counter()))
            answer = await client.ask(request)
            if answer.status != 200:
                raise RuntimeError(f"{path} was answered {answer.status}")
            found_s.append(answer.ended_s - planned_s)
            planned_s += LOOK_EVERY_S
    except asyncio.CancelledError:
        return [*found_s, max(0.0, time.perf_counter() - planned_s)]
    finally:
        client.close()


def _anew(arm: Callable[[Address], Arm]) -> Arm:
    """`arm` on a proxy of its own."""

    async def run() -> Values:
        async with arms.litellm(OPTIONS, max_parallel_requests=SLOTS, timeout=DEADLINE_S) as litellm:
            return await arm(litellm.address)()

    return run


async def main() -> None:
    chosen = arguments(__doc__)
    seconds = 4.0 if chosen.quick else 20.0
    result = Measurement("overload", quick=chosen.quick)
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(arms.house(f"fake:bench?{OPTIONS}"))
        asked, plain = _request(deadline=True), _request(deadline=False)
        compared = {
            "house at capacity": _at_capacity(house.address, asked, seconds),
            "house at ten times": _at_ten_times(house.address, asked, "/health", seconds),
        }
        theirs = {
            "LiteLLM at capacity": _anew(lambda address: _at_capacity(address, plain, seconds)),
            "LiteLLM at ten times": _anew(lambda address: _at_ten_times(address, plain, "/health/liveliness", seconds)),
        }
        try:
            await theirs["LiteLLM at capacity"]()
            compared |= theirs
        except arms.SkippedError as reason:
            result.skip("LiteLLM", str(reason))
        await result.interleave(compared, chosen.repetitions)
    result.save(_claims(result))


def _claims(result: Measurement) -> list[Claim]:
    def kept(who: str) -> float:
        return result.paired(f"{who} at ten times", f"{who} at capacity", "goodput/s", lambda mine, calm: mine / calm)

    share = kept("house")
    health = result.median("house at ten times", "health p99 ms")
    refused = result.median("house at ten times", "refused p99 ms")
    claims = [
        Claim("goodput, of that at capacity", f"at least {REACH_GOODPUT}", f"{share:.3f}", share >= REACH_GOODPUT),
        Claim("/health p99", f"under {REACH_HEALTH_MS} ms", f"{health:.1f} ms", health < REACH_HEALTH_MS),
        Claim("refused p99", f"under {REACH_REFUSED_MS} ms", f"{refused:.1f} ms", refused < REACH_REFUSED_MS),
    ]
    if result.has("LiteLLM at ten times"):
        health = result.median("LiteLLM at ten times", "health p99 ms")
        claims += [
            Claim("LiteLLM: goodput, of that at capacity", "(for comparison)", f"{kept('LiteLLM'):.3f}", None),
            Claim("LiteLLM: liveliness p99", "(for comparison)", f"{health:.1f} ms", None),
        ]
    return claims


if __name__ == "__main__":
    uvloop.run(main())

"""The real engine at 16 clients for 10 minutes (`--minutes`): does it get slower, does memory grow, is a request lost?

Four times as many clients as the engine has slots, so most of them wait in the house. Prompts are never the same twice;
every second answer is streamed. Each minute is one row: tokens that came out in it, and what the house's process and
the engine's have in memory at its end. The first minute warms up: caches that fill are no growth.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from dataclasses import dataclass

import psutil
import uvloop

from bench.harness import arms
from bench.harness.chat import QUESTION, chat
from bench.harness.load import Address, Client
from bench.harness.measure import Claim, Measurement, Values, arguments

CLIENTS = 16
MAX_TOKENS = 64
MINUTE_S = 60.0
REACH_SPEED, REACH_GROWTH = 10, 5
# A prompt cache that is full when the soak begins; the default grows to gigabytes, as it should.
ENGINE = "slots = 4\nprompt_cache_mib = 64"


@dataclass(slots=True)
class _Count:
    """What came of the requests so far."""

    done: int = 0
    lost: int = 0


async def _client(address: Address, numbers: itertools.count[int], count: _Count, until_s: float) -> None:
    client = await Client.connect(address)
    while time.perf_counter() < until_s:
        number = next(numbers)
        request = chat(max_tokens=MAX_TOKENS, stream=number % 2 == 0, prompt=f"{number}. {QUESTION}", ignore_eos=True)
        try:
            seen = await client.ask(request)
        except ConnectionError:
            count.lost += 1
            client = await Client.connect(address)
            continue
        whole = seen.status == 200 and (number % 2 or b"[DONE]" in seen.tail)
        count.done, count.lost = count.done + bool(whole), count.lost + (not whole)
    client.close()


async def _soak(house: arms.Running, minute_s: float, minutes: int, result: Measurement) -> _Count:
    gateway = psutil.Process(house.pid)
    count, numbers = _Count(), itertools.count()
    began_s = time.perf_counter()
    clients = [
        asyncio.create_task(_client(house.address, numbers, count, began_s + minutes * minute_s))
        for _ in range(CLIENTS)
    ]
    for minute in range(1, minutes + 1):
        before = count.done
        await asyncio.sleep(max(0.0, began_s + minute * minute_s - time.perf_counter()))
        row = _row(gateway, (count.done - before) / minute_s)
        shown = ", ".join(f"{metric} {value:,.2f}" for metric, value in row.items())
        print(f"soak {minute}/{minutes}: {shown}, lost {count.lost}", file=sys.stderr)
        if minute > 1:
            result.add("house", row)
    await asyncio.gather(*clients)
    return count


def _row(gateway: psutil.Process, per_s: float) -> Values:
    engine = sum(child.memory_info().rss for child in gateway.children(recursive=True))
    return {
        "requests/s": per_s,
        "house MB": gateway.memory_info().rss / 1e6,
        "engine MB": engine / 1e6,
    }


async def main() -> None:
    chosen = arguments(__doc__, minutes=10)
    minutes = max(4, round(chosen.minutes))
    minute_s = MINUTE_S / 10 if chosen.quick else MINUTE_S
    arms.weights()
    result = Measurement("soak", quick=chosen.quick)
    async with arms.house(arms.MODEL, engine=ENGINE, home=arms.home()) as house:
        count = await _soak(house, minute_s, minutes, result)
    speed = result.drift("house", "requests/s")
    claims = [
        Claim("requests lost", "0", f"{count.lost} of {count.done + count.lost:,}", count.lost == 0),
        Claim("speed, first third to last", f"less than {REACH_SPEED} % lost", f"{speed:+.1f} %", speed > -REACH_SPEED),
    ]
    for who in ("house", "engine"):
        grown = result.drift("house", f"{who} MB")
        text = f"memory of the {who}, first third to last"
        claims.append(Claim(text, f"under {REACH_GROWTH} % more", f"{grown:+.1f} %", grown < REACH_GROWTH))
    result.save(claims)


if __name__ == "__main__":
    uvloop.run(main())

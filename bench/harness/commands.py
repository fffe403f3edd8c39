"""Whole commands, timed from their start to their end: what a person waits for."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping

from bench.harness.measure import Claim, Measurement, Values


def timed(command: list[str], environment: Mapping[str, str] | None = None) -> Values:
    """How long `command` took, in seconds; `environment` stands beside that of the benchmark. Raises
    CalledProcessError where it failed."""
    whole = {**os.environ, **(environment or {})}
    began_s = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=whole)
    return {"s": time.perf_counter() - began_s}


def said(command: list[str]) -> str:
    """What `command` printed."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


async def interpreter() -> Values:
    """The least that any command in Python takes."""
    return timed([sys.executable, "-c", "pass"])


def claims_under(result: Measurement, reach_s: Mapping[str, float]) -> list[Claim]:
    """One claim per arm of `reach_s`: its median is under so many seconds."""
    found = {arm: result.median(arm, "s") for arm in reach_s}
    return [
        Claim(arm, f"under {reach:g} s", f"{found[arm]:.3f} s", found[arm] < reach) for arm, reach in reach_s.items()
    ]

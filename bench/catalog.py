"""How long the catalog takes: loading every row in a fresh process, and `freehold find` and `freehold show` in all.

"Loaded" is what `Catalog.load()` takes after its module was imported: reading the files, parsing, checking, building
the records. The same rows parsed by the standard library's parser alone, without a check, stand beside it, and the bare
interpreter and `freehold --help` beside the commands, of whose time they are part.
"""

from __future__ import annotations

import subprocess
import sys
import time

import uvloop

from bench.harness import arms
from bench.harness.measure import Claim, Measurement, Values, arguments

REACH_S = {"the catalog loaded": 0.06, "freehold find": 0.3, "freehold show": 0.4}
_LOAD = """
import time
from freehold.catalog import Catalog
began = time.perf_counter()
models = Catalog.load().models
print(time.perf_counter() - began, len(models))
"""
_PARSE = """
import time, tomllib
from importlib import resources
began = time.perf_counter()
folder = resources.files("freehold.catalog").joinpath("models")
tables = [tomllib.loads(file.read_text(encoding="utf-8")) for file in folder.iterdir() if file.name.endswith(".toml")]
print(time.perf_counter() - began, sum(len(table.get("models", {})) for table in tables))
"""


async def _load() -> Values:
    return _said(_LOAD)


async def _parse() -> Values:
    return _said(_PARSE)


async def _interpreter() -> Values:
    return _timed([sys.executable, "-c", "pass"])


async def _help() -> Values:
    return _timed([str(arms.freehold_command()), "--help"])


async def _find() -> Values:
    return _timed([str(arms.freehold_command()), "find", "llama", "--license", "F2", "--json"])


async def _show() -> Values:
    return _timed([str(arms.freehold_command()), "show", "llama-3.3-70b-instruct", "--json"])


def _timed(command: list[str]) -> Values:
    began_s = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return {"s": time.perf_counter() - began_s}


def _said(program: str) -> Values:
    seconds, models = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout.split()
    return {"s": float(seconds), "models": float(models)}


async def main() -> None:
    chosen = arguments(__doc__)
    result = Measurement("catalog", quick=chosen.quick)
    compared = {
        "parsed by the standard library alone": _parse,
        "the catalog loaded": _load,
        "python -c pass": _interpreter,
        "freehold --help": _help,
        "freehold find": _find,
        "freehold show": _show,
    }
    await result.interleave(compared, chosen.repetitions)
    found = {arm: result.median(arm, "s") for arm in REACH_S}
    result.save(
        [Claim(arm, f"under {reach:g} s", f"{found[arm]:.3f} s", found[arm] < reach) for arm, reach in REACH_S.items()]
    )


if __name__ == "__main__":
    uvloop.run(main())

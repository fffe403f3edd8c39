"""How long the catalog takes: loading every row in a fresh process, and `freehold find` and `freehold show` in all.

"Loaded" is what `Catalog.load()` takes after its module was imported: reading the files, parsing, checking, building
the records. The same rows parsed by the standard library's parser alone, without a check, stand beside it, and the bare
interpreter and `freehold --help` beside the commands, of whose time they are part.
"""

from __future__ import annotations

import sys

import uvloop

from bench.harness import arms
from bench.harness.commands import claims_under, interpreter, said, timed
from bench.harness.measure import Measurement, Values, arguments

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


async def _help() -> Values:
    return timed([str(arms.freehold_command()), "--help"])


async def _find() -> Values:
    return timed([str(arms.freehold_command()), "find", "llama", "--license", "F2", "--json"])


async def _show() -> Values:
    return timed([str(arms.freehold_command()), "show", "llama-3.3-70b-instruct", "--json"])


def _said(program: str) -> Values:
    seconds, models = said([sys.executable, "-c", program]).split()
    return {"s": float(seconds), "models": float(models)}


async def main() -> None:
    chosen = arguments(__doc__)
    result = Measurement("catalog", quick=chosen.quick)
    compared = {
        "parsed by the standard library alone": _parse,
        "the catalog loaded": _load,
        "python -c pass": interpreter,
        "freehold --help": _help,
        "freehold find": _find,
        "freehold show": _show,
    }
    await result.interleave(compared, chosen.repetitions)
    result.save(claims_under(result, REACH_S))


if __name__ == "__main__":
    uvloop.run(main())

"""How long `freehold fit` takes: for one model of the catalog, on two cards, held, for a file, over the whole catalog.

The file is SmolLM2's, whose header is read every time, as it is where that model is held. The machines are described,
so that the figures do not turn on what is free here; nothing is held but where it is said. The bare interpreter and
`freehold --help` stand beside them, of whose time they are part.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import uvloop

from bench.harness import arms
from bench.harness.commands import claims_under, interpreter, timed
from bench.harness.measure import Measurement, Values, arguments

REACH_S = {
    "freehold fit MODEL": 0.4,
    "freehold fit MODEL --on cards": 0.4,
    "freehold fit MODEL, held": 0.4,
    "freehold fit FILE": 0.4,
    "freehold fit, the whole catalog": 1.5,
}


async def _help() -> Values:
    return timed([str(arms.freehold_command()), "--help"])


def _fit(*words: str, home: Path | None = None) -> Values:
    """`home` holds builds; without one nothing does."""
    with tempfile.TemporaryDirectory() as empty:
        environment = {"FREEHOLD_HOME": str(home or empty)}
        return timed([str(arms.freehold_command()), "fit", *words, "--json"], environment)


async def _one() -> Values:
    return _fit("llama-3.1-8b-instruct", "--on", "64GB")


async def _described() -> Values:
    return _fit("llama-3.3-70b-instruct", "--on", "2x rtx-4090, 64GB")


async def _everything() -> Values:
    return _fit("--on", "64GB")


async def main() -> None:
    chosen = arguments(__doc__)
    result = Measurement("fit", quick=chosen.quick)
    file = str(arms.weights())

    async def of_file() -> Values:
        return _fit(file, "--on", "64GB")

    async def held() -> Values:
        return _fit(arms.MODEL, "--on", "64GB", home=arms.home())

    compared = {
        "python -c pass": interpreter,
        "freehold --help": _help,
        "freehold fit MODEL": _one,
        "freehold fit MODEL --on cards": _described,
        "freehold fit MODEL, held": held,
        "freehold fit FILE": of_file,
        "freehold fit, the whole catalog": _everything,
    }
    await result.interleave(compared, chosen.repetitions)
    result.save(claims_under(result, REACH_S))


if __name__ == "__main__":
    uvloop.run(main())

"""How long `freehold fit` takes: for one model of the catalog, on two cards, for a file, and over the whole catalog.

The file is SmolLM2's, whose header is read every time. The machines are described, so that the figures do not turn on
what is free here. The bare interpreter and `freehold --help` stand beside them, of whose time they are part.
"""

from __future__ import annotations

import uvloop

from bench.harness import arms
from bench.harness.commands import claims_under, interpreter, timed
from bench.harness.measure import Measurement, Values, arguments

REACH_S = {
    "freehold fit MODEL": 0.4,
    "freehold fit MODEL --on cards": 0.4,
    "freehold fit FILE": 0.4,
    "freehold fit, the whole catalog": 1.5,
}


async def _help() -> Values:
    return timed([str(arms.freehold_command()), "--help"])


def _fit(*words: str) -> Values:
    return timed([str(arms.freehold_command()), "fit", *words, "--json"])


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

    compared = {
        "python -c pass": interpreter,
        "freehold --help": _help,
        "freehold fit MODEL": _one,
        "freehold fit MODEL --on cards": _described,
        "freehold fit FILE": of_file,
        "freehold fit, the whole catalog": _everything,
    }
    await result.interleave(compared, chosen.repetitions)
    result.save(claims_under(result, REACH_S))


if __name__ == "__main__":
    uvloop.run(main())

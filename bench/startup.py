"""How long starting takes: `freehold --help`, `import freehold`, and `freehold up` to the first token of a held model.

Files are in the system's cache, as they are the second time anybody starts something. The bare interpreter is measured
beside them, because it is part of the first and no part of the second.
"""

from __future__ import annotations

import sys
import time

import uvloop

from bench.harness import arms
from bench.harness.chat import chat
from bench.harness.commands import claims_under, interpreter, said, timed
from bench.harness.load import Client
from bench.harness.measure import Measurement, Values, arguments

REACH_S = {"freehold --help": 0.2, "import freehold": 0.1, "freehold up to first token": 2.5}
_IMPORT = "import time; began = time.perf_counter(); import freehold; print(time.perf_counter() - began)"


async def _help() -> Values:
    return timed([str(arms.freehold_command()), "--help"])


async def _import() -> Values:
    return {"s": float(said([sys.executable, "-c", _IMPORT]))}


async def _up() -> Values:
    began_s = time.perf_counter()
    async with arms.house(arms.MODEL, home=arms.home(), loaded=False) as house:
        client = await Client.connect(house.address)
        seen = await client.ask(chat(max_tokens=2, stream=True))
        client.close()
    # The first event is the role; the first token comes with or after it.
    return {"s": seen.arrivals_s[1] - began_s}


async def main() -> None:
    chosen = arguments(__doc__)
    arms.weights()
    result = Measurement("startup", quick=chosen.quick)
    compared = {
        "python -c pass": interpreter,
        "freehold --help": _help,
        "import freehold": _import,
        "freehold up to first token": _up,
    }
    await result.interleave(compared, chosen.repetitions)
    result.save(claims_under(result, REACH_S))


if __name__ == "__main__":
    uvloop.run(main())

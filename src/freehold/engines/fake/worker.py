"""The program that the fake engine's process runs: `python -m freehold.engines.fake.worker`, under the supervisor."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Mapping
from typing import Any

from freehold.engines.inside import CannotServeError, Orders, run


def serve(orders: Orders) -> None:
    """Listen at the socket until SIGTERM. `config`: `model`, and `options` as FakeOptions' fields."""
    import uvloop

    from freehold.engines.fake.options import FakeOptions

    options = FakeOptions(**orders.config["options"])
    if options.refuse_start:
        raise CannotServeError("it refuses to start, as it was told to.", hint="Leave refuse-start out.")
    time.sleep(options.slow_start_ms / 1e3)
    taken = b"\x01" * (options.memory_mib << 20)  # written, so that the kernel has to give it
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_listen(orders, orders.config))
    del taken


async def _listen(orders: Orders, config: Mapping[str, Any]) -> None:
    from freehold.engines.fake.options import FakeOptions
    from freehold.engines.fake.server import FakeServer
    from freehold.engines.http.connection import Connection

    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    engine = FakeServer(config["model"], FakeOptions(**config["options"]))
    await loop.create_unix_server(lambda: Connection(engine.paths), orders.socket_path, backlog=1024)
    orders.ready({})
    await ended.wait()


if __name__ == "__main__":
    run(serve)

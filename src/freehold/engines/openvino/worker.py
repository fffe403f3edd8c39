"""The program in the locked process: loads a build in OpenVINO's form and serves it on a Unix socket.

It is run by the supervisor, never imported by the rest of the house. openvino-genai is imported here, after the lock is
on. What must stay true: its telemetry is never imported (it is on unless told otherwise, keeps an identifier in the
home folder and would ask the network); what is loaded is what was hashed before the start.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

from freehold.engines import stamps
from freehold.engines.inside import CannotServeError, Orders, last_line, run


def serve(orders: Orders) -> None:
    """Load, listen, say ready, and stay until SIGTERM."""
    import uvloop

    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # importing it fails then
    pipeline, probe = _load(orders)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_listen(orders, pipeline, probe))


def _load(orders: Orders) -> tuple[Any, Any]:
    confirmed = orders.config["confirmed"]
    stamps.require(confirmed)
    try:
        from freehold.engines.openvino.pipeline import Pipeline
        from freehold.engines.openvino.probe import Probe
    except ImportError as error:
        raise CannotServeError(
            f"openvino-genai is there and cannot be imported: {error}.",
            hint="Install it again: pip install --force-reinstall 'freehold[openvino]'.",
        ) from error
    try:
        pipeline = Pipeline(Path(orders.config["folder"]), orders.config)
        probe = Probe(pipeline.tokenizer, pipeline.vocabulary.size)
    except RuntimeError as error:  # all that openvino-genai raises for a model it cannot load
        raise CannotServeError(
            f"OpenVINO could not load it: {last_line(error)}.",
            hint="If memory ran out, lower context_tokens or slots in freehold.toml; `freehold verify` tells whether "
            "the files are whole.",
        ) from error
    stamps.require(confirmed)
    return pipeline, probe


async def _listen(orders: Orders, pipeline: Any, probe: Any) -> None:
    from freehold.engines.http.connection import Connection
    from freehold.engines.openvino.batching import Batching
    from freehold.engines.openvino.server import OpenVinoServer

    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    batching = Batching(pipeline, slots=orders.config["slots"])
    server = OpenVinoServer(orders.config["name"], pipeline, probe, batching, orders.config)
    await loop.create_unix_server(lambda: Connection(server.paths), orders.socket_path, backlog=1024)
    steps = asyncio.create_task(batching.run())
    orders.ready({})
    waiting = asyncio.create_task(ended.wait())
    await asyncio.wait([steps, waiting], return_when=asyncio.FIRST_COMPLETED)
    if steps.done():
        steps.result()  # raises: the supervisor starts a new process, nothing of this one can be relied on


if __name__ == "__main__":
    run(serve)

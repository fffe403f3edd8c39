"""The program in the locked process: loads one GGUF file with llama.cpp and serves it on a Unix socket.

It is run by the supervisor, never imported by the rest of the house. xllamacpp is imported here and nowhere else, after
the lock is on. What must stay true: the file's path is never an answer's `model` (`model_alias`); nothing is fetched;
what is loaded is what was hashed before the start, as far as `confirmed` can tell.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping
from typing import Any

from freehold.engines import stamps
from freehold.engines.inside import CannotServeError, Orders, run

HTTP_THREADS = 64
"""A waiting or streaming request holds one; the engine's own default (slots + 4) would leave none for /health."""


def serve(orders: Orders) -> None:
    """Load, listen, say ready, and stay until SIGTERM."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    server = _load(orders)
    orders.ready({})
    ended.wait()
    del server


def _load(orders: Orders) -> Any:
    import xllamacpp

    confirmed = orders.config.get("confirmed", ())
    stamps.require(confirmed)
    try:
        server = xllamacpp.Server(_parameters(xllamacpp, orders))
    except RuntimeError as error:  # all that xllamacpp raises for a model it cannot load
        raise CannotServeError(
            "llama.cpp could not load it.",
            # What was at fault only its log tells: the file, its architecture, or memory that was not to be had.
            hint="If the architecture is unknown, it needs a newer engine; if memory ran out, lower context_tokens or "
            "slots in freehold.toml; `freehold verify` tells whether the file is whole.",
        ) from error
    stamps.require(confirmed)
    return server


def _parameters(xllamacpp: Any, orders: Orders) -> Any:
    config: Mapping[str, Any] = orders.config
    parameters = xllamacpp.CommonParams()
    parameters.model.path = config["file"]
    parameters.model_alias = {config["name"]}
    parameters.hostnames = [orders.socket_path]
    parameters.port = 0
    parameters.n_parallel = config["slots"]
    parameters.n_ctx = config["slots"] * config["context_tokens"]
    parameters.kv_unified = False
    parameters.n_batch = parameters.n_ubatch = config["batch_tokens"]
    parameters.cache_type_k = parameters.cache_type_v = _ggml_type(xllamacpp, config["cache_type"])
    parameters.cache_ram_mib = config["prompt_cache_mib"]
    parameters.n_ctx_checkpoints = config["checkpoints"]
    for processor in (parameters.cpuparams, parameters.cpuparams_batch):
        # Both are given because the lock hides the files that the engine would count cores in.
        processor.n_threads = config["threads"]
        processor.poll = 0
    parameters.n_threads_http = HTTP_THREADS
    parameters.embedding = True
    if config["pooling"] == "last":
        parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_LAST
    # The choices are ours, made before the start and shown; and the house has a page of its own.
    parameters.fit_params = False
    parameters.ui = False
    parameters.warmup = False
    parameters.offline = True
    parameters.endpoint_slots = True
    return parameters


def _ggml_type(xllamacpp: Any, name: str) -> Any:
    return getattr(xllamacpp.ggml_type, f"GGML_TYPE_{name.upper()}")


if __name__ == "__main__":
    run(serve)

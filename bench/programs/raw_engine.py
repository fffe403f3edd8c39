"""llama.cpp's own server, started by xllamacpp alone: PORT FILE SETTINGS (JSON: threads, slots, context, batch, cache).

The settings are the ones the house uses for its worker, named one by one: the arms differ in the house only.
"""

from __future__ import annotations

import json
import signal
import sys
import threading

import xllamacpp


def main() -> None:
    settings = json.loads(sys.argv[3])
    parameters = xllamacpp.CommonParams()
    parameters.model.path = sys.argv[2]
    parameters.model_alias = {"bench"}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = int(sys.argv[1])
    parameters.n_parallel = settings["slots"]
    parameters.n_ctx = settings["slots"] * settings["context_tokens"]
    parameters.kv_unified = False
    parameters.n_batch = parameters.n_ubatch = settings["batch_tokens"]
    parameters.cache_ram_mib = settings["prompt_cache_mib"]
    for processor in (parameters.cpuparams, parameters.cpuparams_batch):
        processor.n_threads = settings["threads"]
        processor.poll = 0
    parameters.embedding = True
    parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_LAST
    parameters.fit_params = False
    parameters.ui = False
    parameters.warmup = False
    parameters.endpoint_slots = True
    server = xllamacpp.Server(parameters)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait()
    del server


if __name__ == "__main__":
    main()

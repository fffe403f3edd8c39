"""The program in the locked process that asks llama.cpp for its own buffer sizes, and ends.

Nothing is allocated and no weight is read: the library lays out its buffers for a model whose tensors do not exist. It
opens a skeleton that the house wrote itself. The sizes stand only in what the library logs while it makes a context;
lines are read then and at no other time, whole, from their first word on, and only at the level of a plain report.
"""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Mapping
from typing import Any

from freehold.engines.inside import CannotServeError, Orders, run
from freehold.weights.tensor_types import TYPE_NUMBERS

MIB = 1 << 20
MEMORY_BYTES = 4 << 30
"""Of address space: states are really allocated, and a header may ask for any number of them."""

# GGML_LOG_LEVEL_INFO and _ERROR, LLAMA_POOLING_TYPE_LAST
_INFO, _ERROR, _POOLING_LAST = 2, 4, 3
_CAUSE = re.compile(r"(?:gguf_init_from_\w+|error loading model): (.*)")
_LINES = {
    "kv_cache_bytes": re.compile(r"llama_kv_cache: size = +(\d+\.\d+) MiB \( *\d+ cells, .*"),
    "state_bytes": re.compile(r"llama_memory_recurrent: +\S+ RS buffer size = +(\d+\.\d+) MiB"),
    "compute_bytes": re.compile(r"sched_reserve: +\S+ compute buffer size = +(\d+\.\d+) MiB"),
    "output_bytes": re.compile(r"llama_context: +\S+ +output buffer size = +(\d+\.\d+) MiB"),
}


def serve(orders: Orders) -> None:
    """Answer every question that stands in the orders, or say why the library refuses the build, as the word of
    readiness."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    from freehold.engines.llamacpp import native

    try:
        library = native.library(lambda _: None)
    except (native.OtherReleaseError, OSError, AttributeError) as error:
        raise CannotServeError(f"the engine cannot be asked: {error}") from error
    lines = _Lines()
    # Kept as long as the library may call it.
    listener = native.LogCallback(lambda level, line, _: lines.see(level, (line or b"").decode(errors="replace")))
    library.llama_log_set(listener, None)
    library.llama_backend_init()
    parameters = library.llama_model_default_params()
    parameters.no_alloc = True
    parameters.load_mode = native.LOAD["read"]
    model = library.llama_model_load_from_file(orders.config["file"].encode(), parameters)
    if not model:
        orders.ready({"refused": lines.cause})
        return
    weights = library.llama_model_size(model)
    answers = [_answer(library, lines, model, question) for question in orders.config["runs"]]
    orders.ready({"weights_bytes": weights, "answers": answers})


class _Lines:
    """What the library says: what went wrong, and sizes while somebody listens."""

    def __init__(self) -> None:
        self._sizes: dict[str, list[float]] | None = None
        self._errors: list[str] = []

    @property
    def cause(self) -> str:
        """Why it did not load what it was given, in its own words."""
        causes = [found[1] for line in self._errors if (found := _CAUSE.search(line))]
        return (causes or self._errors or ["it gives no reason"])[0].strip().rstrip(".")

    def listen(self) -> dict[str, list[float]]:
        """From now on take down sizes, by what they are of."""
        self._sizes = {name: [] for name in _LINES}
        return self._sizes

    def stop(self) -> None:
        self._sizes = None

    def see(self, level: int, line: str) -> None:
        if level == _ERROR:
            sys.stderr.write(line)
            self._errors.append(line)
        if self._sizes is None or level != _INFO:
            return
        for name, pattern in _LINES.items():
            if found := pattern.fullmatch(line.rstrip("\n")):
                self._sizes[name].append(float(found[1]))


def _answer(library: Any, lines: _Lines, model: int, question: Mapping[str, Any]) -> dict[str, int] | None:
    """Bytes of each buffer; None where the library makes no context for this run, or says nothing of its buffers."""
    sizes = lines.listen()
    context = library.llama_init_from_model(model, _parameters(library, question))
    lines.stop()
    if not context:
        return None
    library.llama_free(context)
    if not sizes["compute_bytes"] or not sizes["output_bytes"]:
        return None
    return {name: round(sum(found) * MIB) for name, found in sizes.items()}


def _parameters(library: Any, question: Mapping[str, Any]) -> Any:
    """As the worker of the house runs a build: every slot with a cache of its own unless the run says else, windows as
    small as they can be, embeddings beside answers."""
    parameters = library.llama_context_default_params()
    parameters.n_seq_max = question["slots"]
    parameters.n_ctx = question["slots"] * question["context_tokens"]
    parameters.n_batch = parameters.n_ubatch = question["batch_tokens"]
    parameters.type_k = TYPE_NUMBERS[question["cache_type_k"].upper()]
    parameters.type_v = TYPE_NUMBERS[question["cache_type_v"].upper()]
    parameters.flash_attn_type = int(question["flash_attention"])
    parameters.kv_unified = question["unified"]
    parameters.swa_full = False
    parameters.embeddings = True
    parameters.pooling_type = _POOLING_LAST
    return parameters


if __name__ == "__main__":
    run(serve)

"""The program in a locked process that measures llama.cpp: one GGUF file, its distributions told by `engines.meter`.

With `float32` the weights are unpacked to float32 first and everything is computed in float32, cache and attention too:
what the weights mean with no arithmetic saved on them, to compare others with. With `file`'s own types it computes as
llama.cpp's server does with the same settings. It is run by `engines.metering`, never imported by the house.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from freehold.engines import stamps
from freehold.engines.inside import CannotServeError, Orders, run
from freehold.engines.llamacpp.native import FLASH_ATTENTION, LOAD, OtherReleaseError, library
from freehold.engines.llamacpp.retyping import float32_copy
from freehold.engines.meter import answer

CACHE_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8}
"""`enum ggml_type` by the names that settings have."""


class LlamaEvaluator:
    """Computes with one context, which is emptied before every text."""

    def __init__(self, native: Any, model: int, config: Mapping[str, Any]) -> None:
        self._native = native
        self._vocabulary = native.llama_model_get_vocab(model)
        self.vocabulary: int = native.llama_vocab_n_tokens(self._vocabulary)
        parameters = native.llama_context_default_params()
        parameters.n_ctx = parameters.n_batch = config["context_tokens"]
        parameters.n_ubatch = min(config["batch_tokens"], config["context_tokens"])
        parameters.n_threads = parameters.n_threads_batch = config["threads"]
        parameters.type_k = parameters.type_v = CACHE_TYPES[config["cache_type"]]
        parameters.flash_attn_type = FLASH_ATTENTION["off" if config["float32"] else "auto"]
        parameters.swa_full = False
        self._context = native.llama_init_from_model(model, parameters)
        if not self._context:
            raise CannotServeError("llama.cpp could not make a context for it.")
        self._batch = native.llama_batch_init(config["context_tokens"], 0, 1)
        self._limit = config["context_tokens"]

    def tokenize(self, text: str) -> Sequence[int]:
        data = text.encode()
        room = len(data) + 16  # a token is a byte at least; some more stand in front and behind
        tokens = (ctypes.c_int32 * room)()
        count = self._native.llama_tokenize(self._vocabulary, data, len(data), tokens, room, True, True)
        return tokens[:count]

    def logits(self, tokens: Sequence[int], rows: Sequence[int]) -> bytes:
        assert len(tokens) <= self._limit, f"{len(tokens)} tokens do not fit into {self._limit}"
        asked, batch = set(rows), self._batch
        self._native.llama_memory_clear(self._native.llama_get_memory(self._context), True)
        batch.n_tokens = len(tokens)
        for place, token in enumerate(tokens):
            batch.token[place], batch.pos[place], batch.n_seq_id[place] = token, place, 1
            batch.seq_id[place][0] = 0
            batch.logits[place] = place in asked
        failed = self._native.llama_decode(self._context, batch)
        assert failed == 0, f"llama_decode gave {failed}"
        # Only the rows that were asked for are there, in order.
        return ctypes.string_at(self._native.llama_get_logits(self._context), 4 * self.vocabulary * len(asked))


def serve(orders: Orders) -> None:
    """Load, say ready, and answer until the process is ended."""
    config = orders.config
    try:
        native = library(sys.stderr.write)
    except OtherReleaseError as error:
        raise CannotServeError(f"{error} Fidelity cannot be measured with it.") from error
    stamps.require(config["confirmed"])
    model = _float32(native, config["file"]) if config["float32"] else _as_it_is(native, config["file"])
    if not model:
        raise CannotServeError("llama.cpp could not load it.")
    stamps.require(config["confirmed"])
    answer(orders, LlamaEvaluator(native, model, config))


def _as_it_is(native: Any, file: str) -> int | None:
    parameters = native.llama_model_default_params()
    parameters.n_gpu_layers = 0
    found: int | None = native.llama_model_load_from_file(file.encode(), parameters)
    return found


def _float32(native: Any, file: str) -> int | None:
    """The model of `file` with its weights in float32, in memory only: a file without a name, mapped."""
    parameters = native.llama_model_default_params()
    parameters.n_gpu_layers = 0
    parameters.load_mode = LOAD["mapped"]
    system: Any = ctypes.CDLL(None)
    system.fdopen.restype, system.fdopen.argtypes = ctypes.c_void_p, (ctypes.c_int, ctypes.c_char_p)
    copy = system.fdopen(float32_copy(native, file), b"rb")
    found: int | None = native.llama_model_load_from_file_ptr(copy, parameters)
    return found


if __name__ == "__main__":
    run(serve)

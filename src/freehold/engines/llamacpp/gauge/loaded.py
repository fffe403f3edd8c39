"""One model loaded through the C interface, to be asked for single passes of the engine. For a process of its own.

Threads are kept as the house's workers keep them: a pool that lives as long as the model, whose threads sleep between
passes. What is asked is nonsense; only how long it takes is of interest.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from freehold.engines.llamacpp import native

CACHE_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8, "iq4_nl": 20, "bf16": 30}


class RefusedError(Exception):
    """The engine would not load the model, or not compute a pass; its log says why."""


@dataclass(frozen=True, slots=True)
class Room:
    """What a model is loaded for: `cells` tokens of each of `sequences`, at most `batch` in a pass."""

    threads: int
    cells: int = 256
    sequences: int = 1
    batch: int = 128
    cache_type: str = "f16"


class Loaded:
    """A model with a context. Use as a context manager; `decode` is one pass."""

    def __init__(self, library: Any, path: Path, room: Room) -> None:
        self._library = library
        parameters = library.llama_model_default_params()
        parameters.load_mode = native.LOAD["mapped"]
        self._model = library.llama_model_load_from_file(str(path).encode(), parameters)
        if not self._model:
            raise RefusedError(f"it does not load {path.name}")
        self._context = library.llama_init_from_model(self._model, self._parameters(room))
        if not self._context:
            library.llama_model_free(self._model)
            raise RefusedError(f"it makes no context for {path.name}")
        self._pool = self._pool_of(room.threads)
        library.llama_attach_threadpool(self._context, self._pool, self._pool)
        self._batch = library.llama_batch_init(room.batch, 0, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._library.llama_batch_free(self._batch)
        self._library.llama_free(self._context)
        self._library.ggml_threadpool_free(self._pool)
        self._library.llama_model_free(self._model)

    def decode(self, tokens: int, *, start: int, sequences: int = 1) -> None:
        """One pass over `tokens` new tokens of each of `sequences`, at position `start`; the last of each asks."""
        batch = self._batch
        batch.n_tokens = tokens * sequences
        for index in range(tokens * sequences):
            sequence, number = divmod(index, tokens)
            batch.token[index] = 3 + (start + index) % 200
            batch.pos[index] = start + number
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = sequence
            batch.logits[index] = int(number == tokens - 1)
        answer = self._library.llama_decode(self._context, batch)
        if answer:
            raise RefusedError(f"a pass over {tokens * sequences} tokens answered {answer}")
        self._library.llama_get_logits(self._context)  # waits until it is computed

    def forget(self, start: int = 0) -> None:
        """Empty the cache of what is held from position `start` on."""
        self._library.llama_memory_seq_rm(self._library.llama_get_memory(self._context), -1, start, -1)

    def _parameters(self, room: Room) -> Any:
        parameters = self._library.llama_context_default_params()
        parameters.n_ctx = room.cells * room.sequences
        parameters.n_batch = parameters.n_ubatch = room.batch
        parameters.n_seq_max = room.sequences
        parameters.n_threads = parameters.n_threads_batch = room.threads
        parameters.type_k = parameters.type_v = CACHE_TYPES[room.cache_type]
        parameters.flash_attn_type = native.FLASH_ATTENTION["on"]
        parameters.swa_full = parameters.kv_unified = False
        parameters.no_perf = True
        return parameters

    def _pool_of(self, threads: int) -> Any:
        parameters = native.ThreadPoolParameters()
        self._library.ggml_threadpool_params_init(ctypes.byref(parameters), threads)
        parameters.poll = 0
        return self._library.ggml_threadpool_new(ctypes.byref(parameters))

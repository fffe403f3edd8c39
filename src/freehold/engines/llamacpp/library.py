"""llama.cpp's own C interface, inside the library that xllamacpp brings: only what it takes to ask for buffer sizes.

Structures are passed by value and change from version to version, so their layout is checked before they are used: the
package has the version this was written for, and the defaults that the library fills in are the ones known, field by
field. Behind each structure lies room that a larger one would run into instead of into other memory.

Source: llama.cpp b11549, `include/llama.h` and `ggml/include/ggml.h`.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

VERSION = "2026.10.11549"
"""Of xllamacpp: the only one whose layout is known to be this."""

INFO, ERROR = 2, 4  # GGML_LOG_LEVEL_INFO, GGML_LOG_LEVEL_ERROR
# ggml_type
CACHE_TYPES: Mapping[str, int] = {
    **{"f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8, "iq4_nl": 20, "bf16": 30}
}
POOLING_LAST = 3
FLASH_ATTENTION = {True: 1, False: 0}
_ROOM_BYTES = 256

_INT, _COUNT, _REAL, _FLAG, _PLACE = ctypes.c_int32, ctypes.c_uint32, ctypes.c_float, ctypes.c_bool, ctypes.c_void_p
_SIZE = ctypes.c_size_t


class LayoutError(Exception):
    """The library is not the one that this was written for, and why."""


class ModelParameters(ctypes.Structure):
    """`struct llama_model_params`."""

    _fields_ = (
        ("devices", _PLACE),
        ("tensor_buft_overrides", _PLACE),
        ("n_gpu_layers", _INT),
        ("split_mode", _INT),
        ("load_mode", _INT),
        ("lazy_mode", _INT),
        ("main_gpu", _INT),
        ("tensor_split", _PLACE),
        ("progress_callback", _PLACE),
        ("progress_callback_user_data", _PLACE),
        ("kv_overrides", _PLACE),
        ("vocab_only", _FLAG),
        ("check_tensors", _FLAG),
        ("use_extra_bufts", _FLAG),
        ("no_host", _FLAG),
        ("no_alloc", _FLAG),
        ("load_mtp", _FLAG),
        ("room", ctypes.c_byte * _ROOM_BYTES),
    )


class ContextParameters(ctypes.Structure):
    """`struct llama_context_params`. What `unnamed` holds is zero by default and stays it."""

    _fields_ = (
        ("n_ctx", _COUNT),
        ("n_batch", _COUNT),
        ("n_ubatch", _COUNT),
        ("n_seq_max", _COUNT),
        ("n_rs_seq", _COUNT),
        ("n_outputs_max", _COUNT),
        ("n_outputs_max_per_seq", _COUNT),
        ("n_threads", _INT),
        ("n_threads_batch", _INT),
        ("ctx_type", _INT),
        ("rope_scaling_type", _INT),
        ("pooling_type", _INT),
        ("attention_type", _INT),
        ("flash_attn_type", _INT),
        ("rope_freq_base", _REAL),
        ("rope_freq_scale", _REAL),
        ("yarn_ext_factor", _REAL),
        ("yarn_attn_factor", _REAL),
        ("yarn_beta_fast", _REAL),
        ("yarn_beta_slow", _REAL),
        ("yarn_orig_ctx", _COUNT),
        ("defrag_thold", _REAL),
        ("cb_eval", _PLACE),
        ("cb_eval_user_data", _PLACE),
        ("type_k", _INT),
        ("type_v", _INT),
        ("abort_callback", _PLACE),
        ("abort_callback_data", _PLACE),
        ("unnamed", _PLACE),
        ("embeddings", _FLAG),
        ("offload_kqv", _FLAG),
        ("no_perf", _FLAG),
        ("op_offload", _FLAG),
        ("swa_full", _FLAG),
        ("kv_unified", _FLAG),
        ("samplers", _PLACE),
        ("n_samplers", _SIZE),
        ("ctx_other", _PLACE),
        ("room", ctypes.c_byte * _ROOM_BYTES),
    )


# What the library fills in; everything else is zero, false or null.
_MODEL_DEFAULTS = {"n_gpu_layers": -1, "split_mode": 1, "load_mode": -1, "lazy_mode": 1, "use_extra_bufts": True}
_CONTEXT_DEFAULTS = {
    **{"n_ctx": 512, "n_batch": 2048, "n_ubatch": 512, "n_seq_max": 1, "n_outputs_max_per_seq": 1},
    **{"n_threads": 4, "n_threads_batch": 4, "type_k": 1, "type_v": 1},
    **dict.fromkeys(("rope_scaling_type", "pooling_type", "attention_type", "flash_attn_type"), -1),
    **dict.fromkeys(("yarn_ext_factor", "yarn_attn_factor", "yarn_beta_fast", "yarn_beta_slow", "defrag_thold"), -1.0),
    **dict.fromkeys(("offload_kqv", "no_perf", "op_offload", "swa_full"), True),
}

LogCallback: Any = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


class Library:
    """The library, loaded and checked. `said` is called with every line that it logs, and its level.

    Raises LayoutError where its layout is not the one that is known.
    """

    def __init__(self, said: Callable[[int, str], None]) -> None:
        self._library = ctypes.CDLL(str(_path()))
        # Kept as long as the library may call it.
        self._callback = LogCallback(lambda level, line, _: said(level, (line or b"").decode(errors="replace")))
        self._declare()
        self.model_defaults()
        self.context_defaults()
        self._library.llama_log_set(self._callback, None)
        self._library.llama_backend_init()

    def model_defaults(self) -> ModelParameters:
        """The defaults, checked."""
        given: ModelParameters = self._library.llama_model_default_params()
        _check(given, _MODEL_DEFAULTS)
        return given

    def context_defaults(self) -> ContextParameters:
        """The defaults, checked."""
        given: ContextParameters = self._library.llama_context_default_params()
        _check(given, _CONTEXT_DEFAULTS)
        return given

    def load(self, path: str, parameters: ModelParameters) -> int | None:
        """A model; None where the library refuses it."""
        found: int | None = self._library.llama_model_load_from_file(path.encode(), parameters)
        return found

    def context(self, model: int, parameters: ContextParameters) -> int | None:
        """A context of `model`; None where the library refuses it."""
        found: int | None = self._library.llama_init_from_model(model, parameters)
        return found

    def free(self, context: int) -> None:
        self._library.llama_free(context)

    def size_bytes(self, model: int) -> int:
        """All tensors of `model`."""
        return int(self._library.llama_model_size(model))

    def _declare(self) -> None:
        library = self._library
        library.llama_model_default_params.restype = ModelParameters
        library.llama_context_default_params.restype = ContextParameters
        library.llama_model_load_from_file.argtypes = [ctypes.c_char_p, ModelParameters]
        library.llama_model_load_from_file.restype = ctypes.c_void_p
        library.llama_init_from_model.argtypes = [ctypes.c_void_p, ContextParameters]
        library.llama_init_from_model.restype = ctypes.c_void_p
        library.llama_free.argtypes = [ctypes.c_void_p]
        library.llama_model_size.argtypes = [ctypes.c_void_p]
        library.llama_model_size.restype = ctypes.c_uint64
        library.llama_log_set.argtypes = [LogCallback, ctypes.c_void_p]


def _path() -> Path:
    """Where the library lies, found without running the package. Raises LayoutError where it is not the known one."""
    found = importlib.util.find_spec("xllamacpp")
    if found is None or found.origin is None:
        raise LayoutError("xllamacpp is not installed")
    version = importlib.metadata.version("xllamacpp")
    if version != VERSION:
        raise LayoutError(f"xllamacpp is version {version}, and what is known of its library is known of {VERSION}")
    return Path(found.origin).with_name("xllamacpp.abi3.so")


def _check(given: ModelParameters | ContextParameters, expected: Mapping[str, object]) -> None:
    for name, _ in given._fields_:
        value = getattr(given, name)
        if name != "room" and not _same(value, expected.get(name)):
            raise LayoutError(f"its default {name} is {value!r} and should be {expected.get(name, 0)!r}")


def _same(value: Any, expected: Any) -> bool:
    if isinstance(value, float):
        return math.isclose(value, expected or 0.0)
    return bool((value or 0) == (expected or 0))

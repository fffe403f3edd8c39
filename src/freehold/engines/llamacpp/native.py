"""llama.cpp's own C interface, in the library of the xllamacpp wheel: for what its server does not give, such as whole
distributions, buffer sizes and other tensor types. Declarations only.

It is for processes of their own and never for the house: a mistake here ends the process that makes it. What must stay
true: structures have the layout of the pinned release (`include/llama.h`, `ggml/include/ggml.h` and `gguf.h` of
llama.cpp b11549), which changes between releases; so another release is refused, and so is one whose defaults are
not where this file expects them. `bool` results are declared as such: read as int they hold what was in the register.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from ctypes import POINTER, c_bool, c_char_p, c_float, c_int, c_int8, c_int32, c_int64, c_size_t, c_uint32, c_uint64
from ctypes import c_void_p as pointer
from importlib import metadata, util
from pathlib import Path
from typing import Any

from freehold.engines.llamacpp.identity import RELEASE as RELEASE

FLASH_ATTENTION = {"auto": -1, "off": 0, "on": 1}
LOAD = {"read": 0, "mapped": 1}

LogCallback = ctypes.CFUNCTYPE(None, c_int, c_char_p, pointer)
ToFloat = ctypes.CFUNCTYPE(None, pointer, pointer, c_int64)


class ModelParameters(ctypes.Structure):
    """`llama_model_params`."""

    _fields_ = (
        *((name, pointer) for name in ("devices", "tensor_buft_overrides")),
        *((name, c_int32) for name in ("n_gpu_layers", "split_mode", "load_mode", "lazy_mode", "main_gpu")),
        *((name, pointer) for name in ("tensor_split", "progress_callback", "progress_data", "kv_overrides")),
        *((name, c_bool) for name in ("vocab_only", "check_tensors", "use_extra_bufts", "no_host", "no_alloc")),
        ("load_mtp", c_bool),
    )


class ContextParameters(ctypes.Structure):
    """`llama_context_params`."""

    _fields_ = (
        *((name, c_uint32) for name in ("n_ctx", "n_batch", "n_ubatch", "n_seq_max", "n_rs_seq", "n_outputs_max")),
        ("n_outputs_max_per_seq", c_uint32),
        *((name, c_int32) for name in ("n_threads", "n_threads_batch", "ctx_type", "rope_scaling_type")),
        *((name, c_int32) for name in ("pooling_type", "attention_type", "flash_attn_type")),
        *((name, c_float) for name in ("rope_freq_base", "rope_freq_scale", "yarn_ext_factor", "yarn_attn_factor")),
        *((name, c_float) for name in ("yarn_beta_fast", "yarn_beta_slow")),
        ("yarn_orig_ctx", c_uint32),
        ("defrag_thold", c_float),
        *((name, pointer) for name in ("cb_eval", "cb_eval_data")),
        *((name, c_int32) for name in ("type_k", "type_v")),
        ("moe_cache_size", c_size_t),
        *((name, pointer) for name in ("abort_callback", "abort_data")),
        *((name, c_bool) for name in ("embeddings", "offload_kqv", "no_perf", "op_offload", "swa_full", "kv_unified")),
        ("samplers", pointer),
        ("n_samplers", c_size_t),
        ("ctx_other", pointer),
    )


class Batch(ctypes.Structure):
    """`llama_batch`."""

    _fields_ = (
        ("n_tokens", c_int32),
        ("token", POINTER(c_int32)),
        ("embd", pointer),
        ("pos", POINTER(c_int32)),
        ("n_seq_id", POINTER(c_int32)),
        ("seq_id", POINTER(POINTER(c_int32))),
        ("logits", POINTER(c_int8)),
    )


class ThreadPoolParameters(ctypes.Structure):
    """`ggml_threadpool_params`. `poll` 0: threads that have nothing to do sleep, as the house's workers have it."""

    _fields_ = (
        ("cpumask", c_bool * 512),
        *((name, c_int) for name in ("n_threads", "prio")),
        ("poll", c_uint32),
        *((name, c_bool) for name in ("strict_cpu", "paused")),
    )


class GgufParameters(ctypes.Structure):
    """`gguf_init_params`."""

    _fields_ = (("no_alloc", c_bool), ("ctx", pointer))


class TypeTraits(ctypes.Structure):
    """`ggml_type_traits`: one tensor type. `to_float` is null where the type has none."""

    _fields_ = (
        ("type_name", c_char_p),
        ("block_elements", c_int64),
        ("interleave", c_int64),
        ("block_bytes", c_size_t),
        ("is_quantized", c_bool),
        ("to_float", ToFloat),
        ("from_float_ref", pointer),
    )


_FUNCTIONS: Mapping[str, tuple[Any, ...]] = {  # name: result, then arguments
    "llama_log_set": (None, LogCallback, pointer),
    "llama_model_default_params": (ModelParameters,),
    "llama_context_default_params": (ContextParameters,),
    "llama_model_load_from_file": (pointer, c_char_p, ModelParameters),
    "llama_model_load_from_file_ptr": (pointer, pointer, ModelParameters),
    "llama_model_free": (None, pointer),
    "llama_model_size": (c_uint64, pointer),
    "llama_model_get_vocab": (pointer, pointer),
    "llama_vocab_n_tokens": (c_int32, pointer),
    "llama_tokenize": (c_int32, pointer, c_char_p, c_int32, POINTER(c_int32), c_int32, c_bool, c_bool),
    "llama_backend_init": (None,),
    "llama_init_from_model": (pointer, pointer, ContextParameters),
    "llama_free": (None, pointer),
    "llama_attach_threadpool": (None, pointer, pointer, pointer),
    "llama_get_memory": (pointer, pointer),
    "llama_memory_clear": (None, pointer, c_bool),
    "llama_memory_seq_rm": (c_bool, pointer, c_int32, c_int32, c_int32),
    "llama_batch_init": (Batch, c_int32, c_int32, c_int32),
    "llama_batch_free": (None, Batch),
    "llama_decode": (c_int32, pointer, Batch),
    "llama_get_logits": (POINTER(c_float), pointer),
    "gguf_init_from_file": (pointer, c_char_p, GgufParameters),
    "gguf_free": (None, pointer),
    "gguf_get_alignment": (c_size_t, pointer),
    "gguf_get_data_offset": (c_size_t, pointer),
    "gguf_get_meta_size": (c_size_t, pointer),
    "gguf_get_meta_data": (None, pointer, pointer),
    "gguf_get_n_tensors": (c_int64, pointer),
    "gguf_get_tensor_name": (c_char_p, pointer, c_int64),
    "gguf_get_tensor_type": (c_int, pointer, c_int64),
    "gguf_get_tensor_offset": (c_size_t, pointer, c_int64),
    "gguf_get_tensor_size": (c_size_t, pointer, c_int64),
    "gguf_set_tensor_type": (None, pointer, c_char_p, c_int),
    "gguf_set_val_u32": (None, pointer, c_char_p, c_uint32),
    "ggml_get_type_traits": (POINTER(TypeTraits), c_int),
    "ggml_threadpool_params_init": (None, POINTER(ThreadPoolParameters), c_int),
    "ggml_threadpool_new": (pointer, POINTER(ThreadPoolParameters)),
    "ggml_threadpool_free": (None, pointer),
    "ggml_quantize_chunk": (c_size_t, c_int, pointer, pointer, c_int64, c_int64, c_int64, pointer),
}
# What the library fills in; everything else is zero, false or null.
_MODEL_DEFAULTS = {"n_gpu_layers": -1, "split_mode": 1, "load_mode": -1, "lazy_mode": 1, "use_extra_bufts": True}
_CONTEXT_DEFAULTS = {
    **{"n_ctx": 512, "n_batch": 2048, "n_ubatch": 512, "n_seq_max": 1, "n_outputs_max_per_seq": 1},
    **{"n_threads": 4, "n_threads_batch": 4, "type_k": 1, "type_v": 1},
    **dict.fromkeys(("rope_scaling_type", "pooling_type", "attention_type", "flash_attn_type"), -1),
    **dict.fromkeys(("yarn_ext_factor", "yarn_attn_factor", "yarn_beta_fast", "yarn_beta_slow", "defrag_thold"), -1),
    **dict.fromkeys(("offload_kqv", "no_perf", "op_offload", "swa_full"), True),
}


class OtherReleaseError(Exception):
    """The library is not the release that this file was written for; the text says which it is."""


def library(log: Callable[[str], object]) -> Any:
    """The library, with its functions declared; it says its lines to `log`, line by line as it writes them. Raises
    OtherReleaseError."""
    found = metadata.version("xllamacpp")
    if found != RELEASE:
        raise OtherReleaseError(f"xllamacpp is {found}, and this needs {RELEASE}.")
    spec = util.find_spec("xllamacpp")
    assert spec is not None and spec.origin is not None, "a package with a version has a place"
    native: Any = ctypes.CDLL(str(Path(spec.origin).with_name("xllamacpp.abi3.so")))
    for name, (result, *arguments) in _FUNCTIONS.items():
        function = getattr(native, name)
        function.restype, function.argtypes = result, tuple(arguments)
    _require_defaults(native)
    # Kept with the library, which calls it as long as it is there.
    native.freehold_log = LogCallback(lambda _level, text, _data: log(text.decode(errors="replace")))
    native.llama_log_set(native.freehold_log, None)
    return native


def _require_defaults(native: Any) -> None:
    _require(native.llama_model_default_params(), _MODEL_DEFAULTS)
    _require(native.llama_context_default_params(), _CONTEXT_DEFAULTS)


def _require(given: ModelParameters | ContextParameters, expected: Mapping[str, object]) -> None:
    """Every field has its known default: what moved in the structure shows."""
    for name, *_ in given._fields_:
        value = getattr(given, name)
        if (value or 0) != (expected.get(name) or 0):
            raise OtherReleaseError(
                f"xllamacpp keeps its settings elsewhere than its release does: {name} is {value!r}."
            )

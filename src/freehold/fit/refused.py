"""Runs that the engine refuses whatever memory there is. Source: llama.cpp b11549, `llama_init_from_model`."""

from __future__ import annotations

from freehold.fit.blueprint import Blueprint, RunShape
from freehold.fit.cache import CACHE_TYPES

MOST_SLOTS = 256
"""`LLAMA_MAX_SEQ`."""


def refused(blueprint: Blueprint, run: RunShape) -> str | None:
    """Why the engine would make no context of `blueprint` for `run`; None where it would."""
    if run.slots > MOST_SLOTS:
        return f"it has {MOST_SLOTS} slots at most"
    if uncounted(run) is not None:
        return None
    attending = [layer for layer in blueprint.kinds if layer.attention != "none"]
    key_block, value_block = CACHE_TYPES[run.cache_type_k][0], CACHE_TYPES[run.cache_type_v][0]
    if value_block > 1 and attending and not run.flash_attention:
        return f"values are kept as {run.cache_type_v} with flash attention only"
    if any(layer.key_size % key_block for layer in attending):
        return f"its keys do not fill whole blocks of {run.cache_type_k}"
    if any(layer.value_size % value_block for layer in attending):
        return f"its values do not fill whole blocks of {run.cache_type_v}"
    latent = any(layer.attention == "latent" for layer in attending)
    if latent and run.cache_type_k != run.cache_type_v:
        return "keys and values are one in its cache, so that both must be of one type"
    return None


def uncounted(run: RunShape) -> str | None:
    """Why nobody here can tell what a cache of `run` takes, which the engine may well make; None where somebody can."""
    kinds = {run.cache_type_k, run.cache_type_v} - CACHE_TYPES.keys()
    return f"what a cache of {', '.join(sorted(kinds))} takes is not known here" if kinds else None

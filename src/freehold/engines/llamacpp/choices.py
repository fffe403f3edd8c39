"""Decides how a build is run on a machine, and says why. Pure: facts in, choices out.

What a person set is taken as it is, except a context longer than the model was trained with: the engine would hold the
memory and use none of it. What must stay true: no request is cut or lost because of a choice made here. So
every slot has the whole context to itself (`kv_unified` off: with one shared pool, four requests that together
outgrew it were all answered 500), and the context is only as long as memory holds for all slots at once.
Memory figures here are computed, not measured; speeds are estimates, and say so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from freehold.core.builds import HeldBuild, WeightFacts
from freehold.core.ports import Choice
from freehold.core.settings import EngineOptions
from freehold.hardware.machine import Machine

KV_BYTES_PER_VALUE = 2  # f16
SLOTS = 4
UNKNOWN_CONTEXT_TOKENS = 4096
SHORTEST_CONTEXT_TOKENS = 512
ENOUGH_CONTEXT_TOKENS = 8192
"""Below this, fewer slots are better than a shorter context."""
MEMORY_SHARE = 0.6
"""Of what is free beside the weights: the rest is for compute buffers, the prompt cache and other programs."""
CACHE_SHARE = 0.1
LARGEST_CACHE_MIB = 2048
BATCHES = (32, 64, 128, 256, 512)
BATCH_TIME_S = 0.5
PARAMETERS_PER_CORE_SECOND = 1.7e10
"""Prompt speed times parameters per core: 254 tokens/s of a 135-million build on two cores, Q4_1, AVX2 kernels."""

_ENCODERS = ("bert", "t5encoder", "gemma-embedding")
# Every layer keeps every token, so that the cache is what arithmetic says and not less.
_FULL_ATTENTION = (
    *("bloom", "falcon", "gemma", "gpt2", "gptneox", "granite", "granitemoe", "internlm2", "llama", "mpt", "olmo"),
    *("qwen", "qwen2", "qwen2moe", "qwen3", "qwen3moe", "smollm3", "stablelm", "starcoder", "starcoder2"),
)
Pooling = Literal["last", "own"]


@dataclass(frozen=True, slots=True)
class Choices:
    """How to run one build. `context_tokens` is per slot, `pooling` "own" is the one its file names."""

    threads: int
    slots: int
    context_tokens: int
    batch_tokens: int
    prompt_cache_mib: int
    pooling: Pooling
    shown: Mapping[str, Choice]


def choose(build: HeldBuild, machine: Machine, options: EngineOptions) -> Choices:
    """The choices for `build` on `machine`; everything in `options` that is not None wins."""
    facts = build.facts
    encoder = any(name in facts.architecture for name in _ENCODERS)
    threads, why_threads = _threads(machine, options)
    slots, context, why_slots, why_context = _slots_and_context(build, machine, options)
    batch, why_batch = _batch(facts, threads, context, options, encoder=encoder)
    cache, why_cache = _cache(build, machine, options)
    pooling, why_pooling = _pooling(encoder=encoder)
    return Choices(
        threads=threads,
        slots=slots,
        context_tokens=context,
        batch_tokens=batch,
        prompt_cache_mib=cache,
        pooling=pooling,
        shown={
            "threads": why_threads,
            "waiting": Choice(
                "threads sleep", "chosen", "spinning gained nothing alone and lost beside a busy program"
            ),
            "slots": why_slots,
            "context": why_context,
            "kv cache": _kv_cache(facts, slots * context),
            "batch": why_batch,
            "prompt cache": why_cache,
            "pooling": why_pooling,
        },
    )


def kv_bytes_per_token(facts: WeightFacts) -> int | None:
    """Exact for full attention: keys and values of every layer, f16. An upper bound where layers slide a window.

    None where the file does not say enough. Source: llama.cpp `llama_kv_cache`, `n_embd_k_gqa` and `n_embd_v_gqa`.
    """
    if facts.block_count is None:
        return None
    heads = facts.head_count_kv or facts.head_count
    if heads is None:
        return None
    each = None
    if facts.embedding_length is not None and facts.head_count:
        each = facts.embedding_length // facts.head_count
    key, value = facts.key_length or each, facts.value_length or each
    if key is None or value is None:
        return None
    return facts.block_count * heads * (key + value) * KV_BYTES_PER_VALUE


def over_memory(build: HeldBuild, chosen: Choices, machine: Machine) -> str | None:
    """Why `chosen` asks for more memory than is free, both figures said; None where it does not, or where
    layers may keep less than the arithmetic says.

    Only the cache is counted: weights are mapped, and the kernel may drop their pages.
    """
    per_token = kv_bytes_per_token(build.facts)
    if per_token is None or build.facts.architecture not in _FULL_ATTENTION:
        return None
    needed_bytes = per_token * chosen.slots * chosen.context_tokens
    if needed_bytes <= machine.memory_available_bytes:
        return None
    return (
        f"a context of {chosen.context_tokens:,} tokens in {chosen.slots} "
        f"{'slot' if chosen.slots == 1 else 'slots'} takes {_size(needed_bytes)} of memory (computed), and "
        f"{_size(machine.memory_available_bytes)} are free."
    )


def _threads(machine: Machine, options: EngineOptions) -> tuple[int, Choice]:
    if options.threads is not None:
        return options.threads, _set(str(options.threads))
    threads = max(1, math.floor(machine.usable_cores))
    reason = f"{machine.usable_cores:g} of {machine.logical_cores} cores may be used (affinity and cgroup quota)"
    return threads, Choice(str(threads), "chosen", reason)


def _slots_and_context(build: HeldBuild, machine: Machine, options: EngineOptions) -> tuple[int, int, Choice, Choice]:
    trained = build.facts.context_length
    wanted = options.context_tokens or trained or UNKNOWN_CONTEXT_TOKENS
    wanted = min(wanted, trained or wanted)
    held = _tokens_held(build, machine)
    slots, why_slots = _slots(wanted, held, options)
    if options.context_tokens is not None:
        why = _set(f"{wanted} tokens per slot")
        if wanted < options.context_tokens:
            reason = f"{options.context_tokens:,} is set; it was trained with {trained:,} tokens and more is not used"
            why = Choice(f"{wanted} tokens per slot", "chosen", reason)
        return slots, wanted, why_slots, why
    if held is not None and held // slots < wanted:
        context = max(SHORTEST_CONTEXT_TOKENS, held // slots // 256 * 256)
        free = _size(machine.memory_available_bytes)
        reason = f"{free} free hold {held:,} tokens beside the weights (computed), shared by {slots} slots"
    else:
        context = wanted
        reason = f"the {trained:,} it was trained with" if trained else "its file does not say what it was trained with"
    return slots, context, why_slots, Choice(f"{context} tokens per slot", "chosen", reason)


def _slots(wanted_tokens: int, held_tokens: int | None, options: EngineOptions) -> tuple[int, Choice]:
    if options.slots is not None:
        return options.slots, _set(str(options.slots))
    enough = min(wanted_tokens, ENOUGH_CONTEXT_TOKENS)
    slots = SLOTS
    while held_tokens is not None and slots > 1 and held_tokens // slots < enough:
        slots //= 2
    if slots == SLOTS:
        return slots, Choice(str(slots), "chosen", f"{slots} requests at a time, each with a context of its own")
    return slots, Choice(str(slots), "chosen", f"memory holds {enough:,} tokens of context no more often than that")


def _tokens_held(build: HeldBuild, machine: Machine) -> int | None:
    """How many tokens of context memory holds beside the weights, by arithmetic; None is unknown."""
    per_token = kv_bytes_per_token(build.facts)
    if not per_token:
        return None
    free_bytes = max(0, machine.memory_available_bytes - build.size_bytes)
    return int(free_bytes * MEMORY_SHARE) // per_token


def _kv_cache(facts: WeightFacts, tokens: int) -> Choice:
    per_token = kv_bytes_per_token(facts)
    size = "size unknown" if per_token is None else f"{_size(per_token * tokens)}, computed"
    return Choice(
        f"f16, not shared ({size})", "chosen", "a shared one fails every request when they outgrow it together"
    )


def _batch(
    facts: WeightFacts, threads: int, context_tokens: int, options: EngineOptions, *, encoder: bool
) -> tuple[int, Choice]:
    if options.batch_tokens is not None:
        return options.batch_tokens, _set(f"{options.batch_tokens} tokens")
    if encoder:
        return context_tokens, Choice(f"{context_tokens} tokens", "chosen", "an encoder reads its whole input at once")
    if facts.parameters is None:
        return 128, Choice("128 tokens", "chosen", "its size is unknown; a small batch lets a request end soon")
    per_second = PARAMETERS_PER_CORE_SECOND * threads / facts.parameters
    batch = max([size for size in BATCHES if size <= per_second * BATCH_TIME_S * 1.1], default=BATCHES[0])
    reason = (
        f"about {per_second:,.0f} prompt tokens/s are estimated and a client that has gone is noticed between batches; "
        "128 instead of 512 cost no prompt speed where it was measured, and 0.9 s instead of 3.5 s to notice"
    )
    return batch, Choice(f"{batch} tokens", "chosen", reason)


def _cache(build: HeldBuild, machine: Machine, options: EngineOptions) -> tuple[int, Choice]:
    if options.prompt_cache_mib is not None:
        return options.prompt_cache_mib, _set(_size(options.prompt_cache_mib * 2**20))
    free_bytes = max(0, machine.memory_available_bytes - build.size_bytes)
    cache = min(LARGEST_CACHE_MIB, int(free_bytes * CACHE_SHARE) // 2**20)
    return cache, Choice(
        f"at most {_size(cache * 2**20)}",
        "chosen",
        f"a tenth of the memory free, {_size(LARGEST_CACHE_MIB * 2**20)} at most",
    )


def _pooling(*, encoder: bool) -> tuple[Pooling, Choice]:
    if encoder:
        return "own", Choice("as its file says", "chosen", "an embedding model was trained with one way of pooling")
    # Mean pooling would refuse inputs longer than a batch, with a 500.
    return "last", Choice(
        "last token", "chosen", "takes inputs as long as the context, and the last token has seen all"
    )


def _set(value: str) -> Choice:
    return Choice(value, "set", "set in freehold.toml")


def _size(size_bytes: int) -> str:
    """Bytes for people, in powers of ten as the command line shows all of them."""
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.1f} MB"

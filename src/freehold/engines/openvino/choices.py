"""Decides how OpenVINO runs a build on a machine, and says why. Pure: facts in, choices out.

All requests share one pool of cache blocks, so that many short ones run at once; a request is only let in when all it
may ever need is free (see `batching`), so none is cut or lost for another. Memory figures are computed, not measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from freehold.core.builds import HeldBuild, WeightFacts
from freehold.core.ports import Choice
from freehold.core.settings import EngineOptions
from freehold.hardware.machine import Machine

SLOTS = 32
UNKNOWN_CONTEXT_TOKENS = 4096
MEMORY_SHARE = 0.6
"""Of what is free beside the weights: the rest is for the graph, its buffers and other programs."""
CACHE_BYTES_PER_VALUE = 2  # f16
BLOCK_TOKENS = 32
"""Tokens of one cache block on a CPU (openvino-genai, `CacheManager`)."""

BATCHES = (256, 512, 1024, 2048)
BATCH_TIME_S = 0.5
PARAMETERS_PER_CORE_SECOND = 3e10
"""Prompt speed times parameters per core: 540 tokens/s of a 135-million build on two AVX2 cores."""


@dataclass(frozen=True, slots=True)
class Choices:
    """How to run one build. `pool_tokens` is what the cache holds of all requests together, `pool_bytes` what it takes
    when it is full; None is unknown."""

    threads: int
    slots: int
    context_tokens: int
    pool_tokens: int
    batch_tokens: int
    pool_bytes: int | None
    shown: Mapping[str, Choice]


def choose(build: HeldBuild, machine: Machine, options: EngineOptions) -> Choices:
    """The choices for `build` on `machine`; everything in `options` that is not None wins."""
    threads, why_threads = _threads(machine, options)
    slots = options.slots or SLOTS
    context, why_context = _context(build, options)
    pool, why_pool = _pool(build, machine, slots, context)
    batch, why_batch = _batch(build, threads, slots, options)
    why_slots = _set(str(slots)) if options.slots else Choice(str(slots), "chosen", "requests that run at once")
    return Choices(
        threads=threads,
        slots=slots,
        context_tokens=context,
        pool_tokens=pool,
        batch_tokens=batch,
        pool_bytes=None if (each := _cache_bytes_per_token(build.facts)) is None else pool * each,
        shown={
            "threads": why_threads,
            "slots": why_slots,
            "context": why_context,
            "kv cache": why_pool,
            "batch": why_batch,
            "arithmetic": Choice(
                "weights as in the file, activations 8-bit where the processor has instructions for it, else 32-bit",
                "chosen",
                "what llama.cpp does too; `freehold bench` measures the difference",
            ),
        },
    )


def _threads(machine: Machine, options: EngineOptions) -> tuple[int, Choice]:
    if options.threads is not None:
        return options.threads, _set(str(options.threads))
    threads = max(1, math.floor(machine.usable_cores))
    reason = f"{machine.usable_cores:g} of {machine.logical_cores} cores may be used (affinity and cgroup quota)"
    return threads, Choice(str(threads), "chosen", reason)


def _context(build: HeldBuild, options: EngineOptions) -> tuple[int, Choice]:
    trained = build.facts.context_length
    wanted = options.context_tokens or trained or UNKNOWN_CONTEXT_TOKENS
    context = min(wanted, trained or wanted)
    if options.context_tokens == context:
        return context, _set(f"{context:,} tokens")
    reason = "what the model was trained with" if trained else "the model does not say what it was trained with"
    return context, Choice(f"{context:,} tokens", "chosen", reason)


def _pool(build: HeldBuild, machine: Machine, slots: int, context: int) -> tuple[int, Choice]:
    """All slots with the whole context, or as much of that as memory has, and one whole context at least."""
    wanted, per_token = slots * context, _cache_bytes_per_token(build.facts)
    if per_token is None:
        return wanted, Choice(f"16-bit, {wanted:,} tokens in all (size unknown)", "chosen", "every slot may be full")
    free_bytes = max(0, machine.memory_available_bytes - build.size_bytes)
    pool = max(context, min(wanted, int(free_bytes * MEMORY_SHARE) // per_token))
    value = f"16-bit, {pool:,} tokens in all ({pool * per_token / 1e9:.1f} GB when full, computed)"
    reason = "every slot may be full" if pool == wanted else "what memory has; requests wait for room"
    return pool, Choice(value, "chosen", reason)


def _cache_bytes_per_token(facts: WeightFacts) -> int | None:
    """Exact for the architectures that are converted: every layer keeps keys and values of every token. None where the
    file does not say enough."""
    heads = facts.head_count_kv or facts.head_count
    if facts.block_count is None or not heads:
        return None
    each = facts.embedding_length // facts.head_count if facts.embedding_length and facts.head_count else None
    key, value = facts.key_length or each, facts.value_length or each
    if key is None or value is None:
        return None
    return facts.block_count * heads * (key + value) * CACHE_BYTES_PER_VALUE


def _batch(build: HeldBuild, threads: int, slots: int, options: EngineOptions) -> tuple[int, Choice]:
    if options.batch_tokens is not None:
        batch = max(options.batch_tokens, slots)
        return batch, _set(f"{batch} tokens")
    if build.facts.parameters is None:
        return BATCHES[0], Choice(f"{BATCHES[0]} tokens", "chosen", "its size is unknown; a small step ends soon")
    per_second = PARAMETERS_PER_CORE_SECOND * threads / build.facts.parameters
    batch = max([size for size in BATCHES if size <= per_second * BATCH_TIME_S * 1.1], default=BATCHES[0])
    reason = f"about {per_second:,.0f} prompt tokens/s are estimated, and nothing is answered within a step"
    return max(batch, slots), Choice(f"{max(batch, slots)} tokens", "chosen", reason)


def _set(value: str) -> Choice:
    return Choice(value, "set", "set in freehold.toml")

"""Decides how a build is run on a machine, and says why. Pure: facts in, choices out.

What a person set is taken as it is, except a context longer than the model was trained with: the engine would hold the
memory and use none of it. What must stay true: no request is cut or lost because of a choice made here. So
every slot has the whole context to itself (`kv_unified` off: with one shared pool, four requests that together
outgrew it were all answered 500), and the context is only as long as memory holds for all slots at once.
Memory figures are those of `fit`; speeds are estimates unless this machine was measured, and say so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from freehold.core.builds import HeldBuild, WeightFacts
from freehold.core.ports import Choice, MemoryNeeds
from freehold.core.quantity import Unknown, at_least, at_most
from freehold.core.settings import EngineOptions
from freehold.core.sizes import size
from freehold.fit.blueprint import Blueprint, RunShape
from freehold.fit.largest import largest_context
from freehold.fit.memory import MemoryNeed, need
from freehold.fit.overhead import checkpoint_bytes
from freehold.hardware import here
from freehold.hardware.calibration import Calibration
from freehold.hardware.machine import Machine
from freehold.hardware.rig import Rig

NOT_MEASURED = Unknown("this machine was not measured")
SLOTS = 4
UNKNOWN_CONTEXT_TOKENS = 4096
SHORTEST_CONTEXT_TOKENS = 512
ENOUGH_CONTEXT_TOKENS = 8192
"""Below this, fewer slots are better than a shorter context, and a cache of 8 bits better than both."""
OTHERS_SHARE = 0.1
"""Of the memory that is free: left to other programs, which grow while a worker runs."""
CACHE_TYPE = "f16"
SMALLER_CACHE_TYPE = "q8_0"
CACHE_SHARE = 0.1
LARGEST_CACHE_MIB = 2048
FEWEST_CHECKPOINTS, MOST_CHECKPOINTS = 2, 32
"""The engine's own default is 32 for each slot, which is gigabytes where windows are large."""
BATCHES = (32, 64, 128, 256, 512)
BATCH_TIME_S = 0.5
PARAMETERS_PER_CORE_SECOND = 1.7e10
"""Prompt speed times parameters per core: 254 tokens/s of a 135-million build on two cores, Q4_1, AVX2 kernels."""

_ENCODERS = ("bert", "t5encoder", "gemma-embedding")
Pooling = Literal["last", "own"]


@dataclass(frozen=True, slots=True)
class Choices:
    """How to run one build. `context_tokens` is per slot, `pooling` "own" is the one its file names."""

    threads: int
    slots: int
    context_tokens: int
    batch_tokens: int
    cache_type: str
    prompt_cache_mib: int
    checkpoints: int
    pooling: Pooling
    shown: Mapping[str, Choice]

    @property
    def run(self) -> RunShape:
        """The shape that `fit` reckons with."""
        return RunShape(
            self.context_tokens,
            self.slots,
            batch_tokens=self.batch_tokens,
            cache_type_k=self.cache_type,
            cache_type_v=self.cache_type,
            checkpoints=self.checkpoints,
        )


@dataclass(frozen=True, slots=True)
class _Room:
    """What a build may have on a machine beside its prompt cache and other programs."""

    blueprint: Blueprint
    rig: Rig
    batch_tokens: int

    def context_tokens(self, slots: int, cache_type: str) -> int | None:
        """The longest context of each slot that memory holds, at the high end of what is needed; None: unknown."""
        shape = RunShape(SHORTEST_CONTEXT_TOKENS, slots, self.batch_tokens, cache_type, cache_type)
        return largest_context(self.blueprint, shape, self.rig)


def choose(
    build: HeldBuild,
    blueprint: Blueprint,
    machine: Machine,
    options: EngineOptions,
    calibration: Calibration | Unknown = NOT_MEASURED,
) -> Choices:
    """The choices for `build`, which is what `blueprint` says, on `machine`, which was measured as `calibration`;
    everything in `options` that is not None wins."""
    facts = build.facts
    encoder = any(name in facts.architecture for name in _ENCODERS)
    threads, why_threads = _threads(machine, options, calibration)
    prompt_cache, why_prompt_cache = _prompt_cache(build, machine, options)
    batch, why_batch = _batch(facts, threads, options)
    room = _Room(blueprint, _rig(machine, prompt_cache), batch)
    wanted = _wanted(facts, options)
    cache_type, why_cache_type = _cache_type(room, wanted, options)
    slots, why_slots = _slots(room, wanted, cache_type, options)
    context, why_context = _context(room, wanted, slots, cache_type, options)
    pooling, why_pooling = _pooling(encoder=encoder)
    if encoder and options.batch_tokens is None:
        batch, why_batch = context, Choice(f"{context} tokens", "chosen", "an encoder reads its whole input at once")
    chosen = Choices(threads, slots, context, batch, cache_type, prompt_cache, FEWEST_CHECKPOINTS, pooling, {})
    chosen, why_checkpoints = _with_checkpoints(chosen, blueprint)
    if options.prompt_cache_mib is None:
        why_prompt_cache = replace(why_prompt_cache, value=f"at most {size(chosen.prompt_cache_mib * 2**20)}")
    shown = {
        "threads": why_threads,
        "waiting": Choice("threads sleep", "chosen", "spinning gained nothing alone and lost beside a busy program"),
        "slots": why_slots,
        "context": why_context,
        "kv cache": _kv_cache(need(blueprint, chosen.run), cache_type, why_cache_type),
        "batch": why_batch,
        "prompt cache": why_prompt_cache,
        **({"checkpoints": why_checkpoints} if why_checkpoints else {}),
        "pooling": why_pooling,
    }
    return replace(chosen, shown=shown)


def over_memory(blueprint: Blueprint, chosen: Choices, machine: Machine) -> str | None:
    """Why `chosen` asks for more memory than is free, both figures said; None where it does not, or where nobody can
    tell. Weights are not counted: they are mapped, and the kernel may drop their pages."""
    needed = need(blueprint, chosen.run)
    parts = (needed.kv_cache_bytes, needed.state_bytes, needed.compute_bytes, needed.output_bytes)
    lows = [at_least(part) for part in parts]
    needed_bytes = sum(low for low in lows if low is not None)
    if None in lows or needed_bytes <= machine.memory_available_bytes:
        return None
    slots = f"{chosen.slots} {'slot' if chosen.slots == 1 else 'slots'}"
    return (
        f"a context of {chosen.context_tokens:,} tokens in {slots} takes {size(needed_bytes)} of memory (computed), "
        f"and {size(machine.memory_available_bytes)} are free."
    )


def has_enough(chosen: Choices, needs: MemoryNeeds, share_bytes: int, facts: WeightFacts) -> bool:
    """Whether `chosen` lies within a share of the memory, with a context that is worth it; nobody can tell counts."""
    high = at_most(needs.start)
    if high is None:
        return True
    enough = min(ENOUGH_CONTEXT_TOKENS, facts.context_length or ENOUGH_CONTEXT_TOKENS)
    is_set = chosen.shown["context"].origin == "set"
    return high + needs.growth_bytes <= share_bytes and (is_set or chosen.context_tokens >= enough)


def _rig(machine: Machine, prompt_cache_mib: int) -> Rig:
    """The machine with what a build may have of it."""
    found = here.rig(machine)
    usable = int(found.host.usable_bytes * (1 - OTHERS_SHARE)) - prompt_cache_mib * 2**20
    return replace(found, places=(replace(found.host, usable_bytes=max(0, usable)),))


def _threads(machine: Machine, options: EngineOptions, calibration: Calibration | Unknown) -> tuple[int, Choice]:
    if options.threads is not None:
        return options.threads, _set(str(options.threads))
    if isinstance(calibration, Calibration) and calibration.quiet.noisy is None:
        tried = ", ".join(str(count) for count in sorted(calibration.by_threads))
        reason = f"the fastest of {tried} when this machine was measured on {calibration.on}"
        return calibration.threads, Choice(str(calibration.threads), "chosen", reason)
    threads = max(1, math.floor(machine.usable_cores))
    reason = f"{machine.usable_cores:g} of {machine.logical_cores} cores may be used (affinity and cgroup quota)"
    return threads, Choice(str(threads), "chosen", reason)


def _wanted(facts: WeightFacts, options: EngineOptions) -> int:
    """The context that is wished for each slot."""
    wanted = options.context_tokens or facts.context_length or UNKNOWN_CONTEXT_TOKENS
    return min(wanted, facts.context_length or wanted)


def _cache_type(room: _Room, wanted: int, options: EngineOptions) -> tuple[str, Choice]:
    if options.cache_type is not None:
        return options.cache_type, _set(options.cache_type)
    enough = min(wanted, ENOUGH_CONTEXT_TOKENS)
    whole, smaller = room.context_tokens(1, CACHE_TYPE), room.context_tokens(1, SMALLER_CACHE_TYPE)
    if whole is not None and smaller is not None and whole < enough <= smaller:
        reason = f"in {CACHE_TYPE} memory holds {whole:,} tokens, in this {smaller:,}"
        return SMALLER_CACHE_TYPE, Choice(SMALLER_CACHE_TYPE, "chosen", reason)
    reason = "a shared one fails every request when they outgrow it together"
    return CACHE_TYPE, Choice(CACHE_TYPE, "chosen", reason)


def _slots(room: _Room, wanted: int, cache_type: str, options: EngineOptions) -> tuple[int, Choice]:
    if options.slots is not None:
        return options.slots, _set(str(options.slots))
    enough = min(wanted, ENOUGH_CONTEXT_TOKENS)
    most = slots = options.most_slots or SLOTS
    while slots > 1 and (held := room.context_tokens(slots, cache_type)) is not None and held < enough:
        slots //= 2
    if slots == most:
        return slots, Choice(str(slots), "chosen", f"{slots} requests at a time, each with a context of its own")
    return slots, Choice(str(slots), "chosen", f"memory holds {enough:,} tokens of context no more often than that")


def _context(room: _Room, wanted: int, slots: int, cache_type: str, options: EngineOptions) -> tuple[int, Choice]:
    trained = room.blueprint.trained_tokens
    if options.context_tokens is not None:
        why = _set(f"{wanted} tokens per slot")
        if wanted < options.context_tokens:
            reason = f"{options.context_tokens:,} is set; it was trained with {trained:,} tokens and more is not used"
            why = Choice(f"{wanted} tokens per slot", "chosen", reason)
        return wanted, why
    held = room.context_tokens(slots, cache_type)
    if held is None:
        context = min(wanted, UNKNOWN_CONTEXT_TOKENS)
        reason = (
            f"how much memory more would take cannot be said: {room.blueprint.cannot_say or 'close to what is free'}"
        )
    elif held < wanted:
        context = max(SHORTEST_CONTEXT_TOKENS, held)
        free = size(room.rig.host.usable_bytes)
        reason = f"{free} hold {held:,} tokens for each of {slots} slots beside the weights and buffers (computed)"
    else:
        context = wanted
        reason = f"the {trained:,} it was trained with" if trained else "its file does not say what it was trained with"
    return context, Choice(f"{context} tokens per slot", "chosen", reason)


def _kv_cache(needed: MemoryNeed, cache_type: str, why: Choice) -> Choice:
    size_bytes = at_most(needed.kv_cache_bytes)
    computed = "size unknown" if size_bytes is None else f"{size(size_bytes)}, computed"
    return Choice(f"{cache_type}, not shared ({computed})", why.origin, why.reason)


def _batch(facts: WeightFacts, threads: int, options: EngineOptions) -> tuple[int, Choice]:
    if options.batch_tokens is not None:
        return options.batch_tokens, _set(f"{options.batch_tokens} tokens")
    if facts.parameters is None:
        return 128, Choice("128 tokens", "chosen", "its size is unknown; a small batch lets a request end soon")
    per_second = PARAMETERS_PER_CORE_SECOND * threads / facts.parameters
    batch = max([size for size in BATCHES if size <= per_second * BATCH_TIME_S * 1.1], default=BATCHES[0])
    reason = (
        f"about {per_second:,.0f} prompt tokens/s are estimated and a client that has gone is noticed between batches; "
        "128 instead of 512 cost no prompt speed where it was measured, and 0.9 s instead of 3.5 s to notice"
    )
    return batch, Choice(f"{batch} tokens", "chosen", reason)


def _prompt_cache(build: HeldBuild, machine: Machine, options: EngineOptions) -> tuple[int, Choice]:
    if options.prompt_cache_mib is not None:
        return options.prompt_cache_mib, _set(size(options.prompt_cache_mib * 2**20))
    free_bytes = max(0, machine.memory_available_bytes - build.size_bytes)
    cache = min(LARGEST_CACHE_MIB, int(free_bytes * CACHE_SHARE) // 2**20)
    return cache, Choice(
        f"at most {size(cache * 2**20)}",
        "chosen",
        f"a tenth of the memory free, {size(LARGEST_CACHE_MIB * 2**20)} at most",
    )


def _with_checkpoints(chosen: Choices, blueprint: Blueprint) -> tuple[Choices, Choice | None]:
    """How many states of each slot are kept to go back to, where a model has windows or states: without one near, a
    prompt that differs from the last is read from its start. Half of what the prompt cache may have pays for more than
    the fewest, which are counted in what the model needs."""
    each_bytes = checkpoint_bytes(blueprint, chosen.run) * chosen.slots
    if not each_bytes:
        return chosen, None
    paid = chosen.prompt_cache_mib * 2**20 // 2 // each_bytes
    count = min(MOST_CHECKPOINTS, max(FEWEST_CHECKPOINTS, paid))
    taken_mib = (count - FEWEST_CHECKPOINTS) * each_bytes // 2**20
    each = size(each_bytes / chosen.slots)
    why = Choice(f"{count} of {each} for each slot", "chosen", "half of what the prompt cache may have pays for them")
    return replace(chosen, checkpoints=count, prompt_cache_mib=chosen.prompt_cache_mib - taken_mib), why


def _pooling(*, encoder: bool) -> tuple[Pooling, Choice]:
    if encoder:
        return "own", Choice("as its file says", "chosen", "an embedding model was trained with one way of pooling")
    # Mean pooling would refuse inputs longer than a batch, with a 500.
    return "last", Choice(
        "last token", "chosen", "takes inputs as long as the context, and the last token has seen all"
    )


def _set(value: str) -> Choice:
    return Choice(value, "set", "set in freehold.toml")

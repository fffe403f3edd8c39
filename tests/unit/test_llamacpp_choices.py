"""What the engine chooses for a build on a machine, against arithmetic done by hand."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import pytest

from freehold.core.builds import HeldBuild, WeightFacts
from freehold.core.quantity import Unknown, at_most
from freehold.core.settings import EngineOptions
from freehold.engines.llamacpp.choices import NOT_MEASURED, Choices, over_memory
from freehold.engines.llamacpp.choices import choose as choose_for
from freehold.fit.blueprint import Blueprint, Layer
from freehold.fit.memory import need
from freehold.hardware.calibration import Calibration
from freehold.hardware.machine import Machine
from tests.calibrations import calibration

GIB = 2**30
SMOLLM2 = WeightFacts("gguf", "llama", "Q4_1", 134_515_008, 8192, 576, 30, 9, 3, 49152, "template")
LLAMA_8B = WeightFacts("gguf", "llama", "Q4_K_M", 8_030_261_248, 131_072, 4096, 32, 32, 8, 128_256, "template")


def blueprint_of(held: HeldBuild) -> Blueprint:
    """What a header with these facts says, of an architecture in which every layer sees everything."""
    facts = held.facts
    heads, count = facts.head_count_kv or 0, facts.block_count
    size = facts.key_length or (facts.embedding_length or 0) // (facts.head_count or 1)
    layer = Layer("full", heads, size, facts.value_length or size, heads=facts.head_count or 0)
    return Blueprint(
        name="model:q4",
        architecture=facts.architecture,
        layers=(layer,) * (count or 0),
        hidden=facts.embedding_length or 0,
        heads=facts.head_count or 0,
        vocabulary=facts.vocabulary_size or 0,
        trained_tokens=facts.context_length,
        parameters=facts.parameters,
        quantization=facts.quantization,
        file_bytes=held.size_bytes,
        cannot_say=None if count else "its header does not say how many layers it has",
    )


def choose(
    held: HeldBuild, here: Machine, options: EngineOptions, measured: Calibration | Unknown = NOT_MEASURED
) -> Choices:
    return choose_for(held, blueprint_of(held), here, options, measured)


def machine(cores: float = 2.0, free_bytes: int = 16 * GIB) -> Machine:
    return Machine(
        usable_cores=cores,
        logical_cores=64,
        physical_cores=None,
        memory_total_bytes=2 * free_bytes,
        memory_available_bytes=free_bytes,
        architecture="x86_64",
        system="Linux",
        kernel="6.1",
        cpu_model=None,
        cpu_flags=frozenset(),
    )


def build(facts: WeightFacts, size_bytes: int) -> HeldBuild:
    return HeldBuild("model:q4", "model", "sha256:0", (), size_bytes, facts)


SMALL, LARGE = build(SMOLLM2, 98_362_432), build(LLAMA_8B, 4_920_000_000)


def test_a_small_build_gets_its_whole_context_in_every_slot() -> None:
    chosen = choose(SMALL, machine(), EngineOptions())
    assert (chosen.slots, chosen.context_tokens, chosen.threads, chosen.batch_tokens) == (4, 8192, 2, 128)
    assert chosen.shown["kv cache"].value == "f16, not shared (755.0 MB, computed)"


def test_every_size_is_said_in_powers_of_ten() -> None:
    for options in (EngineOptions(), EngineOptions(prompt_cache_mib=512)):
        said = str(choose(SMALL, machine(), options).shown)
        assert "MB" in said and "iB" not in said


def test_a_quota_of_one_and_a_half_cores_is_one_thread() -> None:
    chosen = choose(SMALL, machine(cores=1.5), EngineOptions())
    assert chosen.threads == 1
    assert chosen.shown["threads"].reason == "1.5 of 64 cores may be used (affinity and cgroup quota)"
    assert choose(SMALL, machine(cores=0.3), EngineOptions()).threads == 1


def test_the_thread_count_that_was_the_fastest_here_is_taken_unless_one_is_set() -> None:
    measured = calibration()
    chosen = choose(SMALL, machine(cores=8), EngineOptions(), measured)
    assert (chosen.threads, chosen.shown["threads"].origin) == (measured.threads, "chosen")
    assert chosen.shown["threads"].reason == "the fastest of 1, 2 when this machine was measured on 2026-11-20"
    assert choose(SMALL, machine(cores=8), EngineOptions(threads=5), measured).threads == 5
    noisy = replace(measured, quiet=replace(measured.quiet, noisy="other programs had the processor"))
    assert choose(SMALL, machine(cores=8), EngineOptions(), noisy).threads == 8, "nothing rests on a disturbed figure"


def test_a_context_that_memory_does_not_hold_is_shortened_and_never_overcommits() -> None:
    chosen = choose(LARGE, machine(free_bytes=16 * GIB), EngineOptions())
    tokens = chosen.slots * chosen.context_tokens
    assert chosen.slots == 4
    assert chosen.context_tokens < 131_072
    assert chosen.context_tokens % 256 == 0
    assert LARGE.size_bytes + tokens * 131_072 < 0.9 * 16 * GIB
    room = 0.9 * 16 * GIB - chosen.prompt_cache_mib * 2**20
    assert _most_bytes(chosen) <= room < _most_bytes(replace(chosen, context_tokens=chosen.context_tokens + 256))


def _most_bytes(chosen: Choices) -> float:
    return at_most(need(blueprint_of(LARGE), chosen.run).total_bytes) or 0


def test_where_memory_is_short_there_are_fewer_slots_before_there_is_less_context() -> None:
    chosen = choose(LARGE, machine(free_bytes=7 * GIB), EngineOptions())
    assert chosen.slots == 1
    assert 8192 <= chosen.context_tokens < 12_000  # 131,072 bytes each in what 6.8 GB leave beside 4.9 GB of weights
    assert "8,192 tokens" in chosen.shown["slots"].reason


def test_where_even_one_slot_is_short_the_cache_is_kept_in_eight_bits_before_the_context_is_cut() -> None:
    chosen = choose(LARGE, machine(free_bytes=int(6.5 * GIB)), EngineOptions())
    assert (chosen.slots, chosen.cache_type) == (1, "q8_0")
    assert chosen.context_tokens >= 8192
    assert chosen.shown["kv cache"].value.startswith("q8_0, not shared")
    assert chosen.shown["kv cache"].reason.startswith("in f16 memory holds ")
    assert choose(LARGE, machine(free_bytes=int(6.5 * GIB)), EngineOptions(cache_type="f16")).cache_type == "f16"


def test_more_cores_allow_a_larger_batch_and_a_larger_model_a_smaller_one() -> None:
    assert choose(SMALL, machine(cores=16), EngineOptions()).batch_tokens == 512
    assert choose(LARGE, machine(cores=2), EngineOptions()).batch_tokens == 32


def test_what_a_person_sets_is_taken_and_said_to_be_set() -> None:
    options = EngineOptions(context_tokens=1000, slots=3, threads=7, batch_tokens=64, prompt_cache_mib=0)
    chosen = choose(SMALL, machine(), options)
    assert (chosen.context_tokens, chosen.slots, chosen.threads) == (1000, 3, 7)
    assert (chosen.batch_tokens, chosen.prompt_cache_mib) == (64, 0)
    shown = {name: choice.origin for name, choice in chosen.shown.items()}
    assert shown == {
        **dict.fromkeys(("threads", "slots", "context", "batch", "prompt cache"), "set"),
        **dict.fromkeys(("kv cache", "pooling", "waiting"), "chosen"),
    }


def test_a_file_that_says_little_of_itself_still_gets_choices_that_admit_it() -> None:
    silent = WeightFacts("gguf", "llama", None, None, None, None, None, None, None, None, None)
    chosen = choose(build(silent, 1000), machine(), EngineOptions())
    assert (chosen.context_tokens, chosen.batch_tokens) == (4096, 128)
    assert chosen.shown["context"].reason == (
        "how much memory more would take cannot be said: its header does not say how many layers it has"
    )
    assert "size unknown" in chosen.shown["kv cache"].value


def test_an_embedding_model_pools_as_it_was_trained_and_reads_its_input_at_once() -> None:
    encoder = dataclasses.replace(SMOLLM2, architecture="nomic-bert", context_length=2048)
    chosen = choose(build(encoder, 1000), machine(), EngineOptions())
    assert (chosen.pooling, chosen.batch_tokens) == ("own", 2048)


@pytest.mark.parametrize("held", [SMALL, LARGE], ids=["small", "large"])
def test_no_choice_is_left_unexplained(held: HeldBuild) -> None:
    chosen = choose(held, machine(), EngineOptions())
    assert len(chosen.shown) == 8
    assert all(choice.value and choice.reason for choice in chosen.shown.values())


def test_a_context_set_longer_than_the_training_is_not_paid_for() -> None:
    chosen = choose(SMALL, machine(), EngineOptions(context_tokens=16_384))
    assert chosen.context_tokens == 8192
    assert chosen.shown["context"].value == "8192 tokens per slot"
    assert chosen.shown["context"].reason == ("16,384 is set; it was trained with 8,192 tokens and more is not used")
    assert chosen.shown["kv cache"] == choose(SMALL, machine(), EngineOptions()).shown["kv cache"]
    unknown = build(dataclasses.replace(SMOLLM2, context_length=None), 1)
    assert choose(unknown, machine(), EngineOptions(context_tokens=16_384)).context_tokens == 16_384


def test_a_context_that_memory_cannot_hold_is_told_with_both_figures() -> None:
    options = EngineOptions(context_tokens=131_072, slots=4)
    here = machine(free_bytes=16 * 10**9)
    told = over_memory(blueprint_of(LARGE), choose(LARGE, here, options), here)
    assert told == ("a context of 131,072 tokens in 4 slots takes 68.7 GB of memory (computed), and 16.0 GB are free.")
    assert over_memory(blueprint_of(SMALL), choose(SMALL, here, options), here) is None
    silent = build(dataclasses.replace(LLAMA_8B, block_count=None), 1)
    assert over_memory(blueprint_of(silent), choose(silent, here, options), here) is None


def test_states_to_go_back_to_are_as_many_as_half_of_the_prompt_cache_pays_for() -> None:
    held = build(LLAMA_8B, 5 * GIB)
    windowed = replace(blueprint_of(held), layers=(Layer("window", 8, 128, 128, window_tokens=4096, heads=32),) * 32)
    each_bytes = 32 * 4096 * 8 * 128 * 2 * 2
    chosen = choose_for(held, windowed, machine(free_bytes=64 * GIB), EngineOptions(slots=1, prompt_cache_mib=4096))
    assert chosen.checkpoints == 2048 * 2**20 // each_bytes == 4
    assert chosen.run.checkpoints == 4
    assert chosen.shown["checkpoints"].value == "4 of 536.9 MB for each slot"
    assert "checkpoints" not in choose(held, machine(), EngineOptions()).shown

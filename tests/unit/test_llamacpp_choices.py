"""What the engine chooses for a build on a machine, against arithmetic done by hand."""

from __future__ import annotations

import dataclasses

import pytest

from freehold.core.builds import HeldBuild, WeightFacts
from freehold.core.settings import EngineOptions
from freehold.engines.llamacpp.choices import choose, kv_bytes_per_token, over_memory
from freehold.hardware.machine import Machine

GIB = 2**30
SMOLLM2 = WeightFacts("gguf", "llama", "Q4_1", 134_515_008, 8192, 576, 30, 9, 3, 49152, "template")
LLAMA_8B = WeightFacts("gguf", "llama", "Q4_K_M", 8_030_261_248, 131_072, 4096, 32, 32, 8, 128_256, "template")


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


def test_the_bytes_of_a_token_in_the_cache_are_those_of_the_published_models() -> None:
    assert kv_bytes_per_token(SMOLLM2) == 30 * 3 * (64 + 64) * 2
    assert kv_bytes_per_token(LLAMA_8B) == 131_072
    gemma = dataclasses.replace(
        SMOLLM2, block_count=18, head_count=4, head_count_kv=1, key_length=256, value_length=256
    )
    assert kv_bytes_per_token(gemma) == 18 * 1 * 512 * 2
    assert kv_bytes_per_token(dataclasses.replace(SMOLLM2, block_count=None)) is None


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


def test_a_context_that_memory_does_not_hold_is_shortened_and_never_overcommits() -> None:
    chosen = choose(LARGE, machine(free_bytes=16 * GIB), EngineOptions())
    tokens = chosen.slots * chosen.context_tokens
    assert chosen.slots == 4
    assert chosen.context_tokens < 131_072
    assert chosen.context_tokens % 256 == 0
    assert LARGE.size_bytes + tokens * 131_072 < 16 * GIB
    assert (tokens + 4 * 256) * 131_072 > 0.6 * (16 * GIB - LARGE.size_bytes)


def test_where_memory_is_short_there_are_fewer_slots_before_there_is_less_context() -> None:
    chosen = choose(LARGE, machine(free_bytes=7 * GIB), EngineOptions())
    assert (chosen.slots, chosen.context_tokens) == (1, 11_776)
    assert "8,192 tokens" in chosen.shown["slots"].reason


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
    assert chosen.shown["context"].reason == "its file does not say what it was trained with"
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
    told = over_memory(LARGE, choose(LARGE, here, options), here)
    assert told == ("a context of 131,072 tokens in 4 slots takes 68.7 GB of memory (computed), and 16.0 GB are free.")
    assert over_memory(SMALL, choose(SMALL, here, options), here) is None
    silent = build(dataclasses.replace(LLAMA_8B, block_count=None), 1)
    assert over_memory(silent, choose(silent, here, options), here) is None
    sliding = build(dataclasses.replace(LLAMA_8B, architecture="gemma3"), 1)
    assert over_memory(sliding, choose(sliding, here, options), here) is None

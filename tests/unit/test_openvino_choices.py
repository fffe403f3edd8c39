"""How OpenVINO is to run a build: what is set counts, the cache is what memory holds, and every choice has a reason."""

from __future__ import annotations

from pathlib import Path

from freehold.core.builds import HeldBuild, WeightFacts
from freehold.core.settings import EngineOptions
from freehold.engines.openvino.choices import choose
from freehold.hardware.machine import Machine
from tests.unit.test_llamacpp_choices import machine

FACTS = WeightFacts("gguf", "llama", "Q4_1", 134_515_008, 8192, 576, 30, 9, 3, 49152, "{{ messages }}")
BUILD = HeldBuild("m:q4_1", "m", "sha256:" + "0" * 64, (Path("/m.gguf"),), 98_000_000, FACTS)
CACHE_BYTES_PER_TOKEN = 30 * 3 * (64 + 64) * 2


def here(free_bytes: int = 16 * 10**9) -> Machine:
    return machine(free_bytes=free_bytes)


def test_every_slot_may_be_full_where_memory_holds_that() -> None:
    chosen = choose(BUILD, here(), EngineOptions(context_tokens=2048, slots=8))
    assert (chosen.slots, chosen.context_tokens, chosen.pool_tokens) == (8, 2048, 8 * 2048)
    assert chosen.shown["kv cache"].reason == "every slot may be full"


def test_where_memory_is_short_requests_share_what_there_is_and_one_always_fits() -> None:
    free_bytes = BUILD.size_bytes + 20_000 * CACHE_BYTES_PER_TOKEN
    chosen = choose(BUILD, here(free_bytes), EngineOptions())
    assert chosen.pool_tokens == 12_000
    assert "requests wait for room" in chosen.shown["kv cache"].reason
    assert choose(BUILD, here(0), EngineOptions()).pool_tokens == 8192


def test_a_context_is_no_longer_than_the_model_was_trained_with() -> None:
    assert choose(BUILD, here(), EngineOptions(context_tokens=100_000)).context_tokens == 8192


def test_what_is_set_is_shown_as_set_and_what_is_chosen_has_a_reason() -> None:
    chosen = choose(BUILD, here(), EngineOptions(threads=3, slots=4))
    assert (chosen.threads, chosen.shown["threads"].origin, chosen.shown["slots"].origin) == (3, "set", "set")
    assert all(choice.reason for choice in chosen.shown.values())


def test_a_step_is_never_shorter_than_the_slots_that_it_steps() -> None:
    assert choose(BUILD, here(), EngineOptions(batch_tokens=8, slots=64)).batch_tokens == 64

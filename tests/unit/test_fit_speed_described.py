"""How fast a described machine is said to be where part of a build lies with its host, which is the slow part."""

from __future__ import annotations

import pytest

from freehold.catalog import Catalog
from freehold.core.quantity import Estimated, Quantity, Unknown
from freehold.fit.blueprint import Blueprint, RunShape
from freehold.fit.choice import choose
from freehold.fit.options import option
from freehold.fit.placement import Placement, place
from freehold.fit.plan import Wanted, plan
from freehold.fit.read_catalog import blueprint_of_model
from freehold.fit.speed import Speeds, speeds
from freehold.hardware.describe import described

CATALOG = Catalog.load()


def written(name: str, quantization: str, on: str) -> tuple[int, Quantity]:
    """How many layers have their experts with the host, and how fast it writes."""
    blueprint, run, rig = blueprint_of_model(CATALOG.model(name), quantization), RunShape(8192), described(on)
    placed = place(blueprint, run, rig)
    found = speeds(blueprint, run, rig, Unknown("described"), used_tokens=4096, placement=placed)
    return placed.host_experts, found.generation_tokens_per_s


def test_experts_that_were_left_with_the_host_are_read_at_its_pace() -> None:
    left, split = written("gpt-oss-120b", "MXFP4", "1x rtx-4090, 128GB ddr5-5600 x2")
    none, whole = written("gpt-oss-120b", "MXFP4", "4x rtx-4090, 128GB ddr5-5600 x2")
    assert left > 0 and none == 0
    assert isinstance(split, Estimated) and isinstance(whole, Estimated)
    assert split.high < whole.low, "two channels of memory are a tenth as fast as a card's"


def test_a_host_of_unknown_pace_leaves_the_whole_unknown() -> None:
    left, split = written("gpt-oss-120b", "MXFP4", "1x rtx-4090, 64GB")
    assert left > 0
    assert split == Unknown("the bandwidth of host is not known")


def test_a_prompt_through_experts_that_lie_with_the_host_is_not_said_to_be_read_at_the_pace_of_the_cards() -> None:
    blueprint, run = blueprint_of_model(CATALOG.model("deepseek-v3"), "Q4_K_M"), RunShape(8192)
    for memory in ("512GB ddr5-4800 x8", "512GB ddr4-3200 x2"):
        found = speeds(blueprint, run, described(f"1x rtx-4090, {memory}"), Unknown("described"), used_tokens=4096)
        assert isinstance(found.prompt_tokens_per_s, Unknown)
        assert "experts of" in found.prompt_tokens_per_s.reason and "host" in found.prompt_tokens_per_s.reason
    whole = speeds(blueprint, run, described("8x h200-sxm"), Unknown("described"), used_tokens=4096)
    assert isinstance(whole.prompt_tokens_per_s, Estimated)


@pytest.mark.parametrize("device", ["tpu-v5e", "gaudi3"])
def test_where_no_engine_runs_there_is_memory_and_neither_speed_nor_recommendation(device: str) -> None:
    blueprint, rig = blueprint_of_model(CATALOG.model("llama-3.1-8b-instruct"), "Q4_K_M"), described(f"1x {device}")

    def measure(of: Blueprint, run: RunShape, placement: Placement) -> Speeds:
        return speeds(of, run, rig, Unknown("described"), used_tokens=4096, placement=placement)

    (planned,) = plan([option("q4_k_m", "offered", blueprint)], rig, Wanted(), measure)
    assert planned.fits is True
    assert isinstance(planned.speeds.generation_tokens_per_s, Unknown)
    found = choose([planned])
    assert (found.build, found.fits) == (None, False)
    assert found.reason.startswith("no engine here runs on ")


def several(name: str, on: str, users: int, *, used_tokens: int = 64) -> Speeds:
    """How fast a build of 4 bits is for so many at once."""
    blueprint, run, rig = blueprint_of_model(CATALOG.model(name), "Q4_K_M"), RunShape(256, slots=users), described(on)
    return speeds(blueprint, run, rig, Unknown("described"), used_tokens=used_tokens, concurrency=users)


KHMEL = {
    "gemma-4-31b-it": {"a100-sxm 80GB": 43, "h100-sxm": 68, "h200-sxm": 71, "b300": 75, "rtx-4090": 35},
    "gemma-4-26b-a4b-it": {"a100-sxm 80GB": 116, "h200-sxm": 188, "b300": 185, "rtx-4090": 149},
    "gemma-4-e4b-it": {"a100-sxm 80GB": 125, "h100-sxm": 190, "b300": 199, "rtx-4080": 145, "rtx-4090": 177},
    "ministral-3-3b-instruct-2512": {"a100-sxm 80GB": 211, "h200-sxm": 312, "b300": 319, "rtx-4090": 271},
    "gpt-oss-20b": {"a100-sxm 80GB": 189, "h200-sxm": 292, "b300": 327, "rtx-4080": 210, "rtx-4090": 266},
}
"""Tokens/s of one request, Q4_K_M (gpt-oss as published): pavlokhmel.com, LLM throughput benchmark on 13 GPUs and 10
models, 2026-06-07. The bandwidth of a B300 is eight times an RTX 4090's."""


@pytest.mark.parametrize(
    ("name", "on", "written"), [(name, *row) for name, rows in KHMEL.items() for row in rows.items()]
)
def test_the_range_holds_what_was_published_of_cards_of_any_bandwidth(name: str, on: str, written: int) -> None:
    blueprint, run = (
        blueprint_of_model(CATALOG.model(name), "MXFP4" if name == "gpt-oss-20b" else "Q4_K_M"),
        RunShape(2048),
    )
    found = speeds(blueprint, run, described(f"1x {on}"), Unknown("described"), used_tokens=300).generation_tokens_per_s
    assert isinstance(found, Estimated) and found.low <= written <= found.high


def test_many_at_once_write_no_faster_than_the_card_computes() -> None:
    alone, many = (several("llama-3.1-8b-instruct", "1x rtx-4090", users) for users in (1, 256))
    assert isinstance(alone.generation_tokens_per_s, Estimated) and isinstance(many.generation_tokens_per_s, Estimated)
    operations = 256 * 2 * (8_030_261_248 - 128_256 * 4096)
    assert many.generation_tokens_per_s.high == pytest.approx(165.2e12 / operations, rel=0.05)
    assert many.generation_tokens_per_s.low == pytest.approx(165.2e12 / 4 / operations, rel=0.1)
    assert alone.generation_tokens_per_s.high > 4 * many.generation_tokens_per_s.high


def test_how_fast_many_at_once_are_where_nobody_knows_how_fast_it_computes_is_unknown() -> None:
    on = "16 cores, 64GB, ddr5-5600 x2"
    assert isinstance(several("llama-3.1-8b-instruct", on, 1).generation_tokens_per_s, Estimated)
    found = several("llama-3.1-8b-instruct", on, 8).generation_tokens_per_s
    assert found == Unknown("the matrix rate of host is not known")


def test_a_rate_in_32_bits_alone_bounds_several_below_and_tells_nothing_of_a_prompt() -> None:
    """An A10G has 600 GB/s and 31.2 TFLOPS in 32 bits; of its matrices in 16 bits nobody is cited."""
    found = several("llama-3.1-8b-instruct", "1x a10g", 64)
    speed = found.generation_tokens_per_s
    assert isinstance(speed, Estimated)
    assert speed.low == pytest.approx(31.2e12 / 4 / (64 * 2 * (8_030_261_248 - 128_256 * 4096)), rel=0.1)
    assert speed.high > 10 * speed.low
    assert found.prompt_tokens_per_s == Unknown("the matrix rate of NVIDIA A10G is not known")


def test_a_long_prompt_is_read_more_slowly_for_what_it_looks_back_at() -> None:
    blueprint, run = blueprint_of_model(CATALOG.model("llama-3.1-8b-instruct"), "Q4_K_M"), RunShape(131_072)
    short, long = (
        speeds(blueprint, run, described("1x h200-sxm"), Unknown("described"), used_tokens=used).prompt_tokens_per_s
        for used in (512, 131_072)
    )
    assert isinstance(short, Estimated) and isinstance(long, Estimated)
    # 32 heads of 128, keys and values, in 32 layers, over half of the prompt; and 7 billion weights beside.
    looking, weights = 32 * 32 * 2 * 256 * 65_536, 2 * (8_030_261_248 - 2 * 128_256 * 4096)
    assert short.high / long.high == pytest.approx((looking + weights) / weights, rel=0.1)


def test_of_a_mixture_a_batch_of_the_prompt_waits_for_nearly_all_experts() -> None:
    prompt = several("deepseek-v3", "8x h200-sxm", 1, used_tokens=4096).prompt_tokens_per_s
    assert isinstance(prompt, Estimated)
    weights = 671e9 * 4.5 / 8
    assert 512 * 0.67 * 4.8e12 / weights == pytest.approx(prompt.high, rel=0.05)

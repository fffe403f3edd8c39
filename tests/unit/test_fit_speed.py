"""Speed from a machine's figures, held to sums that were done by hand, and to what must be true of any machine."""

from __future__ import annotations

import dataclasses

import pytest

from freehold.catalog import Catalog
from freehold.core.quantity import Estimated, Measured, Quantity, Unknown
from freehold.fit.blueprint import Attention, Blueprint, BuildTensor, Layer, Role, RunShape
from freehold.fit.memory import need
from freehold.fit.passes import Batch, pass_s
from freehold.fit.placement import Placement
from freehold.fit.read_catalog import blueprint_of_model
from freehold.fit.speed import MODEL_ERROR, MOST_PASSES, prompt_passes, speeds
from freehold.fit.work import base_type, work_of
from freehold.hardware.calibration import Quiet
from freehold.hardware.describe import described
from freehold.hardware.rig import Place, Rig
from tests.calibrations import calibration

RUN = RunShape(context_tokens=1024, batch_tokens=128)
HERE = Rig(
    "this machine", (Place("host", "host", 1 << 34, 1 << 33, Unknown("not measured")),), 2, here=True, fingerprint="x"
)


def tensor(name: str, *shape: int, kind: str = "Q4_0", role: Role = "dense", layer: int | None = 0) -> BuildTensor:
    return BuildTensor(name, kind if len(shape) > 1 else "F32", shape, 0, role, layer)


def blueprint(*, window_tokens: int = 0, experts: int = 0, kind: str = "Q4_0") -> Blueprint:
    """One layer of two heads of 64: a matrix of 1000 by 1000, or eight beside each other of which two are used; and
    an output of 1000 by 5000."""
    sides = (1000, 1000, experts) if experts else (1000, 1000)
    attention: Attention = "window" if window_tokens else "full"
    return Blueprint(
        name="small",
        architecture="llama",
        layers=(Layer(attention, 1, 64, 64, window_tokens, heads=2),),
        hidden=1000,
        heads=2,
        vocabulary=5000,
        experts=experts,
        experts_used=2 if experts else 0,
        tensors=(
            tensor("token_embd.weight", 1000, 5000, role="embedding", layer=None),
            tensor("blk.0.attn_norm.weight", 1000),
            tensor("blk.0.ffn_up_exps.weight", *sides, kind=kind, role="expert" if experts else "dense"),
            tensor("output.weight", 1000, 5000, kind=kind, role="output", layer=None),
        ),
    )


def value(quantity: Quantity) -> float:
    assert isinstance(quantity, Estimated), quantity
    assert quantity.value is not None
    return quantity.value


def generation(of: Blueprint, *, used_tokens: int, concurrency: int = 1, run: RunShape = RUN) -> float:
    found = speeds(of, run, HERE, calibration(), used_tokens=used_tokens, concurrency=concurrency)
    return value(found.generation_tokens_per_s)


def test_a_step_of_one_sequence_is_the_sum_of_its_parts() -> None:
    parts = (
        1e-3  # the pass
        + (1 + 2 + 8) * 1e-6  # one matrix, a norm, and what a layer has beside
        + (1_000_000 + 5_000_000) * 1e-9  # their weights
        + 2 * 101 * 10e-9  # two heads look at a hundred tokens and the new one
        + 5000 * 2e-8  # the vocabulary
        + 1e-4
        + 5000 * 1e-8  # the sequence, and choosing a token
    )
    assert generation(blueprint(), used_tokens=100) == pytest.approx(1 / parts, rel=1e-12)


def test_sequences_that_generate_together_share_the_reading_of_weights() -> None:
    weights = 6_000_000 * (1e-9 + (4e-9 - 1e-9) * 3 / 7)  # four lie between one and eight
    parts = 1e-3 + 11e-6 + 1e-4 + 3 * 8000e-10 + weights + 4 * (2 * 101 * 10e-9 + 1e-4 + 5e-5)
    assert generation(blueprint(), used_tokens=100, concurrency=4) == pytest.approx(1 / parts, rel=1e-12)


def test_a_prompt_is_read_a_batch_at_a_time_and_asks_for_one_token() -> None:
    found = speeds(blueprint(), RUN, HERE, calibration(), used_tokens=200)
    # Two threads take eight pieces of the rows of two heads, and a tile of 64 rows for each, however few there are.
    first = 1e-3 + 11e-6 + 127 * 2000e-10 + 1_000_000 * 64e-9 + 8 * 64 * 64.5 * 5e-9
    last = 1e-3 + 11e-6 + 71 * 2000e-10 + 1_000_000 * (4e-9 + 60e-9 * 64 / 120)
    last += 8 * 64 * (128 + 36.5) * 5e-9 + 5_000_000e-9 + 1e-4 + 1e-4 + 5e-5
    assert value(found.prompt_tokens_per_s) == pytest.approx(200 / (first + last), rel=1e-12)


def test_of_a_long_prompt_some_passes_stand_for_all() -> None:
    run = RunShape(2**24, batch_tokens=128)
    work = work_of(blueprint())
    assert not isinstance(work, str)

    def middle(measured: Measured) -> float:
        return measured.value

    tokens = 128 * 1000 + 5
    every = [Batch(1, min(128, tokens - start), start, int(start + 128 >= tokens)) for start in range(0, tokens, 128)]
    whole = sum(pass_s(work, run, calibration(), each, middle) for each in every)
    found = speeds(blueprint(), run, HERE, calibration(), used_tokens=tokens).prompt_tokens_per_s
    assert value(found) == pytest.approx(tokens / whole, rel=1e-9)
    passes = prompt_passes(2**30, 128)
    assert len(passes) <= MOST_PASSES + 1
    assert sum(batch.tokens * count for batch, count in passes) == 2**30
    assert prompt_passes(5, 128) == [(Batch(1, 5, 0, 1), 1)]


def test_few_tokens_look_as_one_does_and_many_as_the_most_that_were_measured() -> None:
    def looking_s(tokens: int) -> float:
        """Of a pass that looks back at 4,096 tokens for each of its own, less one of the same width that does not."""
        work = work_of(blueprint())
        assert not isinstance(work, str)
        run = RunShape(8192, batch_tokens=512)
        far, near = (
            pass_s(work, run, calibration(), Batch(1, tokens, held, 0), lambda measured: measured.value)
            for held in (4096, 0)
        )
        return (far - near) / tokens

    assert looking_s(63) == pytest.approx(2 * 4096 * 10e-9, rel=0.02)
    assert looking_s(512) == pytest.approx(2 * 4096 * 5e-9, rel=1e-9)


def test_one_sequence_waits_for_the_thread_that_has_the_full_half_of_the_cells() -> None:
    before, behind = (1 / generation(blueprint(), used_tokens=used) for used in (767, 768))
    assert behind - before == pytest.approx(2 * (2 * 512 - 768) * 10e-9, rel=1e-6)


def test_a_window_bounds_what_heads_look_at() -> None:
    assert generation(blueprint(window_tokens=64), used_tokens=4000) == generation(
        blueprint(window_tokens=64), used_tokens=64
    )
    assert generation(blueprint(), used_tokens=4000) < generation(blueprint(), used_tokens=64)


def test_of_a_mixture_one_token_reads_the_experts_it_is_sent_to() -> None:
    parts = 1e-3 + (1 + 2 + 8 + 8) * 1e-6 + 7_000_000e-9
    parts += 2 * 101 * 10e-9 + 1e-4 + 1e-4 + 5e-5
    assert generation(blueprint(experts=8), used_tokens=100) == pytest.approx(1 / parts, rel=1e-12)
    dense = blueprint()
    ratio = generation(dense, used_tokens=100) / generation(dense, used_tokens=100, concurrency=8)
    mixed = blueprint(experts=8)
    assert generation(mixed, used_tokens=100) / generation(mixed, used_tokens=100, concurrency=8) > ratio


def test_the_range_holds_the_spread_of_the_figures_and_the_error_of_such_predictions() -> None:
    sure = speeds(blueprint(), RUN, HERE, calibration(), used_tokens=100).generation_tokens_per_s
    doubtful = speeds(blueprint(), RUN, HERE, calibration(spread=0.5), used_tokens=100).generation_tokens_per_s
    assert isinstance(sure, Estimated)
    assert isinstance(doubtful, Estimated)
    assert sure.value == doubtful.value
    assert sure.high / value(sure) == pytest.approx(1 + MODEL_ERROR)
    assert value(sure) / sure.low == pytest.approx(1 + MODEL_ERROR)
    assert doubtful.high / value(sure) == pytest.approx(2 * (1 + MODEL_ERROR))


@pytest.mark.parametrize(
    ("of", "run", "why"),
    [
        (blueprint(kind="IQ1_S"), RUN, "IQ1_S were not measured"),
        (dataclasses.replace(blueprint(), cannot_say="nobody knows its layers"), RUN, "nobody knows its layers"),
        (blueprint(), dataclasses.replace(RUN, cache_type_k="q4_1"), "a cache of q4_1 and f16 was not measured"),
        (blueprint(), dataclasses.replace(RUN, flash_attention=False), "without flash attention"),
        (dataclasses.replace(blueprint(), layers=(Layer("none", state_elements=64),)), RUN, "recurrent layers"),
    ],
)
def test_what_was_not_measured_is_unknown_and_says_why(of: Blueprint, run: RunShape, why: str) -> None:
    found = speeds(of, run, HERE, calibration(), used_tokens=100)
    for each in (found.generation_tokens_per_s, found.prompt_tokens_per_s):
        assert isinstance(each, Unknown)
        assert why in each.reason


def test_a_measurement_of_other_programs_predicts_nothing() -> None:
    busy = dataclasses.replace(calibration(), quiet=Quiet(4.0, 5.0, 0.94, 0.2, "other programs had the processor"))
    found = speeds(blueprint(), RUN, HERE, busy, used_tokens=100)
    for each in (found.generation_tokens_per_s, found.prompt_tokens_per_s):
        assert isinstance(each, Unknown) and "during 94% of the timings" in each.reason
    noisy = dataclasses.replace(calibration(), quiet=Quiet(4.0, 5.0, 0.4, 0.2, "other programs had the processor"))
    assert isinstance(speeds(blueprint(), RUN, HERE, noisy, used_tokens=100).generation_tokens_per_s, Estimated)


def test_a_machine_that_was_not_measured_gives_its_reason() -> None:
    reason = Unknown("this machine was not measured")
    assert speeds(blueprint(), RUN, HERE, reason, used_tokens=100).generation_tokens_per_s == reason


def test_a_described_machine_gets_a_range_and_never_a_point() -> None:
    model = Catalog.load().get("llama-3.1-8b-instruct")
    assert model is not None
    card = described("rtx-3090")
    found = speeds(blueprint_of_model(model, "q4_k_m"), RUN, card, Unknown("described"), used_tokens=512)
    generated, prompt = found.generation_tokens_per_s, found.prompt_tokens_per_s
    assert isinstance(generated, Estimated)
    assert isinstance(prompt, Estimated)
    assert generated.value is None
    assert prompt.value is None
    # Published: 156.6 tokens/s of Q4_0 on this card (llama.cpp PR 15802), and some 4,000 of a prompt.
    assert generated.low < 156.6 < generated.high
    assert prompt.low < 4000 < prompt.high


@pytest.mark.parametrize(
    ("quantization", "kind"),
    [
        ("q4_k_m", "Q4_K"),
        ("Q8_0", "Q8_0"),
        ("iq3_s", "IQ3_S"),
        ("IQ3_M", "IQ3_S"),
        ("Q3_K_XL", "Q3_K"),
        ("q6_k", "Q6_K"),
    ],
)
def test_a_mix_is_told_by_the_type_of_most_of_it(quantization: str, kind: str) -> None:
    assert base_type(quantization) == kind


def test_equal_matrices_and_layers_count_as_often_as_there_are_of_them() -> None:
    one = blueprint_of_model(Catalog.load().model("qwen3-8b"), "Q8_0")
    work = work_of(one)
    assert not isinstance(work, str)
    step = Batch(sequences=2, tokens=3, held=500, asked=2)
    figures = calibration(weights={"Q8_0": {1: 1e-9, 8: 4e-9, 128: 64e-9}})
    alone = {
        each: pass_s(dataclasses.replace(work, matrices={each: 1}, layers={}), RUN, figures, step, lambda m: m.value)
        for each in work.matrices
    }
    looks = {
        each: pass_s(dataclasses.replace(work, matrices={}, layers={each: 1}), RUN, figures, step, lambda m: m.value)
        for each in work.layers
    }
    bare = pass_s(dataclasses.replace(work, matrices={}, layers={}), RUN, figures, step, lambda m: m.value)
    every = [time - bare for each, time in alone.items() for _ in range(work.matrices[each])]
    every += [looks[layer] - bare for layer in one.layers]
    assert len(every) == 36 * 7 + 36
    assert pass_s(work, RUN, figures, step, lambda m: m.value) == pytest.approx(bare + sum(every), rel=1e-9)


def test_what_does_not_fit_has_no_speed() -> None:
    large = dataclasses.replace(blueprint(), name="large")
    placed = Placement(False, need(large, RUN), why_not="it needs 9 GB")
    found = speeds(large, RUN, HERE, calibration(), used_tokens=100, placement=placed)
    assert found.generation_tokens_per_s == Unknown("it needs 9 GB")

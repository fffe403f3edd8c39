"""What a quantization makes a model weigh, held against files that others made and published."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from freehold.catalog import Catalog
from freehold.core.quantity import Estimated
from freehold.fit.counts import counts, rounded
from freehold.fit.read_catalog import blueprint_of_model
from freehold.fit.read_gguf import blueprint_of_gguf
from freehold.fit.recipes import BASE, mixed_bytes
from freehold.fit.weights import weights_bytes

CATALOG = Catalog.load()
# Bits per weight of whole files of Llama 3.1 8B: llama.cpp, tools/quantize/README.md, its table of all types.
OF_LLAMA_8B = {
    **{"Q2_K": 3.16, "Q3_K_M": 4.00, "Q4_K_S": 4.67, "Q4_K_M": 4.89},
    **{"Q5_K_M": 5.70, "Q6_K": 6.56, "Q8_0": 8.50, "F16": 16.00},
}


def mixed(model: str, quantization: str) -> Estimated:
    found = mixed_bytes(blueprint_of_model(CATALOG.model(model), quantization))
    assert found is not None
    return found


@pytest.mark.parametrize(("quantization", "bits"), OF_LLAMA_8B.items())
def test_the_bits_are_those_of_published_files(quantization: str, bits: float) -> None:
    found = mixed("llama-3.1-8b-instruct", quantization)
    parameters = CATALOG.model("llama-3.1-8b-instruct").parameters
    assert found.value is not None
    assert parameters is not None
    assert found.value * 8 / parameters == pytest.approx(bits, abs=0.011)


@pytest.mark.engine
def test_the_file_of_a_real_model_lies_in_its_range(smollm2_gguf: Path) -> None:
    blueprint = blueprint_of_gguf([smollm2_gguf])
    assert blueprint.tensors is not None
    found = mixed_bytes(replace(blueprint, tensors=None))
    assert found is not None
    assert found.low <= sum(tensor.size_bytes for tensor in blueprint.tensors) <= found.high


def test_a_range_is_narrow_where_nothing_is_open() -> None:
    found = mixed("llama-3.3-70b-instruct", "q4_k_m")
    assert (found.high - found.low) / found.low < 0.011


def test_every_recipe_gives_every_known_shape_a_plausible_size() -> None:
    seen = 0
    for model in CATALOG.models:
        for quantization in BASE:
            blueprint = blueprint_of_model(model, quantization)
            found, counted = mixed_bytes(blueprint), counts(blueprint)
            if found is not None and counted is not None:
                seen += 1
                assert found.low * 8 / counted.least >= 2, model.name
                assert found.high * 8 / counted.most <= 33, model.name
    assert seen > 2000


def test_what_is_no_recipe_and_what_has_states_get_none() -> None:
    llama = blueprint_of_model(CATALOG.model("llama-3.1-8b-instruct"), "UD-Q4_K_XL")
    assert mixed_bytes(llama) is None
    states = replace(llama, quantization="q4_k_m", layers=(replace(llama.layers[0], attention="none"),))
    assert mixed_bytes(states) is None


# What the shapes come to beside the rows' round numbers: 41.3 and 41.8 billion are Falcon 40B with its table of the
# vocabulary once and twice, 7.27 billion Falcon Mamba 7B with two tables, 31.57 billion Nemotron 3 Nano.
REAL_BYTES = {
    ("falcon-40b", "Q8_0"): (41_301_311_488 * 8.5 / 8, 41_833_988_096 * 8.5 / 8),
    ("falcon-mamba-7b", "BF16"): (7.27e9 * 2, 7.27e9 * 2),
    ("nemotron-3-nano-30b-a3b", "Q6_K"): (31.57e9 * 8.5 / 8, 31.57e9 * 8.5 / 8),
    ("nemotron-3-nano-30b-a3b", "Q4_K_S"): (31.57e9 * 5.5 / 8, 31.57e9 * 5.7 / 8),
}


@pytest.mark.parametrize(("build", "real"), REAL_BYTES.items())
def test_a_round_number_of_parameters_makes_a_range_that_holds_the_real_size(
    build: tuple[str, str], real: tuple[float, float]
) -> None:
    found = weights_bytes(blueprint_of_model(CATALOG.model(build[0]), build[1]))
    assert isinstance(found, Estimated)
    assert found.low <= real[0] <= real[1] <= found.high
    assert "a round number" in found.basis


def test_a_shape_that_tells_every_matrix_is_counted_and_its_range_stays_narrow() -> None:
    found = mixed("falcon-40b", "Q8_0")
    assert (found.high - found.low) / found.low < 0.03


@pytest.mark.parametrize(
    ("number", "ends"),
    [
        (7_000_000_000, (6_500_000_000, 7_500_000_000)),
        (30_000_000_000, (25_000_000_000, 35_000_000_000)),
        (13_300_000_000, (13_250_000_000, 13_350_000_000)),
    ],
)
def test_a_round_number_stands_for_what_rounds_to_its_digits(number: int, ends: tuple[int, int]) -> None:
    assert rounded(number) == ends

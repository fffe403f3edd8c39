"""What a quantization makes a model weigh, held against files that others made and published."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from freehold.catalog import Catalog
from freehold.core.quantity import Estimated
from freehold.fit.read_catalog import blueprint_of_model
from freehold.fit.read_gguf import blueprint_of_gguf
from freehold.fit.recipes import BASE, mixed_bytes

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
            found = mixed_bytes(blueprint_of_model(model, quantization))
            if found is not None and model.parameters:
                seen += 1
                assert 2 <= found.low * 8 / model.parameters <= found.high * 8 / model.parameters <= 33, model.name
    assert seen > 2000


def test_what_is_no_recipe_and_what_has_states_get_none() -> None:
    llama = blueprint_of_model(CATALOG.model("llama-3.1-8b-instruct"), "UD-Q4_K_XL")
    assert mixed_bytes(llama) is None
    states = replace(llama, quantization="q4_k_m", layers=(replace(llama.layers[0], attention="none"),))
    assert mixed_bytes(states) is None

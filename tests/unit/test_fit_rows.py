"""What a row of the catalog says of a model's layers, against the header of a build of the same shape."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from freehold.catalog import Catalog
from freehold.catalog.model import CatalogModel
from freehold.core.quantity import Estimated, Unknown, likeliest
from freehold.fit.architectures import ARCHITECTURES
from freehold.fit.blueprint import Blueprint, RunShape
from freehold.fit.counts import counts
from freehold.fit.memory import MemoryNeed, need
from freehold.fit.read_catalog import blueprint_of_model
from freehold.fit.read_gguf import blueprint_of_gguf
from freehold.fit.work import Work, work_of
from tests.shapes import MODELS

CATALOG = Catalog.load()
HEADERS = {model.name: model for model in MODELS}
ROWS = {  # row of the catalog -> header
    "deepseek-v2-lite-chat": "deepseek-v2-lite",
    "deepseek-v3": "deepseek-v3",
    "gemma-3n-e4b-it": "gemma-3n-e4b",
    "gemma-4-31b-it": "gemma-4-31b",
    "gpt-oss-20b": "gpt-oss-20b",
    "granite-4.0-h-tiny": "granite-4.0-h-tiny",
    "jamba-v0.1": "jamba-v0.1",
    "lfm2-1.2b": "lfm2-1.2b",
    "llama-4-scout-17b-16e-instruct": "llama-4-scout",
    "nemotron-3-nano-30b-a3b": "nemotron-3-nano-30b-a3b",
    "nemotron-nano-9b-v2": "nemotron-nano-9b-v2",
    "qwen3-next-80b-a3b-instruct": "qwen3-next-80b-a3b",
    "qwen3.5-35b-a3b": "qwen3.5-35b-a3b",
}
RUNS = (RunShape(32_768), RunShape(8192, slots=4), RunShape(8192, slots=4, unified=True, flash_attention=False))
# The catalog counts tokens for pictures and sounds too, which GGUF files leave out.
VOCABULARY_SLACK = 0.005


def _of(model: CatalogModel) -> Blueprint:
    return blueprint_of_model(model, "Q4_K_M")


def _kept(needed: MemoryNeed) -> tuple[object, object]:
    return needed.kv_cache_bytes, needed.state_bytes


@pytest.mark.parametrize("name", ROWS)
def test_a_row_keeps_of_what_was_read_what_the_header_of_its_build_says(name: str, tmp_path: Path) -> None:
    row, header = _of(CATALOG.model(name)), blueprint_of_gguf((HEADERS[ROWS[name]].write(tmp_path),))
    assert len(row.layers) == len(header.layers)
    for run in RUNS:
        said, meant = need(row, run), need(header, run)
        assert _kept(said) == _kept(meant), run
        slack = 1 << 20 if run.flash_attention else 8 << 20
        assert likeliest(said.compute_bytes) == pytest.approx(
            likeliest(meant.compute_bytes), rel=VOCABULARY_SLACK, abs=slack
        )


@pytest.mark.parametrize(
    ("name", "lacking", "reason"),
    [
        ("gemma-4-31b-it", "shared_layers", "which of its layers share keys"),
        ("gemma-3n-e4b-it", "layer_inputs", "which of its layers share keys"),
        ("falcon-mamba-7b", "state_inner", "how large the states"),
        ("falcon-h1-7b-base", "state_groups", "how large the states"),
        ("lfm2-1.2b", "state_kernel", "how large the states"),
        ("nemotron-nano-9b-v2", "kv_heads", "how large the states"),
    ],
)
def test_a_number_that_a_row_lacks_is_never_taken_for_zero(name: str, lacking: str, reason: str) -> None:
    model = CATALOG.model(name)
    lesser = replace(model, shape=replace(model.shape, **{lacking: None}))
    cache = need(_of(lesser), RunShape(8192)).kv_cache_bytes
    assert isinstance(cache, Unknown) and reason in cache.reason
    assert not isinstance(need(_of(model), RunShape(8192)).kv_cache_bytes, Unknown)


def test_layers_that_attend_and_carry_a_state_are_counted_once() -> None:
    row = _of(CATALOG.model("falcon-h1-7b-base"))
    assert (len(row.layers), len(row.kinds)) == (44, 1)
    assert row.layers[0].attention == "full" and row.layers[0].state_elements == 256 * 3072 + 3 * (3072 + 2 * 256)


def test_embeddings_for_every_layer_are_looked_up_and_not_read_whole() -> None:
    row = _of(CATALOG.model("gemma-4-e2b-it"))
    work, unaware = work_of(row), work_of(replace(row, layer_embeddings=0))
    assert isinstance(work, Work) and isinstance(unaware, Work)
    table = 262_144 * 256 * 35
    assert _weights(unaware) - _weights(work) == pytest.approx(table, rel=1e-3)
    counted = counts(row)
    assert counted is not None and (counted.least, counted.most) == (5_050_000_000, 5_150_000_000)


def _weights(work: Work) -> int:
    return sum(each.weights * count for each, count in work.matrices.items())


def test_the_weights_of_a_row_are_those_of_the_name_that_the_engine_has_for_its_architecture() -> None:
    fused = _of(CATALOG.model("phi-2"))
    assert fused.architecture == "phi2"
    parted = replace(fused, architecture="llama")
    assert isinstance(need(fused, RunShape(2048)).weights_bytes, Estimated)
    assert need(fused, RunShape(2048)).weights_bytes != need(parted, RunShape(2048)).weights_bytes


def test_every_architecture_that_rows_name_is_known_or_says_that_it_is_not() -> None:
    named = [model for model in CATALOG.models if model.shape.architecture and model.weights == "published"]
    assert len(named) >= 290
    for model in named:
        row = _of(model)
        assert row.layers or row.cannot_say, model.name
        assert (row.architecture in ARCHITECTURES) or "is not known here" in (row.cannot_say or ""), model.name

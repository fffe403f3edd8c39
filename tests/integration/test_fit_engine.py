"""The arithmetic of memory against the engine's own figures, over the shapes of real models that exist as headers only.

Runs are drawn by a fixed seed: context, slots, batch, types of the cache, one cache for all slots or one for each.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from freehold.core.quantity import Exact, Unknown, likeliest
from freehold.engines.llamacpp.oracle import EngineSays, Oracle
from freehold.fit.architectures import ARCHITECTURES
from freehold.fit.blueprint import RunShape
from freehold.fit.memory import MemoryNeed, need
from freehold.fit.read_gguf import blueprint_of_outline
from freehold.fit.refused import refused
from freehold.weights.gguf import read_outline
from tests.shapes.dense import DENSE, GEMMA3
from tests.shapes.experts import EXPERTS
from tests.shapes.model import Model
from tests.shapes.states import STATES

MIB = 1 << 20
MODELS = (*DENSE, *EXPERTS, *STATES)
RUNS = 5
# A figure is printed to the hundredth of a MiB, once for each cache.
PRINTED_BYTES = 0.04 * MIB
LARGEST_STATE_BYTES = 512 * MIB


@pytest.fixture
def oracle(tmp_path: Path) -> Oracle:
    return Oracle(tmp_path / "run", tmp_path / "logs")


def _runs(model: Model, state_bytes: float) -> list[RunShape]:
    """States are really allocated when the engine is asked, so that large ones are asked about in few slots."""
    draw = random.Random(f"memory of {model.name}")
    types = ("f16", "f16", "q8_0", "q5_1", "q4_0", "bf16", "f32")
    most = max(1, min(8, int(LARGEST_STATE_BYTES / max(state_bytes, 1))))
    return [
        RunShape(
            context_tokens=draw.choice((512, 1000, 4096, 8192, 20_000, 32_768, 131_072)),
            slots=draw.randint(1, most),
            batch_tokens=draw.choice((32, 64, 128, 256, 512)),
            cache_type_k=draw.choice(types),
            cache_type_v=draw.choice(types),
            unified=draw.random() < 0.3,
        )
        for _ in range(RUNS)
    ]


def _agree(needed: MemoryNeed, said: EngineSays) -> list[str]:
    """What differs by more than a hundredth and more than 8 MiB, or, of what is exact, by more than is printed."""
    wrong = []
    for name in ("weights_bytes", "kv_cache_bytes", "state_bytes", "compute_bytes", "output_bytes"):
        ours, theirs = likeliest(getattr(needed, name)), getattr(said, name)
        exact = isinstance(getattr(needed, name), Exact)
        allowed = PRINTED_BYTES if exact else max(8 * MIB, theirs / 100)
        if ours is None or abs(ours - theirs) > allowed:
            wrong.append(f"{name}: {(ours or 0) / MIB:.2f} and the engine says {theirs / MIB:.2f} MiB")
    return wrong


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_arithmetic_and_engine_agree(model: Model, oracle: Oracle, tmp_path: Path) -> None:
    outline = read_outline((model.write(tmp_path),))
    blueprint = blueprint_of_outline(outline)
    state = likeliest(need(blueprint, RunShape(512)).state_bytes)
    runs = _runs(model, state or 0)
    answers = asyncio.run(oracle.ask(outline, runs))
    assert len(answers) == RUNS
    for run, said in zip(runs, answers, strict=True):
        if refused(blueprint, run):
            assert isinstance(said, Unknown), run
            continue
        assert isinstance(said, EngineSays), (run, said)
        assert said.weights_bytes == model.size_bytes
        assert _agree(need(blueprint, run), said) == [], run
    assert any(isinstance(said, EngineSays) for said in answers)


def test_at_least_a_dozen_architectures_have_been_asked_about() -> None:
    assert len({model.architecture for model in MODELS}) >= 12
    assert {model.architecture for model in MODELS} <= ARCHITECTURES.keys()


def test_gemma_3_27b_at_its_whole_context(oracle: Oracle, tmp_path: Path) -> None:
    outline = read_outline((GEMMA3.write(tmp_path),))
    (said,) = asyncio.run(oracle.ask(outline, [RunShape(131_072)]))
    assert isinstance(said, EngineSays)
    assert said.kv_cache_bytes == (10_240 + 624) * MIB
    assert need(blueprint_of_outline(outline), RunShape(131_072)).kv_cache_bytes == Exact((10_240 + 624) * MIB)


def _unknown(answers: Sequence[EngineSays | Unknown]) -> str:
    (answer,) = answers
    assert isinstance(answer, Unknown)
    return answer.reason


def test_an_architecture_that_the_engine_does_not_know_is_not_known(oracle: Oracle, tmp_path: Path) -> None:
    model = Model("new", "brand-new", GEMMA3.keys, GEMMA3.vocabulary, GEMMA3.tensors)
    outline = read_outline((model.write(tmp_path),))
    reason = _unknown(asyncio.run(oracle.ask(outline, [RunShape(512)])))
    assert "unknown model architecture: 'brand-new'" in reason


def test_a_state_beyond_the_bound_is_refused_and_not_allocated(oracle: Oracle, tmp_path: Path) -> None:
    mamba = next(model for model in STATES if model.architecture == "mamba2")
    outline = read_outline((mamba.write(tmp_path),))
    assert "no context" in _unknown(asyncio.run(oracle.ask(outline, [RunShape(512, slots=64)])))

"""The arithmetic of memory against the engine's own figures, over the shapes of real models that exist as headers only.

Runs are drawn by a fixed seed: context, slots, batch, types of the cache, one cache for all slots or one for each.
"""

from __future__ import annotations

import asyncio
import mmap
import random
import re
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from freehold.core.quantity import Exact, Unknown, at_least, at_most, likeliest
from freehold.engines.llamacpp.architectures import KNOWN
from freehold.engines.llamacpp.oracle import EngineSays, Oracle, Refused, Word
from freehold.fit.architectures import ARCHITECTURES
from freehold.fit.blueprint import RunShape
from freehold.fit.memory import MemoryNeed, need
from freehold.fit.read_gguf import blueprint_of_outline
from freehold.fit.refused import MOST_SLOTS, refused
from freehold.weights.gguf import read_outline
from tests.shapes import MODELS
from tests.shapes.dense import GEMMA3, LLAMA
from tests.shapes.experts import DEEPSEEK3, GPT_OSS
from tests.shapes.model import Model
from tests.shapes.states import FALCON_H1, MAMBA2

MIB = 1 << 20
RUNS = 4
# A figure is printed to the hundredth of a MiB, once for each cache.
PRINTED_BYTES = 0.04 * MIB
LARGEST_STATE_BYTES = 512 * MIB


@pytest.fixture
def oracle(tmp_path: Path) -> Oracle:
    return Oracle(tmp_path / "run", tmp_path / "logs")


def _runs(model: Model, state_bytes: float) -> list[RunShape]:
    """States are really allocated when the engine is asked, so that large ones are asked about in few slots."""
    draw = random.Random(f"memory of {model.name}")
    types = ("f16", "f16", "q8_0", "q5_1", "q4_0", "bf16")
    most = max(1, min(8, int(LARGEST_STATE_BYTES / max(state_bytes, 1))))
    keys = [draw.choice(types) for _ in range(RUNS)]
    return [
        RunShape(
            context_tokens=draw.choice((512, 1000, 4096, 8192, 20_000, 32_768, 131_072)),
            slots=draw.choice([count for count in (1, 2, 4, 8) if count <= most]),
            batch_tokens=draw.choice((32, 64, 128, 256, 512)),
            cache_type_k=key,
            cache_type_v=key if draw.random() < 0.5 else draw.choice(types),
            unified=draw.random() < 0.3,
        )
        for key in keys
    ]


PARTS = ("weights_bytes", "kv_cache_bytes", "state_bytes", "compute_bytes", "output_bytes")


def _agree(needed: MemoryNeed, said: EngineSays) -> list[str]:
    """What differs by more than a hundredth and more than 8 MiB, the sum as well; of what is exact, by more than is
    printed; of what is a range, by lying outside of it."""
    wrong = []
    for name in PARTS:
        ours, theirs = getattr(needed, name), getattr(said, name)
        if name == "output_bytes":  # the engine says what it begins with
            fits = abs((at_least(ours) or 0) - theirs) <= PRINTED_BYTES
        elif isinstance(ours, Exact):
            fits = abs(ours.value - theirs) <= PRINTED_BYTES
        else:
            low, high = at_least(ours), at_most(ours)
            fits = low is not None and high is not None and low <= theirs <= high
        if not fits:
            wrong.append(f"{name}: {ours} and the engine says {theirs}")
    total = sum(likeliest(getattr(needed, name)) or 0 for name in PARTS[:-1]) + (at_least(needed.output_bytes) or 0)
    if abs(total - said.total_bytes) > max(8 * MIB, said.total_bytes / 100):
        wrong.append(f"in all {total} and the engine says {said.total_bytes}")
    return wrong


def _checked(model: Model, oracle: Oracle, tmp_path: Path, runs: Callable[[float], list[RunShape]]) -> None:
    outline = read_outline((model.write(tmp_path),))
    blueprint = blueprint_of_outline(outline)
    asked = runs(likeliest(need(blueprint, RunShape(512)).state_bytes) or 0)
    answers = asyncio.run(oracle.ask(outline, asked))
    assert len(answers) == len(asked)
    for run, said in zip(asked, answers, strict=True):
        if refused(blueprint, run):
            assert isinstance(said, Unknown), run
            continue
        assert isinstance(said, EngineSays), (run, said)
        assert said.weights_bytes == model.size_bytes
        assert _agree(need(blueprint, run), said) == [], run
    assert any(isinstance(said, EngineSays) for said in answers)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_arithmetic_and_engine_agree(model: Model, oracle: Oracle, tmp_path: Path) -> None:
    _checked(model, oracle, tmp_path, lambda state_bytes: _runs(model, state_bytes))


@pytest.mark.parametrize("model", random.Random(4).sample(MODELS, 12), ids=lambda model: model.name)
def test_they_agree_where_no_logits_hide_the_layers(model: Model, oracle: Oracle, tmp_path: Path) -> None:
    """With a small vocabulary the widest moment of a pass is in its layers, and not at its end."""
    _checked(model.with_vocabulary(1024), oracle, tmp_path, lambda _: [RunShape(2048), RunShape(32_768, 2)])


@pytest.mark.parametrize("model", (LLAMA, GPT_OSS, DEEPSEEK3, FALCON_H1), ids=lambda model: model.name)
def test_they_agree_without_flash_attention(model: Model, oracle: Oracle, tmp_path: Path) -> None:
    runs = [RunShape(4096, 2, flash_attention=False), RunShape(4096, cache_type_v="q8_0", flash_attention=False)]
    _checked(model, oracle, tmp_path, lambda _: runs)


def test_every_architecture_with_a_figure_has_been_asked_about() -> None:
    assert {model.architecture for model in MODELS} == ARCHITECTURES.keys()


def test_gemma_3_27b_at_its_whole_context(oracle: Oracle, tmp_path: Path) -> None:
    outline = read_outline((GEMMA3.write(tmp_path),))
    (said,) = asyncio.run(oracle.ask(outline, [RunShape(131_072)]))
    assert isinstance(said, EngineSays)
    assert said.kv_cache_bytes == (10_240 + 624) * MIB
    assert need(blueprint_of_outline(outline), RunShape(131_072)).kv_cache_bytes == Exact((10_240 + 624) * MIB)


def _said(oracle: Oracle, model: Model, folder: Path, run: RunShape) -> Word:
    (word,) = asyncio.run(oracle.ask(read_outline((model.write(folder),)), [run]))
    return word


def test_the_engine_takes_as_many_slots_as_are_planned_for_and_not_one_more(oracle: Oracle, tmp_path: Path) -> None:
    most, more = RunShape(256, MOST_SLOTS), RunShape(256, MOST_SLOTS + 1)
    assert isinstance(_said(oracle, LLAMA, tmp_path, most), EngineSays)
    assert isinstance(_said(oracle, LLAMA, tmp_path, more), Unknown)
    blueprint = blueprint_of_outline(read_outline((LLAMA.write(tmp_path),)))
    assert (refused(blueprint, most), refused(blueprint, more)) == (None, "it has 256 slots at most")


def test_an_architecture_that_the_engine_does_not_know_is_refused(oracle: Oracle, tmp_path: Path) -> None:
    model = Model("new", "brand-new", GEMMA3.keys, GEMMA3.vocabulary, GEMMA3.tensors)
    word = _said(oracle, model, tmp_path, RunShape(512))
    assert word == Refused("llama.cpp refuses it: unknown model architecture: 'brand-new'")


def test_every_name_of_an_architecture_that_is_listed_stands_in_the_library() -> None:
    spec = find_spec("xllamacpp")
    assert spec is not None and spec.origin is not None
    library = Path(spec.origin).with_name("xllamacpp.abi3.so")
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        assert [name for name in sorted(KNOWN) if data.find(name.encode() + b"\0") == -1] == []


def test_every_model_of_the_library_is_listed() -> None:
    """By the classes that it has for them, two of which are called otherwise than their architectures."""
    spec = find_spec("xllamacpp")
    assert spec is not None and spec.origin is not None
    library = Path(spec.origin).with_name("xllamacpp.abi3.so").read_bytes()
    classes = {found.decode() for found in re.findall(rb"_ZTV\d+llama_model_(\w+?)\0", library)} - {"base"}
    assert len(classes) > 150
    otherwise = {"openai_moe": "gpt-oss", "pangu_embed": "pangu-embedded"}
    named = {re.sub("[-_]", "", name) for name in KNOWN}
    missing = [each for each in classes if re.sub("[-_]", "", otherwise.get(each, each)) not in named]
    assert sorted(missing) == []


@pytest.mark.parametrize("name", random.Random(4).sample(sorted(KNOWN), 6))
def test_what_the_engine_refuses_of_a_known_architecture_is_not_its_name(
    oracle: Oracle, tmp_path: Path, name: str
) -> None:
    word = _said(oracle, Model("bare", name, {"block_count": 1}, 8, [("norm.weight", (32,))]), tmp_path, RunShape(512))
    assert isinstance(word, Refused) and "unknown model architecture" not in word.reason, word


def test_a_state_beyond_the_bound_is_not_allocated_and_is_no_word_against_the_build(
    oracle: Oracle, tmp_path: Path
) -> None:
    word = _said(oracle, MAMBA2, tmp_path, RunShape(512, slots=64))
    assert word == Unknown("the engine makes no context for this run")


@pytest.mark.parametrize(("key", "value"), [("feed_forward_length", 7168), ("attention.head_count_kv", 4)])
def test_what_the_arithmetic_calls_a_contradiction_the_engine_refuses(
    oracle: Oracle, tmp_path: Path, key: str, value: int
) -> None:
    lie = replace(LLAMA, keys={**LLAMA.keys, key: value})
    word = _said(oracle, lie, tmp_path, RunShape(512))
    assert isinstance(word, Refused) and "has wrong shape" in word.reason, word

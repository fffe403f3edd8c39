"""Headers that say of a model what its tensors deny: nothing is reckoned from them, and no honest one is taken so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from freehold.cli.main import main
from freehold.core.errors import WeightsError
from freehold.fit.blueprint import RunShape
from freehold.fit.memory import need
from freehold.fit.read_gguf import blueprint_of_gguf
from tests.gguf_bytes import KEYS, U32, gguf
from tests.shapes import MODELS
from tests.shapes.dense import LLAMA, PHI3, QWEN3
from tests.shapes.experts import DEEPSEEK3, GPT_OSS, MIXTRAL, QWEN3MOE
from tests.shapes.model import Model, Number
from tests.shapes.states import LFM2, MAMBA, MAMBA2

BY_NAME = {model.name: model for model in MODELS}
KIMI, QWEN_NEXT, GEMMA4 = (BY_NAME[name] for name in ("kimi-linear-48b-a3b", "qwen3-next-80b-a3b", "gemma-4-31b"))

LIES: dict[str, tuple[Model, str, Number, str]] = {
    "feed forward": (LLAMA, "feed_forward_length", 512, "network of 512, and blk.0.ffn_down.weight holds 14,336"),
    "in one layer": (
        *(LLAMA, "feed_forward_length", [*[14_336] * 31, 7168]),
        "layer 31 has a feed-forward network of 7,168, and blk.31.ffn_down.weight holds 14,336",
    ),
    "layers": (LLAMA, "block_count", 64, "by its header it has 64 layers, and it holds nothing of layer 32"),
    "fewer key heads": (LLAMA, "attention.head_count_kv", 1, "1 heads of keys with 128 numbers each, and blk.0.attn_k"),
    "more key heads": (LLAMA, "attention.head_count_kv", 32, "32 heads of keys with 128"),
    "value size": (QWEN3, "attention.value_length", 256, "8 heads of values with 256"),
    "heads": (QWEN3, "attention.head_count", 64, "64 heads of queries with 128 numbers each, and blk.0.attn_q.weight"),
    "heads in one matrix": (PHI3, "attention.head_count_kv", 8, "8 heads of keys with 96"),
    "heads with a gate": (QWEN_NEXT, "attention.head_count", 32, "queries with 256 numbers each and a gate of that"),
    "heads of windows": (GEMMA4, "attention.key_length_swa", 128, "layer 0 has 32 heads of queries with 128"),
    "heads of latent queries": (DEEPSEEK3, "attention.head_count", 64, "blk.0.attn_q_b.weight holds 24,576"),
    "latent key": (DEEPSEEK3, "attention.key_length", 128, "a compressed key of 128 numbers"),
    "experts": (QWEN3MOE, "expert_count", 64, "64 experts, and blk.0.ffn_down_exps.weight holds 128"),
    "width of experts": (GPT_OSS, "expert_feed_forward_length", 720, "experts of 720"),
    "unstated width of experts": (MIXTRAL, "feed_forward_length", 28_672, "experts of 28,672"),
    "convolution": (MAMBA2, "ssm.conv_kernel", 8, "a convolution over 8 tokens"),
    "states": (MAMBA, "ssm.state_size", 64, "states of 64"),
    "states in groups": (MAMBA2, "ssm.state_size", 16, "states of 16 in 8 groups"),
    "recurrent width": (MAMBA, "ssm.inner_size", 2560, "a recurrent width of 2,560"),
    "heads with states": (KIMI, "kda.head_dim", 64, "heads of 64 that carry a state"),
    "short convolution": (LFM2, "shortconv.l_cache", 9, "a short convolution over 9 tokens"),
}


def lying(model: Model, key: str, value: Number) -> Model:
    return replace(model, name="lie", keys={**model.keys, key: value})


def test_there_is_an_honest_header_of_every_kind() -> None:
    assert len(MODELS) >= 53


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_an_honest_header_is_believed(model: Model, tmp_path: Path) -> None:
    assert blueprint_of_gguf([model.write(tmp_path)]).cannot_say is None


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_what_the_tensors_deny_is_named_and_no_figure_given(
    lie: tuple[Model, str, Number, str], tmp_path: Path
) -> None:
    model, key, value, words = lie
    found = blueprint_of_gguf([lying(model, key, value).write(tmp_path)])
    assert words in (found.cannot_say or ""), found.cannot_say
    assert need(found, RunShape(512)).total_bytes.kind == "unknown"


def test_an_output_of_another_vocabulary_is_named(tmp_path: Path) -> None:
    tensors = [(name, (4096, 1000) if name == "output.weight" else shape) for name, shape in LLAMA.tensors]
    found = blueprint_of_gguf([replace(LLAMA, tensors=tensors).write(tmp_path)])
    assert "a vocabulary of 128,256, and output.weight holds 1,000" in (found.cannot_say or "")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lying(LLAMA, "embedding_length", 2048), "a token embedding of width 4,096 and a model of width 2,048"),
        (replace(LLAMA, vocabulary=1000), "a token embedding for 128,256 tokens and a table of 1,000"),
    ],
    ids=("width", "vocabulary"),
)
def test_an_embedding_of_another_size_is_refused(model: Model, words: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=words):
        blueprint_of_gguf([model.write(tmp_path)])


def test_tokens_are_counted_as_the_engine_counts_them(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf({**KEYS, "llama.vocab_size": (U32, 250_000)}))
    assert blueprint_of_gguf([path]).vocabulary == 3


def test_fit_says_so_and_says_neither_yes_nor_no(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = lying(LLAMA, "feed_forward_length", 512).write(tmp_path)
    assert main(["fit", str(path)]) == 4
    shown = " ".join(capsys.readouterr().out.split())
    assert "cannot say: by its header layer 0 has a feed-forward network of 512" in shown

"""Models with a mixture of experts, and one whose keys are compressed."""

from __future__ import annotations

from dataclasses import dataclass

from tests.shapes.dense import attention, attention_keys, ends, gated, norms
from tests.shapes.model import Model, Shapes


def routed(block: str, width: int, inner: int, experts: int) -> Shapes:
    """The router and the three matrices of every expert."""
    return [
        (f"{block}.ffn_gate_inp.weight", (width, experts)),
        (f"{block}.ffn_gate_exps.weight", (width, inner, experts)),
        (f"{block}.ffn_up_exps.weight", (width, inner, experts)),
        (f"{block}.ffn_down_exps.weight", (inner, width, experts)),
    ]


def shared(block: str, width: int, inner: int) -> Shapes:
    """The expert that every token is sent to."""
    return [
        (name.replace("ffn_", "ffn_").replace(".weight", "_shexp.weight"), shape)
        for name, shape in gated(block, width, inner)
    ]


def _qwen3moe() -> Model:
    layers, width, heads, kv_heads, inner, experts, vocabulary = 48, 2048, 32, 4, 768, 128, 151_936
    tensors = ends(width, vocabulary)
    for index in range(layers):
        block = f"blk.{index}"
        tensors += norms(block, width, "attn_norm", "ffn_norm") + norms(block, 128, "attn_q_norm", "attn_k_norm")
        tensors += attention(block, width, heads * 128, kv_heads * 128, kv_heads * 128)
        tensors += routed(block, width, inner, experts)
    keys = {
        **attention_keys(width, layers, heads, kv_heads, 6144),
        "context_length": 40_960,
        "attention.key_length": 128,
        "attention.value_length": 128,
        "expert_count": experts,
        "expert_used_count": 8,
        "expert_feed_forward_length": inner,
    }
    return Model("qwen3-30b-a3b", "qwen3moe", keys, vocabulary, tensors)


def _mixtral() -> Model:
    layers, width, heads, kv_heads, inner, experts, vocabulary = 32, 4096, 32, 8, 14_336, 8, 32_000
    tensors = ends(width, vocabulary)
    for index in range(layers):
        block = f"blk.{index}"
        tensors += norms(block, width, "attn_norm", "ffn_norm") + attention(block, width, 4096, 1024, 1024)
        tensors += routed(block, width, inner, experts)
    keys = {**attention_keys(width, layers, heads, kv_heads, inner), "expert_count": experts, "expert_used_count": 2}
    return Model("mixtral-8x7b", "llama", {**keys, "context_length": 32_768}, vocabulary, tensors)


def _gpt_oss() -> Model:
    layers, width, heads, kv_heads, inner, experts, vocabulary = 24, 2880, 64, 8, 2880, 32, 201_088
    tensors = ends(width, vocabulary)
    for index in range(layers):
        block = f"blk.{index}"
        tensors += norms(block, width, "attn_norm", "post_attention_norm")
        tensors += attention(block, width, heads * 64, kv_heads * 64, kv_heads * 64)
        tensors += [(f"{block}.attn_sinks.weight", (heads,))]
        tensors += [
            (f"{block}.attn_{name}.bias", (size,))
            for name, size in (("q", 4096), ("k", 512), ("v", 512), ("output", width))
        ]
        tensors += routed(block, width, inner, experts)
        tensors += [(f"{block}.ffn_gate_inp.bias", (experts,))]
        tensors += [(f"{block}.ffn_{name}_exps.bias", (inner, experts)) for name in ("gate", "up", "down")]
    keys = {
        **attention_keys(width, layers, heads, kv_heads, inner),
        "attention.key_length": 64,
        "attention.value_length": 64,
        "attention.sliding_window": 128,
        "expert_count": experts,
        "expert_used_count": 4,
        "expert_feed_forward_length": inner,
        "rope.scaling.original_context_length": 4096,
    }
    return Model("gpt-oss-20b", "gpt-oss", keys, vocabulary, tensors)


@dataclass(frozen=True)
class _Latent:
    """A model of DeepSeek's second or third kind: keys of `rank` values and `rotary` for the position."""

    name: str
    layers: int
    width: int
    heads: int
    dense_width: int
    dense_layers: int
    inner: int
    experts: int
    used: int
    shared: int
    vocabulary: int
    query_rank: int = 0
    rank: int = 512
    rotary: int = 64
    head: int = 128

    def model(self) -> Model:
        tensors = ends(self.width, self.vocabulary)
        for index in range(self.layers):
            block = f"blk.{index}"
            tensors += norms(block, self.width, "attn_norm", "ffn_norm") + self._attention(block)
            if index < self.dense_layers:
                tensors += gated(block, self.width, self.dense_width)
            else:
                tensors += routed(block, self.width, self.inner, self.experts)
                tensors += shared(block, self.width, self.shared * self.inner)
        return Model(self.name, "deepseek2", self._keys(), self.vocabulary, tensors)

    def _attention(self, block: str) -> Shapes:
        query = self.heads * (self.head + self.rotary)
        if self.query_rank:
            queries = [
                (f"{block}.attn_q_a.weight", (self.width, self.query_rank)),
                (f"{block}.attn_q_a_norm.weight", (self.query_rank,)),
                (f"{block}.attn_q_b.weight", (self.query_rank, query)),
            ]
        else:
            queries = [(f"{block}.attn_q.weight", (self.width, query))]
        return [
            *queries,
            (f"{block}.attn_kv_a_norm.weight", (self.rank,)),
            (f"{block}.attn_kv_a_mqa.weight", (self.width, self.rank + self.rotary)),
            (f"{block}.attn_k_b.weight", (self.head, self.rank, self.heads)),
            (f"{block}.attn_v_b.weight", (self.rank, self.head, self.heads)),
            (f"{block}.attn_output.weight", (self.heads * self.head, self.width)),
        ]

    def _keys(self) -> dict[str, int | float]:
        return {
            **attention_keys(self.width, self.layers, self.heads, 1, self.dense_width),
            "context_length": 163_840,
            "attention.key_length": self.rank + self.rotary,
            "attention.value_length": self.rank,
            "attention.key_length_mla": self.head + self.rotary,
            "attention.value_length_mla": self.head,
            "attention.kv_lora_rank": self.rank,
            **({"attention.q_lora_rank": self.query_rank} if self.query_rank else {}),
            "rope.dimension_count": self.rotary,
            "leading_dense_block_count": self.dense_layers,
            "expert_count": self.experts,
            "expert_used_count": self.used,
            "expert_shared_count": self.shared,
            "expert_feed_forward_length": self.inner,
            "expert_weights_scale": 2.5 if self.query_rank else 1.0,
            "expert_gating_func": 2 if self.query_rank else 1,
        }


def _glm4moe() -> Model:
    """GLM-4.5-Air, with its layer that predicts one token more, which the engine does not load."""
    layers, width, heads, kv_heads, experts, inner, vocabulary = 47, 4096, 96, 8, 128, 1408, 151_552
    tensors = ends(width, vocabulary)
    for index in range(layers):
        block = f"blk.{index}"
        tensors += norms(block, width, "attn_norm", "post_attention_norm")
        tensors += attention(block, width, heads * 128, kv_heads * 128, kv_heads * 128)
        tensors += [(f"{block}.attn_{name}.bias", (size,)) for name, size in (("q", 12_288), ("k", 1024), ("v", 1024))]
        if index == 0:
            tensors += gated(block, width, 10_944)
        else:
            tensors += [*routed(block, width, inner, experts), (f"{block}.exp_probs_b.bias", (experts,))]
            tensors += shared(block, width, inner)
        if index == layers - 1:
            tensors += [(f"{block}.nextn.eh_proj.weight", (2 * width, width))]
            tensors += norms(f"{block}.nextn", width, "enorm", "hnorm")
    keys = {
        **attention_keys(width, layers, heads, kv_heads, 10_944),
        "attention.key_length": 128,
        "attention.value_length": 128,
        "rope.dimension_count": 64,
        "leading_dense_block_count": 1,
        "expert_count": experts,
        "expert_used_count": 8,
        "expert_shared_count": 1,
        "expert_feed_forward_length": inner,
        "expert_weights_scale": 1.0,
        "expert_weights_norm": True,
        "expert_gating_func": 2,
        "nextn_predict_layers": 1,
    }
    return Model("glm-4.5-air", "glm4moe", keys, vocabulary, tensors)


def _llama4() -> Model:
    """Llama 4 Scout: windows in chunks, every layer of 16 experts and one shared."""
    layers, width, heads, kv_heads, experts, inner, vocabulary = 48, 5120, 40, 8, 16, 8192, 202_048
    tensors = ends(width, vocabulary)
    for index in range(layers):
        block = f"blk.{index}"
        tensors += norms(block, width, "attn_norm", "ffn_norm") + attention(block, width, 5120, 1024, 1024)
        tensors += routed(block, width, inner, experts) + shared(block, width, inner)
    keys = {
        **attention_keys(width, layers, heads, kv_heads, 16_384),
        "context_length": 10_485_760,
        "attention.key_length": 128,
        "attention.value_length": 128,
        "rope.dimension_count": 128,
        "interleave_moe_layer_step": 1,
        "expert_count": experts,
        "expert_used_count": 1,
        "expert_feed_forward_length": inner,
    }
    return Model("llama-4-scout", "llama4", keys, vocabulary, tensors)


def _dbrx() -> Model:
    layers, width, heads, kv_heads, inner, experts, vocabulary = 40, 6144, 48, 8, 10_752, 16, 100_352
    tensors = ends(width, vocabulary)
    for index in range(layers):
        block = f"blk.{index}"
        tensors += norms(block, width, "attn_norm", "attn_output_norm")
        tensors += [
            (f"{block}.attn_qkv.weight", (width, 6144 + 2 * 1024)),
            (f"{block}.attn_output.weight", (6144, width)),
        ]
        tensors += routed(block, width, inner, experts)
    keys = {
        **attention_keys(width, layers, heads, kv_heads, inner),
        "context_length": 32_768,
        "attention.layer_norm_epsilon": 1e-5,
        "attention.clamp_kqv": 8.0,
        "expert_count": experts,
        "expert_used_count": 4,
    }
    return Model("dbrx", "dbrx", keys, vocabulary, tensors)


def _phimoe() -> Model:
    """Phi-3.5-MoE: norms, attention and output with a bias."""
    layers, width, heads, kv_heads, inner, experts, vocabulary = 32, 4096, 32, 8, 6400, 16, 32_064
    tensors = [*ends(width, vocabulary, bias=True), ("output.bias", (vocabulary,))]
    for index in range(layers):
        block = f"blk.{index}"
        tensors += norms(block, width, "attn_norm", "ffn_norm") + attention(block, width, 4096, 1024, 1024)
        tensors += [(f"{block}.{name}.bias", (width,)) for name in ("attn_norm", "ffn_norm", "attn_q", "attn_output")]
        tensors += [(f"{block}.attn_{name}.bias", (1024,)) for name in ("k", "v")]
        tensors += routed(block, width, inner, experts)
    keys = {
        **attention_keys(width, layers, heads, kv_heads, inner),
        "attention.layer_norm_epsilon": 1e-5,
        "rope.scaling.original_context_length": 4096,
        "expert_count": experts,
        "expert_used_count": 2,
    }
    return Model("phi-3.5-moe", "phimoe", keys, vocabulary, tensors)


QWEN3MOE = _qwen3moe()
MIXTRAL = _mixtral()
GPT_OSS = _gpt_oss()
DEEPSEEK2 = _Latent("deepseek-v2-lite", 27, 2048, 16, 10_944, 1, 1408, 64, 6, 2, 102_400).model()
DEEPSEEK3 = _Latent("deepseek-v3", 61, 7168, 128, 18_432, 3, 2048, 256, 8, 1, 129_280, 1536).model()
GLM4MOE = _glm4moe()
LLAMA4 = _llama4()
DBRX, PHIMOE = _dbrx(), _phimoe()
EXPERTS = (QWEN3MOE, MIXTRAL, GPT_OSS, DEEPSEEK2, DEEPSEEK3, GLM4MOE, LLAMA4, DBRX, PHIMOE)

"""More models whose every layer is attention and a feed-forward network: without a gate, with biases, with one norm."""

from __future__ import annotations

from dataclasses import dataclass

from tests.shapes.dense import attention, attention_keys, ends, gated, norms
from tests.shapes.model import Model, Number, Shapes


@dataclass(frozen=True)
class _Plain:
    """One model, by what distinguishes it. `norms` have a bias as well where `norm_bias` is set; `gate` False is a
    feed-forward network of two matrices, `double` one whose first matrix is both halves; `fused` puts queries, keys and
    values into one matrix."""

    name: str
    architecture: str
    layers: int
    width: int
    heads: int
    kv_heads: int
    inner: int
    vocabulary: int
    head: int | None = None
    context: int = 8192
    normed: tuple[str, ...] = ("attn_norm", "ffn_norm")
    norm_bias: bool = False
    gate: bool = True
    fused: bool = False
    double: bool = False
    tied: bool = False
    bias: bool = False
    key_norms: bool = False
    keys: tuple[tuple[str, Number], ...] = ()
    extra: tuple[tuple[str, tuple[int, ...]], ...] = ()

    def model(self) -> Model:
        size = self.head or self.width // self.heads
        query, key = self.heads * size, self.kv_heads * size
        tensors = [*ends(self.width, self.vocabulary, tied=self.tied, bias=self.norm_bias), *self.extra]
        # A model without norms that are learned has none at its end either.
        tensors = [each for each in tensors if self.normed or each[0] != "output_norm.weight"]
        for index in range(self.layers):
            tensors += self._block(f"blk.{index}", size, query, key)
        keys: dict[str, Number] = {
            **attention_keys(self.width, self.layers, self.heads, self.kv_heads, self.inner),
            "context_length": self.context,
            "attention.layer_norm_epsilon": 1e-5,
            **({"attention.key_length": size, "attention.value_length": size} if self.head else {}),
            **dict(self.keys),
        }
        return Model(self.name, self.architecture, keys, self.vocabulary, tensors)

    def _block(self, block: str, size: int, query: int, key: int) -> Shapes:
        found = norms(block, self.width, *self.normed)
        if self.norm_bias:
            found += [(f"{block}.{name}.bias", (self.width,)) for name in self.normed]
        if self.fused:
            found += [(f"{block}.attn_qkv.weight", (self.width, query + 2 * key))]
            found += [(f"{block}.attn_output.weight", (query, self.width))]
            found += [(f"{block}.attn_qkv.bias", (query + 2 * key,))] if self.bias else []
        else:
            found += attention(block, self.width, query, key, key)
            sizes = (("q", query), ("k", key), ("v", key))
            found += [(f"{block}.attn_{name}.bias", (width,)) for name, width in sizes] if self.bias else []
        found += norms(block, size, "attn_q_norm", "attn_k_norm") if self.key_norms else []
        if self.bias and self.norm_bias:
            found += [(f"{block}.attn_output.bias", (self.width,))]
        return found + self._feed_forward(block)

    def _feed_forward(self, block: str) -> Shapes:
        if self.gate:
            return gated(block, self.width, self.inner)
        found: Shapes = [
            (f"{block}.ffn_up.weight", (self.width, self.inner * (2 if self.double else 1))),
            (f"{block}.ffn_down.weight", (self.inner, self.width)),
        ]
        if self.bias:
            found += [(f"{block}.ffn_up.bias", (self.inner,)), (f"{block}.ffn_down.bias", (self.width,))]
        return found


_ROPE = (("rope.dimension_count", 128),)
MORE_DENSE = tuple(
    each.model()
    for each in (
        _Plain("gemma-7b", "gemma", 28, 3072, 16, 16, 24_576, 256_000, head=256, tied=True),
        _Plain("olmo-7b", "olmo", 32, 4096, 32, 32, 11_008, 50_304, normed=(), context=2048, tied=True),
        _Plain("falcon3-1b", "llama", 18, 2048, 8, 4, 8192, 131_072, head=256),
        _Plain("ministral-3-8b", "mistral3", 34, 4096, 32, 8, 14_336, 131_072, head=128, context=262_144),
        _Plain("internlm2.5-20b", "internlm2", 48, 6144, 48, 8, 16_384, 92_544, context=262_144),
        _Plain("exaone-3.5-8b", "exaone", 32, 4096, 32, 8, 14_336, 102_400, context=32_768),
        _Plain(
            "seed-oss-36b",
            "seed_oss",
            64,
            5120,
            80,
            8,
            27_648,
            155_136,
            head=128,
            bias=True,
            normed=("attn_norm", "post_attention_norm"),
        ),
        _Plain("hunyuan-7b", "hunyuan-dense", 32, 4096, 32, 8, 14_336, 128_167, head=128, key_norms=True),
        _Plain(
            "glm-4-9b",
            "glm4",
            40,
            4096,
            32,
            2,
            13_696,
            151_552,
            normed=("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"),
            head=128,
            gate=False,
            double=True,
            keys=(("rope.dimension_count", 64),),
        ),
        _Plain(
            "apertus-8b",
            "apertus",
            32,
            4096,
            32,
            8,
            21_504,
            131_072,
            head=128,
            key_norms=True,
            gate=False,
            keys=(
                ("xielu.alpha_n", [0.8] * 32),
                ("xielu.alpha_p", [0.8] * 32),
                ("xielu.beta", [0.5] * 32),
                ("xielu.eps", [1e-6] * 32),
            ),
        ),
        _Plain(
            "starcoder2-7b",
            "starcoder2",
            32,
            4608,
            36,
            4,
            18_432,
            49_152,
            norm_bias=True,
            gate=False,
            bias=True,
            context=16_384,
        ),
        _Plain(
            "pythia-6.9b",
            "gptneox",
            32,
            4096,
            32,
            32,
            16_384,
            50_432,
            norm_bias=True,
            gate=False,
            fused=True,
            bias=True,
            context=2048,
            keys=(("rope.dimension_count", 32), ("use_parallel_residual", True)),
        ),
        _Plain(
            "phi-2",
            "phi2",
            32,
            2560,
            32,
            32,
            10_240,
            51_200,
            normed=("attn_norm",),
            norm_bias=True,
            gate=False,
            fused=True,
            bias=True,
            context=2048,
            keys=(("rope.dimension_count", 32),),
            extra=(("output.bias", (51_200,)),),
        ),
        _Plain(
            "stablelm-2-1.6b",
            "stablelm",
            24,
            2048,
            32,
            32,
            5632,
            100_352,
            norm_bias=True,
            context=4096,
            keys=(("rope.dimension_count", 16), ("use_parallel_residual", True)),
        ),
        _Plain(
            "falcon-7b",
            "falcon",
            32,
            4544,
            71,
            1,
            18_176,
            65_024,
            normed=("attn_norm",),
            norm_bias=True,
            gate=False,
            fused=True,
            context=2048,
        ),
        _Plain(
            "bloom-7b",
            "bloom",
            30,
            4096,
            32,
            32,
            16_384,
            250_880,
            norm_bias=True,
            gate=False,
            fused=True,
            bias=True,
            context=2048,
            tied=True,
            extra=(("token_embd_norm.weight", (4096,)), ("token_embd_norm.bias", (4096,))),
        ),
        _Plain(
            "mpt-7b",
            "mpt",
            32,
            4096,
            32,
            32,
            16_384,
            50_432,
            gate=False,
            fused=True,
            context=2048,
            tied=True,
            keys=(("attention.max_alibi_bias", 8.0),),
        ),
        _Plain(
            "starcoder",
            "starcoder",
            40,
            6144,
            48,
            1,
            24_576,
            49_152,
            norm_bias=True,
            gate=False,
            fused=True,
            bias=True,
            extra=(("position_embd.weight", (6144, 8192)),),
        ),
        _Plain("baichuan2-7b", "baichuan", 32, 4096, 32, 32, 11_008, 125_696, context=4096),
        _Plain(
            "nemotron-4-15b",
            "nemotron",
            32,
            6144,
            48,
            8,
            24_576,
            256_000,
            norm_bias=True,
            gate=False,
            context=4096,
            keys=(("rope.dimension_count", 64),),
        ),
    )
)

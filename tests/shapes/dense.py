"""Models whose every layer is attention and one feed-forward network."""

from __future__ import annotations

from tests.shapes.model import Model, Shapes


def attention_keys(width: int, layers: int, heads: int, kv_heads: int, feed_forward: int) -> dict[str, int | float]:
    """The keys that all of them have."""
    return {
        "context_length": 131_072,
        "embedding_length": width,
        "block_count": layers,
        "feed_forward_length": feed_forward,
        "attention.head_count": heads,
        "attention.head_count_kv": kv_heads,
        "attention.layer_norm_rms_epsilon": 1e-5,
    }


def ends(width: int, vocabulary: int, *, tied: bool = False, bias: bool = False) -> Shapes:
    """Embedding, last norm and output."""
    found: Shapes = [("token_embd.weight", (width, vocabulary)), ("output_norm.weight", (width,))]
    found += [("output_norm.bias", (width,))] if bias else []
    return found + ([] if tied else [("output.weight", (width, vocabulary))])


def attention(block: str, width: int, query: int, key: int, value: int) -> Shapes:
    """The four matrices of plain attention."""
    return [
        (f"{block}.attn_q.weight", (width, query)),
        (f"{block}.attn_k.weight", (width, key)),
        (f"{block}.attn_v.weight", (width, value)),
        (f"{block}.attn_output.weight", (query, width)),
    ]


def gated(block: str, width: int, inner: int) -> Shapes:
    """A feed-forward network with a gate."""
    return [
        (f"{block}.ffn_gate.weight", (width, inner)),
        (f"{block}.ffn_up.weight", (width, inner)),
        (f"{block}.ffn_down.weight", (inner, width)),
    ]


def norms(block: str, width: int, *names: str) -> Shapes:
    return [(f"{block}.{name}.weight", (width,)) for name in names]


def _model(
    name: str,
    architecture: str,
    sizes: tuple[int, int, int, int, int, int],
    *,
    vocabulary: int,
    head: int | None = None,
    normed: tuple[str, ...] = ("attn_norm", "ffn_norm"),
    head_norms: tuple[tuple[str, int], ...] = (),
    biases: tuple[tuple[str, int], ...] = (),
    tied: bool = False,
    extra: dict[str, object] | None = None,
) -> Model:
    """`sizes`: layers, width, heads, key heads, feed-forward width, context."""
    layers, width, heads, kv_heads, inner, _ = sizes
    size = head or width // heads
    tensors = ends(width, vocabulary, tied=tied)
    for index in range(layers):
        block = f"blk.{index}"
        tensors += norms(block, width, *normed)
        tensors += attention(block, width, heads * size, kv_heads * size, kv_heads * size)
        tensors += [(f"{block}.{norm}.weight", (length,)) for norm, length in head_norms]
        tensors += [(f"{block}.{bias}.bias", (length,)) for bias, length in biases]
        tensors += gated(block, width, inner)
    keys: dict[str, object] = {**attention_keys(width, layers, heads, kv_heads, inner), "context_length": sizes[5]}
    if head:
        keys.update({"attention.key_length": head, "attention.value_length": head})
    keys.update(extra or {})
    return Model(name, architecture, keys, vocabulary, tensors)  # type: ignore[arg-type]


_GEMMA_NORMS = ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
LLAMA = _model("llama-3.1-8b", "llama", (32, 4096, 32, 8, 14_336, 131_072), vocabulary=128_256)
QWEN2 = _model(
    "qwen2.5-7b",
    "qwen2",
    (28, 3584, 28, 4, 18_944, 131_072),
    vocabulary=152_064,
    biases=(("attn_q", 3584), ("attn_k", 512), ("attn_v", 512)),
)
QWEN3 = _model(
    "qwen3-8b",
    "qwen3",
    (36, 4096, 32, 8, 12_288, 40_960),
    vocabulary=151_936,
    head=128,
    head_norms=(("attn_q_norm", 128), ("attn_k_norm", 128)),
)
GEMMA2 = _model(
    "gemma-2-9b",
    "gemma2",
    (42, 3584, 16, 8, 14_336, 8192),
    vocabulary=256_000,
    head=256,
    normed=_GEMMA_NORMS,
    tied=True,
    extra={"attention.sliding_window": 4096},
)
GEMMA3 = _model(
    "gemma-3-27b",
    "gemma3",
    (62, 5376, 32, 16, 21_504, 131_072),
    vocabulary=262_208,
    head=128,
    normed=_GEMMA_NORMS,
    head_norms=(("attn_q_norm", 128), ("attn_k_norm", 128)),
    tied=True,
    extra={"attention.sliding_window": 1024},
)
GRANITE = _model(
    "granite-3.1-8b",
    "granite",
    (40, 4096, 32, 8, 12_800, 131_072),
    vocabulary=49_155,
    tied=True,
    extra={"embedding_scale": 12.0, "residual_scale": 0.22, "attention.scale": 0.0078125, "logit_scale": 16.0},
)
OLMO2 = _model(
    "olmo-2-1124-7b",
    "olmo2",
    (32, 4096, 32, 32, 11_008, 4096),
    vocabulary=100_352,
    normed=("post_attention_norm", "post_ffw_norm"),
    head_norms=(("attn_q_norm", 4096), ("attn_k_norm", 4096)),
)
OLMO3 = _model(
    "olmo-3-7b",
    "olmo2",
    (32, 4096, 32, 32, 11_008, 65_536),
    vocabulary=100_278,
    normed=("post_attention_norm", "post_ffw_norm"),
    head_norms=(("attn_q_norm", 4096), ("attn_k_norm", 4096)),
    extra={"attention.sliding_window": 4096},
)
EXAONE4 = _model(
    "exaone-4.0-32b",
    "exaone4",
    (64, 5120, 40, 8, 27_392, 131_072),
    vocabulary=102_400,
    head=128,
    normed=("post_attention_norm", "post_ffw_norm"),
    head_norms=(("attn_q_norm", 128), ("attn_k_norm", 128)),
    extra={"attention.sliding_window": 4096},
)
SMOLLM3 = _model("smollm3-3b", "smollm3", (36, 2048, 16, 4, 11_008, 65_536), vocabulary=128_256, tied=True)


def _command_r(name: str, architecture: str, sizes: tuple[int, ...], window: int) -> Model:
    """One norm for both halves of a layer, tied output."""
    layers, width, heads, kv_heads, inner, vocabulary = sizes
    size = width // heads
    tensors = ends(width, vocabulary, tied=True)
    for index in range(layers):
        block = f"blk.{index}"
        tensors += norms(block, width, "attn_norm")
        tensors += attention(block, width, width, kv_heads * size, kv_heads * size)
        tensors += gated(block, width, inner)
    keys: dict[str, object] = {
        **attention_keys(width, layers, heads, kv_heads, inner),
        "attention.layer_norm_epsilon": 1e-5,
        "logit_scale": 0.0625,
        **({"attention.sliding_window": window} if window else {}),
    }
    return Model(name, architecture, keys, vocabulary, tensors)  # type: ignore[arg-type]


COMMAND_R = _command_r("command-r", "command-r", (40, 8192, 64, 64, 22_528, 256_000), 0)
COHERE2 = _command_r("command-r7b", "cohere2", (32, 4096, 32, 8, 14_336, 256_000), 4096)


def _phi3() -> Model:
    layers, width, heads, inner, vocabulary = 32, 3072, 32, 8192, 32_064
    tensors = ends(width, vocabulary)
    for index in range(layers):
        block = f"blk.{index}"
        tensors += norms(block, width, "attn_norm", "ffn_norm")
        tensors += [
            (f"{block}.attn_qkv.weight", (width, 3 * width)),
            (f"{block}.attn_output.weight", (width, width)),
            (f"{block}.ffn_up.weight", (width, 2 * inner)),
            (f"{block}.ffn_down.weight", (inner, width)),
        ]
    keys = {**attention_keys(width, layers, heads, heads, inner), "rope.dimension_count": 96, "context_length": 4096}
    return Model("phi-3-mini-4k", "phi3", {**keys, "attention.sliding_window": 2047}, vocabulary, tensors)


PHI3 = _phi3()
DENSE = (LLAMA, QWEN2, QWEN3, GEMMA2, GEMMA3, GRANITE, OLMO2, OLMO3, EXAONE4, SMOLLM3, COMMAND_R, COHERE2, PHI3)

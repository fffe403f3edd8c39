"""Models of layers of two kinds, and of experts in ways of their own."""

from __future__ import annotations

from tests.shapes.dense import attention, attention_keys, ends, gated, norms
from tests.shapes.experts import routed, shared
from tests.shapes.model import Model, Number, Shapes
from tests.shapes.states import mamba2, state_keys


def _delta(block: str, width: int, sizes: tuple[int, int, int, int], *, joined: bool) -> Shapes:
    """A gated delta rule. `sizes`: inner width, state, heads, groups."""
    inner, state, heads, groups = sizes
    convolved = inner + 2 * groups * state
    found: Shapes = [
        (f"{block}.attn_qkv.weight", (width, convolved)),
        (f"{block}.attn_gate.weight", (width, inner)),
        (f"{block}.ssm_conv1d.weight", (4, convolved)),
        (f"{block}.ssm_dt.bias", (heads,)),
        (f"{block}.ssm_a", (heads,)),
        (f"{block}.ssm_norm.weight", (inner // heads,)),
        (f"{block}.ssm_out.weight", (inner, width)),
    ]
    if joined:
        return [*found, (f"{block}.ssm_ba.weight", (width, 2 * heads))]
    return found + [(f"{block}.ssm_{name}.weight", (width, heads)) for name in ("beta", "alpha")]


def _qwen_next(
    name: str, architecture: str, layers: int, width: int, heads: tuple[int, int], inner: int, experts: tuple[int, ...]
) -> Model:
    """Qwen3-Next and Qwen3.5: every fourth layer attends, with a gate beside its queries. `experts`: how many, how many
    of them are used, how wide each is; none in a dense model."""
    vocabulary, sizes, head = 151_936 if architecture == "qwen3next" else 248_320, (4096, 128, 32, 16), 256
    tensors = ends(width, vocabulary)
    for index in range(layers):
        block = f"blk.{index}"
        tensors += norms(block, width, "attn_norm", "post_attention_norm")
        if index % 4 == 3:
            tensors += attention(block, width, heads[0] * head, heads[1] * head, heads[1] * head)
            tensors[-4] = (f"{block}.attn_q.weight", (width, 2 * heads[0] * head))
            tensors += norms(block, head, "attn_q_norm", "attn_k_norm")
        else:
            tensors += _delta(block, width, sizes, joined=architecture == "qwen3next")
        if experts:
            tensors += routed(block, width, experts[2], experts[0]) + shared(block, width, experts[2])
            tensors += [(f"{block}.ffn_gate_inp_shexp.weight", (width,))]
        else:
            tensors += gated(block, width, inner)
    keys: dict[str, Number] = {
        **attention_keys(width, layers, heads[0], heads[1], inner),
        **state_keys(sizes),
        "context_length": 262_144,
        "attention.key_length": head,
        "attention.value_length": head,
        "rope.dimension_count": 64,
        "full_attention_interval": 4,
        **({"rope.dimension_sections": [11, 11, 10, 0]} if architecture != "qwen3next" else {}),
    }
    if experts:
        keys.update({"expert_count": experts[0], "expert_used_count": experts[1]})
        keys.update({"expert_feed_forward_length": experts[2], "expert_shared_feed_forward_length": experts[2]})
    return Model(name, architecture, keys, vocabulary, tensors)


def _kimi_linear() -> Model:
    """Kimi-Linear-48B-A3B: every fourth layer has latent attention, the others Kimi's delta attention."""
    layers, width, heads, inner, experts, vocabulary = 27, 2304, 32, 1024, 256, 163_840
    rank, rotary, head = 512, 64, 128
    attending = {index for index in range(layers) if index % 4 == 3 or index == layers - 1}
    tensors = ends(width, vocabulary)
    for index in range(layers):
        block = f"blk.{index}"
        tensors += norms(block, width, "attn_norm", "ffn_norm")
        if index in attending:
            tensors += norms(block, rank, "attn_kv_a_norm")
            tensors += [
                (f"{block}.attn_q.weight", (width, heads * (head + rotary))),
                (f"{block}.attn_kv_a_mqa.weight", (width, rank + rotary)),
                (f"{block}.attn_k_b.weight", (head, rank, heads)),
                (f"{block}.attn_v_b.weight", (rank, head, heads)),
                (f"{block}.attn_output.weight", (heads * head, width)),
            ]
        else:
            tensors += _kimi_delta(block, width, heads, head)
        if index == 0:
            tensors += gated(block, width, 9216)
        else:
            tensors += routed(block, width, inner, experts) + shared(block, width, inner)
            tensors += [(f"{block}.exp_probs_b.bias", (experts,))]
    keys: dict[str, Number] = {
        **attention_keys(width, layers, heads, 1, 9216),
        "context_length": 1_048_576,
        "attention.head_count_kv": [1 if index in attending else 0 for index in range(layers)],
        "attention.key_length": rank + rotary,
        "attention.value_length": rank,
        "attention.key_length_mla": head + rotary,
        "attention.value_length_mla": head,
        "attention.kv_lora_rank": rank,
        "rope.dimension_count": rotary,
        "ssm.conv_kernel": 4,
        "kda.head_dim": head,
        "leading_dense_block_count": 1,
        "expert_count": experts,
        "expert_used_count": 8,
        "expert_shared_count": 1,
        "expert_feed_forward_length": inner,
        "expert_weights_scale": 2.446,
        "expert_gating_func": 2,
    }
    return Model("kimi-linear-48b-a3b", "kimi-linear", keys, vocabulary, tensors)


def _kimi_delta(block: str, width: int, heads: int, head: int) -> Shapes:
    inner = heads * head
    return [
        *[(f"{block}.ssm_conv1d_{name}.weight", (4, 1, inner)) for name in "qkv"],
        *[(f"{block}.attn_{name}.weight", (width, inner)) for name in "qkv"],
        (f"{block}.ssm_f_a.weight", (width, head)),
        (f"{block}.ssm_f_b.weight", (head, inner)),
        (f"{block}.ssm_g_a.weight", (width, head)),
        (f"{block}.ssm_g_b.weight", (head, inner)),
        (f"{block}.ssm_beta.weight", (width, heads)),
        (f"{block}.ssm_a", (1, heads)),
        (f"{block}.ssm_dt.bias", (inner,)),
        (f"{block}.ssm_norm.weight", (head,)),
        (f"{block}.attn_output.weight", (inner, width)),
    ]


def _gemma3n() -> Model:
    """Gemma 3n E4B: layers from the twentieth on read the caches of earlier ones."""
    layers, width, heads, kv_heads, inner, vocabulary = 35, 2048, 8, 2, 16_384, 262_144
    head, ways, small, rank = 256, 4, 256, 64
    tensors = ends(width, vocabulary, tied=True)
    tensors += [
        ("altup_proj.weight", (width, width, ways - 1)),
        ("altup_unembd_proj.weight", (width, width, ways - 1)),
        ("per_layer_token_embd.weight", (small * layers, vocabulary)),
        ("per_layer_model_proj.weight", (width, small * layers)),
        ("per_layer_proj_norm.weight", (small,)),
    ]
    for index in range(layers):
        block = f"blk.{index}"
        tensors += norms(block, width, "attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
        tensors += attention(block, width, heads * head, kv_heads * head, kv_heads * head)
        tensors += norms(block, head, "attn_q_norm", "attn_k_norm") + gated(block, width, inner)
        tensors += norms(block, width, "post_norm", "altup_correct_scale", "altup_router_norm", "laurel_post_norm")
        tensors += [
            (f"{block}.inp_gate.weight", (width, small)),
            (f"{block}.proj.weight", (small, width)),
            (f"{block}.altup_correct_coef.weight", (ways, ways)),
            (f"{block}.altup_predict_coef.weight", (ways, ways * ways)),
            (f"{block}.altup_router.weight", (width, ways)),
            (f"{block}.laurel_l.weight", (width, rank)),
            (f"{block}.laurel_r.weight", (rank, width)),
        ]
    keys: dict[str, Number] = {
        **attention_keys(width, layers, heads, kv_heads, inner),
        "context_length": 32_768,
        "attention.key_length": head,
        "attention.value_length": head,
        "attention.sliding_window": 512,
        "attention.sliding_window_pattern": [index % 5 != 4 for index in range(layers)],
    }
    return Model("gemma-3n-e4b", "gemma3n", keys, vocabulary, tensors)


def _gemma4(name: str, layers: int, width: int, heads: int, inner: int, small: int, shared_layers: int) -> Model:
    """Gemma 4: heads of 512 in layers that see everything and of 256 in the others; the last layers of the small models
    read the caches of earlier ones."""
    vocabulary, every = 262_144, 6
    kv_full, kv_window = (1, 1) if small else (4, 16)
    full = [index % every == every - 1 for index in range(layers)]
    tensors = [*ends(width, vocabulary, tied=True), ("rope_freqs.weight", (256,))]
    if small:
        tensors += [
            ("per_layer_token_embd.weight", (small * layers, vocabulary)),
            ("per_layer_model_proj.weight", (width, small * layers)),
            ("per_layer_proj_norm.weight", (small,)),
        ]
    for index, whole in enumerate(full):
        block, head, kv_heads = f"blk.{index}", 512 if whole else 256, kv_full if whole else kv_window
        tensors += norms(block, width, "attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
        tensors += attention(block, width, heads * head, kv_heads * head, kv_heads * head)
        tensors += norms(block, head, "attn_q_norm", "attn_k_norm") + gated(block, width, inner)
        if small:
            tensors += norms(block, width, "post_norm")
            tensors += [(f"{block}.inp_gate.weight", (width, small)), (f"{block}.proj.weight", (small, width))]
    keys: dict[str, Number] = {
        **attention_keys(width, layers, heads, kv_window, inner),
        "attention.head_count_kv": [kv_full if whole else kv_window for whole in full],
        "attention.key_length": 512,
        "attention.value_length": 512,
        "attention.key_length_swa": 256,
        "attention.value_length_swa": 256,
        "attention.sliding_window": 512 if small else 1024,
        "attention.sliding_window_pattern": [not whole for whole in full],
        "attention.shared_kv_layers": shared_layers,
        "embedding_length_per_layer_input": small,
        "rope.dimension_count": 512,
        "rope.dimension_count_swa": 256,
        "final_logit_softcapping": 30.0,
    }
    return Model(name, "gemma4", keys, vocabulary, tensors)


def _nemotron_h_moe() -> Model:
    """Nemotron 3 Nano 30B-A3B: layers with a state, with experts, and six that attend."""
    pattern = "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME"
    width, heads, kv_heads, inner, experts, vocabulary = 2688, 32, 2, 1856, 128, 131_072
    sizes = (4096, 128, 64, 8)
    tensors = ends(width, vocabulary)
    for index, kind in enumerate(pattern):
        block = f"blk.{index}"
        tensors += norms(block, width, "attn_norm")
        if kind == "M":
            tensors += mamba2(block, width, sizes)
        elif kind == "*":
            tensors += attention(block, width, heads * 128, kv_heads * 128, kv_heads * 128)
        else:
            without_gate = [each for each in routed(block, width, inner, experts) if "gate_exps" not in each[0]]
            tensors += [*without_gate, (f"{block}.exp_probs_b.bias", (experts,))]
            tensors += [each for each in shared(block, width, 3712) if "gate" not in each[0]]
    keys: dict[str, Number] = {
        **attention_keys(width, len(pattern), heads, kv_heads, inner),
        **state_keys(sizes),
        "attention.layer_norm_epsilon": 1e-5,
        "attention.head_count_kv": [kv_heads if kind == "*" else 0 for kind in pattern],
        "feed_forward_length": [inner if kind == "E" else 0 for kind in pattern],
        "attention.key_length": 128,
        "attention.value_length": 128,
        "expert_count": experts,
        "expert_used_count": 6,
        "expert_shared_count": 1,
        "expert_feed_forward_length": inner,
        "expert_shared_feed_forward_length": 3712,
        "expert_weights_norm": True,
        "expert_weights_scale": 2.5,
    }
    return Model("nemotron-3-nano-30b-a3b", "nemotron_h_moe", keys, vocabulary, tensors)


def _lfm2moe() -> Model:
    """LFM2-8B-A1B: short convolutions and six layers that attend, experts but in the first two layers."""
    layers, width, heads, kv_heads, experts, inner, vocabulary = 24, 2048, 32, 8, 32, 1792, 65_536
    attending = {2, 6, 10, 14, 18, 21}
    tensors: Shapes = [("token_embd.weight", (width, vocabulary)), ("token_embd_norm.weight", (width,))]
    for index in range(layers):
        block = f"blk.{index}"
        tensors += norms(block, width, "attn_norm", "ffn_norm")
        if index in attending:
            tensors += attention(block, width, width, 512, 512) + norms(block, 64, "attn_q_norm", "attn_k_norm")
        else:
            tensors += [
                (f"{block}.shortconv.conv.weight", (3, width)),
                (f"{block}.shortconv.in_proj.weight", (width, 3 * width)),
                (f"{block}.shortconv.out_proj.weight", (width, width)),
            ]
        if index < 2:
            tensors += gated(block, width, 7168)
        else:
            tensors += [*routed(block, width, inner, experts), (f"{block}.exp_probs_b.bias", (experts,))]
    keys: dict[str, Number] = {
        **attention_keys(width, layers, heads, kv_heads, 7168),
        "attention.head_count_kv": [kv_heads if index in attending else 0 for index in range(layers)],
        "shortconv.l_cache": 3,
        "leading_dense_block_count": 2,
        "expert_count": experts,
        "expert_used_count": 4,
        "expert_feed_forward_length": inner,
        "expert_gating_func": 2,
    }
    return Model("lfm2-8b-a1b", "lfm2moe", keys, vocabulary, tensors)


def _experts(
    name: str, architecture: str, sizes: tuple[int, int, int, int, int], experts: tuple[int, int, int], vocabulary: int
) -> Model:
    """`sizes`: layers, width, heads, key heads, head size; `experts`: how many, how many used, how wide."""
    layers, width, heads, kv_heads, head = sizes
    count, used, inner = experts
    query, key = heads * head, kv_heads * head
    tensors = ends(width, vocabulary)
    for index in range(layers):
        block = f"blk.{index}"
        tensors += norms(block, width, "attn_norm", "ffn_norm") + attention(block, width, query, key, key)
        tensors += routed(block, width, inner, count)
        if architecture in {"olmoe", "minimax-m2"}:
            tensors += [*norms(block, query, "attn_q_norm"), *norms(block, key, "attn_k_norm")]
        if architecture == "minimax-m2":
            tensors += [(f"{block}.exp_probs_b.bias", (count,))]
        if architecture == "qwen2moe":
            tensors += [(f"{block}.attn_{each}.bias", (size,)) for each, size in (("q", query), ("k", key), ("v", key))]
            tensors += [*shared(block, width, 5632), (f"{block}.ffn_gate_inp_shexp.weight", (width,))]
    keys: dict[str, Number] = {
        **attention_keys(width, layers, heads, kv_heads, inner),
        "attention.key_length": head,
        "attention.value_length": head,
        "expert_count": count,
        "expert_used_count": used,
        "expert_feed_forward_length": inner,
    }
    if architecture == "minimax-m2":
        keys["expert_gating_func"] = 2
    if architecture == "qwen2moe":
        keys["expert_shared_feed_forward_length"] = 5632
    if architecture == "granitemoe":
        keys.update({"embedding_scale": 12.0, "residual_scale": 0.22, "attention.scale": 0.015625, "logit_scale": 6.0})
    return Model(name, architecture, keys, vocabulary, tensors)


MIXED = (
    _qwen_next("qwen3-next-80b-a3b", "qwen3next", 48, 2048, (16, 2), 5120, (512, 10, 512)),
    _qwen_next("qwen3.5-9b", "qwen35", 32, 4096, (16, 4), 12_288, ()),
    _qwen_next("qwen3.5-35b-a3b", "qwen35moe", 40, 2048, (16, 2), 512, (256, 8, 512)),
    _kimi_linear(),
    _gemma3n(),
    _gemma4("gemma-4-e4b", 42, 2560, 8, 10_240, 256, 18),
    _gemma4("gemma-4-31b", 60, 5376, 32, 21_504, 0, 0),
    _nemotron_h_moe(),
    _lfm2moe(),
    _experts("qwen1.5-moe-a2.7b", "qwen2moe", (24, 2048, 16, 16, 128), (60, 4, 1408), 151_936),
    _experts("olmoe-1b-7b", "olmoe", (16, 2048, 16, 16, 128), (64, 8, 1024), 50_304),
    _experts("granite-3.1-3b-a800m", "granitemoe", (32, 1536, 24, 8, 64), (40, 8, 512), 49_155),
    _experts("minimax-m2", "minimax-m2", (62, 3072, 48, 8, 128), (256, 8, 1536), 200_064),
)

"""Models that carry a state from token to token, in all layers or in some."""

from __future__ import annotations

from tests.shapes.dense import attention, attention_keys, ends, gated, norms
from tests.shapes.experts import routed, shared
from tests.shapes.model import Model, Shapes


def _mamba() -> Model:
    layers, width, inner, state, rank, vocabulary = 64, 2560, 5120, 16, 160, 50_280
    tensors = ends(width, vocabulary, tied=True)
    for index in range(layers):
        block = f"blk.{index}"
        tensors += norms(block, width, "attn_norm")
        tensors += [
            (f"{block}.ssm_in.weight", (width, 2 * inner)),
            (f"{block}.ssm_conv1d.weight", (4, inner)),
            (f"{block}.ssm_conv1d.bias", (inner,)),
            (f"{block}.ssm_x.weight", (inner, rank + 2 * state)),
            (f"{block}.ssm_dt.weight", (rank, inner)),
            (f"{block}.ssm_dt.bias", (inner,)),
            (f"{block}.ssm_a", (state, inner)),
            (f"{block}.ssm_d", (inner,)),
            (f"{block}.ssm_out.weight", (inner, width)),
        ]
    keys = {
        **attention_keys(width, layers, 0, 0, 0),
        "ssm.conv_kernel": 4,
        "ssm.inner_size": inner,
        "ssm.state_size": state,
        "ssm.time_step_rank": rank,
    }
    return Model("mamba-2.8b", "mamba", keys, vocabulary, tensors)


def mamba2(block: str, width: int, sizes: tuple[int, int, int, int], *, normed: bool = True) -> Shapes:
    """`sizes`: inner width, state, heads, groups."""
    inner, state, heads, groups = sizes
    convolved = inner + 2 * groups * state
    found: Shapes = [
        (f"{block}.ssm_in.weight", (width, inner + convolved + heads)),
        (f"{block}.ssm_conv1d.weight", (4, convolved)),
        (f"{block}.ssm_conv1d.bias", (convolved,)),
        (f"{block}.ssm_dt.bias", (heads,)),
        (f"{block}.ssm_a", (1, heads)),
        (f"{block}.ssm_d", (1, heads)),
        (f"{block}.ssm_out.weight", (inner, width)),
    ]
    return found + ([(f"{block}.ssm_norm.weight", (inner // groups, groups))] if normed else [])


def state_keys(sizes: tuple[int, int, int, int]) -> dict[str, int]:
    inner, state, heads, groups = sizes
    return {
        "ssm.conv_kernel": 4,
        "ssm.inner_size": inner,
        "ssm.state_size": state,
        "ssm.time_step_rank": heads,
        "ssm.group_count": groups,
    }


def _mamba2() -> Model:
    layers, width, sizes, vocabulary = 64, 4096, (8192, 128, 128, 8), 32_768
    tensors = ends(width, vocabulary)
    for index in range(layers):
        block = f"blk.{index}"
        tensors += norms(block, width, "attn_norm") + mamba2(block, width, sizes)
    keys = {**attention_keys(width, layers, 0, 0, 0), **state_keys(sizes)}
    return Model("mamba-codestral-7b", "mamba2", keys, vocabulary, tensors)


def _falcon_h1() -> Model:
    """Falcon-H1-1.5B: every layer attends and carries a state."""
    layers, width, heads, kv_heads, inner, vocabulary = 24, 2048, 8, 2, 4096, 65_537
    sizes = (3072, 256, 48, 1)
    tensors = ends(width, vocabulary)
    for index in range(layers):
        block = f"blk.{index}"
        tensors += [(f"{block}.ffn_norm", (width,)), *norms(block, width, "attn_norm")]
        tensors += mamba2(block, width, sizes, normed=False) + attention(block, width, heads * 128, 256, 256)
        tensors += gated(block, width, inner)
    keys = {
        **attention_keys(width, layers, heads, kv_heads, inner),
        **state_keys(sizes),
        "attention.key_length": 128,
        "attention.value_length": 128,
    }
    return Model("falcon-h1-1.5b", "falcon-h1", keys, vocabulary, tensors)


def _nemotron_h() -> Model:
    """Nemotron-Nano-9B-v2: layers that carry a state, that attend, or that only feed forward."""
    pattern = "M-M-M-MM-M-M-M*-M-M-M*-M-M-M-M*-M-M-M-M*-M-MM-M-M-M-M-M-"
    width, heads, kv_heads, inner, vocabulary = 4480, 40, 8, 15_680, 131_072
    sizes = (10_240, 128, 128, 8)
    tensors = ends(width, vocabulary)
    for index, kind in enumerate(pattern):
        block = f"blk.{index}"
        tensors += norms(block, width, "attn_norm")
        if kind == "M":
            tensors += mamba2(block, width, sizes)
        elif kind == "*":
            tensors += attention(block, width, heads * 128, kv_heads * 128, kv_heads * 128)
        else:
            tensors += [(f"{block}.ffn_up.weight", (width, inner)), (f"{block}.ffn_down.weight", (inner, width))]
    keys = {
        **attention_keys(width, len(pattern), heads, kv_heads, inner),
        **state_keys(sizes),
        "attention.head_count_kv": [kv_heads if kind == "*" else 0 for kind in pattern],
        "feed_forward_length": [inner if kind == "-" else 0 for kind in pattern],
        "attention.key_length": 128,
        "attention.value_length": 128,
        "attention.layer_norm_epsilon": 1e-5,
    }
    return Model("nemotron-nano-9b-v2", "nemotron_h", keys, vocabulary, tensors)


def _granite_hybrid() -> Model:
    """Granite-4.0-H-Tiny: 4 of 40 layers attend; 64 experts and one shared in each."""
    layers, width, heads, kv_heads, inner, experts, vocabulary = 40, 1536, 12, 4, 512, 64, 100_352
    sizes, attending = (3072, 128, 48, 1), {5, 15, 25, 35}
    tensors = ends(width, vocabulary, tied=True)
    for index in range(layers):
        block = f"blk.{index}"
        tensors += norms(block, width, "attn_norm", "ffn_norm")
        tensors += attention(block, width, width, 512, 512) if index in attending else mamba2(block, width, sizes)
        tensors += routed(block, width, inner, experts) + shared(block, width, 1024)
    keys = {
        **attention_keys(width, layers, heads, kv_heads, inner),
        **state_keys(sizes),
        "attention.head_count_kv": [kv_heads if index in attending else 0 for index in range(layers)],
        "attention.scale": 0.0078125,
        "embedding_scale": 12.0,
        "residual_scale": 0.22,
        "logit_scale": 6.0,
        "expert_count": experts,
        "expert_used_count": 6,
        "expert_shared_feed_forward_length": 1024,
    }
    return Model("granite-4.0-h-tiny", "granitehybrid", keys, vocabulary, tensors)


def _jamba() -> Model:
    """Jamba-v0.1: every eighth layer attends, every second has 16 experts."""
    layers, width, heads, kv_heads, inner, experts, vocabulary = 32, 4096, 32, 8, 14_336, 16, 65_536
    state, rank, wide = 16, 256, 8192
    tensors = ends(width, vocabulary)
    for index in range(layers):
        block = f"blk.{index}"
        tensors += norms(block, width, "attn_norm", "ffn_norm")
        if index % 8 == 4:
            tensors += attention(block, width, 4096, 1024, 1024)
        else:
            tensors += [
                (f"{block}.ssm_in.weight", (width, 2 * wide)),
                (f"{block}.ssm_conv1d.weight", (4, wide)),
                (f"{block}.ssm_conv1d.bias", (wide,)),
                (f"{block}.ssm_x.weight", (wide, rank + 2 * state)),
                (f"{block}.ssm_dt.weight", (rank, wide)),
                (f"{block}.ssm_dt.bias", (wide,)),
                (f"{block}.ssm_dt_norm.weight", (rank,)),
                (f"{block}.ssm_b_norm.weight", (state,)),
                (f"{block}.ssm_c_norm.weight", (state,)),
                (f"{block}.ssm_a", (state, wide)),
                (f"{block}.ssm_d", (wide,)),
                (f"{block}.ssm_out.weight", (wide, width)),
            ]
        tensors += routed(block, width, inner, experts) if index % 2 else gated(block, width, inner)
    keys = {
        **attention_keys(width, layers, heads, kv_heads, inner),
        "attention.head_count_kv": [kv_heads if index % 8 == 4 else 0 for index in range(layers)],
        "ssm.conv_kernel": 4,
        "ssm.inner_size": wide,
        "ssm.state_size": state,
        "ssm.time_step_rank": rank,
        "expert_count": experts,
        "expert_used_count": 2,
    }
    return Model("jamba-v0.1", "jamba", keys, vocabulary, tensors)


def _rwkv7() -> Model:
    layers, width, inner, vocabulary = 32, 2560, 10_240, 65_536
    decay, rate, mix, gate = 96, 96, 64, 320
    tensors = ends(width, vocabulary, bias=True)
    tensors += [("token_embd_norm.weight", (width,)), ("token_embd_norm.bias", (width,))]
    for index in range(layers):
        block = f"blk.{index}"
        tensors += [
            (f"{block}.{name}.{part}", (width,)) for name in ("attn_norm", "attn_norm_2") for part in ("weight", "bias")
        ]
        tensors += [
            (f"{block}.time_mix_{name}.weight", shape)
            for name, shape in _rwkv7_mix(width, index, (decay, rate, mix, gate))
        ]
        tensors += [
            (f"{block}.time_mix_ln.weight", (width,)),
            (f"{block}.time_mix_ln.bias", (width,)),
            (f"{block}.channel_mix_lerp_k.weight", (width, 1, 1)),
            (f"{block}.channel_mix_key.weight", (width, inner)),
            (f"{block}.channel_mix_value.weight", (inner, width)),
        ]
    keys = {
        "context_length": 1_048_576,
        "embedding_length": width,
        "block_count": layers,
        "feed_forward_length": inner,
        "attention.head_count": 0,
        "attention.layer_norm_epsilon": 1e-5,
        "wkv.head_size": 64,
        "token_shift_count": 2,
        "attention.decay_lora_rank": decay,
        "attention.iclr_lora_rank": rate,
        "attention.value_residual_mix_lora_rank": mix,
        "attention.gate_lora_rank": gate,
    }
    return Model("rwkv7-2.9b", "rwkv7", keys, vocabulary, tensors)


def _rwkv7_mix(width: int, index: int, ranks: tuple[int, int, int, int]) -> Shapes:
    decay, rate, mix, gate = ranks
    value = rate if index == 0 else mix
    return [
        *(("w0", (width,)), ("w1", (width, decay)), ("w2", (decay, width))),
        *(("a0", (width,)), ("a1", (width, rate)), ("a2", (rate, width))),
        *(("v0", (width,)), ("v1", (width, value)), ("v2", (value, width))),
        *(("g1", (width, gate)), ("g2", (gate, width))),
        *(("lerp_fused", (width, 1, 1, 6)), ("k_k", (width,)), ("k_a", (width,)), ("r_k", (width,))),
        *((name, (width, width)) for name in ("key", "value", "receptance", "output")),
    ]


def _lfm2() -> Model:
    """LFM2-1.2B: short convolutions, and 6 of 16 layers that attend."""
    layers, width, heads, kv_heads, inner, vocabulary = 16, 2048, 32, 8, 8192, 65_536
    attending = {2, 5, 8, 10, 12, 14}
    tensors: Shapes = [("token_embd.weight", (width, vocabulary)), ("token_embd_norm.weight", (width,))]
    for index in range(layers):
        block = f"blk.{index}"
        tensors += norms(block, width, "attn_norm", "ffn_norm") + gated(block, width, inner)
        if index in attending:
            tensors += attention(block, width, width, 512, 512) + norms(block, 64, "attn_q_norm", "attn_k_norm")
        else:
            tensors += [
                (f"{block}.shortconv.conv.weight", (3, width)),
                (f"{block}.shortconv.in_proj.weight", (width, 3 * width)),
                (f"{block}.shortconv.out_proj.weight", (width, width)),
            ]
    keys = {
        **attention_keys(width, layers, heads, kv_heads, inner),
        "attention.head_count_kv": [kv_heads if index in attending else 0 for index in range(layers)],
        "shortconv.l_cache": 3,
    }
    return Model("lfm2-1.2b", "lfm2", keys, vocabulary, tensors)


MAMBA = _mamba()
MAMBA2 = _mamba2()
FALCON_H1 = _falcon_h1()
NEMOTRON_H = _nemotron_h()
GRANITE_HYBRID = _granite_hybrid()
JAMBA = _jamba()
RWKV7 = _rwkv7()
LFM2 = _lfm2()
STATES = (MAMBA, MAMBA2, FALCON_H1, NEMOTRON_H, GRANITE_HYBRID, JAMBA, RWKV7, LFM2)

"""A header that says of its keys what the tensors deny: nothing is reckoned from it."""

from __future__ import annotations

import pytest

from freehold.fit.blueprint import Attention, BuildTensor, Layer
from freehold.fit.read_gguf import contradiction

KEYS = BuildTensor("blk.0.attn_k.weight", "Q4_1", (576, 192), 0, "dense", 0)


@pytest.mark.parametrize("kv_heads", [1, 2, 9])
def test_heads_that_the_keys_do_not_have_are_named(kv_heads: int) -> None:
    found = contradiction([Layer("full", kv_heads=kv_heads, key_size=64)], [KEYS])
    assert found is not None
    assert f"{kv_heads} heads of keys with 64" in found and "blk.0.attn_k.weight holds 192" in found


def test_where_they_agree_there_is_nothing_to_say() -> None:
    assert contradiction([Layer("full", kv_heads=3, key_size=64)], [KEYS]) is None


@pytest.mark.parametrize("attention", ["none", "latent"])
def test_layers_whose_keys_are_made_otherwise_are_not_held_to_it(attention: Attention) -> None:
    assert contradiction([Layer(attention, kv_heads=1, key_size=64)], [KEYS]) is None

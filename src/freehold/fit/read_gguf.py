"""A build's blueprint from its own header: of a held file, or of one that was read over the network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from freehold.core.builds import HeldBuild
from freehold.fit.blueprint import EMBEDDING, Blueprint, BuildTensor, Role
from freehold.fit.contradiction import Claims, contradiction
from freehold.fit.layers import lasting_inputs, layers_of
from freehold.fit.stated import Stated
from freehold.weights.gguf import Outline, read_outline

_BLOCK = re.compile(r"blk\.(\d+)\.")
_ROWS = (EMBEDDING, "per_layer_token_embd.weight", "position_embd.weight", "token_types.weight")


def blueprint_of_gguf(paths: Sequence[Path], *, name: str | None = None) -> Blueprint:
    """The blueprint of a build of one file or several, in order. Raises WeightsError where a file is refused.

    `name` is what the build is called; without one, what its header calls it.
    """
    return blueprint_of_outline(read_outline(paths), name=name)


def blueprint_of_outline(outline: Outline, *, name: str | None = None) -> Blueprint:
    """The blueprint that follows from what a header states."""
    layers = layers_of(outline.architecture, outline.numbers)
    tensors = _tensors(outline)
    # As the engine counts tokens: where there is a table of them, what else the header says does not matter.
    vocabulary = outline.tokens or outline.number("vocab_size") or 0
    if not isinstance(layers, str):
        claims = Claims(outline.architecture, Stated(outline.numbers), layers, vocabulary)
        layers = contradiction(claims, tensors) or layers
    experts, used = outline.number("expert_count") or 0, outline.number("expert_used_count") or 0
    parameters = sum(tensor.weights for tensor in outline.tensors)
    routed = sum(
        tensor.weights for tensor, built in zip(outline.tensors, tensors, strict=True) if built.role == "expert"
    )
    return Blueprint(
        name=name or outline.name or outline.architecture,
        architecture=outline.architecture,
        layers=() if isinstance(layers, str) else layers,
        hidden=outline.number("embedding_length") or 0,
        heads=outline.number("attention.head_count") or 0,
        vocabulary=vocabulary,
        feed_forward=outline.number("feed_forward_length"),
        experts=experts,
        experts_used=used,
        trained_tokens=outline.number("context_length"),
        parameters=parameters,
        active_parameters=parameters - routed + routed * used // experts if experts else parameters,
        quantization=outline.quantization,
        file_bytes=None,
        tensors=tensors,
        beside_hidden=lasting_inputs(outline.architecture, outline.numbers),
        cannot_say=layers if isinstance(layers, str) else None,
    )


def blueprint_of_unreadable(build: HeldBuild, reason: str) -> Blueprint:
    """Of a held build whose header says nothing here: what was known of it when it came in, and why no more is."""
    facts = build.facts
    return Blueprint(
        name=build.name,
        architecture=facts.architecture,
        layers=(),
        hidden=facts.embedding_length or 0,
        heads=facts.head_count or 0,
        vocabulary=facts.vocabulary_size or 0,
        trained_tokens=facts.context_length,
        parameters=facts.parameters,
        quantization=facts.quantization,
        file_bytes=build.size_bytes,
        cannot_say=reason,
    )


def _tensors(outline: Outline) -> tuple[BuildTensor, ...]:
    tied = not any(tensor.name == "output.weight" for tensor in outline.tensors)
    return tuple(
        BuildTensor(
            name=tensor.name,
            type=tensor.type.name if tensor.type else "",
            shape=tensor.shape,
            size_bytes=tensor.size_bytes,
            role=_role(tensor.name, tied=tied),
            layer=int(found[1]) if (found := _BLOCK.match(tensor.name)) else None,
        )
        for tensor in outline.tensors
    )


def _role(name: str, *, tied: bool) -> Role:
    if name == "output.weight" or (tied and name == EMBEDDING):
        return "output"
    if name in _ROWS:
        return "embedding"
    return "expert" if "_exps." in name else "dense"

"""What a build computes for each token: its matrices, and how many operations its graph has. From tensors where they
are known, else from the shape of the layers, as nearly all decoders are built.

Counts follow llama.cpp's graphs (b11549, `build_attn`, `build_ffn`, `build_moe_ffn`): a norm is two operations; a layer
that attends turns keys and queries, stores keys and values, attends, adds twice and activates.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from freehold.fit.blueprint import Blueprint, BuildTensor, Layer
from freehold.fit.counts import counts

_BESIDE_MATRICES = 8
_ROUTING = 8
_NORM = 2
# Products of latent attention: down and up for queries, down for keys and values, up for each, and the output.
_LATENT = 6
_K_MIX = re.compile(r"Q[2-6]_K_(?:S|M|L|XL)")
_MIXES = {"IQ3_M": "IQ3_S", "IQ2_M": "IQ2_S"}


@dataclass(frozen=True, slots=True)
class Matrix:
    """One product: `inputs` numbers to `outputs`, with weights of `type`. `experts` of such matrices stand beside each
    other and a token takes `used` of them; both are 1 in a dense layer."""

    type: str
    inputs: int
    outputs: int
    experts: int = 1
    used: int = 1

    @property
    def weights(self) -> int:
        """Of one expert."""
        return self.inputs * self.outputs


@dataclass(frozen=True, slots=True)
class Work:
    """`matrices` of the layers, for every token; `output` for those whose next token is asked for. Of matrices and
    layers, how many there are of each kind."""

    matrices: Mapping[Matrix, int]
    output: Matrix
    nodes: int
    layers: Mapping[Layer, int]
    vocabulary: int


@lru_cache(maxsize=1024)
def work_of(blueprint: Blueprint) -> Work | str:
    """The work of `blueprint`, or why it cannot be told."""
    if blueprint.cannot_say:
        return blueprint.cannot_say
    if any(layer.attention == "none" or layer.state_elements for layer in blueprint.kinds):
        return f"how long {blueprint.architecture} takes for its recurrent layers is not modeled"
    return _from_tensors(blueprint) if blueprint.tensors is not None else _from_shape(blueprint)


def _from_tensors(blueprint: Blueprint) -> Work | str:
    output: Matrix | None = None
    matrices: list[Matrix] = []
    nodes = 0
    for tensor in blueprint.tensors or ():
        if tensor.role == "output" and len(tensor.shape) == 2:
            output = _matrix(tensor, blueprint)
        elif tensor.layer is not None and len(tensor.shape) > 1 and tensor.role != "embedding":
            matrices.append(_matrix(tensor, blueprint))
            nodes += 1
        elif tensor.role != "embedding":
            nodes += _NORM if tensor.name.endswith("norm.weight") else 1
    if output is None:
        return "its header names no matrix for the output"
    nodes += len(blueprint.layers) * (_BESIDE_MATRICES + (_ROUTING if blueprint.experts else 0))
    return Work(Counter(matrices), output, nodes, blueprint.kinds, blueprint.vocabulary)


def _matrix(tensor: BuildTensor, blueprint: Blueprint) -> Matrix:
    experts = math.prod(tensor.shape[2:])
    used = min(experts, blueprint.experts_used or 1) if tensor.role == "expert" else experts
    return Matrix(tensor.type, tensor.shape[0], tensor.shape[1], experts, used)


def _from_shape(blueprint: Blueprint) -> Work | str:
    if not blueprint.hidden or not blueprint.vocabulary or not blueprint.parameters or not blueprint.quantization:
        return "the catalog does not say how wide its layers are or how its weights are stored"
    kind, hidden, count = base_type(blueprint.quantization), blueprint.hidden, len(blueprint.layers)
    matrices: Counter[Matrix] = Counter()
    for layer, alike in blueprint.kinds.items():
        for matrix in _attention(kind, hidden, layer):
            matrices[matrix] += alike
    attending = sum(each.weights * alike for each, alike in matrices.items())
    tables = blueprint.vocabulary * (_tables(blueprint) * hidden + blueprint.layer_embeddings)
    rest = blueprint.parameters - tables - attending
    if rest <= 0:
        return "what its layers compute does not follow from its row of the catalog; its header says it"
    experts, used = blueprint.experts or 1, (blueprint.experts_used or 1) if blueprint.experts else 1
    routed = min(rest, _routed(blueprint.parameters, blueprint.active_parameters, used / experts, rest))
    for weights, beside, taken in ((routed, experts, used), (rest - routed, 1, 1)):
        for matrix in _feed(kind, hidden, weights / count / beside, beside, taken) if weights else ():
            matrices[matrix] += count
    latent = sum(alike for layer, alike in blueprint.kinds.items() if layer.attention == "latent")
    nodes = matrices.total() + latent * _LATENT
    nodes += count * (_BESIDE_MATRICES + 2 * _NORM + (_ROUTING if experts > 1 else 0))
    output = Matrix(kind, hidden, blueprint.vocabulary)
    return Work(matrices, output, nodes, blueprint.kinds, blueprint.vocabulary)


def _tables(blueprint: Blueprint) -> int:
    """How many tables of the vocabulary its parameters surely hold: two where the output has one of its own."""
    counted = counts(blueprint)
    return min((count.tables for count in counted.possible), default=1) if counted is not None else 1


def _routed(parameters: int, active: int | None, share: float, rest: int) -> int:
    """How many weights all experts have that tokens are sent to, of which a token takes `share`: what does not work on
    it is what the others have. All of `rest` where the catalog does not say how many work on a token."""
    if share >= 1:
        return 0
    return rest if active is None else round((parameters - active) / (1 - share))


def _feed(kind: str, hidden: int, weights: float, experts: int, used: int) -> list[Matrix]:
    """A feed-forward network with so many `weights` in each of its `experts`, as three matrices."""
    width = max(1, round(weights / 3 / hidden))
    return [Matrix(kind, hidden, width, experts, used)] * 2 + [Matrix(kind, width, hidden, experts, used)]


def _attention(kind: str, hidden: int, layer: Layer) -> list[Matrix]:
    """Of latent attention the ranks of its matrices are not in the catalog: its weights count with those that work on
    every token."""
    if layer.attention == "latent":
        return []
    queries = layer.heads * layer.key_size
    keys, values = layer.kv_heads * layer.key_size, layer.kv_heads * layer.value_size
    widths = [queries, keys, values] if layer.cached else [queries]
    return [*(Matrix(kind, hidden, width) for width in widths), Matrix(kind, layer.heads * layer.value_size, hidden)]


def base_type(quantization: str) -> str:
    """The type of most weights of a mix: Q4_K of "q4_k_m". The types beside it are why a mix's speed is a range."""
    name = quantization.upper()
    return name.rpartition("_")[0] if _K_MIX.fullmatch(name) else _MIXES.get(name, name)

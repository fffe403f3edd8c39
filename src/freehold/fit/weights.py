"""The size of a build's weights: exact from its tensors, a range from the name of its quantization, or not known."""

from __future__ import annotations

from functools import lru_cache

from freehold.core.quantity import Estimated, Exact, Quantity, Unknown
from freehold.fit.blueprint import Blueprint
from freehold.fit.counts import counts
from freehold.fit.recipes import BASE, bits_each, kept_as, mixed_bytes

# Whole-file bits per weight of a quantization: lowest and highest over dense and mixture models of 0.1 to 120 billion
# parameters. Mixes name the type of most of their tensors; embeddings and outputs are kept in more bits, which weighs
# most in small models. Single types from ggml's block sizes; mixes from llama.cpp, tools/quantize/README.
BITS: dict[str, tuple[float, float]] = {
    "F32": (32.0, 32.0),
    "F16": (16.0, 16.1),
    "BF16": (16.0, 16.1),
    "Q8_0": (8.5, 8.6),
    "Q6_K": (6.56, 6.9),
    "Q5_K_M": (5.6, 6.2),
    "Q5_K_S": (5.5, 6.0),
    "Q5_1": (6.0, 6.3),
    "Q5_0": (5.5, 6.0),
    "Q4_K_M": (4.8, 5.6),
    "Q4_K_S": (4.5, 5.3),
    "Q4_1": (5.0, 5.5),
    "Q4_0": (4.5, 5.2),
    "IQ4_XS": (4.25, 5.0),
    "IQ4_NL": (4.5, 5.2),
    "MXFP4": (4.25, 4.8),
    "Q3_K_L": (4.2, 5.2),
    "Q3_K_M": (3.9, 4.8),
    "Q3_K_S": (3.5, 4.5),
    "IQ3_M": (3.6, 4.6),
    "IQ3_XXS": (3.1, 4.2),
    "Q2_K": (2.9, 4.2),
    "IQ2_M": (2.7, 4.0),
    "IQ2_XXS": (2.1, 3.6),
}


@lru_cache(maxsize=1024)
def weights_bytes(blueprint: Blueprint) -> Quantity:
    """The weights as the engine holds them."""
    if blueprint.tensors is not None:
        return Exact(sum(tensor.size_bytes for tensor in blueprint.tensors))
    if blueprint.file_bytes is not None:
        return Estimated(
            blueprint.file_bytes * 0.97, blueprint.file_bytes, "the size of its file", blueprint.file_bytes
        )
    mixed = mixed_bytes(blueprint)
    if mixed is not None:
        return mixed
    counted = counts(blueprint)
    if counted is None:
        return Unknown("the catalog does not say how many parameters it has")
    quantization = (blueprint.quantization or "").upper()
    bits = BITS.get(quantization)
    if bits is None:
        return Unknown(
            f"how many bits a weight of {blueprint.quantization or 'an unnamed quantization'} takes is not known"
        )
    low, high = _where_rows_fit(quantization, bits, blueprint.hidden)
    basis = f"the bits that {blueprint.quantization} takes in other builds{counted.said}"
    return Estimated(counted.least * low / 8, counted.most * high / 8, basis)


def _where_rows_fit(quantization: str, bits: tuple[float, float], hidden: int) -> tuple[float, float]:
    """`bits` where rows of `hidden` numbers are whole blocks of the type; else with what takes the types' places.

    A block of layers reads with matrices at least as large as those it gives back with, and what reads has such rows:
    at least half of the weights change their type, at most all. More bits than the base type's are counted as Q6_K,
    which of all that a mix holds gains the most by the change.
    """
    kind = BASE.get(quantization)
    if kind is None or not hidden or kept_as(kind, hidden) == kind:
        return bits
    low, high = bits
    base, most = bits_each(kind), bits_each("Q6_K")
    instead, widest = bits_each(kept_as(kind, hidden)), bits_each(kept_as("Q6_K", hidden))
    share = (high - base) / (most - base) if base < most else 0
    widened = instead + (share * (widest - instead) if share else high - base)
    return (low + max(low, instead)) / 2, widened

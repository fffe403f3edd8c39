"""Whether the numbers that describe the model can be: by themselves, with each other, and with the tensors.

What a file does not state is not judged. What it does not check: whether an engine knows the architecture, and the
shapes of tensors other than the token embedding, which every architecture has its own rules for.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from freehold.weights.checks import Findings
from freehold.weights.gguf.header import Header
from freehold.weights.gguf.key_types import COUNTS, LAYER_LISTS, STATE_COUNTS
from freehold.weights.gguf.tensors import LARGEST_INT32
from freehold.weights.gguf.tokenizer import token_count
from freehold.weights.gguf.values import INTEGERS, Array

MAX_BLOCKS = 512
MAX_EXPERTS = 4096
MAX_WIDTH = 1 << 20
MAX_FEED_FORWARD = 1 << 24
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.IGNORECASE)
_BLOCK = re.compile(r"((?:enc\.|dec\.)?)blk\.(\d+)\.")


def architecture_of(header: Header) -> str | None:
    """What `general.architecture` says; None where it is absent, empty or no text."""
    entry = header.keys.get("general.architecture")
    return entry.value or None if entry is not None and isinstance(entry.value, str) else None


@dataclass(frozen=True, slots=True)
class Model:
    """The keys of one header that belong to its architecture, and where to note what is wrong with them."""

    header: Header
    name: str
    notes: Findings

    def integers(self, key: str) -> tuple[int, ...]:
        """The whole numbers of `key`: one, or one a layer; none where it is absent or of another type."""
        entry = self.header.keys.get(f"{self.name}.{key}")
        if entry is None:
            return ()
        if isinstance(entry.value, Array):
            numbers = entry.value.numbers if entry.value.kind in INTEGERS else ()
            return tuple(number for number in numbers or () if isinstance(number, int))
        return (entry.value,) if entry.kind in INTEGERS and isinstance(entry.value, int) else ()

    def integer(self, key: str) -> int | None:
        """The whole number of `key`; of one a layer the largest; None where there is none."""
        return max(self.integers(key), default=None)

    def states(self, prefix: str) -> bool:
        """Whether any of its keys begins with `prefix`."""
        return any(key.startswith(f"{self.name}.{prefix}") for key in self.header.keys)

    def say(self, check: str, key: str, message: str) -> None:
        self.notes.add(check, f"It has a {self.name}.{key} {message}.")


def check_architecture(header: Header, notes: Findings) -> None:
    """Note everything about the model that cannot be."""
    name = architecture_of(header)
    if name is None:
        if _must_say(header):
            notes.add("gguf.arch.missing", "It does not say its architecture (general.architecture).")
        return
    if not _NAME.fullmatch(name):
        notes.add("gguf.arch.name", f"It says its architecture is {name[:64]!r}, which no architecture is called.")
        return
    model = Model(header, name, notes)
    _check_sizes(model)
    _check_layers(model)
    _check_heads(model)
    _check_experts(model)
    _check_numbers(model)
    _check_embedding(model)


def _must_say(header: Header) -> bool:
    """Later pieces of a split build need no architecture, and importance matrices are of none."""
    number, kind = header.keys.get("split.no"), header.keys.get("general.type")
    return (number is None or number.value == 0) and (kind is None or kind.value != "imatrix")


def _check_sizes(model: Model) -> None:
    _check_range(model, "gguf.arch.context", "context_length", range(1, LARGEST_INT32 + 1))
    _check_range(model, "gguf.arch.size", "vocab_size", range(1, LARGEST_INT32 + 1))
    for key in ("embedding_length", "attention.key_length", "attention.value_length"):
        _check_range(model, "gguf.arch.size", key, range(1, MAX_WIDTH + 1))
    _check_range(model, "gguf.arch.size", "feed_forward_length", range(MAX_FEED_FORWARD + 1))
    for key in ("attention.head_count", "attention.head_count_kv"):
        _check_range(model, "gguf.arch.size", key, range(MAX_WIDTH + 1))
    for key in STATE_COUNTS:  # by which runtimes divide
        _check_range(model, "gguf.arch.size", key, range(1, MAX_FEED_FORWARD + 1))


def _check_range(model: Model, check: str, key: str, legal: range) -> None:
    outside = [number for number in model.integers(key) if number not in legal]
    if outside:
        model.say(check, key, f"of {outside[0]:,}, which is not a plausible number")


def _check_layers(model: Model) -> None:
    blocks = model.integer("block_count")
    if blocks is not None and not 1 <= blocks <= MAX_BLOCKS:
        model.say("gguf.arch.blocks", "block_count", f"of {blocks:,}; 1 to {MAX_BLOCKS} layers are known")
        return
    _check_lists(model, blocks)
    counts = {"": blocks, "enc.": blocks, "dec.": model.integer("decoder_block_count") or blocks}
    for tensor in model.header.tensors:
        found = _BLOCK.match(tensor.name)
        count = counts[found[1]] if found else None
        if found and count is not None and int(found[2]) >= count:
            message = f"It has the tensor {tensor.name!r} and a {model.name}.block_count of {count}."
            model.notes.add("gguf.arch.block_number", message)


def _check_lists(model: Model, blocks: int | None) -> None:
    """A list has an item a layer, or at the least not more than any model has layers: longer ones are not read."""
    for key in COUNTS:
        entry = model.header.keys.get(f"{model.name}.{key}")
        if entry is None or not isinstance(entry.value, Array):
            continue
        length = entry.value.length
        if length > MAX_BLOCKS or (blocks is not None and key in LAYER_LISTS and length != blocks):
            model.say("gguf.arch.layer_array", key, f"with {length:,} items for {blocks or 'unstated'} layers")


def _check_heads(model: Model) -> None:
    heads, kv_heads = model.integers("attention.head_count"), model.integers("attention.head_count_kv")
    # Models that carry a state instead of attending have no heads, in some layers or in all.
    recurrent = model.states("ssm.") or model.states("wkv.") or model.states("shortconv.")
    for key, numbers in (("attention.head_count", heads), ("attention.head_count_kv", kv_heads)):
        if numbers and not any(numbers) and not recurrent:
            model.say("gguf.arch.heads", key, "of zero")
    _check_head_size(model, heads)
    _check_kv_heads(model, heads, kv_heads)


def _check_head_size(model: Model, heads: tuple[int, ...]) -> None:
    width, stated = model.integer("embedding_length"), model.integer("attention.key_length")
    dividing = next((number for number in heads if number and width and width % number), None)
    if dividing is not None and not stated:
        message = f"of {dividing} and a width of {width:,}, which it does not divide, and no attention.key_length"
        model.say("gguf.arch.head_size", "attention.head_count", message)
        return
    largest = max(heads, default=0)
    size = stated or (width // largest if width and largest else None)
    for rotary in model.integers("rope.dimension_count"):
        if size is not None and (rotary < 0 or rotary % 2 or rotary > size):
            model.say("gguf.arch.rope", "rope.dimension_count", f"of {rotary:,}, and heads of {size:,}")


def _check_kv_heads(model: Model, heads: tuple[int, ...], kv_heads: tuple[int, ...]) -> None:
    layers = max(len(heads), len(kv_heads))
    every, kv_every = (numbers * layers if len(numbers) == 1 else numbers for numbers in (heads, kv_heads))
    # Lists of different lengths are said elsewhere.
    for number, kv_number in zip(every, kv_every, strict=False):
        if number and kv_number and number % kv_number:
            model.say("gguf.arch.kv_heads", "attention.head_count_kv", f"of {kv_number} for {number} heads")
            return


def _check_experts(model: Model) -> None:
    experts, used = model.integer("expert_count"), model.integer("expert_used_count")
    if experts is not None and not 0 <= experts <= MAX_EXPERTS:
        model.say("gguf.arch.experts", "expert_count", f"of {experts:,}; up to {MAX_EXPERTS:,} are known")
    elif used is not None and not min(1, experts or 0) <= used <= (experts or 0):
        model.say("gguf.arch.experts", "expert_used_count", f"of {used:,} of {experts or 0:,} experts")


def _check_numbers(model: Model) -> None:
    for key, entry in model.header.keys.items():
        if not key.startswith(f"{model.name}."):
            continue
        numbers = entry.value.numbers or () if isinstance(entry.value, Array) else (entry.value,)
        negative = key.endswith(("epsilon", "rope.freq_base", "rope.scaling.factor"))
        wrong = [n for n in numbers if isinstance(n, float) and (not math.isfinite(n) or (negative and n < 0))]
        if wrong:
            model.say("gguf.arch.number", key.removeprefix(f"{model.name}."), f"of {wrong[0]}")


def _check_embedding(model: Model) -> None:
    tokens, stated = token_count(model.header), model.integer("vocab_size")
    if tokens and stated and tokens != stated:
        model.say("gguf.arch.vocab_size", "vocab_size", f"of {stated:,} and {tokens:,} tokens")
    embedding = next((tensor for tensor in model.header.tensors if tensor.name == "token_embd.weight"), None)
    if embedding is None or len(embedding.shape) != 2:
        return
    width = model.integer("features_length") or model.integer("embedding_length")
    if width and embedding.shape[0] != width:
        message = f"It has a token embedding of width {embedding.shape[0]:,} and a model of width {width:,}."
        model.notes.add("gguf.arch.embedding", message)
    rows = tokens or stated
    if rows and embedding.shape[1] != rows:
        message = f"It has a token embedding for {embedding.shape[1]:,} tokens and a table of {rows:,}."
        model.notes.add("gguf.arch.vocabulary", message)

"""What memory and speed follow from: the numbers that a header states of its architecture, and every tensor.

Only headers that were checked come here. Nothing is interpreted: which numbers an architecture reads, and what it
takes where one is absent, is for those who know engines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from freehold.weights.checks import Findings
from freehold.weights.gguf.architecture import Model, architecture_of
from freehold.weights.gguf.facts import quantization, text
from freehold.weights.gguf.header import Header
from freehold.weights.gguf.tensors import Tensor
from freehold.weights.gguf.tokenizer import token_count
from freehold.weights.gguf.values import BOOL, Array, Entry

_ELSE = ("general.", "tokenizer.", "split.", "quantize.")


@dataclass(frozen=True, slots=True)
class Outline:
    """`numbers` are the whole numbers and truth values of the architecture by key, without its name: one, or one a
    layer; `entries` all numbers of the header by their whole keys, with their types, but those that say what the file
    is (`general.*`), how it is split and how text becomes tokens. `tokens` is the size of the token table, None
    where there is none; `name` what the file calls the model."""

    architecture: str
    name: str | None
    quantization: str | None
    tokens: int | None
    numbers: Mapping[str, tuple[int, ...]]
    entries: Mapping[str, Entry]
    tensors: tuple[Tensor, ...]

    def number(self, key: str) -> int | None:
        """The number of `key`, of one a layer the largest; None where it is absent."""
        return max(self.numbers.get(key, ()), default=None)


def outline_of(header: Header, tensors: Sequence[Tensor]) -> Outline | None:
    """The outline of a build with all `tensors`; None where its header does not say its architecture."""
    architecture = architecture_of(header)
    if architecture is None or not tensors:
        return None
    model = Model(header, architecture, Findings(""))
    entries = {key: entry for key, entry in header.keys.items() if not key.startswith(_ELSE) and _is_numbers(entry)}
    own = {key.removeprefix(f"{architecture}."): entry for key, entry in entries.items() if _is_own(key, architecture)}
    return Outline(
        architecture=architecture,
        name=text(header, "general.name"),
        quantization=quantization(header, tensors),
        tokens=token_count(header),
        numbers={key: numbers for key in own if (numbers := model.integers(key) or _flags(own[key]))},
        entries=entries,
        tensors=tuple(tensors),
    )


def _is_own(key: str, architecture: str) -> bool:
    return key.startswith(f"{architecture}.")


def _is_numbers(entry: Entry) -> bool:
    """Whether it is a number, or a list of numbers that was short enough to be kept."""
    if isinstance(entry.value, Array):
        return entry.value.numbers is not None
    return isinstance(entry.value, int | float)


def _flags(entry: Entry) -> tuple[int, ...]:
    """The truth values of `entry` as 0 and 1; none where it has another type."""
    if isinstance(entry.value, bool):
        return (int(entry.value),)
    if isinstance(entry.value, Array) and entry.value.kind == BOOL:
        return tuple(int(flag) for flag in entry.value.numbers or ())
    return ()

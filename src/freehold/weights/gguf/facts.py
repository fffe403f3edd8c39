"""What a GGUF build is: `WeightFacts` from headers that were checked. What a header does not state is None."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from freehold.core.builds import WeightFacts
from freehold.weights.checks import Findings
from freehold.weights.gguf.architecture import Model, architecture_of
from freehold.weights.gguf.header import Header
from freehold.weights.gguf.tensors import Tensor
from freehold.weights.gguf.tokenizer import token_count
from freehold.weights.tensor_types import FILE_TYPES

TEMPLATE = "tokenizer.chat_template"
# Upper bits of general.file_type carry flags ("guessed"), not the type.
_FILE_TYPE_MASK = 0x3FF


def facts_of(header: Header, tensors: Sequence[Tensor]) -> WeightFacts | None:
    """The facts that `header` states about all `tensors` of a build; None where it does not say its architecture."""
    architecture = architecture_of(header)
    if architecture is None or not tensors:
        return None
    model = Model(header, architecture, Findings(""))
    return WeightFacts(
        format="gguf",
        architecture=architecture,
        quantization=quantization(header, tensors),
        parameters=sum(tensor.weights for tensor in tensors),
        context_length=model.integer("context_length"),
        embedding_length=model.integer("embedding_length"),
        block_count=model.integer("block_count"),
        head_count=model.integer("attention.head_count"),
        head_count_kv=model.integer("attention.head_count_kv"),
        vocabulary_size=model.integer("vocab_size") or token_count(header),
        chat_template=text(header, TEMPLATE),
        key_length=model.integer("attention.key_length"),
        value_length=model.integer("attention.value_length"),
    )


def text(header: Header, key: str) -> str | None:
    """The text of `key`; None where it is absent or was not kept."""
    entry = header.keys.get(key)
    return entry.value if entry is not None and isinstance(entry.value, str) else None


def quantization(header: Header, tensors: Sequence[Tensor]) -> str | None:
    """The name of general.file_type; where that is absent or unknown, the type that takes the most bytes."""
    entry = header.keys.get("general.file_type")
    stated = entry.value if entry is not None and isinstance(entry.value, int) else None
    if stated is not None and (named := FILE_TYPES.get(stated & _FILE_TYPE_MASK)) is not None:
        return named
    sizes: Counter[str] = Counter()
    for tensor in tensors:
        if tensor.type is not None:
            sizes[tensor.type.name] += tensor.size_bytes
    return sizes.most_common(1)[0][0] if sizes else None

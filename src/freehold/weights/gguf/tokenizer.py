"""Whether the parts of the token table fit each other: lengths, types, byte tokens, special tokens.

Runtimes take scores and types by the number of tokens, without looking how many there are.
"""

from __future__ import annotations

from freehold.weights.checks import Findings
from freehold.weights.gguf.header import Header
from freehold.weights.gguf.tokens import BYTE_TYPE, MERGES, SCORES, TOKENS, TYPES
from freehold.weights.gguf.values import F32, I8, I32, MAX_KEPT_ITEMS, STRING, U8, U32, Array

CHARSMAP = "tokenizer.ggml.precompiled_charsmap"
_ITEMS: dict[str, frozenset[int]] = {
    TOKENS: frozenset({STRING}),
    MERGES: frozenset({STRING}),
    SCORES: frozenset({F32}),
    TYPES: frozenset({I32, U32}),
    CHARSMAP: frozenset({U8, I8}),
}


def check_tokenizer(header: Header, notes: Findings) -> None:
    """Note what does not fit."""
    arrays = {key: array for key in _ITEMS if (array := _array(header, key, notes)) is not None}
    tokens = arrays.get(TOKENS)
    if tokens is not None:
        for key in (SCORES, TYPES):
            if key in arrays and arrays[key].length != tokens.length:
                message = f"It has {tokens.length:,} tokens and {arrays[key].length:,} items in {key}."
                notes.add("gguf.tokenizer.lengths", message)
        _check_special(header, tokens.length, notes)
        if (same := header.tokens.duplicates()) > 0:
            notes.add("gguf.tokenizer.duplicate", f"{same:,} of its tokens are there more than once.")
    if TYPES in arrays:
        _check_types(header, notes)
    if CHARSMAP in arrays:
        _check_charsmap(header, arrays[CHARSMAP], notes)


def token_count(header: Header) -> int | None:
    """How many tokens the table has; None where there is no table."""
    entry = header.keys.get(TOKENS)
    return entry.value.length if entry is not None and isinstance(entry.value, Array) else None


def _array(header: Header, key: str, notes: Findings) -> Array | None:
    entry = header.keys.get(key)
    if entry is None:
        return None
    if isinstance(entry.value, Array) and entry.value.kind in _ITEMS[key]:
        return entry.value
    notes.add("gguf.tokenizer.types", f"It has a {key} that is not a list of the type it must have.")
    return None


def _check_special(header: Header, count: int, notes: Findings) -> None:
    for key, entry in header.keys.items():
        if not key.startswith("tokenizer.ggml."):
            continue
        if key.endswith("_token_id") and isinstance(entry.value, int):
            found = [entry.value]
        elif key.endswith("_token_ids") and isinstance(entry.value, Array):
            if entry.value.length > MAX_KEPT_ITEMS:
                notes.add("gguf.tokenizer.special", f"It has {key} of {entry.value.length:,} items.")
            found = [number for number in entry.value.numbers or () if isinstance(number, int)]
        else:
            continue
        outside = [number for number in found if not 0 <= number < count]
        if outside:
            notes.add("gguf.tokenizer.special", f"It has {key} {outside[0]:,} and {count:,} tokens.")


def _check_types(header: Header, notes: Findings) -> None:
    if (other := header.tokens.other_type()) is not None:
        notes.add("gguf.tokenizer.token_type", f"It has a token of type {other}; 0 to {BYTE_TYPE} are known.")
    malformed = header.tokens.malformed_byte_tokens()
    if not any(malformed):
        return
    messages = (
        f"Token {index:,} is a byte token and not written as <0x, two hexadecimal digits and >."
        for index, flag in enumerate(malformed)
        if flag
    )
    notes.add_all("gguf.tokenizer.byte_token", messages, malformed.count(1))


def _check_charsmap(header: Header, found: Array, notes: Findings) -> None:
    """The map begins with the length of its first part; the runtime reads that far."""
    said = int.from_bytes(found.head, header.order)
    if len(found.head) < 4 or said + 4 > found.length:
        message = f"It has a {CHARSMAP} of {found.length:,} bytes whose first part would have {said:,}."
        notes.add("gguf.tokenizer.charsmap", message)

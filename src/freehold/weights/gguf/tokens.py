"""Looks at the token table while it passes: hundreds of thousands of strings, of which almost nothing is kept.

Tokens are looked at many at a time, in steps that the interpreter does in one call; each is looked at alone only where
a step found something. What needs two lists at once (byte tokens and their types) is judged in `tokenizer`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from freehold.weights.checks import Findings, quoted
from freehold.weights.gguf.cursor import Order

TOKENS = "tokenizer.ggml.tokens"
SCORES = "tokenizer.ggml.scores"
TYPES = "tokenizer.ggml.token_type"
MERGES = "tokenizer.ggml.merges"

# A runtime once kept a token's length in 32 bits with a sign; no vocabulary has tokens near this.
MAX_TOKEN_BYTES = 65_536
# Twice the largest vocabulary in use. More would take more memory than a look may.
MOST_COMPARED = 524_288
# Token types 0 (undefined) to 6 (byte): the specification, tokenizer.ggml.token_type.
BYTE_TYPE = 6
_IS_BYTE_TYPE = bytes(number == BYTE_TYPE for number in range(256))
_BYTE_TOKEN = re.compile(rb"<0x[0-9A-Fa-f]{2}>")


class TokenTable:
    """What was seen of the tokens: which of them are written as byte tokens, and the types of all."""

    def __init__(self, notes: Findings, order: Order) -> None:
        self._notes = notes
        self._order = order
        self._merges_seen = 0
        self._types = b""
        self._byte_token = bytearray()
        self._hashes: set[int] = set()
        self._hashed = 0

    def duplicates(self) -> int:
        """How many of the tokens, of which so many are looked at, stand there again."""
        return self._hashed - len(self._hashes)

    def other_type(self) -> int | None:
        """A byte that is no token type, where there is one; the numbers have four bytes each."""
        low, high = self._type_bytes()
        others = low.translate(None, bytes(range(BYTE_TYPE + 1))) or high.replace(b"\0", b"")
        return others[0] if others else None

    def malformed_byte_tokens(self) -> bytes:
        """One byte a token: 1 where its type says that it is a byte token and it is not written as one."""
        low, _ = self._type_bytes()
        size = min(len(low), len(self._byte_token))
        typed = int.from_bytes(low[:size].translate(_IS_BYTE_TYPE), "little")
        written = int.from_bytes(self._byte_token[:size], "little")
        return (typed & ~written).to_bytes(size, "little")

    def _type_bytes(self) -> tuple[bytes, bytes]:
        """The lowest byte of every type, and all others."""
        low = 0 if self._order == "little" else 3
        return self._types[low::4], b"".join(self._types[place::4] for place in range(4) if place != low)

    def watches(self, key: str) -> bool:
        """Whether the numbers of `key` are looked at."""
        return key == TYPES

    def numbers(self, key: str, data: bytes) -> None:
        """See the numbers of `key`."""
        if key == TYPES:
            self._types = data

    def watcher(self, key: str) -> Callable[[list[bytes]], None] | None:
        """What looks at the strings of `key`; None for those that are no business of the token table."""
        return {TOKENS: self._see_tokens, MERGES: self._see_merges}.get(key)

    def _see_tokens(self, batch: list[bytes]) -> None:
        first = len(self._byte_token)
        joined = self._joined(batch, "token", first)
        flags = bytearray(len(batch))
        if b"<0x" in joined:
            for index, token in enumerate(batch):
                flags[index] = _BYTE_TOKEN.fullmatch(token) is not None
        self._byte_token += flags
        if self._hashed < MOST_COMPARED:
            self._hashes.update(map(hash, batch))
            self._hashed += len(batch)
        if max(map(len, batch)) > MAX_TOKEN_BYTES:
            for index, token in enumerate(batch, first):
                if len(token) > MAX_TOKEN_BYTES:
                    message = f"Token {index:,} has {len(token):,} bytes; {MAX_TOKEN_BYTES:,} is the limit."
                    self._notes.add("gguf.tokenizer.token_length", message)

    def _see_merges(self, batch: list[bytes]) -> None:
        self._joined(batch, "merge", self._merges_seen)
        # Where a part begins with a space itself, the one that divides comes after it.
        wrong = [index for index, merge in enumerate(batch) if merge.find(b" ", 1, -1) < 0]
        first = self._merges_seen
        messages = (
            f"Merge {first + index:,} is {quoted(batch[index][:64])}: not two parts with a space between."
            for index in wrong
        )
        self._notes.add_all("gguf.tokenizer.merges", messages, len(wrong))
        self._merges_seen += len(batch)

    def _joined(self, batch: list[bytes], what: str, first: int) -> bytes:
        """All of them in one, after checking that all are UTF-8."""
        joined = b"\n".join(batch)
        try:
            joined.decode("utf-8")
        except UnicodeDecodeError as error:
            place = first + joined.count(b"\n", 0, error.start)
            self._notes.add("gguf.tokenizer.utf8", f"About {what} {place:,} there are bytes that are not UTF-8.")
        return joined

"""Turns the tokens of one answer into text: whole characters only, and nothing that may be the beginning of a stop
sequence. Pure.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


class Vocabulary:
    """The bytes of every token (`pieces`); control tokens show nothing in an answer."""

    def __init__(self, pieces: Sequence[bytes], control: frozenset[int]) -> None:
        self._pieces = pieces
        self._control = control

    @property
    def size(self) -> int:
        return len(self._pieces)

    def piece(self, token: int) -> bytes:
        """Its bytes in an answer. A token that the tokenizer does not have, as some models make, has none."""
        return b"" if token in self._control or not 0 <= token < len(self._pieces) else self._pieces[token]

    def text(self, tokens: Sequence[int]) -> str:
        """The text of any tokens, control tokens too. Raises ValueError for one that there is not."""
        for token in tokens:
            if not 0 <= token < len(self._pieces):
                raise ValueError(f"{token} is not a token")
        return b"".join(self._pieces[token] for token in tokens).decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Said:
    """What can be said now: text, and the entries of `logprobs.content` of the tokens that are out with it."""

    text: str
    entries: list[dict[str, Any]]


class Text:
    """One answer's text as it grows. `stopped` once a stop sequence was found; what comes after is not taken."""

    def __init__(self, vocabulary: Vocabulary, stops: Sequence[str]) -> None:
        self._vocabulary = vocabulary
        self._stops = stops
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._waiting: list[tuple[int, dict[str, Any]]] = []
        self._seen = 0
        self._out = 0
        self.stopped = False

    def feed(self, token: int, logprob: float | None) -> None:
        """Take one token."""
        piece = self._vocabulary.piece(token)
        text = self._decoder.decode(piece)
        self._held += text
        self._seen += len(text)
        if logprob is not None and piece:
            self._waiting.append((self._seen, _entry(token, piece, logprob)))
        found = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            self._held = self._held[: min(found)]
            self.stopped = True

    def say(self) -> Said:
        """What is certain by now."""
        keep = 0 if self.stopped else max((_beginning(self._held, stop) for stop in self._stops), default=0)
        return self._give(len(self._held) - keep)

    def end(self) -> Said:
        """The rest, once no more comes. Half of a character is shown as a replacement character."""
        if not self.stopped:
            self._held += self._decoder.decode(b"", final=True)
        return self._give(len(self._held))

    def _give(self, length: int) -> Said:
        text, self._held = self._held[:length], self._held[length:]
        self._out += length
        count = sum(end <= self._out for end, _ in self._waiting)
        entries = [entry for _, entry in self._waiting[:count]]
        del self._waiting[:count]
        return Said(text, entries)


def _beginning(text: str, stop: str) -> int:
    """How many characters at the end of `text` are the beginning of `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((length for length in range(longest, 0, -1) if text.endswith(stop[:length])), 0)


def _entry(token: int, piece: bytes, logprob: float) -> dict[str, Any]:
    shown = piece.decode("utf-8", "replace")
    return {"id": token, "token": shown, "bytes": [*piece], "logprob": logprob, "top_logprobs": []}

"""The process's side of measuring: a worker that tells whole next-token distributions over its socket.

An engine's server gives the few likeliest tokens at most; how far its arithmetic is from another's shows in all of
them. A meter runs the same weights with the same settings as that engine's worker, and is locked like it. Each question
is a line of JSON, and each answer a line of JSON with, for distributions, `rows` times `columns` float32 after it:

    {"text": "A river"}                      {"tokens": [49, 24, 8]}
    {"tokens": [49, 24, 8], "rows": [1, 2]}  {"rows": 2, "columns": 49152} and the logits after those positions
"""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from typing import Any, Protocol

from freehold.engines.inside import Orders

QUESTION_LIMIT_BYTES = 2**22


class Evaluator(Protocol):
    """One model that was loaded for measuring."""

    vocabulary: int

    def tokenize(self, text: str) -> Sequence[int]:
        """`text` as the engine's server would take a prompt: with the tokens that the model wants in front."""

    def logits(self, tokens: Sequence[int], rows: Sequence[int]) -> bytes:
        """The logits after each position of `rows`, float32, row after row. `tokens` are a text of their own."""


def answer(orders: Orders, evaluator: Evaluator) -> None:
    """Say ready, then answer one connection after the other until the process is ended."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(orders.socket_path)
        listening.listen(1)
        orders.ready({"vocabulary": evaluator.vocabulary})
        while True:
            connection, _ = listening.accept()
            with connection, connection.makefile("rwb") as stream:
                while line := stream.readline(QUESTION_LIMIT_BYTES):
                    _answer(stream, evaluator, json.loads(line))


def _answer(stream: Any, evaluator: Evaluator, question: dict[str, Any]) -> None:
    if "text" in question:
        _say(stream, {"tokens": list(evaluator.tokenize(question["text"]))})
        return
    rows = question["rows"]
    _say(stream, {"rows": len(rows), "columns": evaluator.vocabulary})
    stream.write(evaluator.logits(question["tokens"], rows))
    stream.flush()


def _say(stream: Any, word: dict[str, Any]) -> None:
    stream.write(json.dumps(word).encode() + b"\n")
    stream.flush()

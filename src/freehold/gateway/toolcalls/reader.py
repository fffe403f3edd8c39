"""Turns the content of stream chunks back into tool calls, for engines that write calls as text. Pure.

It keeps one scanner per choice. Chunks that need no change pass as they are, the same object, so that plain text
costs a look at the delta. Chunks given out share no dict that is changed later.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from freehold.gateway.toolcalls.scanner import ForcedScanner, Piece, Scanner, WatchingScanner

# What a chunk says about the whole stream; anything else (usage, timings) belongs to one chunk only.
_ENVELOPE = ("id", "object", "created", "model", "system_fingerprint")


class ToolReader:
    """`names` are the tools that may be called; `forced` says the engine was constrained to call one."""

    def __init__(self, names: Collection[str], *, forced: bool) -> None:
        self._names = frozenset(names)
        self._forced = forced
        self._scanners: dict[int, Scanner] = {}
        self._logprobs: dict[int, list[Any]] = {}
        self._envelope: dict[str, Any] = {}

    def feed(self, chunk: dict[str, Any]) -> list[dict[str, Any]]:
        """The chunks to give out for this one, often just itself, sometimes none yet."""
        choices = chunk.get("choices")
        if not choices or not any(self._matters(choice) for choice in choices):
            return [chunk]
        self._envelope = {key: chunk[key] for key in _ENVELOPE if key in chunk}
        out = [{**self._envelope, "choices": [choice]} for old in choices for choice in self._choices(old)]
        extra = {key: value for key, value in chunk.items() if key not in _ENVELOPE and key != "choices"}
        if extra and not out:
            out.append({**self._envelope, "choices": [{"index": choices[0].get("index", 0), "delta": {}}]})
        if out:
            out[-1] |= extra
        return out

    def end(self) -> list[dict[str, Any]]:
        """What is still held of choices that the engine never finished."""
        choices = [choice for index in self._scanners for choice in self._flush(index)]
        return [{**self._envelope, "choices": [choice]} for choice in choices]

    def _matters(self, choice: dict[str, Any]) -> bool:
        text = choice["delta"].get("content") if choice.get("delta") else None
        if not text:
            return bool(choice.get("finish_reason"))
        scanner = self._scanners.get(choice.get("index", 0))
        return scanner is None or not scanner.idle or "<" in text or bool(choice.get("finish_reason"))

    def _choices(self, choice: dict[str, Any]) -> list[dict[str, Any]]:
        index = choice.get("index", 0)
        delta = dict(choice.get("delta") or {})
        text = delta.pop("content", None)
        scanner = self._scanners.get(index) or self._new(index)
        self._hold_logprobs(index, choice.get("logprobs"))
        pieces = scanner.feed(text) if text else []
        out = [{"index": index, "delta": said, "finish_reason": None} for said in _deltas(pieces)]
        if delta:
            out.insert(0, {"index": index, "delta": delta, "finish_reason": None})
        reason = choice.get("finish_reason")
        if reason:
            out += self._flush(index)
            reason = "tool_calls" if scanner.calls and reason == "stop" else reason
            out.append({**choice, "delta": {}, "finish_reason": reason, "logprobs": None})
        self._give_logprobs(index, out, scanner)
        return out

    def _new(self, index: int) -> Scanner:
        scanner: Scanner = ForcedScanner(self._names) if self._forced else WatchingScanner(self._names)
        self._scanners[index] = scanner
        return scanner

    def _flush(self, index: int) -> list[dict[str, Any]]:
        pieces = self._scanners[index].end()
        return [{"index": index, "delta": said, "finish_reason": None} for said in _deltas(pieces)]

    def _hold_logprobs(self, index: int, logprobs: Any) -> None:
        if logprobs and logprobs.get("content"):
            self._logprobs.setdefault(index, []).extend(logprobs["content"])

    def _give_logprobs(self, index: int, out: list[dict[str, Any]], scanner: Scanner) -> None:
        """Log probabilities go out with the text they belong to; those of a call's own tokens do not."""
        held = self._logprobs.get(index)
        if not held:
            return
        said = next((choice for choice in out if choice["delta"].get("content")), None)
        if said is not None:
            said["logprobs"] = {"content": held}
        if said is not None or scanner.idle or any(choice["delta"].get("tool_calls") for choice in out):
            self._logprobs[index] = []


def _deltas(pieces: list[Piece]) -> list[dict[str, Any]]:
    """One delta per run of text, and one per entry of a call, in their order."""
    out: list[dict[str, Any]] = []
    for piece in pieces:
        if isinstance(piece, dict):
            out.append({"tool_calls": [piece]})
        elif out and "content" in out[-1]:
            out[-1]["content"] += piece
        else:
            out.append({"content": piece})
    return out

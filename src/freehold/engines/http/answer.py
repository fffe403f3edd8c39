"""The shape of an answer as llama.cpp's server gives it: the frame of every chunk, usage and timings. Pure."""

from __future__ import annotations

import itertools
import time
from typing import Any

from pydantic_core import to_json

DONE = b"data: [DONE]\n\n"
_ids = itertools.count(1)


class Frame:
    """What all chunks of one answer have in common. `fingerprint` says which engine wrote them."""

    def __init__(self, model: str, fingerprint: str, *, chat: bool) -> None:
        self.chat = chat
        self.id = f"chatcmpl-{fingerprint.removeprefix('freehold-')}{next(_ids)}"
        self._common = {
            "created": int(time.time()),
            "id": self.id,
            "model": model,
            "system_fingerprint": fingerprint,
        }
        kind = "chat.completion.chunk" if chat else "text_completion"
        self.tail = b"," + to_json({**self._common, "object": kind})[1:] + b"\n\n"

    def event(self, chunk: dict[str, Any]) -> bytes:
        """One event of a stream."""
        return b"data: " + to_json(chunk)[:-1] + self.tail

    def whole(self, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        """The answer for a client that does not stream."""
        kind = "chat.completion" if self.chat else "text_completion"
        return {"choices": choices, **self._common, "object": kind, **more}

    def piece(self, index: int, text: str, logprobs: dict[str, Any] | None = None) -> dict[str, Any]:
        """The choice that brings `text`."""
        if not self.chat:
            return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": None}
        choice = delta(index, {"content": text})
        return choice if logprobs is None else {**choice, "logprobs": logprobs}

    def first(self, index: int) -> dict[str, Any]:
        """The choice before any text: of a chat, who speaks."""
        return delta(index, {"role": "assistant", "content": None}) if self.chat else self.piece(index, "")

    def last(self, index: int, reason: str) -> dict[str, Any]:
        """The choice that says why the answer ends."""
        if not self.chat:
            return {**self.piece(index, ""), "finish_reason": reason}
        return {"finish_reason": reason, "index": index, "delta": {}}

    def closing(self, ends: list[dict[str, Any]], timed: dict[str, Any], usage: dict[str, Any] | None) -> bytes:
        """The events that end a stream: why each choice ended, timings, and `usage` where it is wanted."""
        chunks: list[dict[str, Any]] = [{"choices": [end]} for end in ends]
        if usage is not None and self.chat:
            chunks.append({"choices": [], "usage": usage, "timings": timed})
        else:
            chunks[-1] |= {**({"usage": usage} if usage is not None else {}), "timings": timed}
        return b"".join(map(self.event, chunks)) + DONE


def delta(index: int, what: dict[str, Any]) -> dict[str, Any]:
    return {"finish_reason": None, "index": index, "delta": what}


def progress(total: int, processed: int, elapsed_ms: int) -> dict[str, Any]:
    """How far the prompt is read."""
    return {"total": total, "cache": 0, "processed": processed, "time_ms": elapsed_ms}


def usage(prompt: int, made: int, *, cached: int | None) -> dict[str, Any]:
    """Tokens of prompt and answer. `cached` None: the engine does not say how many came from its cache."""
    counts: dict[str, Any] = {"completion_tokens": made, "prompt_tokens": prompt, "total_tokens": prompt + made}
    return counts if cached is None else {**counts, "prompt_tokens_details": {"cached_tokens": cached}}


def timings(prompt: int, made: int, *, prompt_s: float, made_s: float, cached: int | None) -> dict[str, Any]:
    """As measured: the time until the first token counts as the prompt's. Names are llama.cpp's; `prompt_n` are the
    tokens that were read, with those from the cache where `cached` is None, unknown."""
    prompt_ms, made_ms = max(1e-3, 1e3 * prompt_s), max(1e-3, 1e3 * made_s)
    return {
        "cache_n": cached or 0,
        "prompt_n": prompt,
        "prompt_ms": prompt_ms,
        "prompt_per_token_ms": prompt_ms / max(1, prompt),
        "prompt_per_second": 1e3 * prompt / prompt_ms,
        "predicted_n": made,
        "predicted_ms": made_ms,
        "predicted_per_token_ms": made_ms / max(1, made),
        "predicted_per_second": 1e3 * made / made_ms,
    }

"""An answer as llama.cpp's server writes it: whole, or as the sequence of events of a stream. Pure but for the clock
that `timings` report.

A chunk is built by joining bytes: what comes before and after the token's text is the same for a whole answer. That
is what lets one core write tens of thousands of events per second.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Iterator
from typing import Any

from pydantic_core import to_json

from freehold.engines.fake import words
from freehold.engines.fake.asked import Asked, Script

FINGERPRINT = "freehold-fake"
DONE = b"data: [DONE]\n\n"
_ids = itertools.count(1)


class Writer:
    """Writes one answer: streamed (`opening`, then `tokens`, then `closing`) or `whole`."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._began = time.perf_counter()
        self._prompt_done_at: float | None = None
        kind = "chat.completion.chunk" if asked.chat else "text_completion"
        self._id = f"chatcmpl-fake{next(_ids)}"
        self._common = {
            "created": int(time.time()),
            "id": self._id,
            "model": asked.model,
            "system_fingerprint": FINGERPRINT,
        }
        self._tail = b"," + to_json({**self._common, "object": kind})[1:] + b"\n\n"

    def opening(self) -> Iterator[bytes]:
        """The events of prompt processing, where the client wants them: begun, and done."""
        if not self._asked.progress:
            return
        total = self._asked.prompt_tokens
        for processed in (0, total):
            progress = {"total": total, "cache": 0, "processed": processed, "time_ms": self._elapsed_ms()}
            yield self._event({**self._first(0), "prompt_progress": progress})

    def prompt_done(self) -> None:
        """From here on time counts as the answer's, no longer as the prompt's."""
        self._prompt_done_at = time.perf_counter()

    def tokens(self) -> Iterator[bytes]:
        """One flush per token; the choices take turns. Each choice's role comes with its first token."""
        self.prompt_done()
        turns = [self._choice(index, script) for index, script in enumerate(self._asked.scripts)]
        while turns:
            for turn in [*turns]:
                event = next(turn, None)
                if event is None:
                    turns.remove(turn)
                else:
                    yield event

    def closing(self) -> bytes:
        """The reasons why each choice ended, usage and timings, and the end of the stream."""
        asked = self._asked
        ends = [self._end(index, script) for index, script in enumerate(asked.scripts)]
        if asked.include_usage and asked.chat:
            ends.append({"choices": [], **self._usage(), **self._timings()})
        elif asked.chat:
            ends[-1] |= self._timings()
        else:
            ends[-1] |= {**(self._usage() if asked.include_usage else {}), **self._timings()}
        return b"".join(map(self._event, ends)) + DONE

    def whole(self) -> dict[str, Any]:
        """The answer for a client that does not stream."""
        chat = self._asked.chat
        return {
            "choices": [self._whole_choice(index, script) for index, script in enumerate(self._asked.scripts)],
            **self._common,
            "object": "chat.completion" if chat else "text_completion",
            **self._usage(),
            **self._timings(),
        }

    def _choice(self, index: int, script: Script) -> Iterator[bytes]:
        head = self._event(self._first(index)) if self._asked.chat else b""
        if script.tool is not None:
            call = {"index": 0, "id": self._call_id(index), "type": "function"}
            started = {**call, "function": {"name": script.tool, "arguments": ""}}
            head += self._event({"choices": [_delta(index, {"tool_calls": [started]})]})
        before, after = self._around(index, script)
        for piece in script.pieces:
            if self._asked.top is None:
                yield head + before + _quoted(piece) + after
            else:
                choice = {**self._token(index, script, piece), "logprobs": self._logprobs((piece,))}
                yield head + self._event({"choices": [choice]})
            head = b""
        if head:
            yield head

    def _around(self, index: int, script: Script) -> tuple[bytes, bytes]:
        """What stands before and after the quoted text of every token of one choice."""
        shape = to_json({"choices": [self._token(index, script, "\0")]})
        before, after = shape[:-1].split(rb'"\u0000"')
        return b"data: " + before, after + self._tail

    def _token(self, index: int, script: Script, piece: str) -> dict[str, Any]:
        if not self._asked.chat:
            return {"text": piece, "index": index, "logprobs": None, "finish_reason": None}
        if script.tool is not None:
            return _delta(index, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
        return _delta(index, {"content": piece})

    def _logprobs(self, pieces: tuple[str, ...]) -> dict[str, Any]:
        return {"content": [words.logprob_entry(piece, top=self._asked.top or 0) for piece in pieces]}

    def _first(self, index: int) -> dict[str, Any]:
        if not self._asked.chat:
            return {"choices": [{"text": "", "index": index, "logprobs": None, "finish_reason": None}]}
        return {"choices": [_delta(index, {"role": "assistant", "content": None})]}

    def _end(self, index: int, script: Script) -> dict[str, Any]:
        if not self._asked.chat:
            ending = {"text": "", "index": index, "logprobs": None, "finish_reason": script.finish_reason}
            return {"choices": [ending]}
        return {"choices": [{"finish_reason": script.finish_reason, "index": index, "delta": {}}]}

    def _whole_choice(self, index: int, script: Script) -> dict[str, Any]:
        text = "".join(script.pieces)
        logprobs = self._logprobs(script.pieces) if self._asked.top is not None else None
        if not self._asked.chat:
            return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": script.finish_reason}
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if script.tool is not None:
            function = {"name": script.tool, "arguments": text}
            calls = [{"type": "function", "function": function, "id": self._call_id(index)}]
            message = {"role": "assistant", "content": None, "tool_calls": calls}
        choice: dict[str, Any] = {"finish_reason": script.finish_reason, "index": index, "message": message}
        return {**choice, "logprobs": logprobs} if logprobs else choice

    def _call_id(self, index: int) -> str:
        return f"call-{self._id.removeprefix('chatcmpl-')}-{index}"

    def _event(self, chunk: dict[str, Any]) -> bytes:
        return b"data: " + to_json(chunk)[:-1] + self._tail

    def _usage(self) -> dict[str, Any]:
        prompt, made = self._asked.prompt_tokens, self._made()
        details = {"cached_tokens": 0}
        return {
            "usage": {
                "completion_tokens": made,
                "prompt_tokens": prompt,
                "total_tokens": prompt + made,
                "prompt_tokens_details": details,
            }
        }

    def _timings(self) -> dict[str, Any]:
        """As measured: the time until the first token counts as the prompt's."""
        now = time.perf_counter()
        prompt_done = self._prompt_done_at or now
        prompt_ms = max(1e-3, 1e3 * (prompt_done - self._began))
        made_ms = max(1e-3, 1e3 * (now - prompt_done))
        prompt, made = self._asked.prompt_tokens, self._made()
        return {
            "timings": {
                "cache_n": 0,
                "prompt_n": prompt,
                "prompt_ms": prompt_ms,
                "prompt_per_token_ms": prompt_ms / max(1, prompt),
                "prompt_per_second": 1e3 * prompt / prompt_ms,
                "predicted_n": made,
                "predicted_ms": made_ms,
                "predicted_per_token_ms": made_ms / max(1, made),
                "predicted_per_second": 1e3 * made / made_ms,
            }
        }

    def _made(self) -> int:
        return sum(script.tokens for script in self._asked.scripts)

    def _elapsed_ms(self) -> int:
        return int(1e3 * (time.perf_counter() - self._began))


def _delta(index: int, delta: dict[str, Any]) -> dict[str, Any]:
    return {"finish_reason": None, "index": index, "delta": delta}


@functools.lru_cache(maxsize=1024)
def _quoted(piece: str) -> bytes:
    return to_json(piece)

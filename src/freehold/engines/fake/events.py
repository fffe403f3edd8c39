"""An answer as llama.cpp's server writes it: whole, or as the sequence of events of a stream. Pure but for the clock
that `timings` report.

A chunk is built by joining bytes: what comes before and after the token's text is the same for a whole answer. That
is what lets one core write tens of thousands of events per second.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from typing import Any

from pydantic_core import to_json

from freehold.engines.fake import words
from freehold.engines.fake.asked import Asked, Script
from freehold.engines.http.answer import Frame, delta, progress, timings, usage

FINGERPRINT = "freehold-fake"


class Writer:
    """Writes one answer: streamed (`opening`, then `tokens`, then `closing`) or `whole`."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._began = time.perf_counter()
        self._prompt_done_at: float | None = None
        self._frame = Frame(asked.model, FINGERPRINT, chat=asked.chat)

    def opening(self) -> Iterator[bytes]:
        """The events of prompt processing, where the client wants them: begun, and done."""
        if not self._asked.progress:
            return
        total = self._asked.prompt_tokens
        for processed in (0, total):
            told = progress(total, processed, int(1e3 * (time.perf_counter() - self._began)))
            yield self._frame.event({"choices": [self._frame.first(0)], "prompt_progress": told})

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
        ends = [self._frame.last(index, script.finish_reason) for index, script in enumerate(self._asked.scripts)]
        return self._frame.closing(ends, self._timings(), self._usage() if self._asked.include_usage else None)

    def whole(self) -> dict[str, Any]:
        """The answer for a client that does not stream."""
        choices = [self._whole_choice(index, script) for index, script in enumerate(self._asked.scripts)]
        return self._frame.whole(choices, usage=self._usage(), timings=self._timings())

    def _choice(self, index: int, script: Script) -> Iterator[bytes]:
        head = self._frame.event({"choices": [self._frame.first(index)]}) if self._asked.chat else b""
        if script.tool is not None:
            call = {"index": 0, "id": self._call_id(index), "type": "function"}
            started = {**call, "function": {"name": script.tool, "arguments": ""}}
            head += self._frame.event({"choices": [delta(index, {"tool_calls": [started]})]})
        before, after = self._around(index, script)
        for piece in script.pieces:
            if self._asked.top is None:
                yield head + before + _quoted(piece) + after
            else:
                choice = {**self._token(index, script, piece), "logprobs": self._logprobs((piece,))}
                yield head + self._frame.event({"choices": [choice]})
            head = b""
        if head:
            yield head

    def _around(self, index: int, script: Script) -> tuple[bytes, bytes]:
        """What stands before and after the quoted text of every token of one choice."""
        shape = to_json({"choices": [self._token(index, script, "\0")]})
        before, after = shape[:-1].split(rb'"\u0000"')
        return b"data: " + before, after + self._frame.tail

    def _token(self, index: int, script: Script, piece: str) -> dict[str, Any]:
        if script.tool is not None:
            return delta(index, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
        return self._frame.piece(index, piece)

    def _logprobs(self, pieces: tuple[str, ...]) -> dict[str, Any]:
        return {"content": [words.logprob_entry(piece, top=self._asked.top or 0) for piece in pieces]}

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
        return f"call-{self._frame.id.removeprefix('chatcmpl-')}-{index}"

    def _usage(self) -> dict[str, Any]:
        return usage(self._asked.prompt_tokens, self._made(), cached=0)

    def _timings(self) -> dict[str, Any]:
        """As measured: the time until the first token counts as the prompt's."""
        now = time.perf_counter()
        done = self._prompt_done_at or now
        made = self._made()
        return timings(self._asked.prompt_tokens, made, prompt_s=done - self._began, made_s=now - done, cached=0)

    def _made(self) -> int:
        return sum(script.tokens for script in self._asked.scripts)


@functools.lru_cache(maxsize=1024)
def _quoted(piece: str) -> bytes:
    return to_json(piece)

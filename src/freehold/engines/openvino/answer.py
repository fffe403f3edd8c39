"""One request's answer on its way: tokens in, text out, whole or as a stream, until the client leaves."""

from __future__ import annotations

import time
from typing import Any

from pydantic_core import to_json

from freehold.engines.http.answer import Frame, progress, timings, usage
from freehold.engines.http.connection import Connection
from freehold.engines.openvino.asked import Asked
from freehold.engines.openvino.batching import Batching, Job, Reason
from freehold.engines.openvino.text import Said, Text, Vocabulary

FINGERPRINT = "freehold-openvino"
FAILED = {"code": 500, "message": "the engine failed in the middle of this answer", "type": "server_error"}


class Answer:
    """Answers `asked` on `connection`: one choice for each answer to each of `prompts`, token ids and the most that may
    follow them. What a client that does not read has not taken yet is kept; its length is bounded by the context."""

    def __init__(
        self,
        asked: Asked,
        prompts: list[tuple[list[int], int]],
        batching: Batching,
        vocabulary: Vocabulary,
        connection: Connection,
        model: str,
    ) -> None:
        self._asked = asked
        self._batching = batching
        self._connection = connection
        self._frame = Frame(model, FINGERPRINT, chat=asked.chat)
        self._prompt_tokens = sum(len(tokens) for tokens, _ in prompts)
        self._choices = [
            _Choice(number, Text(vocabulary, asked.stops)) for number in range(len(prompts) * asked.answers)
        ]
        self._jobs = [self._job(choice, *prompts[choice.index // asked.answers]) for choice in self._choices]
        self._began = time.perf_counter()
        self._first_at: float | None = None
        self._kept: list[bytes] = []
        self._paused = False
        self._over = False

    def start(self) -> None:
        if self._asked.stream:
            self._connection.begin_stream()
            if self._asked.progress:
                self._write([self._progress(0)])
        for job in self._jobs:
            self._batching.add(job)

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._write([])
        if self._over:
            self._connection.end_stream()

    def stop(self) -> None:
        if not self._over:
            self._over = True
            for job in self._jobs:
                self._batching.drop(job)

    def _job(self, choice: _Choice, tokens: list[int], most: int) -> Job:
        """Its work. Answers to one prompt are drawn with seeds that follow each other."""
        seed = self._asked.sampling.seed + choice.index % self._asked.answers

        def take(made: list[int], logprobs: list[float], reason: Reason | None) -> None:
            self._take(choice, made, logprobs, reason)

        return Job(tokens, most, seed, self._asked, take, self._fail)

    def _take(self, choice: _Choice, made: list[int], logprobs: list[float], reason: Reason | None) -> None:
        events = []
        if self._first_at is None:
            self._first_at = time.perf_counter()
            events += [self._progress(self._prompt_tokens)] if self._asked.progress and self._asked.stream else []
        if choice.tokens == 0 and self._asked.chat and self._asked.stream:
            events.append(self._frame.event({"choices": [self._frame.first(choice.index)]}))
        choice.take(made, logprobs if self._asked.logprobs else [], reason)
        if choice.text.stopped and reason is None:
            self._batching.drop(self._jobs[choice.index])
        said = choice.say()
        if self._asked.stream and (said.text or said.entries):
            logged = {"content": said.entries} if self._asked.logprobs else None
            events.append(self._frame.event({"choices": [self._frame.piece(choice.index, said.text, logged)]}))
        if all(each.reason for each in self._choices):
            self._finish(events)
        elif events:
            self._write(events)

    def _finish(self, events: list[bytes]) -> None:
        self._over = True
        if not self._asked.stream:
            whole = [choice.whole(self._asked) for choice in self._choices]
            answer = self._frame.whole(whole, usage=self._usage(), timings=self._timings())
            self._connection.answer(200, to_json(answer))
            return
        ends = [self._frame.last(choice.index, choice.reason or "stop") for choice in self._choices]
        wanted = self._usage() if self._asked.include_usage else None
        self._end([*events, self._frame.closing(ends, self._timings(), wanted)])

    def _fail(self) -> None:
        if self._over:
            return
        self.stop()
        if self._asked.stream:
            self._end([b"data: " + to_json({"error": FAILED}) + b"\n\n"])
        else:
            self._connection.answer(500, to_json({"error": FAILED}))

    def _write(self, events: list[bytes]) -> None:
        self._kept += events
        if self._kept and not self._paused:
            self._connection.write(b"".join(self._kept))
            self._connection.flush()
            self._kept = []

    def _end(self, events: list[bytes]) -> None:
        self._write(events)
        if not self._paused:
            self._connection.end_stream()

    def _progress(self, processed: int) -> bytes:
        told = progress(self._prompt_tokens, processed, int(1e3 * (time.perf_counter() - self._began)))
        return self._frame.event({"choices": [self._frame.first(0)], "prompt_progress": told})

    def _made(self) -> int:
        return sum(choice.tokens for choice in self._choices)

    def _usage(self) -> dict[str, Any]:
        return usage(self._prompt_tokens, self._made(), cached=None)

    def _timings(self) -> dict[str, Any]:
        now = time.perf_counter()
        first = self._first_at or now
        return timings(self._prompt_tokens, self._made(), prompt_s=first - self._began, made_s=now - first, cached=None)


class _Choice:
    """One choice as it grows."""

    def __init__(self, index: int, text: Text) -> None:
        self.index = index
        self.text = text
        self.tokens = 0
        self.reason: str | None = None
        self._said: list[Said] = []

    def take(self, made: list[int], logprobs: list[float], reason: Reason | None) -> None:
        for number, token in enumerate(made):
            self.tokens += 1
            self.text.feed(token, logprobs[number] if logprobs else None)
            if self.text.stopped:
                break
        self.reason = "stop" if self.text.stopped else reason

    def say(self) -> Said:
        said = self.text.end() if self.reason else self.text.say()
        self._said.append(said)
        return said

    def whole(self, asked: Asked) -> dict[str, Any]:
        text = "".join(said.text for said in self._said)
        entries = [entry for said in self._said for entry in said.entries]
        logged = {"content": entries} if asked.logprobs else None
        ending: dict[str, Any] = {"finish_reason": self.reason, "index": self.index}
        if not asked.chat:
            return {**ending, "text": text, "logprobs": logged}
        choice = {**ending, "message": {"role": "assistant", "content": text}}
        return choice if logged is None else {**choice, "logprobs": logged}

"""What happens to a stream's chunks between engine and client. One object for one answer; no input or output.

What the engine says passes unchanged but for six things: `model` becomes the endpoint's name, `system_fingerprint` what
is known here of engine and build (llama.cpp of xllamacpp calls itself "b0-unknown", whichever it is), progress events
are taken out unless asked for, usage comes out only if asked for, tool calls are read back where the engine cannot do
them itself, and the first chunk of a chat names its role (llama.cpp b11549 leaves it out now and then, and clients need
it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from freehold.gateway import legacy_logprobs

Verb = Literal["chat", "complete"]
Chunk = dict[str, Any]


class ChunkFilter(Protocol):
    """Turns chunks into other chunks: what reads tool calls out of text."""

    def feed(self, chunk: Chunk) -> list[Chunk]: ...

    def end(self) -> list[Chunk]: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the client asked to see of the stream. `choices` is how many answers there are in it."""

    endpoint: str
    verb: Verb
    usage: bool
    progress: bool
    choices: int = 1


class Shaper:
    """Feed it the engine's chunks, give out what it returns. `begun`: some of an answer has come. `usage` and `timings`
    are the engine's own; so is the fingerprint where `fingerprint` is None. `reasons` says why each answer ended, by
    its index."""

    __slots__ = (
        "_begun",
        "_fingerprint",
        "_held",
        "_offsets",
        "_tools",
        "_wanted",
        "begun",
        "finished",
        "reasons",
        "timings",
        "usage",
    )

    def __init__(self, wanted: Wanted, tools: ChunkFilter | None, fingerprint: str | None = None) -> None:
        self.usage: Chunk | None = None
        self.timings: Chunk | None = None
        self.begun = False
        self.finished = False
        self.reasons: dict[int, str] = {}
        self._wanted = wanted
        self._tools = tools
        self._fingerprint = fingerprint
        self._begun: set[int] = set()
        self._held: list[Chunk] = []
        self._offsets: dict[int, int] = {}

    def feed(self, chunk: Chunk) -> list[Chunk]:
        """The finishing chunk is held until the usage chunk after it has come, so that `timings` can ride on it for
        clients that did not ask for usage."""
        chunk["model"] = self._wanted.endpoint
        if self._fingerprint is not None:
            chunk["system_fingerprint"] = self._fingerprint
        if "usage" in chunk:
            self.usage = chunk["usage"] or self.usage
        if "timings" in chunk:
            self.timings = chunk["timings"]
        choices = chunk.get("choices")
        if not choices:
            return self._last(chunk)
        self.begun = True
        if self._wanted.verb == "complete":
            legacy_logprobs.add(chunk, self._offsets)
        elif len(self._begun) < self._wanted.choices:
            self._name_roles(choices)
        out = [chunk] if self._tools is None else self._tools.feed(chunk)
        if any(choice.get("finish_reason") for choice in choices):
            self.finished = self.finished or self._wanted.choices == 1
            self._note_reasons(out)
            released, self._held = self._held, out
            return released
        return [*self._release(), *out] if self._held else out

    def end(self) -> list[Chunk]:
        """What is still held, once no more comes."""
        return [*(self._tools.end() if self._tools is not None else ()), *self._release()]

    def _name_roles(self, choices: list[Chunk]) -> None:
        for choice in choices:
            index = choice.get("index", 0)
            if index not in self._begun:
                self._begun.add(index)
                choice.setdefault("delta", {}).setdefault("role", "assistant")

    def _note_reasons(self, out: list[Chunk]) -> None:
        for choice in (choice for chunk in out for choice in chunk["choices"]):
            index = choice.get("index", 0)
            if (reason := choice.get("finish_reason")) and 0 <= index < self._wanted.choices:
                self.reasons[index] = reason

    def _last(self, chunk: Chunk) -> list[Chunk]:
        released = self._release()
        if self._wanted.usage:
            return [*released, chunk]
        if released and self.timings is not None:
            released[-1]["timings"] = self.timings
        return released

    def _release(self) -> list[Chunk]:
        released, self._held = self._held, []
        return released

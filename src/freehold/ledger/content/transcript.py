"""What passed between the house and an engine for one request, as lines: written while it happens, read back later.

    {"path": ..., "sent": ...}    what the engine was sent, as it was sent
    {"answer": ...}               a whole answer
    {"event": ...}                one piece of a streamed answer, as the engine sent it

The events of a long stream are compressed as they gather, so that they hold little memory. Pure."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json, to_json

GATHER_BYTES = 65_536
_EVENT = b'{"event":'


class Transcript:
    """Give it what passes; `taken` gives what came since the last time."""

    __slots__ = ("_gathered", "_last_sent", "_lines", "_packed")

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._gathered = 0
        self._packed: list[bytes] = []
        self._last_sent = b""

    def sent(self, path: str, body: Mapping[str, Any]) -> None:
        """The engine is about to be sent this. The same again, where nothing was answered, is said once."""
        line = b'{"path":' + to_json(path) + b',"sent":' + to_json(body) + b"}"
        hashed = hashlib.sha256(line).digest()  # rather than the line, which may be large
        if hashed != self._last_sent:
            self._last_sent = hashed
            self._lines.append(line)

    def begin_anew(self) -> None:
        """The engine was lost: what it answered so far is no part of what the next one answers, even to the same."""
        self._last_sent = b""

    def answered(self, answer: Mapping[str, Any]) -> None:
        """The engine gave this whole answer."""
        self._lines.append(b'{"answer":' + to_json(answer) + b"}")

    def event(self, data: bytes) -> None:
        """The engine sent this piece of a stream: JSON, or what it took for it."""
        line = _EVENT + data.replace(b"\n", b" ") + b"}"
        self._lines.append(line)
        self._gathered += len(line)
        if self._gathered > GATHER_BYTES:
            self._packed.append(_packed(self._lines))
            self._lines, self._gathered = [], 0

    @property
    def is_empty(self) -> bool:
        """Nothing came since `taken`."""
        return not (self._lines or self._packed)

    def taken(self) -> Callable[[], bytes]:
        """Makes, in any thread, one text of what came since this was last called, compressed."""
        packed, lines = self._packed, self._lines
        self._packed, self._lines, self._gathered = [], [], 0
        return lambda: b"".join([*packed, _packed(lines)])


def _packed(lines: list[bytes]) -> bytes:
    return zlib.compress(b"".join(line + b"\n" for line in lines), level=1)


@dataclass(slots=True)
class Exchanged:
    """One call of an engine: what it was sent at which path, None where that is not there, and what it gave: a whole
    answer, or events."""

    path: str | None
    sent: Any
    answer: Any = None
    events: list[Any] = field(default_factory=list)


def read(parts: Iterable[bytes], *, begins_with_answer: bool = False) -> list[Exchanged]:
    """The calls that these parts hold, in order; `begins_with_answer` where the part before was erased. Raises
    ValueError where they hold something else."""
    calls: list[Exchanged] = []
    for line in (line for part in parts for line in _lines(part)):
        found = from_json(line) if not line.startswith(_EVENT) else {"event": _event(line)}
        if "sent" in found:
            calls.append(Exchanged(str(found["path"]), found["sent"]))
            continue
        if not calls:
            if not begins_with_answer:
                raise ValueError("an answer stands before what was sent")
            calls.append(Exchanged(None, None))
        if "answer" in found:
            calls[-1].answer = found["answer"]
        else:
            calls[-1].events.append(found["event"])
    return calls


def _lines(part: bytes) -> Iterator[bytes]:
    """The lines of one part, whose compressed pieces lie one behind the other. Raises ValueError."""
    while part:
        piece = zlib.decompressobj()
        try:
            text = piece.decompress(part)
        except zlib.error as error:
            raise ValueError(f"it is not compressed as it was: {error}") from error
        if not piece.eof:
            raise ValueError("it ends too early")
        yield from text.split(b"\n")[:-1]
        part = piece.unused_data


def _event(line: bytes) -> Any:
    """A piece of a stream; what is no JSON, as the text that it is."""
    data = line[len(_EVENT) : -1]
    try:
        return from_json(data)
    except ValueError:
        return data.decode("utf-8", "replace")

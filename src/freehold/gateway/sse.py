"""Reads server-sent events (WHATWG HTML, 9.2.6) out of byte pieces, wherever the pieces were cut.

Only `data` matters here: comments, `event`, `id` and `retry` lines are passed over, because OpenAI's streams
carry everything in `data`. What is not yet a whole event is kept, up to a bound.
"""

from __future__ import annotations

from freehold.core.errors import EngineError

DONE = b"[DONE]"
EVENT_LIMIT_BYTES = 16 * 1024 * 1024


class EventReader:
    """Feed it bytes, get the `data` of every event that is now complete, in order."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[bytes]:
        """Raises EngineError when one event grows beyond EVENT_LIMIT_BYTES."""
        text = self._rest + piece if self._rest else piece
        if b"\r" in text:
            text = _with_plain_line_ends(text)
        *whole, self._rest = text.split(b"\n\n")
        if len(self._rest) > EVENT_LIMIT_BYTES:
            raise EngineError(f"The engine sent an event of over {EVENT_LIMIT_BYTES:,} bytes.")
        return [data for event in whole if (data := _data_of(event))]


def _with_plain_line_ends(text: bytes) -> bytes:
    """A lone CR at the very end may be half of a CRLF, so it stays until the next piece."""
    held = b"\r" if text.endswith(b"\r") else b""
    return text[: len(text) - len(held)].replace(b"\r\n", b"\n") + held


def _data_of(event: bytes) -> bytes:
    if event.startswith(b"data: ") and b"\n" not in event:
        return event[6:]
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines)

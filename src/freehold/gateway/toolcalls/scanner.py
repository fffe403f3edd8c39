"""Finds tool calls in a model's text as it comes, whatever the pieces it comes in. Pure.

Two scanners with one shape: `feed(text)` and `end()` give pieces, a string for text and a dict for an entry of
`delta.tool_calls`. What turns out not to be a valid call is given back as text: nothing is lost. Only the white
space and the tags around a call are.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Collection
from typing import Any, Protocol

from freehold.gateway.toolcalls.prompt import CLOSE, OPEN

Piece = str | dict[str, Any]
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


class Scanner(Protocol):
    """`calls` is how many calls were found; `idle` is True while text without a `<` passes as it is."""

    calls: int

    @property
    def idle(self) -> bool: ...

    def feed(self, text: str) -> list[Piece]: ...

    def end(self) -> list[Piece]: ...


class WatchingScanner:
    """Free text that may hold calls: in `<tool_call>` tags anywhere, or bare at the very start.

    A call is held until it is whole and valid, because an argument piece that was sent cannot be taken back.
    Of other text nothing is held but what may become a tag.
    """

    def __init__(self, names: Collection[str]) -> None:
        self.calls = 0
        self._names = frozenset(names)
        self._held = ""
        self._opening: str | None = None  # what opened the object being read; None in text
        self._span = Span()
        self._scanned = 0
        self._at_start = True
        self._quiet = True  # only white space since the start or since the last call

    @property
    def idle(self) -> bool:
        return not (self._held or self._quiet) and self._opening is None

    def feed(self, text: str) -> list[Piece]:
        self._held += text
        out: list[Piece] = []
        while self._text(out) if self._opening is None else self._object(out):
            pass
        return out

    def end(self) -> list[Piece]:
        held, opening = self._held, self._opening
        self._held, self._opening = "", None
        if opening is None and self.calls and CLOSE.startswith(held.strip()):
            return []
        text = (opening or "") + held
        return [text] if text else []

    def _text(self, out: list[Piece]) -> bool:
        if self._quiet and not self._settle():
            return False
        if self._quiet and self._at_start and self._held.lstrip().startswith("{"):
            self._open("")
            return True
        at = self._held.find(OPEN)
        if at >= 0:
            self._say(out, self._held[:at])
            self._held = self._held[at + len(OPEN) :]
            self._open(OPEN)
            return True
        ready = len(self._held) - _overlap(self._held, OPEN)
        if not (self._quiet and not self._held[:ready].strip()):
            self._say(out, self._held[:ready])
            self._held = self._held[ready:]
        return False

    def _settle(self) -> bool:
        """Take away a closing tag after a call; False where more must come before anything can be told."""
        stripped = self._held.lstrip()
        if self.calls and stripped.startswith(CLOSE):
            self._held = stripped[len(CLOSE) :]
            return self._settle()
        return bool(stripped) and not (self.calls and CLOSE.startswith(stripped))

    def _object(self, out: list[Piece]) -> bool:
        stripped = self._held.lstrip()
        if not stripped:
            return False
        if stripped[0] != "{" or not (self._opening or _may_be_call(stripped, self._names)):
            self._say(out, self._opening or "", plain=True)
            return True
        end = self._span.end_of(self._held, self._scanned)
        self._scanned = len(self._held)
        if end is None:
            return False
        raw, self._held = self._held[:end], self._held[end:]
        call = _parse(raw, self._names, bare=not self._opening)
        if call is None:
            self._say(out, f"{self._opening}{raw}", plain=True)
            return True
        out += _entries(self.calls, *call)
        self.calls += 1
        self._opening, self._quiet, self._at_start = None, True, False
        return True

    def _open(self, opening: str) -> None:
        self._opening, self._span, self._scanned = opening, Span(), 0

    def _say(self, out: list[Piece], text: str, *, plain: bool = False) -> None:
        """Give `text` out as text, but for white space around calls; `plain` ends the object being read."""
        if text.strip() or (text and not self._quiet):
            out.append(text)
            self._quiet = self._at_start = False
        if plain:
            self._opening, self._quiet, self._at_start = None, False, False


class ForcedScanner:
    """Text that an engine was constrained to: one call or an array of them, `name` before `arguments`.

    The constraint makes the arguments valid, so they stream as they come.
    """

    _HEAD = re.compile(r'[\s\[\],}]*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*(?=\{)', re.DOTALL)
    _REST = re.compile(r"[\s\],}]*")
    idle = False

    def __init__(self, names: Collection[str]) -> None:
        self.calls = 0
        self._names = frozenset(names)
        self._held = ""
        self._span: Span | None = None

    def feed(self, text: str) -> list[Piece]:
        out: list[Piece] = []
        self._held += text
        while self._head(out) if self._span is None else self._arguments(out):
            pass
        return out

    def end(self) -> list[Piece]:
        held, self._held = self._held, ""
        if not held or (self.calls and self._REST.fullmatch(held)):
            return []
        call = _parse(held, self._names, bare=True)
        if call is None:
            return [held]
        self.calls += 1
        return _entries(self.calls - 1, *call)

    def _head(self, out: list[Piece]) -> bool:
        match = self._HEAD.match(self._held)
        name = _string(match[1]) if match else None
        if match is None or name is None or name not in self._names:
            return False
        out.append(_start(self.calls, name))
        self.calls += 1
        self._held = self._held[match.end() :]
        self._span = Span()
        return True

    def _arguments(self, out: list[Piece]) -> bool:
        assert self._span is not None
        end = self._span.end_of(self._held, 0)
        piece = self._held if end is None else self._held[:end]
        self._held = self._held[len(piece) :]
        if piece:
            out.append(_more(self.calls - 1, piece))
        if end is None:
            return False
        self._span = None
        return True


class Span:
    """Where a JSON object that comes in pieces ends."""

    _OUTSIDE = re.compile(r'["{}\[\]]')
    _INSIDE = re.compile(r'["\\]')

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._skip = False

    def end_of(self, text: str, start: int) -> int | None:
        """The index in `text` after the object's last brace, looking on from `start`; None if it is not there."""
        if self._skip and start < len(text):
            start, self._skip = start + 1, False
        while (match := (self._INSIDE if self._in_string else self._OUTSIDE).search(text, start)) is not None:
            start = match.end()
            if match[0] == '"':
                self._in_string = not self._in_string
            elif match[0] == "\\":
                self._skip = start == len(text)
                start += 1
            else:
                self._depth += 1 if match[0] in "{[" else -1
                if self._depth == 0:
                    return start
        return None


def _overlap(text: str, tag: str) -> int:
    """How long the longest end of `text` is that begins `tag`."""
    at = text.rfind("<", -len(tag) + 1)
    return len(text) - at if at >= 0 and tag.startswith(text[at:]) else 0


def _may_be_call(text: str, names: frozenset[str]) -> bool:
    """Whether an object that begins with `text` can still be a call of one of `names`."""
    body = text[1:].lstrip()
    if body.startswith('"arguments"'):
        return True
    if not body.startswith('"name"'):
        return '"name"'.startswith(body) or '"arguments"'.startswith(body)
    colon, value = (rest := body[len('"name"') :].lstrip())[:1], rest[1:].lstrip()
    if colon not in ("", ":"):
        return False
    quoted = _QUOTED.match(value)
    return _string(quoted[0]) in names if quoted else value[:1] in ("", '"')


def _parse(raw: str, names: frozenset[str], *, bare: bool) -> tuple[str, str] | None:
    """Name and arguments (JSON) of the call that `raw` is, or None."""
    try:
        # Models write line breaks into strings; `strict=False` takes them, and writing them again escapes them.
        value = json.loads(raw, strict=False)
        name = value.get("name") if isinstance(value, dict) else None
        if name not in names or (bare and "arguments" not in value):
            return None
        arguments = value.get("arguments", {})
        if isinstance(arguments, str):
            arguments = json.loads(arguments, strict=False)
        if not isinstance(arguments, dict):
            return None
        return name, _written(arguments)
    except (ValueError, RecursionError, TypeError):
        return None


def _written(arguments: dict[str, Any]) -> str:
    """As JSON. Half of a surrogate pair, as models leave it of a character, has no UTF-8 and stays an escape."""
    text = json.dumps(arguments, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode()


def _string(quoted: str) -> str | None:
    try:
        value = json.loads(quoted, strict=False)
    except ValueError:
        return None
    return value if isinstance(value, str) else None


def _entries(index: int, name: str, arguments: str) -> list[Piece]:
    return [_start(index, name), _more(index, arguments)]


def _start(index: int, name: str) -> dict[str, Any]:
    call_id = f"call_{uuid.uuid4().hex[:24]}"
    return {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}


def _more(index: int, arguments: str) -> dict[str, Any]:
    return {"index": index, "function": {"arguments": arguments}}

"""What the process that serves writes of itself: lines on stderr, for people or as one JSON object each.

No prompt and no answer is ever in them. Of an exception its type and its place are written and not its message, which
may hold whatever was being worked on; of what libraries say, the words they chose beforehand and never what they put
between them. The house's own sentences are written without such contents to begin with; a test sends a secret through
every route and looks for it in every log.
"""

from __future__ import annotations

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO

from pydantic_core import to_json

from freehold.core.log_settings import LogSettings

OWN = "freehold"
_LEFT_OUT = "said something that may hold a part of a request, and is left out"
# LogRecord's attribute for what a line of ours carries beside its sentence: `extra=fields(...)`.
_FIELDS = "freehold_fields"


def fields(**said: Any) -> dict[str, dict[str, Any]]:
    """What a line carries beside its sentence, for the `extra` of a logging call."""
    return {_FIELDS: said}


def set_up(log: LogSettings, stream: TextIO | None = None) -> None:
    """Write this process's log to `stream` (default: stderr), in place of whatever was set up before."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_JsonLines() if log.format == "json" else _Lines())
    root = logging.getLogger()
    root.handlers = [handler]
    level = logging.getLevelNamesMapping()[log.level.upper()]
    root.setLevel(max(logging.WARNING, level))  # libraries have nothing to tell below that
    logging.getLogger(OWN).setLevel(level)


class _JsonLines(logging.Formatter):
    """One object a line: `time` (UTC), `level`, `logger`, `message`, what the line carries, and `trace`."""

    def format(self, record: logging.LogRecord) -> str:
        return to_json(_said(record), fallback=str).decode()


class _Lines(logging.Formatter):
    """The same for people."""

    def format(self, record: logging.LogRecord) -> str:
        said = _said(record)
        time, level, logger, message = (said.pop(name) for name in ("time", "level", "logger", "message"))
        trace = said.pop("trace", [])
        carried = "".join(f" {name}={value}" for name, value in said.items() if value is not None)
        return "\n  ".join([f"{time} {level} {logger}: {message}{carried}", *trace])


def _said(record: logging.LogRecord) -> dict[str, Any]:
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    said: dict[str, Any] = {
        "time": at,
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": _message(record),
    }
    said |= getattr(record, _FIELDS, {})
    if record.exc_info and record.exc_info[0] is not None:
        said["trace"] = _trace(record.exc_info[1])
    return said


def _message(record: logging.LogRecord) -> str:
    if record.name.partition(".")[0] == OWN:
        return " ".join(record.getMessage().split())
    # A library's sentence with gaps is its own; one without may have been put together beforehand, as asyncio's are.
    return " ".join(str(record.msg).split()) if record.args else f"{record.name} {_LEFT_OUT}"


def _trace(error: BaseException | None) -> list[str]:
    """Where it happened, the innermost last, and what its causes were: types and places."""
    lines: list[str] = []
    while error is not None and len(lines) < 200:
        frames = traceback.extract_tb(error.__traceback__)
        lines.append(type(error).__qualname__)
        lines += [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return lines

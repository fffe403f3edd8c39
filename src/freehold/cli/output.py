"""The one place that prints. Results go to stdout, talk and errors to stderr.

Three manners: tables for people, `--json` for programs, `--quiet` for scripts (bare results, no talk). A stream that
is not a terminal, or NO_COLOR, gets no control characters; text that a model or a server wrote never reaches a
terminal with its control characters in it, because those could rewrite what the screen already says.
What must stay true: keys of the JSON are stable, unknown is null there and "unknown" on the screen, never zero.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TextIO

from freehold.core.errors import FreeholdError, NotFoundError, WorkerStartError
from freehold.core.sizes import size as size

UNKNOWN = "unknown"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_LEVEL_STYLES = {"ok": "green", "ready": "green", "warn": "yellow", "fail": "red", "failed": "red", UNKNOWN: "dim"}


class ReaderGoneError(Exception):
    """Whoever read stdout has closed it (`freehold list | head -1`): stop without a word."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: the row's key, its heading, and how a known value is shown to people."""

    key: str
    title: str
    show: Callable[[Any], str] = str
    right: bool = False


class Section(NamedTuple):
    """A heading and its lines, a name and a value each (None is unknown); `note` is said below them."""

    title: str
    lines: Sequence[tuple[str, str | None]]
    note: str = ""


class Output:
    """Prints results in the manner asked for. `stdout` and `stderr` are the process's own unless given."""

    def __init__(
        self, *, as_json: bool = False, quiet: bool = False, stdout: TextIO | None = None, stderr: TextIO | None = None
    ) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self._stdout = stdout or sys.stdout
        self._stderr = stderr or sys.stderr

    @property
    def talks_to_person(self) -> bool:
        """Both ends are terminals, so a question can be asked and answered."""
        return not self.as_json and sys.stdin.isatty() and self._stderr.isatty()

    @property
    def stderr_is_terminal(self) -> bool:
        return self._stderr.isatty()

    def table(self, columns: Sequence[Column], rows: Sequence[Mapping[str, Any]], *, empty: str) -> None:
        """Many things. JSON: the whole rows. Quiet: the first column. `empty` is said where there is no row."""
        if self.as_json:
            self._json(list(rows))
        elif not rows:
            self.say(empty)
        elif self.quiet:
            for row in rows:
                self._line(columns[0].show(row[columns[0].key]))
        else:
            self._table(columns, [[_shown(column, row) for column in columns] for row in rows])

    def record(self, data: Mapping[str, Any], lines: Sequence[tuple[str, str | None]], *, bare: str) -> None:
        """One thing. JSON: `data`. Quiet: `bare`. People: a name and a value per line; None is unknown."""
        if self.as_json:
            self._json(data)
        elif self.quiet:
            self._line(bare)
        else:
            self._lines(lines, max(len(name) for name, _ in lines))

    def pages(self, data: Mapping[str, Any], sections: Sequence[Section], *, bare: str) -> None:
        """A long document. JSON: `data`. Quiet: `bare`. People: a heading per section, its lines as in `record`, its
        note; names stand in one column down the whole page."""
        if self.as_json:
            self._json(data)
            return
        if self.quiet:
            self._line(bare)
            return
        width = max(len(name) for section in sections for name, _ in section.lines)
        for section in sections:
            self._write("\n")
            self._styled(clean(section.title), "bold underline")
            self._lines(section.lines, width)
            self._line(clean(section.note))

    def _lines(self, lines: Sequence[tuple[str, str | None]], width: int) -> None:
        for name, value in lines:
            self._styled(f"{name:<{width}}", "bold", end="  ")
            first, *rest = (UNKNOWN if value is None else value).splitlines() or [""]
            self._styled(clean(first), "dim" if value is None else _LEVEL_STYLES.get(first))
            for line in rest:
                self._line(" " * (width + 2) + clean(line))

    def sentence(self, data: Mapping[str, Any], text: str, *, bare: str) -> None:
        """Something done: `text` tells people, `data` programs, `bare` scripts."""
        if self.as_json:
            self._json(data)
        else:
            self._line(bare if self.quiet else text)

    def line(self, text: str) -> None:
        """A line of a result that has several parts; only for people."""
        self._write(clean(text) + "\n")

    def document(self, data: Mapping[str, Any]) -> None:
        """A JSON object, whatever the manner."""
        self._json(data)

    def piece(self, text: str) -> None:
        """A piece of streamed text, as it is on a pipe, without control characters on a terminal."""
        self._write(clean(text) if self._stdout.isatty() else text)

    def say(self, text: str) -> None:
        """Talk, on stderr; nothing when quiet."""
        if not self.quiet:
            self._stderr.write(clean(text) + "\n")
            self._stderr.flush()

    def ask(self, question: str) -> bool:
        """A question to the person at the terminal; anything but yes is no."""
        self._stderr.write(f"{question} [y/N] ")
        self._stderr.flush()
        return sys.stdin.readline().strip().lower() in {"y", "yes"}

    def error(self, error: FreeholdError) -> None:
        """What failed and what to do next: a JSON object on stderr for programs, two paragraphs for people."""
        if self.as_json:
            body: dict[str, Any] = {"code": error.code, "message": error.message, "hint": error.hint or None}
            body |= {"retryable": error.retryable, "data": dict(error.data)}
            self._stderr.write(json.dumps({"error": body}, default=str) + "\n")
            return
        self._styled("error: ", "bold red", end="", stream=self._stderr)
        self._stderr.write(clean(error.message) + "\n")
        if isinstance(error, WorkerStartError) and error.log:
            self._stderr.write("".join(f"  | {clean(line)}\n" for line in error.log.splitlines()[-12:]))
        if error.hint:
            self._stderr.write(clean(error.hint) + "\n")
        elif isinstance(error, NotFoundError) and error.nearest:
            self._stderr.write(f"Did you mean {error.nearest[0]}?\n")

    def _json(self, data: Any) -> None:
        text = json.dumps(data, default=str, ensure_ascii=False, indent=2 if self._stdout.isatty() else None)
        # JSON leaves the upper control characters and the marks of direction as they are (RFC 8259, section 7).
        self._write(_CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")

    def _line(self, text: str) -> None:
        if text:
            self._write(clean(text) + "\n")

    def _write(self, text: str) -> None:
        try:
            self._stdout.write(text)
            self._stdout.flush()
        except BrokenPipeError as error:
            raise ReaderGoneError from error

    def _table(self, columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> None:
        if self._stdout.isatty():
            self._rich_table(columns, cells)
            return
        for line in _aligned([[column.title for column in columns], *cells], [column.right for column in columns]):
            self._line(line)

    def _rich_table(self, columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> None:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for number, column in enumerate(columns):
            side: Literal["left", "right"] = "right" if column.right else "left"
            table.add_column(column.title, justify=side, no_wrap=number == 0, overflow="fold")
        for row in cells:
            table.add_row(*(Text(cell, style=_LEVEL_STYLES.get(cell, "")) for cell in row))
        Console(file=self._stdout, highlight=False).print(table)

    def _styled(self, text: str, style: str | None, *, end: str = "\n", stream: TextIO | None = None) -> None:
        target = stream or self._stdout
        if style is None or not target.isatty():
            if target is self._stdout:
                self._write(text + end)
            else:
                target.write(text + end)
            return
        from rich.console import Console

        Console(file=target, highlight=False, soft_wrap=True).print(text, style=style, end=end, markup=False)


def clean(text: str) -> str:
    """`text` without what could drive a terminal: control characters but tab and line end, and the marks that
    turn the reading direction."""
    return _CONTROL.sub("", text)


def _shown(column: Column, row: Mapping[str, Any]) -> str:
    value = row.get(column.key)
    # A line end would make a row of its own, which says what it likes.
    return UNKNOWN if value is None else " ".join(clean(column.show(value)).splitlines())


def _aligned(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> Iterable[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(right))]
    for row in rows:
        padded = (cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(row, widths, right, strict=True))
        yield "  ".join(padded).rstrip()

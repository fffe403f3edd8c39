"""Shows an answer as it comes: whole blocks are printed for good, only the block under way is redrawn.

Redrawing everything would break once the answer is taller than the window, because a terminal cannot change what has
scrolled away. A block ends at an empty line outside a code fence.
"""

from __future__ import annotations

import re
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.markdown import Markdown
from rich.text import Text

from freehold.cli.output import clean

REDRAWS_PER_S = 12
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.MULTILINE)


def finished_part(text: str) -> int:
    """How many characters of `text` are whole blocks."""
    position = 0
    for match in re.finditer(r"\n[ \t]*\n", text):
        if not _in_fence(text[position : match.start()]):
            position = match.end()
    return position


def _in_fence(text: str) -> bool:
    """True where a fence that `text` opens is not closed in it: closed by at least as many of the same character."""
    opened: str | None = None
    for match in _FENCE.finditer(text):
        if opened is None:
            opened = match[1]
        elif match[1].startswith(opened):
            opened = None
    return opened is not None


class MarkdownStream:
    """Feed it pieces of text between enter and exit; on exit what was under way is printed as it stands."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rest = ""
        self._live = Live(
            console=console, refresh_per_second=REDRAWS_PER_S, transient=True, vertical_overflow="ellipsis"
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.update(Text(""))
        self._live.stop()
        if self._rest.strip():
            self._console.print(Markdown(self._rest))

    def feed(self, piece: str) -> None:
        if not piece:
            return
        self._rest += clean(piece)
        end = finished_part(self._rest)
        if end:
            block, self._rest = self._rest[:end], self._rest[end:]
            if block.strip():
                self._console.print(Markdown(block))
                self._console.print()
        self._live.update(Markdown(self._rest))

    def think(self, reasoning: str) -> None:
        """Show that the model reasons, by the last line of it; it is not part of the answer and goes away."""
        last = clean(reasoning).strip().rpartition("\n")[2]
        if last and not self._rest:
            self._live.update(Text(f"thinking: {last}", style="dim", no_wrap=True, overflow="ellipsis"))

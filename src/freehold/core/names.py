"""Nearest names, for every "did you mean"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# Models' names are long, and people know a part of them; in a word of four letters two that agree mean nothing.
ALIKE = 0.4
ALIKE_COMMANDS = 0.6
SAME_START = 3


def nearest(name: str, known: Iterable[str], *, limit: int = 3, alike: float = ALIKE) -> tuple[str, ...]:
    """The at most `limit` known names that look most like `name`, best first (Ratcliff-Obershelp). `alike` is the
    share, 0 to 1, of both names that must be the same; less than ALIKE_COMMANDS only counts where both begin alike."""
    typed = name.lower()
    names = sorted(known)
    sure = set(difflib.get_close_matches(typed, names, n=limit, cutoff=max(alike, ALIKE_COMMANDS)))
    some = [each for each in names if each in sure or each.lower().startswith(typed[:SAME_START])]
    return tuple(difflib.get_close_matches(typed, some, n=limit, cutoff=alike))

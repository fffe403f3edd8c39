"""Nearest names, for every "did you mean"."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

# Models' names are long, and people know a part of them; in a word of four letters two that agree mean nothing.
ALIKE = 0.4
ALIKE_COMMANDS = 0.6
SAME_START = 3


def nearest(name: str, known: Iterable[str], *, limit: int = 3, alike: float = ALIKE) -> tuple[str, ...]:
    """The at most `limit` known names that look most like `name`, best first (Ratcliff-Obershelp): where it is the
    start of some, or a whole word of some, those and no others. `alike` is the share, 0 to 1, of both names that must
    be the same; less than ALIKE_COMMANDS only counts where both begin alike."""
    typed = name.lower()
    names = sorted(known)
    begun = [each for each in names if each.lower().startswith(typed)]
    named = [each for each in names if typed in re.split(r"[-_./: ]+", each.lower())]
    if len(typed) >= SAME_START and (begun or named):
        best = [difflib.get_close_matches(typed, those, n=limit, cutoff=0) for those in (begun, named)]
        return tuple(dict.fromkeys([*best[0], *best[1]]))[:limit]
    sure = set(difflib.get_close_matches(typed, names, n=limit, cutoff=max(alike, ALIKE_COMMANDS)))
    some = [each for each in names if each in sure or each.lower().startswith(typed[:SAME_START])]
    return tuple(difflib.get_close_matches(typed, some, n=limit, cutoff=alike))

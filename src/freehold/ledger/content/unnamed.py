"""What lies there and no record names, as a start finds it: held for a week, and then destroyed.

A kill leaves a little of that, and a backup of a house that runs has it: it was kept, and the record that was to name
it had not come. So does a chain whose end was cut off or lost: then it is what those records named, which is evidence,
and whole again where they are put back. What lies there does not tell one from the other. So the house destroys none of
it at once: the chain has a record that it was found, and `unnamed.json` says since when it is held. It stays no longer
than its endpoint says.

Where the records were changed nothing counts as unnamed: what they named may be what a person needs to see what was
changed. So may what another chain names."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from freehold.core.disk import replace_whole
from freehold.core.errors import LedgerError
from freehold.ledger.content.container import Name
from freehold.ledger.content.named import without_name
from freehold.ledger.content.places import Place, places, read_about, read_whole
from freehold.ledger.content.shelf import left
from freehold.ledger.content.spans import Places, Span, read_spans, spans

FILE = "unnamed.json"
HELD_MS = 7 * 86_400_000
_LOOKED_AT = 2
"""So many segments at least: a record follows what it names within seconds."""
_NEAR = 1000
"""A record that names what is in a segment mostly has a number that is no further below the segment's than this. Where
the end of a chain was cut off it is far below."""


class Held(NamedTuple):
    """What a start found, and when."""

    at_ms: int
    contents: tuple[Span, ...]


def find(folder: Path, chain_folder: Path, chain: str) -> list[Span]:
    """What no record of this chain names and is not held yet, from its last segment back to one that is wholly named.
    Raises LedgerError."""
    held, found, looked_at = read(folder), set[Name](), _LOOKED_AT
    mine = (place for place in reversed(places(folder)) if (about := read_about(place)) and about.chain == chain)
    while these := list(islice(mine, looked_at)):
        there = [_not_held(place, held) for place in these]
        rest = without_name(chain_folder, set().union(*there), near=these[-1].segment - _NEAR)
        if rest is None:
            return []
        found |= rest
        if any(of_one and of_one.isdisjoint(rest) for of_one in there):
            break
        looked_at *= 2  # so that the chain is read seldom, however far back this goes
    return spans(found)


def hold(folder: Path, found: Sequence[Span], at_ms: int) -> None:
    """Hold this as well, from now on. Raises LedgerError, OSError."""
    _write(folder, [*read(folder), Held(at_ms, tuple(found))])


def begin_anew(folder: Path, at_ms: int) -> None:
    """Let the week of what a wrong clock says was found later than now begin now. Raises LedgerError, OSError."""
    held = read(folder)
    if any(each.at_ms > at_ms for each in held):
        _write(folder, [each._replace(at_ms=min(each.at_ms, at_ms)) for each in held])


def due(folder: Path, chain_folder: Path, now_ms: int) -> list[Span] | None:
    """What was held for long enough, is there, and is named by no record now. None where nothing was, and where nobody
    can tell what the records named. Raises LedgerError, OSError."""
    over = [each for each in read(folder) if _is_over(each, now_ms)]
    if not over:
        return None
    segments = {span.segment for each in over for span in each.contents}
    there = {name for place in places(folder) if place.segment in segments for name, _ in left(place)}
    rest = without_name(chain_folder, _of(over, there))
    return None if rest is None else spans(rest)


def let_go(folder: Path, now_ms: int) -> None:
    """Hold no longer what was held for long enough. Raises LedgerError, OSError."""
    _write(folder, [each for each in read(folder) if not _is_over(each, now_ms)])


def read(folder: Path) -> list[Held]:
    """What is held. Raises LedgerError where nobody can read it, OSError."""
    path = folder / FILE
    try:
        return [_held(row) for row in json.loads(read_whole(path))["held"]]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise LedgerError(
            f"{path} says which content no record names, and is damaged.",
            hint="Remove it: what no record names is found again at the next start, as far as it is of the last runs.",
        ) from error


def _held(row: dict[str, object]) -> Held:
    at_ms, contents = row["at_ms"], read_spans(row["contents"])
    if type(at_ms) is not int or contents is None:
        raise ValueError("it says no time, or no spans")
    return Held(at_ms, tuple(contents))


def _write(folder: Path, held: Sequence[Held]) -> None:
    if not held:
        (folder / FILE).unlink(missing_ok=True)
        return
    rows = [{"at_ms": each.at_ms, "contents": each.contents} for each in held]
    replace_whole(folder / FILE, json.dumps({"held": rows}).encode(), mode=0o600)


def _not_held(place: Place, held: Sequence[Held]) -> set[Name]:
    there = {name for name, _ in left(place)}
    return there - _of(held, there)


def _is_over(held: Held, now_ms: int) -> bool:
    return held.at_ms + HELD_MS <= now_ms


def _of(held: Sequence[Held], names: Collection[Name]) -> set[Name]:
    """Those of `names` that are held."""
    of_segment: dict[int, Places] = {}
    for segment in {name.segment for name in names}:
        of_segment[segment] = Places(span for each in held for span in each.contents if span.segment == segment)
    return {name for name in names if name.place in of_segment[name.segment]}

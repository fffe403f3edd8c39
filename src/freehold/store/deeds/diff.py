"""What changed between two deeds, in words, the license first: how a house notices that a publisher changed its terms.

Pure. Only statements are compared, since labels are the house's own. Days, the Freehold that wrote them, what it calls
its steps, where a text was had and the wording of findings are not differences; everything else is. A clause that only
one of them has is a difference too: unknown is not the same. Either deed may be a stranger's: no text of it makes
lines of its own.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from freehold.store.deeds.canonical import canonical
from freehold.store.deeds.record import Deed, DeedFile, TextFile

_NOT_SAID = "not said"
_LONGEST_TEXT = 200  # characters
_MOST_ITEMS = 10
_OF_PATHS = frozenset('."')
# What a reader of a license wants first; deeds themselves are in the order of the alphabet.
_FIRST_OF_LICENSE = ("id", "name", "version_date", "text", "use_policy", "summary", "duties", "clauses")


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that is not the same. `before` and `after` are JSON values; None is unknown or absent."""

    section: str
    field: str
    before: Any
    after: Any

    @property
    def words(self) -> str:
        """The difference as a person reads it."""
        name = _line(self.field)
        if isinstance(self.before, list | tuple) and isinstance(self.after, list | tuple):
            return f"{name}: {_moved(self.before, self.after)}"
        return f"{name}: is {_shown(self.after)}, was {_shown(self.before)}"


def differences(before: Deed, after: Deed) -> tuple[Difference, ...]:
    """Everything that changed from `before` to `after`, in the order a reader wants it."""
    old, new = before.statement, after.statement
    old_papers, new_papers = old.papers or {}, new.papers or {}
    found = [
        *_compare("license", {"license": old.license}, {"license": new.license}),
        *_compare("license", _leaves(_license(old_papers)), _leaves(_license(new_papers))),
        *_compare("license", _hashes(old.texts), _hashes(new.texts)),
    ]
    for name in sorted((old_papers.keys() | new_papers.keys()) - {"license"}, key=_order):
        found += _compare(name, _leaves(_part(old_papers, name)), _leaves(_part(new_papers, name)))
    found += _compare("files", _hashes(old.files) | _named(old.files), _hashes(new.files) | _named(new.files))
    found += _compare("origin", _origin(before), _origin(after))
    found += _compare("made from", _made_from(before), _made_from(after))
    found += _compare("facts", asdict(old.facts), asdict(new.facts))
    found += _compare("verification", _verification(before), _verification(after))
    return tuple(found)


def _license(papers: Mapping[str, Any]) -> Mapping[str, Any]:
    part = _part(papers, "license")
    return {name: part[name] for name in dict.fromkeys((*_FIRST_OF_LICENSE, *part)) if name in part}


def _order(name: str) -> tuple[int, str]:
    known = ("openness", "lineage", "model")
    return (known.index(name) if name in known else len(known), name)


def _part(papers: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = papers.get(name)
    return part if isinstance(part, Mapping) else {} if part is None else {name: part}


def _hashes(files: Iterable[DeedFile | TextFile]) -> dict[str, str]:
    return {f"sha256 of {file.name}": file.sha256 for file in files}


def _named(files: Iterable[DeedFile]) -> dict[str, str]:
    return {f"hash of {file.name}": file.verified for file in files}


def _origin(deed: Deed) -> dict[str, Any]:
    origin = deed.statement.origin
    return {"source": origin.pinned, **origin.provenance}


def _made_from(deed: Deed) -> dict[str, Any]:
    made_from = deed.statement.made_from
    return _leaves(asdict(made_from)) if made_from is not None else {}


def _verification(deed: Deed) -> dict[str, Any]:
    found = deed.statement.verification
    if found is None:
        return {}
    return {
        "verdict": found.verdict,
        "checks": found.checks,
        "findings": [f"{finding.check} ({finding.severity})" for finding in found.findings],
        "undecided": [finding.check for finding in found.undecided],
    }


def _compare(section: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    for field in dict.fromkeys((*before, *after)):
        old, new = before.get(field), after.get(field)
        # As JSON: Python takes true for 1.
        if canonical(old) != canonical(new):
            yield Difference(section, field, old, new)


def _leaves(value: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Every value that is no object or an empty one, under the path of its keys. Lists are values."""
    found: dict[str, Any] = {}
    for key, item in value.items():
        field = f"{above}{json.dumps(key) if set(key) & _OF_PATHS else key}"
        found |= _leaves(item, f"{field}.") if isinstance(item, Mapping) and item else {field: item}
    return found


def _moved(before: Sequence[Any], after: Sequence[Any]) -> str:
    come, gone = _rest(after, before), _rest(before, after)
    parts = [f"{word} {_listed(items, _shown)}" for word, items in (("added", come), ("removed", gone)) if items]
    return "; ".join(parts) or "is in another order"


def _rest(items: Sequence[Any], without: Sequence[Any]) -> list[Any]:
    """The items that are not in `without` as often, in their order."""
    there = Counter(map(canonical, without))
    rest = []
    for item in items:
        text = canonical(item)
        there[text] -= 1
        if there[text] < 0:
            rest.append(item)
    return rest


def _shown(value: Any) -> str:
    if value is None:
        return _NOT_SAID
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return _listed(value.items(), lambda item: f"{_line(item[0])} {_shown(item[1])}")
    if isinstance(value, list | tuple):
        return _listed(value, _shown)
    return _line(str(value))


def _listed(items: Collection[Any], show: Callable[[Any], str]) -> str:
    shown = ", ".join(show(item) for item in islice(items, _MOST_ITEMS))
    more = len(items) - _MOST_ITEMS
    return f"{shown} and {more:,} more" if more > 0 else shown or "nothing"


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_TEXT else f"{line[:_LONGEST_TEXT]}… ({len(text):,} characters)"

"""What changed between two deeds, in words, the license first: how a house notices that a publisher changed its terms.

Pure. Only statements are compared, since labels are the house's own. The day and the Freehold that wrote them are
not differences; everything else is. A clause that only one of them has is a difference too: unknown is not the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from freehold.store.deeds import Deed, DeedFile, TextFile

_NOT_SAID = "not said"
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
        if self.before is None:
            return f"{self.field}: is {_shown(self.after)}, was {_NOT_SAID}"
        if self.after is None:
            return f"{self.field}: is {_NOT_SAID}, was {_shown(self.before)}"
        if isinstance(self.before, list | tuple) and isinstance(self.after, list | tuple):
            return f"{self.field}: {_moved(self.before, self.after)}"
        return f"{self.field}: is {_shown(self.after)}, was {_shown(self.before)}"


def differences(before: Deed, after: Deed) -> tuple[Difference, ...]:
    """Everything that changed from `before` to `after`, in the order a reader wants it."""
    old, new = before.statement, after.statement
    old_papers, new_papers = old.papers or {}, new.papers or {}
    found = [
        *_compare("license", {"license": old.license}, {"license": new.license}),
        *_compare("license", _license(old_papers), _license(new_papers)),
        *_compare("license", _hashes(old.texts), _hashes(new.texts)),
    ]
    for name in sorted((old_papers.keys() | new_papers.keys()) - {"license"}, key=_order):
        found += _compare(name, _part(old_papers, name), _part(new_papers, name))
    found += _compare("files", _hashes(old.files), _hashes(new.files))
    found += _compare("origin", _origin(before), _origin(after))
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


def _origin(deed: Deed) -> dict[str, Any]:
    origin = deed.statement.origin
    return {"source": origin.pinned, **origin.provenance}


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
    old, new = dict(_leaves(before)), dict(_leaves(after))
    for field in dict.fromkeys((*old, *new)):
        if old.get(field) != new.get(field):
            yield Difference(section, field, old.get(field), new.get(field))


def _leaves(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no object, under the path of its keys. Lists are values."""
    for key, item in value.items():
        field = f"{above}.{key}" if above else str(key)
        if isinstance(item, Mapping):
            yield from _leaves(item, field)
        else:
            yield field, list(item) if isinstance(item, tuple) else item


def _moved(before: Sequence[Any], after: Sequence[Any]) -> str:
    gone = [_shown(item) for item in before if item not in after]
    come = [_shown(item) for item in after if item not in before]
    if not gone and not come:
        return "is in another order"
    return "; ".join(f"{word} {', '.join(items)}" for word, items in (("added", come), ("removed", gone)) if items)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(_shown(item) for item in value) or "nothing"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_shown(item)}" for key, item in value.items())
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]}… ({len(text):,} characters)"

"""Classifies a published record of the Model Openness Tool by the tool's own rules, so that both can be compared.

The rules are those of its evaluator (lfai/model_openness_tool, web/modules/mof/src/ModelEvaluator.php, 2025). A
component's license is the one it names; without one, the release's license for its type, then the release's for
everything. A research paper stands in for a missing technical report. A class that does not hold ends the count for
those above it. The record is data from outside: whatever has another form than the schema says is taken as not there,
never as an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from freehold.catalog.openness.mof import MofClass
from freehold.catalog.openness.mof_licenses import MOF_OPEN_LICENSES

Standing = Literal["open", "closed", "unlicensed", "missing"]
_Type = Literal["code", "data", "document"]

_REPORT, _PAPER = "Technical report", "Research paper"
_TYPES: Mapping[str, _Type] = {
    "Model architecture": "code",
    "Model parameters (Final)": "data",
    "Model card": "document",
    "Data card": "document",
    _REPORT: "document",
    "Evaluation results": "document",
    "Training code": "code",
    "Inference code": "code",
    "Evaluation code": "code",
    "Evaluation data": "data",
    "Datasets": "data",
    "Data preprocessing code": "code",
    "Model parameters (Intermediate)": "data",
    _PAPER: "document",
}
_NAMES = tuple(_TYPES)
_REQUIRED: Mapping[MofClass, tuple[str, ...]] = {"III": _NAMES[:6], "II": _NAMES[6:10], "I": _NAMES[10:]}


@dataclass(frozen=True, slots=True)
class MofEvaluation:
    """`progress`: per class, the share in percent of what it and the classes below it ask for; 0 where one below does
    not hold. `standings`: each required component's."""

    mof_class: MofClass
    progress: Mapping[MofClass, float]
    standings: Mapping[str, Standing]


def evaluate_record(record: Mapping[str, object]) -> MofEvaluation:
    """The class of `record`: the parsed file, or what stands under its `release`."""
    release = _mapping(record.get("release")) or record
    licenses = _mapping(release.get("license"))
    named = _components(release)
    standings = {name: _standing(named.get(name), licenses, kind) for name, kind in _TYPES.items()}
    progress = _progress(standings)
    reached: MofClass = "none"
    for name, percent in progress.items():
        reached = name if percent == 100.0 else reached
    return MofEvaluation(reached, progress, standings)


def _progress(standings: Mapping[str, Standing]) -> dict[MofClass, float]:
    paper_for_report = standings[_REPORT] != "open" and standings[_PAPER] == "open"
    progress: dict[MofClass, float] = dict.fromkeys(_REQUIRED, 0.0)
    asked, there = 0, 0
    for name, components in _REQUIRED.items():
        asked += len(components)
        there += sum(standings[each] == "open" for each in components)
        if name == "I":  # the paper is asked for here, so in place of the report it would be counted twice
            progress[name] = 100.0 * there / (asked - paper_for_report)
            break
        counted = there + paper_for_report
        progress[name] = 100.0 * counted / asked
        if counted < asked:
            break
    return progress


def _components(release: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    rows = release.get("components")
    found = [_mapping(row) for row in rows] if isinstance(rows, list) else []
    return {str(row.get("name")): row for row in found if row}


def _standing(row: Mapping[str, object] | None, licenses: Mapping[str, object], kind: _Type) -> Standing:
    if row is None:
        return "missing"
    own = row.get("license")
    name = _release_license(licenses, kind) if own is None else own
    if not name or name == "unlicensed":
        return "unlicensed"
    return "open" if isinstance(name, str) and name in MOF_OPEN_LICENSES else "closed"


def _release_license(licenses: Mapping[str, object], kind: _Type) -> object:
    return _mapping(licenses.get(kind)).get("name") or _mapping(licenses.get("distribution")).get("name")


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}

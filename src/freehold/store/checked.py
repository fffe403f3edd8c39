"""Verifies the files of a build before it becomes visible: `check` gives their facts and the report for the deed.

What is refused never becomes a build. What a person should look at is kept and recorded: the deed says so for as long
as the build is held. So is what cannot be decided, and whether the house takes a build with that is for its permits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from freehold.catalog import Catalog
from freehold.core.builds import WeightFacts
from freehold.core.errors import WeightsError
from freehold.weights.gguf import read_split
from freehold.weights.openvino import is_openvino
from freehold.weights.report import Finding, Report
from freehold.weights.verify import Looked, look_over


@dataclass(frozen=True, slots=True)
class Checked:
    """What the weights say of themselves, and what was found; findings name files without their folder."""

    facts: WeightFacts
    report: Report

    @property
    def to_say(self) -> tuple[str, ...]:
        """What whoever pulls should hear now: everything that a person should look at or that is undecided."""
        found = (*(finding for finding in self.report.findings if finding.severity == "review"), *self.report.undecided)
        return tuple(f"{finding.file}: {finding.message} ({finding.check})" for finding in found)


def check(
    paths: Sequence[Path],
    catalog: Catalog,
    sha256: Mapping[Path, str] | None = None,
    *,
    facts: WeightFacts | None = None,
) -> Checked:
    """Look at `paths`, the files of one build in order. `sha256` are the hashes that are known, by path. `facts` are
    what is known of files that do not say it themselves: those of a model in OpenVINO's form.

    Raises WeightsError with the gravest finding; its data has all of them.
    """
    looked = look_over(paths)
    report = replace(looked.report, findings=(*looked.report.findings, *_provenance(looked, catalog, sha256 or {})))
    report = replace(
        report,
        files=tuple(replace(file, name=Path(file.name).name) for file in report.files),
        findings=tuple(map(_by_name, report.findings)),
        undecided=tuple(map(_by_name, report.undecided)),
    )
    silent = facts is not None and facts.format == "openvino" and any(map(is_openvino, paths))
    facts = facts if silent and facts is not None else _facts(paths, looked)
    if report.refused:
        raise _refusal(report)
    return Checked(facts, report)


def _by_name(finding: Finding) -> Finding:
    return replace(finding, file=Path(finding.file).name)


def _facts(paths: Sequence[Path], looked: Looked) -> WeightFacts:
    """The facts that the look brought along; where there are none, whatever keeps them from being read is raised."""
    look = looked.gguf.get(paths[0])
    if len(paths) == 1 and look is not None and look.facts is not None and not look.findings and not look.undecided:
        return look.facts
    return read_split(paths)


def _provenance(looked: Looked, catalog: Catalog, sha256: Mapping[Path, str]) -> list[Finding]:
    from freehold.catalog.licenses.shelf import Licenses
    from freehold.store.provenance import check_provenance

    licenses = Licenses.load()
    return [
        finding
        for path, look in looked.gguf.items()
        for finding in check_provenance(look, sha256.get(path), catalog, licenses)[1]
    ]


def _refusal(report: Report) -> WeightsError:
    first, *others = report.refused
    more = f" {len(others)} more were found." if others else ""
    return WeightsError(
        f"{first.file} is refused. {first.message} ({first.check}){more}",
        hint=first.hint,
        file=first.file,
        check=first.check,
        findings=[asdict(finding) for finding in report.refused],
    )

"""Verifies files of this disk, held against the catalog: the work behind `freehold verify`. No network, no house."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from freehold.weights.report import Finding, Report

__all__ = ["Finding", "Report", "report_json", "report_sarif", "sha256_of", "verify_paths"]

# Large steps: between two of them the hash waits for its turn, while the header is looked at beside it.
_STEP_BYTES = 16 << 20


def verify_paths(paths: Sequence[Path], *, hash: Callable[[Path], str] | None = None) -> Report:
    """Look at `paths` and, where the catalog knows a file, at what that file says of its license and lineage. `hash`
    is sha256 of a file, for those who want it in the report. Raises CallError for a path that is not there."""
    from freehold.store.provenance import CHECKS, check_provenance
    from freehold.weights.verify import look_over, printable

    looked = look_over(paths, hash=hash)
    if not looked.gguf:
        return looked.report
    from freehold.catalog import Catalog
    from freehold.catalog.licenses.shelf import Licenses

    catalog, licenses = Catalog.load(), Licenses.load()
    hashes = {file.name: file.sha256 for file in looked.report.files}
    found = [
        dataclasses.replace(finding, file=printable(finding.file))
        for path, look in looked.gguf.items()
        for finding in check_provenance(look, hashes.get(printable(str(path))), catalog, licenses)[1]
    ]
    report = looked.report
    return dataclasses.replace(report, checks=(*report.checks, *CHECKS), findings=(*report.findings, *found))


def sha256_of(path: Path, advance: Callable[[int], None] | None = None) -> str:
    """The hash of the file; `advance` is told the bytes of every step. Raises OSError."""
    digest, step = hashlib.sha256(), bytearray(_STEP_BYTES)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(step):
            digest.update(memoryview(step)[:count])
            if advance is not None:
                advance(count)
    return digest.hexdigest()


def report_json(report: Report) -> dict[str, Any]:
    """What programs get to know of a report: its fields, and the verdict. These keys are stable."""
    return {"verdict": report.verdict, **dataclasses.asdict(report)}


def report_sarif(report: Report) -> dict[str, Any]:
    """`report` as SARIF 2.1.0."""
    from freehold import __version__
    from freehold.weights.checks import checks
    from freehold.weights.sarif import sarif

    return sarif(report, checks(), __version__)

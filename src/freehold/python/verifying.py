"""Verifies files of this disk and held builds, held against the catalog: the work behind `freehold verify`. No network,
no worker.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freehold.core.errors import BadReferenceError, CallError, DeedSignatureError, NotFoundError
from freehold.core.names import nearest
from freehold.core.refs import FakeRef, FileRef, RemoteRef, parse
from freehold.core.settings import Settings, load
from freehold.weights.report import Finding, Report

if TYPE_CHECKING:
    from freehold.python.license_found import LicenseFound
    from freehold.store.deeds.record import Deed
    from freehold.store.store import Store

__all__ = [
    "Finding",
    "Named",
    "Report",
    "Verified",
    "named",
    "report_json",
    "report_sarif",
    "sha256_of",
    "verify_paths",
]

DEED_CHECK = "deed.changed"
SIGNATURE_CHECK = "deed.signature"
# Large steps: between two of them the hash waits for its turn, while the header is looked at beside it.
_STEP_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Named:
    """What a call names. `kept` has the hashes of held builds, by path, as their deeds have them, and `forged` what is
    wrong with the signatures on these deeds; `settings` are those of the house where one was named, since a path has no
    house."""

    paths: tuple[Path, ...]
    kept: Mapping[Path, str]
    settings: Settings | None = None
    forged: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Verified:
    """The report on the files, and the licenses of those that the catalog knows."""

    report: Report
    licenses: tuple[LicenseFound, ...]


def named(texts: Sequence[str]) -> Named:
    """The files that `texts` mean: paths, and names of held builds where there is no such path. Raises CallError,
    DeedError."""
    paths: list[Path] = []
    kept: dict[Path, str] = {}
    forged: list[Finding] = []
    settings = None
    for text in texts:
        if os.path.lexists(text) or not _is_name(text):
            paths.append(Path(text))
            continue
        settings = settings or load()
        files, wrong = _held(text, settings)
        kept |= files
        paths += files
        forged += wrong
    return Named(tuple(paths), kept, settings, tuple(forged))


def _is_name(text: str) -> bool:
    try:
        return not isinstance(parse(text), FileRef | RemoteRef | FakeRef)
    except BadReferenceError:
        return False


def _held(text: str, settings: Settings) -> tuple[dict[Path, str], tuple[Finding, ...]]:
    """The files of the held build `text` with the hashes of its deed, and what is wrong with the signature on that."""
    from freehold.python.held import store

    house = store(settings)
    try:
        build = house.peek(parse(text))
    except NotFoundError as error:
        near = nearest(text, {name for each in house.builds() for name in (each.model, each.name)})
        also = f" Nearest: {', '.join(near)}." if near else ""
        missing = f"There is no file, no folder and no held build {text}.{also}"
        raise CallError(missing, hint=error.hint, name=text, nearest=near) from error
    deed = house.deed(build)
    hashes = (file.sha256 for file in deed.files)
    return dict(zip(build.files, hashes, strict=True)), _forged(deed, house)


def _forged(deed: Deed, house: Store) -> tuple[Finding, ...]:
    from freehold.weights.checks import Findings

    findings = Findings(str(house.layout.build(deed.digest) / "deed.json"))
    try:
        house.keys.require(deed)
    except DeedSignatureError as error:
        findings.add(SIGNATURE_CHECK, error.message)
    return findings.found


def verify_paths(what: Named, *, hash: Callable[[Path], str] | None = None) -> Verified:
    """Look at the files and, where the catalog knows one, at what it says of its license and lineage; a held one is
    held to its deed too, which wants `hash`, the sha256 of a file. Raises CallError for a path that is not there."""
    from freehold.store.provenance import CHECKS
    from freehold.weights.verify import look_over, printable

    looked = look_over(what.paths, hash=hash)
    report, licenses = looked.report, []
    hashes = {file.name: file.sha256 for file in report.files}
    found = [
        each for path, sha256 in what.kept.items() for each in _changed(path, sha256, hashes.get(printable(str(path))))
    ]
    checks = (*report.checks, *((DEED_CHECK, SIGNATURE_CHECK) if what.kept else ()))
    if looked.gguf:
        from freehold.python.license_found import Finder

        finder, checks = Finder(what.settings), (*checks, *CHECKS)
        for path, look in looked.gguf.items():
            known, differing = finder.of(path, look, hashes.get(printable(str(path))), printable)
            licenses += [known] if known else []
            found += [dataclasses.replace(each, file=printable(each.file)) for each in differing]
    report = dataclasses.replace(report, checks=checks, findings=(*what.forged, *report.findings, *found))
    return Verified(report, tuple(licenses))


def _changed(path: Path, kept: str, found: str | None) -> tuple[Finding, ...]:
    from freehold.weights.checks import Findings

    findings = Findings(str(path))
    if found is not None and found != kept:
        findings.add(DEED_CHECK, f"It is not the file that was kept: its sha256 is {found}, and its deed has {kept}.")
    return findings.found


def sha256_of(path: Path, advance: Callable[[int], None] | None = None) -> str:
    """The hash of the file; `advance` is told the bytes of every step. Raises OSError."""
    digest, step = hashlib.sha256(), bytearray(_STEP_BYTES)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(step):
            digest.update(memoryview(step)[:count])
            if advance is not None:
                advance(count)
    return digest.hexdigest()


def report_json(found: Verified) -> dict[str, Any]:
    """What programs get to know: the report's fields, the verdict and the licenses. These keys are stable."""
    licenses = [dataclasses.asdict(each) for each in found.licenses]
    return {"verdict": found.report.verdict, **dataclasses.asdict(found.report), "licenses": licenses}


def report_sarif(report: Report) -> dict[str, Any]:
    """`report` as SARIF 2.1.0."""
    from freehold import __version__
    from freehold.weights.checks import checks
    from freehold.weights.sarif import sarif

    return sarif(report, checks(), __version__)

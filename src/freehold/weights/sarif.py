"""A report as SARIF 2.1.0, the form that code scanning services read.

Source: OASIS, Static Analysis Results Interchange Format 2.1.0 (sections 3.27 result, 3.28 location, 3.49 rule). A
result that could not be decided is of kind `open` and has, as the standard wants, no level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from freehold.weights.checks import Check
from freehold.weights.report import Finding, LookedAt, Report, Severity

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Mapping[Severity, str] = {"refuse": "error", "review": "warning", "note": "note"}


def sarif(report: Report, checks: Mapping[str, Check], version: str) -> dict[str, Any]:
    """`report` as one run of Freehold `version`; `checks` describe those that ran."""
    rules = list(report.checks)
    results = [_result(finding, rules, {"level": _LEVELS[finding.severity]}) for finding in report.findings]
    results += [_result(finding, rules, {"kind": "open", "level": "none"}) for finding in report.undecided]
    driver = {"name": "freehold", "version": version, "rules": [_rule(checks[name]) for name in rules]}
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True}],
        "artifacts": [_artifact(file) for file in report.files],
        "results": results,
        "properties": {"verdict": report.verdict, "cannotShow": list(report.cannot_show)},
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(check: Check) -> dict[str, Any]:
    rule: dict[str, Any] = {"id": check.name, "shortDescription": {"text": check.text}}
    if check.hint:
        rule["help"] = {"text": check.hint}
    if check.cves:
        rule["properties"] = {"tags": list(check.cves)}
    return rule


def _result(finding: Finding, rules: Sequence[str], kind: Mapping[str, str]) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(finding.file)}}
    if finding.offset is not None:
        place["region"] = {"byteOffset": finding.offset}
    said = f"{finding.message} {finding.hint}".strip()
    result = {"ruleId": finding.check, **kind, "message": {"text": said}, "locations": [{"physicalLocation": place}]}
    return result | ({"ruleIndex": rules.index(finding.check)} if finding.check in rules else {})


def _artifact(file: LookedAt) -> dict[str, Any]:
    artifact: dict[str, Any] = {"location": {"uri": _uri(file.name)}}
    artifact |= {"length": file.size_bytes} if file.size_bytes is not None else {}
    return artifact | ({"hashes": {"sha-256": file.sha256}} if file.sha256 else {})


def _uri(name: str) -> str:
    return Path(name).as_uri() if Path(name).is_absolute() else quote(name)

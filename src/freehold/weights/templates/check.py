"""One chat template: parsed within bounds, looked at from every side, compared with the known ones."""

from __future__ import annotations

from collections.abc import Mapping

from freehold.weights.checks import Findings, checks
from freehold.weights.templates.parse import MAX_DEPTH, SyntaxFault, TooDeepError, fingerprint, parse


def check_template(text: str, where: str, findings: Findings, known: Mapping[str, str]) -> None:
    """Report what the template `text`, found at `where`, could do; whoever calls bounds its length. `known` are names
    by fingerprint: what a person should look at is not asked for again in one that is known, what no engine may open
    always is."""
    try:
        tree = parse(text)
    except TooDeepError:
        return findings.add("template.nesting", f"The chat template {where} is nested more than {MAX_DEPTH} deep.")
    except SyntaxFault as fault:
        what = f"The chat template {where} cannot be parsed: line {fault.line}: {str(fault)[:200]}"
        return findings.add("template.syntax", what)
    name = known.get(fingerprint(tree))
    if name is not None:
        findings.add("template.known", f"The chat template {where} is that of {name}.")
    seen: set[tuple[str, str]] = set()

    def report(check: str, message: str, line: int) -> None:
        is_passed = name is not None and checks()[check].outcome == "review"
        if not is_passed and (check, message) not in seen:
            seen.add((check, message))
            findings.add(check, f"The chat template {where}, line {line}: {message}")

    from freehold.weights.templates.behavior import check_behavior
    from freehold.weights.templates.execution import check_execution
    from freehold.weights.templates.fold import Folder
    from freehold.weights.templates.work import check_work

    folder = Folder(tree)
    try:
        check_execution(tree, folder, report)
        check_work(tree, folder, report)
        check_behavior(text, tree, folder, report)
    except RecursionError:
        return findings.add("template.nesting", f"The chat template {where} is nested too deeply to be followed.")
    if folder.exhausted:
        findings.add("template.size", f"The chat template {where} puts more texts together than can be followed.")
    return None

"""`freehold verify`: whether files may be opened at all, before anything opens them, and under which license."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from freehold.cli.arguments import Json, Quiet, examples, held_names
from freehold.cli.output import Column, Output, size
from freehold.cli.progress import display_for
from freehold.core.errors import CallError

if TYPE_CHECKING:
    from freehold.python.license_found import LicenseFound
    from freehold.python.verifying import Finding, Report, Verified

Paths = Annotated[
    list[str],
    typer.Argument(metavar="PATH|NAME...", help="Files, folders of a model, held builds.", autocompletion=held_names),
]
Sarif = Annotated[bool, typer.Option("--sarif", help="Print SARIF 2.1.0, for code scanning.")]
Hash = Annotated[bool, typer.Option("--hash", help="Also take the sha256 of every file.")]

EXIT_CODES: Mapping[str, int] = {"clean": 0, "finding": 1, "undecidable": 4}
FILES = (
    Column("name", "FILE"),
    Column("format", "FORMAT"),
    Column("size_bytes", "SIZE", size, right=True),
    Column("verdict", "VERDICT"),
)
MOST_CLEAN_ROWS = 20


@examples(
    "freehold verify ./model.gguf",
    "freehold verify gemma-3-270m",
    "freehold verify ~/models/SmolLM3-3B --hash",
    "freehold verify *.safetensors --sarif > verify.sarif",
)
def verify_command(
    paths: Paths, as_json: Json = False, sarif: Sarif = False, hash: Hash = False, quiet: Quiet = False
) -> int:
    """Find what is wrong with weight files, before anything opens them.

    Nothing is loaded, imported, unpickled or rendered, and no network is used. A name means the files of a held build,
    which are hashed and held to its deed; a path of that name comes first. Where the catalog knows a file, its license
    is said. The exit code is 0 where nothing was found, 1 where something was, 2 where there is nothing of that name, 3
    where Freehold could not look (a damaged deed), 4 where it cannot be decided. With --quiet only the verdict is
    printed.
    """
    if as_json and sarif:
        raise CallError("--json and --sarif are two forms of one answer.", hint="Leave one of them out.")
    from freehold.python.verifying import report_json, report_sarif

    output = Output(as_json=as_json or sarif, quiet=quiet)
    found = _verified(paths, output, hashed=hash)
    report = found.report
    if sarif:
        output.document(report_sarif(report))
    elif as_json or quiet:
        output.sentence(report_json(found), report.verdict, bare=report.verdict)
    else:
        _show(report, found.licenses, output)
    return EXIT_CODES[report.verdict]


def _verified(texts: Sequence[str], output: Output, *, hashed: bool) -> Verified:
    from freehold.python.verifying import named, sha256_of, verify_paths

    what = named(texts)
    if not hashed and not what.kept:
        return verify_paths(what)
    with display_for(output) as display:

        def sha256(path: Path) -> str:
            task = f"hashing {path.name}"
            display.start(task, total_bytes=path.stat().st_size)
            digest = sha256_of(path, lambda nbytes: display.advance(task, nbytes))
            display.finish(task)
            return digest

        return verify_paths(what, hash=sha256)


def _show(report: Report, licenses: Sequence[LicenseFound], output: Output) -> None:
    found: dict[str, list[tuple[str, Finding]]] = defaultdict(list)
    for finding in report.findings:
        found[finding.file].append((finding.severity, finding))
    for finding in report.undecided:
        found[finding.file].append(("undecided", finding))
    output.table(FILES, _rows(report, found), empty="No file was looked at.")
    for looked in report.files:
        if looked.sha256 is not None:
            output.line(f"sha256 {looked.sha256}  {_one_line(looked.name)}")
    for file, findings in found.items():
        output.line("")
        output.line(_one_line(file))
        for severity, finding in findings:
            _show_finding(severity, finding, output)
    for known in licenses:
        _show_license(known, output)
    output.line("")
    output.line(f"{_counted(len(report.files), 'file')}, {len(report.checks)} checks: {_said(report)}")
    output.line("No look at bytes can show:")
    for what in report.cannot_show:
        output.line(f"  - {what}")


_SAID: Mapping[str, str] = {
    "clean": "nothing was found that makes opening them unsafe.",
    "finding": "something was found. Read it before anything opens these files.",
    "undecidable": "it could not be decided.",
}


def _said(report: Report) -> str:
    """The verdict as a sentence. What is only noted may still keep an engine from reading a file."""
    read_on = " Read what is noted above." if report.verdict == "clean" and report.findings else ""
    return f"{_SAID[report.verdict]}{read_on}"


def _rows(report: Report, found: Mapping[str, Sequence[tuple[str, Finding]]]) -> list[Mapping[str, Any]]:
    """One row a file; where there are many, only those of which something is to be said."""
    looked = {file.name: {"format": file.format, "size_bytes": file.size_bytes} for file in report.files}
    names = list(dict.fromkeys([*looked, *found]))
    if len(names) > MOST_CLEAN_ROWS:
        names = [name for name in names if name in found]
    return [
        {
            **looked.get(name, {"format": None, "size_bytes": None}),
            "name": _one_line(name),
            "verdict": _verdict([kind for kind, _ in found.get(name, ())]),
        }
        for name in names
    ]


def _verdict(kinds: Sequence[str]) -> str:
    """The gravest of what was found of one file."""
    return next((kind for kind in ("refuse", "review", "undecided") if kind in kinds), "clean")


def _show_finding(severity: str, finding: Finding, output: Output) -> None:
    where = "" if finding.offset is None else f" at byte {finding.offset:,}"
    output.line(f"  {severity:<9} {finding.check}{where}")
    output.line(f"            {_one_line(finding.message)}")
    if finding.hint:
        output.line(f"            {finding.hint}")
    if finding.cves:
        output.line(f"            Such damage has been exploited: {', '.join(finding.cves)}.")


def _show_license(known: LicenseFound, output: Output) -> None:
    how = "is, by its sha256," if known.known_by == "sha256" else "calls itself, as any file can,"
    stated = f"the file says {_one_line(known.stated)}" if known.stated else "the file states none"
    whom = known.organization or "nobody in particular"
    output.line("")
    output.line(f"{_one_line(known.file)} {how} {known.model}")
    output.line(f"  license   {known.license_name} ({known.license}); {stated}")
    output.line(f"  decision  {known.decision}, for {whom}; {_counted(known.duties, 'duty', 'duties')}")
    output.line(f"            Read them: freehold license check {known.model}")


def _one_line(text: str) -> str:
    """Names and texts of files, which must not make up lines of their own."""
    return text.replace("\r", "\\r").replace("\n", "\\n")


def _counted(number: int, what: str, many: str = "") -> str:
    return f"{number:,} {what if number == 1 else many or f'{what}s'}"

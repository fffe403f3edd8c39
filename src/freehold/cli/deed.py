"""`freehold deed show`, `verify`, `diff`, `sign`, `export`: the papers of held builds. Nothing here starts a worker or
asks the network. Where a command takes a build it takes a deed in a `.json` file too, but where something is signed: a
house signs what it has looked at.
"""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from freehold.cli.arguments import HeldRef, Json, Quiet, examples, held_names, judging
from freehold.cli.output import Column, Output, size
from freehold.core.errors import CallError

if TYPE_CHECKING:
    from freehold.python.deeds import Found

WRONG, UNDECIDED = 1, 4
_NO_PAPERS = {1: ": no papers"}

Before = Annotated[str, typer.Argument(metavar="A", help="A held build, or a deed's file.", autocompletion=held_names)]
After = Annotated[str, typer.Argument(metavar="B", help="The one to compare it with.", autocompletion=held_names)]
Refs = Annotated[list[str] | None, typer.Argument(metavar="REF...", help="Held builds.", autocompletion=held_names)]
All = Annotated[bool, typer.Option("--all", help="Every build whose deed nobody has signed.")]


class Form(StrEnum):
    """The forms a deed is exported in."""

    CYCLONEDX = "cyclonedx"
    SPDX = "spdx"
    MODEL_SIGNING = "model-signing"
    JSON = "json"


Format = Annotated[Form, typer.Option("--format", "-f", help="CycloneDX 1.7, SPDX 3.0.1, OpenSSF signature, or as is.")]
Out = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there, not to stdout.")]
Key = Annotated[Path | None, typer.Option("--key", metavar="FILE", help="For model-signing: a private key, PEM.")]

PARTS = (Column("part", "PART"), Column("state", "STATE"), Column("said", "WHAT WAS FOUND"))


@examples("freehold deed show smollm2-135m-instruct", "freehold deed show smollm2-135m-instruct --json > then.json")
def show_command(ref: HeldRef, as_json: Json = False, quiet: Quiet = False) -> int:
    """Show a deed: what was stated of a build on the day it came in.

    With --json: the deed itself, which can be kept anywhere and compared later. --quiet: the statement's hash.
    """
    from freehold.python.deeds import find

    found = find(ref)
    lines = _lines(found)
    Output(as_json=as_json, quiet=quiet).record(found.document, lines, bare=found.deed.statement_sha256)
    return 0


@examples("freehold deed verify smollm2-135m-instruct", "freehold deed verify then.json --json")
def verify_command(ref: HeldRef, as_json: Json = False, quiet: Quiet = False) -> int:
    """Say of each part of a deed whether it holds; every file is hashed.

    Exit code 1: something is wrong. 2: there is no such build. 4: nothing is wrong, but some of it could not be looked
    at from here.
    """
    from freehold.python.deeds import look

    with judging():
        checked = look(ref)
    output = Output(as_json=as_json, quiet=quiet)
    parts = [asdict(part) for part in checked.parts]
    if as_json:
        output.document({"name": checked.called, "verdict": checked.verdict, "parts": parts})
    elif quiet:
        output.line(checked.verdict)
    else:
        output.table(PARTS, parts, empty="")
    return {"ok": 0, "wrong": WRONG, "undecided": UNDECIDED}[checked.verdict]


@examples(
    "freehold deed diff then.json smollm2-135m-instruct",
    "freehold deed diff hf:org/repo@8f3c2d1:Q4_K_M hf:org/repo:Q4_K_M",
)
def diff_command(before: Before, after: After, as_json: Json = False, quiet: Quiet = False) -> int:
    """Say what changed from one deed to another, the license first.

    Exit code 1: something did. 2: one of them is not there. Names, days and the Freehold that wrote them are not
    compared.
    """
    from freehold.python.deeds import compare, find

    with judging():
        old, new = find(before), find(after)
    changes = compare(old, new)
    output = Output(as_json=as_json, quiet=quiet)
    if as_json:
        output.document({"before": old.called, "after": new.called, "differences": [asdict(each) for each in changes]})
    elif not changes:
        output.say(f"The statements of {old.called} and {new.called} say the same.")
    section = ""
    for change in changes if not as_json else ():
        if change.section != section and not quiet:
            output.line(change.section)
        section = change.section
        output.line(change.words if quiet else f"  {change.words}")
    return WRONG if changes else 0


@examples("freehold deed sign smollm2-135m-instruct", "freehold deed sign --all")
def sign_command(refs: Refs = None, all_: All = False, as_json: Json = False, quiet: Quiet = False) -> int:
    """Sign the deeds of held builds with this house's key, after hashing every file.

    A signature says: these are the bytes and the papers this house looked at. Builds pulled since the house has a key
    are signed already. A deed that another key signed is signed over where it is named, one whose signature is wrong
    is not.
    """
    from freehold.python.deeds import keys, otherwise_signed, sign, unsigned

    if bool(refs) == all_:
        raise CallError("Name the builds whose deeds are to be signed, or say --all.", hint="freehold deed sign --all")
    keys().require_own()
    output = Output(as_json=as_json, quiet=quiet)
    signed = sign(unsigned() if all_ else refs or [])
    rows = [
        {"name": found.called, "key": signature.key}
        for found in signed
        if (signature := found.deed.signature) is not None
    ]
    left = otherwise_signed() if all_ else []
    if left:
        output.say(f"Not signed, for their signatures are another's or wrong: {', '.join(left)}.")
    elif not rows:
        output.say("Every deed is signed already.")
    if as_json:
        output.document({"signed": rows})
    for row in () if as_json else rows:
        output.line(row["name"] if quiet else f"{row['name']} is signed by {row['key']}")
    return 0


@examples(
    "freehold deed export smollm2-135m-instruct --format cyclonedx -o bom.json",
    "freehold deed export smollm2-135m-instruct --format spdx | jq '.[\"@graph\"][0]'",
    "freehold deed export smollm2-135m-instruct --format model-signing --key ec.pem -o model.sig",
)
def export_command(
    ref: HeldRef, format_: Format, out: Out = None, key: Key = None, as_json: Json = False, quiet: Quiet = False
) -> int:
    """Write a deed in a form that other programs read.

    cyclonedx and spdx are bills of materials, json the deed itself: equal deeds give equal files. model-signing is a
    signature over the build's files with a key of your own; it needs the extra freehold[model-signing].
    """
    from freehold.python.exporting import exported, sign_model, write

    output = Output(as_json=as_json, quiet=quiet)
    if format_ is Form.MODEL_SIGNING:
        if out is None or key is None:
            raise CallError(
                "A model-signing signature wants a key and a file to go to.",
                hint=f"freehold deed export {ref} --format model-signing --key ec.pem -o model.sig",
            )
        signed = str(sign_model(ref, key=key, out=out))
        data = {"path": str(out), "format": str(format_), "signed": signed}
        output.sentence(data, f"{out} is a signature over {signed}.", bare=str(out))
        return 0
    if key is not None:
        raise CallError(f"--key signs nothing in a document of the form {format_}.", hint="Leave it out.")
    text = exported(ref, format_)
    if out is None:
        output.piece(text)
        return 0
    write(text, out)
    output.sentence({"path": str(out), "format": str(format_)}, f"{out} is written.", bare=str(out))
    return 0


deed_commands = {
    "show": show_command,
    "verify": verify_command,
    "diff": diff_command,
    "sign": sign_command,
    "export": export_command,
}


def _lines(found: Found) -> list[tuple[str, str | None]]:
    """Name and value, one per line, for people."""
    deed, stated = found.deed, found.deed.statement
    files = (f"{file.name}, {size(file.size_bytes)}\n  sha256 {file.sha256}, {file.verified}" for file in stated.files)
    texts = (f"{text.name}\n  sha256 {text.sha256}, from {text.source}" for text in stated.texts)
    return [
        ("names", "\n".join(deed.names)),
        ("digest", deed.digest),
        ("files", "\n".join(files)),
        ("texts", "\n".join(texts) or "none came with it, and none was added: `freehold license keep`"),
        ("had from", f"{stated.origin.pinned}, asked for as {stated.origin.asked}"),
        ("made from", _made_from(found)),
        ("on", stated.origin.date[:19].replace("T", " ") + " UTC"),
        ("source said", "\n".join(f"{key}: {value}" for key, value in stated.origin.provenance.items()) or None),
        ("license", _lined(stated.license, _said(found, "license", "reading"))),
        ("openness", _said(found, "openness", "sentence")),
        ("checked", "\n".join(stated.checks)),
        ("verification", _verification(found)),
        (
            "written",
            f"version {stated.written_as}{_NO_PAPERS.get(stated.written_as, '')}, by Freehold {stated.freehold}",
        ),
        ("statement", f"sha256 {deed.statement_sha256}"),
        ("signed by", deed.signature.key if deed.signature else "nobody"),
    ]


def _made_from(found: Found) -> str | None:
    made_from = found.deed.statement.made_from
    if made_from is None:
        return None
    settings = "".join(f"\n  {key}: {value}" for key, value in made_from.settings.items())
    return (
        f"{made_from.parent_name}, {made_from.parent}\n  {made_from.how}, by {made_from.tool} {made_from.tool_version}"
        f"{settings}"
    )


def _verification(found: Found) -> str | None:
    looked = found.deed.statement.verification
    if looked is None:
        return None
    head = f"{looked.verdict}: {len(looked.checks)} checks on {looked.date[:10]}"
    noted = (f"{each.severity}: {each.message} ({each.check})" for each in (*looked.findings, *looked.undecided))
    return "\n".join((head, *noted))


def _said(found: Found, part: str, field: str) -> str | None:
    """A sentence of the papers; None where they, perhaps of another version, have none there."""
    said = found.deed.statement.paper(part).get(field)
    return said if isinstance(said, str) else None


def _lined(*texts: str | None) -> str | None:
    return "\n".join(text for text in texts if text) or None

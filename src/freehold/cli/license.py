"""`freehold license`: what licenses ask of you, one clause at a time. Nothing here asks the network."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from freehold.cli.arguments import Json, Quiet, examples, held_names, judging, shown_names
from freehold.cli.layout import wrapped
from freehold.cli.output import UNKNOWN, Column, Output
from freehold.cli.permitting import recorded, refuse_empty
from freehold.core.settings import load

EXIT_CODES = {"allow": 0, "allow with duties": 0, "deny": 1, "review": 4}

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A model, or a held build.", autocompletion=shown_names)]
As = Annotated[
    Path | None,
    typer.Option("--as", metavar="FILE", help="Take [organization] and [policy] from this file instead."),
]
Id = Annotated[str, typer.Argument(metavar="ID", help="An id of `freehold license list`, or a tag of a hub.")]
Text = Annotated[Path, typer.Argument(metavar="FILE", help="A license text.")]
Why = Annotated[str, typer.Argument(metavar="REASON", help="Why, for whoever asks in years.")]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who decides; you, by your user name.")]
Withdraw = Annotated[bool, typer.Option("--withdraw", help="Take the override back instead.")]

WithoutRecord = Annotated[
    bool, typer.Option("--without-record", help="List the catalog's licenses that nobody read here, and why.")
]

Held = Annotated[str, typer.Argument(metavar="BUILD", help="A held build.", autocompletion=held_names)]
Unrecognized = Annotated[
    bool, typer.Option("--unrecognized", help="Keep it although it is no text we know; the deed says so.")
]

LISTED = (
    Column("id", "LICENSE"),
    Column("kind", "KIND"),
    Column("commercial", "COMMERCIAL"),
    Column("text_seen", "TEXT READ", lambda seen: "yes" if seen else "no"),
    Column("name", "NAME"),
)


@examples(
    "freehold license check llama-3.3-70b-instruct",
    "freehold license check gemma-3-270m --as profile.toml",
    "freehold license check smollm2-135m-instruct:q4_1 --json",
)
def check_command(model: Model, profile: As = None, as_json: Json = False, quiet: Quiet = False) -> int:
    """Say what a model's licenses ask of you, and whether you may use it.

    Reads who you are from [organization] in freehold.toml. The licenses of the models it was made from count too; a
    fact that a clause asks for and nobody stated leaves the question open. Exit code 0: allowed, with duties or
    without; 1: denied; 2: there is no such model; 4: open.
    """
    from freehold.cli.page_check import check_sections
    from freehold.python.licenses import check

    with judging():
        found = check(model, load(file=profile))
    verdict = found.verdict.as_json()
    standing = {**asdict(found.override), "covers_this": found.covered} if found.override else None
    output = Output(as_json=as_json, quiet=quiet)
    output.pages({**verdict, "override": standing}, check_sections(verdict, standing), bare=verdict["decision"])
    return EXIT_CODES[verdict["decision"]]


WITHOUT_RECORD = (
    Column("id", "LICENSE"),
    Column("models", "MODELS", lambda models: str(len(models)), right=True),
    Column("why", "WHY", lambda why: " ".join(why) or UNKNOWN),
)


@examples("freehold license list", "freehold license list --without-record", "freehold license list --json")
def list_command(without: WithoutRecord = False, as_json: Json = False, quiet: Quiet = False) -> int:
    """List the licenses that were read clause by clause.

    COMMERCIAL says whether commercial use is allowed: yes, no, or conditional. With --without-record: those that were
    not, of which every clause is unknown and every check an open question.
    """
    from freehold.python.licenses import known, without_record

    output = Output(as_json=as_json, quiet=quiet)
    if without:
        output.table(WITHOUT_RECORD, without_record(), empty="Every license of the catalog has a record.")
        return 0
    output.table(LISTED, known(), empty="There is no license record.")
    return 0


@examples("freehold license show llama3.3", "freehold license show Apache-2.0 --json")
def show_command(license_id: Id, as_json: Json = False, quiet: Quiet = False) -> int:
    """Show one license: each clause in plain words with its section, and what it asks."""
    from freehold.cli.page_license import clauses_sections, duties_section, license_section
    from freehold.python.licenses import paper_of

    paper = paper_of(license_id)
    alone: dict[str, Any] = {
        "license": paper,
        "model": {"name": paper["id"], "license_note": None},
        "lineage": {"ancestors": ()},
    }
    sections = [license_section(alone), duties_section(alone), *clauses_sections(alone)]
    Output(as_json=as_json, quiet=quiet).pages(paper, sections, bare=paper["id"])
    return 0


@examples("freehold license recognize LICENSE", "freehold license recognize ./model/LICENSE.txt --json")
def recognize_command(text: Text, as_json: Json = False, quiet: Quiet = False) -> int:
    """Say which license a text is: exactly one, one with something added, or none we know.

    There is no likeness: a modified MIT is never called MIT. Exit code 0: exactly one; 1: modified; 4: unknown.
    """
    from freehold.python.licenses import recognized

    found = recognized(text)
    data = {
        "file": str(text),
        "kind": found.kind,
        "license": found.license.id if found.license else None,
        "name": found.license.name if found.license else None,
        "residue": found.residue or None,
        "holders": list(found.holders),
        "sha256": found.sha256,
    }
    lines = [
        ("it is", wrapped(str(found))),
        ("license", wrapped(found.license.name) if found.license else None),
        ("holders", wrapped(*found.holders) or "none named"),
        ("file's sha256", found.sha256),
    ]
    lines += [("also in it", wrapped(found.residue))] if found.residue else []
    Output(as_json=as_json, quiet=quiet).record(data, lines, bare=str(found))
    return {"exact": 0, "modified": 1, "unknown": 4}[found.kind]


@examples(
    "freehold license keep gemma-3-270m ./gemma-terms.txt",
    "freehold license keep gemma-3-270m ./page.txt --unrecognized",
)
def keep_command(
    build: Held, text: Text, unrecognized: Unrecognized = False, as_json: Json = False, quiet: Quiet = False
) -> int:
    """Keep a license text beside a held build, where none came with it.

    The text must be the very one that our record of its license is of, or its list of uses. The deed names it with its
    hash and is signed again; deeds, exports and bundles carry it.
    """
    from freehold.python.license_keeping import keep_text

    kept = keep_text(build, text, load(), unrecognized=unrecognized)
    data = {"build": kept.build, **asdict(kept.text), "recognized": kept.recognized, "added": kept.added}
    what = f"recognized as {kept.recognized}" if kept.recognized else "not recognized"
    how = "is kept" if kept.added else "was kept already"
    said = f"{kept.text.name} {how} beside {kept.build}: {what}, sha256 {kept.text.sha256}"
    Output(as_json=as_json, quiet=quiet).sentence(data, said, bare=kept.text.sha256)
    return 0


@examples(
    'freehold license override llama-3.3-70b-instruct "Licensed by contract L-17" --by "A. Counsel"',
    'freehold license override llama-3.3-70b-instruct "The contract ended" --withdraw',
)
def override_command(
    model: Model, reason: Why, by: By = None, withdraw: Withdraw = False, as_json: Json = False, quiet: Quiet = False
) -> int:
    """Take a model although the policy refuses it, by name and on record.

    Covers the grounds of today and no others: a new clause, another text or a new rule is a new question. Nothing is
    ever erased from the record, overrides.jsonl in the house's home.
    """
    from freehold.python import licenses

    refuse_empty(None, by)
    settings = load()
    act = licenses.withdraw if withdraw else licenses.override
    done = act(model, settings, by=by, reason=reason)
    said = f"Override withdrawn: {done.subject}, by {done.by}: {done.reason}" if withdraw else recorded(done)
    output = Output(as_json=as_json, quiet=quiet)
    output.sentence(asdict(done), said, bare=done.subject)
    return 0


license_commands = {
    "check": check_command,
    "list": list_command,
    "show": show_command,
    "recognize": recognize_command,
    "keep": keep_command,
    "override": override_command,
}

"""`freehold backup` and `restore`: what a house cannot have again, in one file, and a home made of that file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from freehold.cli.arguments import Json, Quiet, examples
from freehold.cli.output import Output, size
from freehold.cli.progress import display_for
from freehold.core.settings import load_despite_errors, require_readable
from freehold.core.sizes import counted

if TYPE_CHECKING:
    from freehold.python.restoring import Finding, Restored

Out = Annotated[Path, typer.Argument(metavar="FILE", help="The backup to write, say house.tar.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")]
Weights = Annotated[bool, typer.Option("--weights", help="Also the weight files; without them, their deeds alone.")]
PrivateKey = Annotated[
    bool, typer.Option("--private-key", help="Also the key that signs for this house. Whoever has the file can sign.")
]
ContentKey = Annotated[
    bool, typer.Option("--content-key", help="Also the key that opens what was kept of requests, which is in the file.")
]
NoLedger = Annotated[bool, typer.Option("--no-ledger", help="Leave the record of requests out.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the file where it is there already.")]
Replace = Annotated[bool, typer.Option("--replace", help="Move a home that is there already aside first.")]
SignedBy = Annotated[
    str | None, typer.Option("--signed-by", metavar="KEY", help="Refuse it unless this key signed it (a fingerprint).")
]


@examples("freehold backup house.tar", "freehold backup /mnt/backup/house.tar --weights --force")
def backup_command(
    out: Out,
    weights: Weights = False,
    private_key: PrivateKey = False,
    content_key: ContentKey = False,
    no_ledger: NoLedger = False,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Write what this house cannot have again into one file, while it runs.

    Settings, API keys (as hashes), the ledger up to a checkpoint, deeds and license texts, overrides, trusted keys and
    what was measured. Signed where this house has a key. Secrets of the environment are never in it.
    """
    from freehold.python.backing_up import Wanted, back_up

    output = Output(as_json=as_json, quiet=quiet)
    wanted = Wanted(weights=weights, private_key=private_key, ledger=not no_ledger, content_key=content_key)
    with display_for(output) as display:
        made = back_up(out, wanted, progress=display, overwrite=force)
    record = made.checkpoint.record if made.checkpoint is not None else None
    data = {
        "path": str(made.path),
        "size_bytes": made.size_bytes,
        "builds": made.builds,
        "weights": weights,
        "private_key": made.has_private_key,
        "content_key": made.has_content_key,
        "ledger_record": record,
        "signed_by": made.key,
        "left_out": list(made.left_out),
        "content_findings": [asdict(finding) for finding in made.content_findings],
    }
    ledger = "no ledger" if record is None else f"the ledger up to record {record:,}"
    by = f"signed by {made.key}" if made.key else "not signed: this house has no key"
    output.sentence(data, f"{out} is written: {size(made.size_bytes)}, {ledger}, {by}", bare=str(out))
    if made.has_private_key:
        output.say("It holds the key that signs for this house: keep it as you keep that key.")
    if made.has_content_key:
        output.say("It holds the key that opens what was kept of requests: keep it as you keep that key.")
    for problem in made.left_out:
        output.say(f"Left out: {problem}")
    for line in _wrong_content(made.content_findings):
        output.say(line)
    return 0


@examples("FREEHOLD_HOME=/srv/freehold freehold restore house.tar", "freehold restore house.tar --replace")
def restore_command(
    file: File, replace: Replace = False, signed_by: SignedBy = None, as_json: Json = False, quiet: Quiet = False
) -> int:
    """Make a home of a backup, everything in it checked first.

    Hashes, signatures, deeds and the whole ledger are looked at before anything becomes visible. A home that is not
    empty is left as it is.
    """
    from freehold.python.restoring import restore
    from freehold.server.sockets import only_house

    output = Output(as_json=as_json, quiet=quiet)
    require_readable()
    settings = load_despite_errors()
    with only_house(settings.runtime_dir, settings.home), display_for(output) as display:
        restored = restore(file, settings, progress=display, replace=replace, signed_by=signed_by)
    brought = restored.brought
    record = brought.checkpoint.record if brought.checkpoint is not None else None
    data = {
        "home": str(restored.home),
        "taken_at": brought.taken_at,
        "signed_by": brought.key,
        "ledger_record": record,
        "builds": list(brought.builds),
        "without_weights": list(brought.without_weights),
        "former_key": brought.former_key,
        "moved_aside": [str(path) for path in restored.moved_aside],
        "content_findings": [asdict(finding) for finding in brought.content_findings],
        "sealed_otherwise": dict(brought.closed),
        "former_content_keys": restored.former_keys._asdict() if restored.former_keys is not None else None,
    }
    by = f"signed by {brought.key}" if brought.key else "signed by nobody: its hashes show damage, not who made it"
    output.sentence(data, f"{restored.home} is the house of {brought.taken_at}, {by}.", bare=str(restored.home))
    for line in _to_do(restored):
        output.say(line)
    return 0


def _to_do(restored: Restored) -> list[str]:
    """What whoever restores must know, or do next."""
    brought, lines = restored.brought, [f"What was there is at {path}." for path in restored.moved_aside]
    if brought.without_weights:
        pulls = "\n".join(f"  freehold pull {name}" for name in brought.without_weights)
        deeds = restored.home / "deeds"
        lines.append(f"The weights were not in it; their deeds are in {deeds}. To have them:\n{pulls}")
    if brought.former_key is not None:
        lines.append(
            f"The private key was not in it: {brought.former_key} is trusted, and nothing is signed until this house "
            "has a key: freehold signing create"
        )
    if brought.has_settings:
        place = restored.home / "restored" / "freehold.toml"
        lines.append(f"Its settings are {place}: freehold up --config {place}")
    if brought.wrong_settings is not None:
        lines.append(f"They cannot be used as they are. {brought.wrong_settings}")
    return [*lines, *_closed_content(restored), *_wrong_content(brought.content_findings)]


def _closed_content(restored: Restored) -> Iterator[str]:
    """Which key opens what was kept of requests, where it did not come, and whether the home of before has it."""
    place, former = restored.home / "keys" / "content.key", restored.former_keys
    for key, contents in restored.brought.closed.items():
        where = f"put your copy of it in {place}, with mode 0600."
        if former is not None and key in former.names:
            where = f"{former.path} holds it. Put that in {place}, with mode 0600."
        elif former is not None:
            where = f"it is not in {former.path} either: {where}"
        yield (
            f"{counted(contents, 'content')} of requests came sealed, without the key {key}, which alone opens them: "
            f"{where}"
        )


def _wrong_content(findings: Sequence[Finding]) -> list[str]:
    """That what is kept of requests is not all as the ledger says; nothing where it is."""
    if not findings:
        return []
    first = findings[0]
    return [
        f"What is kept of requests is not all that the ledger says ({first.kind}: record {first.first:,}). It stays as "
        "it is: freehold ledger verify"
    ]

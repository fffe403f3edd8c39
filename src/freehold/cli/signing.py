"""`freehold signing create`, `show`, `export`, `trust`: the key that signs this house's deeds, and whose it believes.

The private key is never printed. Its passphrase comes from FREEHOLD_KEY_PASSPHRASE, or from the file that
FREEHOLD_KEY_PASSPHRASE_FILE names, so that it stands in no history of a shell.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freehold.cli.arguments import Json, Quiet, examples
from freehold.cli.output import Column, Output
from freehold.core.errors import CallError

KeyFile = Annotated[Path, typer.Argument(metavar="FILE", help="A public key, PEM: another house's `signing export`.")]
OF_KEYS = (Column("key", "KEY"), Column("whose", "WHOSE"), Column("path", "FILE"))


@examples("freehold signing create", "FREEHOLD_KEY_PASSPHRASE_FILE=/run/secrets/deeds freehold signing create")
def create_command(as_json: Json = False, quiet: Quiet = False) -> int:
    """Make this house's key: from now on its deeds are signed, and unsigned ones are not opened.

    With FREEHOLD_KEY_PASSPHRASE set the private key is encrypted, and every pull needs the passphrase to sign.
    Builds that are held already are signed with `freehold deed sign --all`.
    """
    from freehold.python.deeds import keys, unsigned

    made = keys()
    name = made.create()
    output = Output(as_json=as_json, quiet=quiet)
    output.sentence({"key": name, "path": str(made.private_path)}, f"{name} is this house's key.", bare=name)
    if made.exposed is not None:
        decides = "whoever writes there decides what this house trusts"
        output.say(f"Other accounts can write {made.exposed}: {decides}. `chmod go-w {made.exposed}`")
    waiting = unsigned()
    if waiting:
        output.say(f"{len(waiting)} held and not signed: look at them, then `freehold deed sign --all`.")
    return 0


@examples("freehold signing show", "freehold signing show --json")
def show_command(as_json: Json = False, quiet: Quiet = False) -> int:
    """List this house's key and those it trusts, by fingerprint."""
    from freehold.python.deeds import keys

    known = keys()
    own = known.own()
    rows = [{"key": own, "whose": "this house", "path": str(known.public_path)}] if own else []
    rows += [{"key": key, "whose": "trusted", "path": str(path)} for key, path in known.trusted().items()]
    output = Output(as_json=as_json, quiet=quiet)
    output.table(OF_KEYS, rows, empty="This house has no key and trusts none: freehold signing create")
    return 0


@examples("freehold signing export", "freehold signing export > our-house.pub")
def export_command(as_json: Json = False, quiet: Quiet = False) -> int:
    """Print the public half of this house's key, for other houses to trust."""
    from freehold.python.deeds import keys

    known = keys()
    text = known.export()
    Output(as_json=as_json, quiet=quiet).sentence(
        {"key": known.own(), "public": text}, text.removesuffix("\n"), bare=text.removesuffix("\n")
    )
    return 0


@examples("freehold signing trust their-house.pub")
def trust_command(file: KeyFile, as_json: Json = False, quiet: Quiet = False) -> int:
    """Open builds whose deeds are signed by this public key.

    Compare the fingerprint with its owner first, by another way than the one the file came by.
    """
    from freehold.python.deeds import keys

    if not file.is_file():
        raise CallError(
            f"{file} is not there.", hint="Name the file that `freehold signing export` wrote in their house."
        )
    name = keys().trust(file)
    Output(as_json=as_json, quiet=quiet).sentence({"key": name}, f"{name} is trusted.", bare=name)
    return 0


signing_commands = {
    "create": create_command,
    "show": show_command,
    "export": export_command,
    "trust": trust_command,
}

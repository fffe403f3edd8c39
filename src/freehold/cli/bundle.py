"""`freehold bundle make` and `open`: builds carried to a machine without a network. Nothing here starts a worker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from freehold.cli.arguments import Json, Quiet, examples, held_names
from freehold.cli.output import Output, size
from freehold.cli.permitting import By, Reason, Wish, permitted
from freehold.cli.progress import display_for
from freehold.core.errors import CallError

if TYPE_CHECKING:
    from freehold.python.bundles import Opened

Refs = Annotated[list[str], typer.Argument(metavar="REF...", help="Held builds.", autocompletion=held_names)]
Out = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The bundle to write, say house.tar.")]
WithWheels = Annotated[bool, typer.Option("--wheels/--no-wheels", help="Pack the wheels that run Freehold, too.")]
WheelsFrom = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Take the wheels from a folder, not from the package index.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace the file where it is there already.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="A bundle.")]
Trust = Annotated[
    str | None,
    typer.Option(metavar="KEY", help="Trust its maker: a fingerprint, or a public key's file."),
]
WheelsTo = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Put its wheels there, to install them.")]


@examples(
    "freehold bundle make smollm2-135m-instruct -o house.tar",
    "freehold bundle make smollm2-135m-instruct gemma-3-270m -o models.tar --no-wheels",
)
def make_command(
    refs: Refs,
    out: Out,
    wheels: WithWheels = True,
    wheels_from: WheelsFrom = None,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Pack held builds, their deeds and license texts, and the wheels that run them, into one file.

    It is a plain tar with a manifest first, signed where this house has a key. The wheels are those of this Freehold,
    for this Python and this kind of machine. Equal builds, wheels and key give equal bytes.
    """
    from freehold.python.bundles import make_bundle

    if wheels_from is not None and not wheels:
        raise CallError("--wheels-from names wheels, and --no-wheels wants none.", hint="Leave one of them out.")
    output = Output(as_json=as_json, quiet=quiet)
    with display_for(output) as display:
        made = make_bundle(refs, out, with_wheels=wheels, wheels_from=wheels_from, progress=display, replace=force)
    data = {
        "path": str(made.path),
        "size_bytes": made.size_bytes,
        "manifest_sha256": made.manifest_sha256,
        "builds": list(made.builds),
        "wheels": made.wheels,
        "signed_by": made.key,
        "without_license_text": list(made.without_text),
    }
    by = f"signed by {made.key}" if made.key else "not signed: this house has no key"
    held = "1 build" if len(made.builds) == 1 else f"{len(made.builds)} builds"
    text = f"{out} is written: {size(made.size_bytes)}, {held}, {made.wheels or 'no'} wheels, {by}"
    output.sentence(data, text, bare=str(out))
    for name in made.without_text:
        output.say(f"No license text of {name} is in it: none came with the weights. {_keep(name)}")
    return 0


@examples(
    "freehold bundle open house.tar",
    "freehold bundle open house.tar --trust ed25519:6f3c...",
    "freehold bundle open house.tar --wheels-to ./wheels",
)
def open_command(
    file: File,
    trust: Trust = None,
    wheels_to: WheelsTo = None,
    override: Reason = None,
    by: By = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Take in the builds of a bundle, everything checked first; no network is used.

    Manifest, signature, deeds, hashes and the weights themselves are looked at before anything becomes visible. Of a
    bundle that fails nothing stays.
    """
    from freehold.python.bundles import take_in

    output = Output(as_json=as_json, quiet=quiet)

    def once() -> Opened:
        with display_for(output) as display:
            return take_in(file, trust=trust, wheels_to=wheels_to, progress=display)

    opened = permitted(once, output, Wish(override, by))
    maker = opened.maker
    if as_json:
        output.document(
            {
                "builds": [{"name": each.name, "digest": each.digest} for each in opened.builds],
                "manifest_sha256": opened.manifest_sha256,
                "signed_by": maker.key,
                "signature": maker.state,
                "without_license_text": list(opened.without_text),
                "wheels": [str(path) for path in opened.wheels],
            }
        )
        return 0
    for build in opened.builds:
        output.line(build.name if quiet else f"{build.name} is held: {size(build.size_bytes)}, {build.digest}")
    for name in opened.without_text:
        output.say(f"No license text of {name} came with it. {_keep(name)}")
    output.say(_vouched(maker.key, maker.state))
    if opened.wheels:
        output.say(f"To install the wheels: python3 -m pip install --no-index --no-deps {wheels_to}/*.whl")
    return 0


def _keep(name: str) -> str:
    return f"To keep the one you accepted: freehold license keep {name} FILE"


def _vouched(key: str | None, state: str) -> str:
    if key is None:
        return "Nobody signed this bundle: its hashes show damage, and not who made it."
    if state == "valid":
        return f"It is signed by {key}, which this house trusts."
    return (
        f"It is signed by {key}, a key this house does not know: ask its maker, then open it again with --trust {key}."
    )


bundle_commands = {"make": make_command, "open": open_command}

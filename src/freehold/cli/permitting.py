"""What commands do when the policy refuses a model: take a named person's override, or ask the one at the terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

import typer

from freehold.cli.output import Output
from freehold.core.errors import PolicyError, PolicyReviewError
from freehold.core.settings import Settings, load

Result = TypeVar("Result")

Reason = Annotated[
    str | None, typer.Option("--override", metavar="REASON", help="Take it although the policy refuses it; recorded.")
]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who overrides; you, by your user name.")]

AGREED = "agreed at the terminal"


@dataclass(frozen=True, slots=True)
class Wish:
    """An override as the command line has it; `reason` None: none is wished."""

    reason: str | None = None
    by: str | None = None


def permitted(call: Callable[[], Result], output: Output, wish: Wish, settings: Settings | None = None) -> Result:
    """What `call` gives. Where the policy refuses, the override is recorded, if there is one, and it is called again.

    Without a wish, a person at the terminal is asked about open questions, where the policy says "ask". A denial is
    never asked about. Raises PolicyError.
    """
    try:
        return call()
    except PolicyError as error:
        known = settings or load()
        reason = wish.reason if wish.reason is not None else _agreed(error, output, known)
        if reason is None:
            raise
        _record(error, known, wish.by, reason, output)
    return call()


def _agreed(error: PolicyError, output: Output, settings: Settings) -> str | None:
    asks = isinstance(error, PolicyReviewError) and settings.policy.review in (None, "ask")
    if not asks or not output.talks_to_person:
        return None
    output.say(error.message)
    return AGREED if output.ask("Take it all the same? Your name is recorded.") else None


def _record(error: PolicyError, settings: Settings, by: str | None, reason: str, output: Output) -> None:
    from freehold.python.licenses import record

    for each in record(error.data["refused"], settings, by=by, reason=reason):
        output.say(f"Override recorded: {each.subject}, by {each.by}: {each.reason}")

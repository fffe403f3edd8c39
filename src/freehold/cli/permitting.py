"""What commands do when the policy refuses a model: take a named person's override, or ask the one at the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from freehold.cli.output import Output
from freehold.core.errors import CallError, PolicyError, PolicyReviewError
from freehold.core.settings import Settings, load

if TYPE_CHECKING:
    from freehold.python.licenses import Override

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
    Where an earlier override lets it through, a wished one is recorded too.

    Without a wish, a person at the terminal is asked about open questions, where the policy says "ask". A denial is
    never asked about. Raises PolicyError, CallError for a reason or a name that is empty.
    """
    from freehold.python.licenses import let_through

    refuse_empty(wish.reason, wish.by)
    with let_through() as standing:
        try:
            result = call()
        except PolicyError as error:
            known = settings or load()
            reason = wish.reason if wish.reason is not None else _agreed(error, output, known)
            if reason is None:
                raise
            earlier = standing if wish.reason is not None else []
            _record(_once_each([*earlier, *error.data["refused"]]), known, Wish(reason, wish.by), output)
        else:
            if standing and wish.reason is not None:
                _record(_once_each(standing), settings or load(), wish, output)
            return result
    return call()


def refuse_empty(reason: str | None, by: str | None) -> None:
    """Raises CallError where a reason or a name is given and says nothing."""
    if reason is not None and not reason.strip():
        raise CallError("An override needs its reason.", hint='Say why: --override "why" --by NAME')
    if by is not None and not by.strip():
        raise CallError("--by names nobody.", hint="Say who decides, or leave it out: you, by your user name.")


def _agreed(error: PolicyError, output: Output, settings: Settings) -> str | None:
    asks = isinstance(error, PolicyReviewError) and settings.policy.review in (None, "ask")
    if not asks or not output.talks_to_person:
        return None
    output.say(error.message)
    return AGREED if output.ask("Take it all the same? Your name is recorded.") else None


def _once_each(refused: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """A call asks at more than one door: the last that was said of each subject."""
    return list({each["subject"]: each for each in refused}.values())


def _record(refused: Sequence[Mapping[str, Any]], settings: Settings, wish: Wish, output: Output) -> None:
    from freehold.python.licenses import record

    for each in record(refused, settings, by=wish.by, reason=wish.reason or ""):
        output.say(recorded(each))


def recorded(override: Override) -> str:
    """What was recorded, with every ground that it covers."""
    covered = "".join(f"\n  - {reason}" for reason in dict.fromkeys(override.reasons))
    return f"Override recorded: {override.subject}, by {override.by}: {override.reason}\nIt covers:{covered}"

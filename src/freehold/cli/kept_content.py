"""`freehold ledger show`, `erase`, `new-key`: what is kept of requests, opened, erased, and closed with another key.

Only who holds the home can: none of it is on the API. Each leaves its record in the chain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from freehold.cli.arguments import Json, Quiet, examples
from freehold.cli.output import Column, Output
from freehold.core.errors import CallError
from freehold.core.sizes import counted

if TYPE_CHECKING:
    from freehold.python.content import Erasure, KeptRequest

Request = Annotated[
    str | None,
    typer.Argument(metavar="REQUEST", help="The id that its client sent or was given."),
]
Admission = Annotated[
    int | None, typer.Option("--admission", metavar="N", min=1, help="The number of its admission in the ledger.")
]
Key = Annotated[
    str | None, typer.Option("--key", metavar="KEY", help="Those that were asked by this key: its id, or its owner.")
]
Endpoint = Annotated[str | None, typer.Option("--endpoint", metavar="NAME", help="Those that asked this endpoint.")]
Since = Annotated[str | None, typer.Option("--since", metavar="DAY", help="From this day on: 2026-11-30 (UTC).")]
Until = Annotated[str | None, typer.Option("--until", metavar="DAY", help="Up to this day, which is in it.")]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; it stands in the ledger.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be erased.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

_HALVES = {"asked": ("what it asked", "What it was answered"), "answered": ("what it was answered", "What it asked")}
_LISTED = 20
_COLUMNS = (
    Column("admission", "ADMISSION", right=True),
    Column("at", "WHEN"),
    Column("endpoint", "ENDPOINT"),
    Column("key", "KEY"),
    Column("request", "REQUEST"),
)


@examples("freehold ledger show req_5c1f", 'freehold ledger show --admission 17 --reason "complaint 4711"')
def show_command(
    request: Request = None,
    admission: Admission = None,
    reason: Reason = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Open what was kept of one request, and leave a record of that.

    It is a JSON object: what the engine was sent, and what it answered. The ledger says who opened it, when and why."""
    from freehold.python import content

    if request is None and admission is None:
        raise CallError("It is not said which request.", hint="freehold ledger show REQUEST, or --admission N")
    shown = content.show(content.sought(request, admission), _told(reason))
    of = {name: value for name, value in _row(shown.request).items() if name != "contents"}
    data = {**of, "outcome": shown.request.outcome, "error": shown.request.error, "partial": shown.is_partial}
    data["erased"] = [{"part": part, **_record(erasure)} for part, erasure in shown.request.gone.items()]
    output = Output(as_json=as_json, quiet=quiet)  # JSON whatever the manner
    output.document({**data, "calls": list(shown.calls)})
    for part, erasure in shown.request.gone.items():
        gone, there = _HALVES[part]
        output.say(f"Half of it is erased: {gone} was erased {erasure.words}. {there} is shown.")
    output.say("The ledger has a record of this.")
    return 0


@examples(
    'freehold ledger erase req_5c1f --reason "asked by the customer"',
    'freehold ledger erase --key 5f0c2a91 --until 2026-10-31 --reason "left the firm" --dry-run',
)
def erase_command(  # noqa: PLR0913 - the parameters are the command's options; typer reads them from here
    request: Request = None,
    admission: Admission = None,
    key: Key = None,
    endpoint: Endpoint = None,
    since: Since = None,
    until: Until = None,
    reason: Reason = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Erase what was kept of requests; the ledger says so.

    Those go to which all applies that you say. Their keys are overwritten, then what was sealed with them; the records
    of the requests stay, and verify as before. What is in flight is left."""
    from freehold.python import content

    which = content.sought(request, admission, key=key, endpoint=endpoint, since=since, until=until)
    if which.is_anything:
        raise CallError(
            "It is not said what to erase.", hint="Name a request, or --key, --endpoint, --since or --until."
        )
    found = content.to_erase(which)
    output = Output(as_json=as_json, quiet=quiet)
    requests = found.requests
    if found.in_flight:
        output.say(f"Left, as in flight: {counted(found.in_flight, 'request')}. Call again when that has ended.")
    if dry_run or not requests:
        empty = "Nothing of that has ended." if found.in_flight else "Nothing of that is kept."
        output.table(_COLUMNS, [_row(each) for each in requests], empty=empty)
        return 0 if requests else 1
    content.require_one(which, found)
    why = _told(reason)
    if why is None:
        raise CallError("Nothing is erased without a reason.", hint='--reason "asked by the customer"')
    if not yes and not _agreed(requests, output):
        return 1
    erased = content.erase(requests, why)
    data = {"requests": len(requests), "contents": erased, "in_flight": found.in_flight, "reason": why}
    sentence = f"What {counted(len(requests), 'request')} asked and {_were(requests)} answered is erased."
    output.sentence(data, sentence, bare=str(len(requests)))
    output.say("Copies from before, backups among them, hold it still, and open with the house's key: destroy them.")
    output.say("Or exchange the key, `freehold ledger new-key`, and destroy every copy of the old one.")
    return 0


@examples("freehold ledger new-key")
def new_key_command(as_json: Json = False, quiet: Quiet = False) -> int:
    """Exchange every key that opens what is kept.

    The house may run meanwhile. What lies in the house opens with the new key alone, and backups from before with the
    old one alone, what was erased since among it: make a new backup first, then destroy every copy of the old key. Keep
    one of the new where your backups are not. The ledger says who exchanged which key for which. Ends with 1 where
    something is damaged: then the old key stays."""
    from freehold.python.new_key import new_key

    made = new_key()
    output = Output(as_json=as_json, quiet=quiet)
    data = made.fields
    opens = f"opens {counted(made.segments, 'segment')} of what is kept" if made.segments else "seals what comes"
    output.sentence(data, f"The key is {made.key} now, and {opens}.", bare=made.key)
    without_key = made.unopened - made.damaged
    if without_key:
        output.say(f"Of {counted(without_key, 'segment')} the key was not here: they open with that one alone.")
    if made.damaged:
        output.say(
            f"Not exchanged, since not whole: {counted(made.damaged, 'segment')}. The old key stays in "
            "keys/content.key, and may open them once they are mended: `freehold ledger verify` says what is wrong. "
            "Then call this again."
        )
        return 1
    if made.segments:
        output.say("Make a new backup first, then destroy every copy of the old key: backups from before open with the")
        output.say("old one alone, what was erased since among it.")
    return 0


def _agreed(found: Sequence[KeptRequest], output: Output) -> bool:
    what = f"what {counted(len(found), 'request')} asked and {_were(found)} answered"
    if not output.talks_to_person:
        raise CallError(f"Nothing is erased without a yes: it would be {what}.", hint="--yes, or --dry-run to see it.")
    for each in found[:_LISTED]:
        output.say(f"  {each.admission}: {each.request}, {each.endpoint}")
    return output.ask(f"Erase {what}, for ever?")


def _were(found: Sequence[KeptRequest]) -> str:
    return "was" if len(found) == 1 else "were"


def _told(reason: str | None) -> str | None:
    """A reason as one line."""
    return " ".join(reason.split())[:1000] or None if reason is not None else None


def _record(erasure: Erasure) -> dict[str, Any]:
    """What its record says, under the names that `freehold ledger verify` has for it."""
    return {name: getattr(erasure, name) for name in ("seq", "at_ms", "by", "cause", "reason")}


def _row(request: KeptRequest) -> dict[str, Any]:
    from freehold.python.content import when

    return {
        "admission": request.admission,
        "at": when(request),
        "request": request.request,
        "key": request.key,
        "endpoint": request.endpoint,
        "route": request.route,
        "contents": len(request.names),
    }

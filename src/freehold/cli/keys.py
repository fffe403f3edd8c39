"""`freehold keys create`, `list`, `revoke`, `restore`, `rotate`: who may ask this house, what, and how much of it.

A key is shown once, when it is made. What changes here is in force at once, also in a house that runs: what is at work
by a revoked key ends. The key that signs deeds is another one: `freehold signing`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from freehold.cli.arguments import Json, Quiet, examples
from freehold.cli.output import Column, Output
from freehold.core.sizes import were

if TYPE_CHECKING:
    from freehold.python.access import Key, Made

Owner = Annotated[str, typer.Argument(metavar="OWNER", help="Whose it is: a person, or a program.")]
Name = Annotated[str, typer.Argument(metavar="KEY", help="Its id, or its owner where that one has a single key.")]
Endpoints = Annotated[
    list[str] | None, typer.Option("--endpoint", metavar="NAME", help="Only this endpoint; may be given several times.")
]
For = Annotated[
    list[str] | None,
    typer.Option(
        "--for", metavar="VERB", help="Only this: chat, complete, embed or tokens; may be given several times."
    ),
]
Admin = Annotated[bool, typer.Option("--admin", help="It may also see what others do and did, and end it.")]
Expires = Annotated[str | None, typer.Option("--expires", metavar="WHEN", help="After 30d, or on a day: 2027-01-31.")]
AtOnce = Annotated[int | None, typer.Option("--at-once", metavar="N", min=1, help="Requests at work at one time.")]
PerMinute = Annotated[int | None, typer.Option("--requests-per-minute", metavar="N", min=1, help="Requests a minute.")]
TokensPerMinute = Annotated[
    int | None, typer.Option("--tokens-per-minute", metavar="N", min=1, help="Tokens a minute.")
]
PerDay = Annotated[int | None, typer.Option("--tokens-per-day", metavar="N", min=1, help="Tokens a day (UTC).")]
PerMonth = Annotated[int | None, typer.Option("--tokens-per-month", metavar="N", min=1, help="Tokens a month (UTC).")]
WhPerDay = Annotated[
    float | None, typer.Option("--wh-per-day", metavar="N", min=0.001, help="Watt-hours a day (UTC), where measured.")
]
WhPerMonth = Annotated[
    float | None,
    typer.Option("--wh-per-month", metavar="N", min=0.001, help="Watt-hours a month (UTC), where measured."),
]
Batch = Annotated[bool, typer.Option("--batch", help="Nobody waits for its answers: others' requests go first.")]
Grace = Annotated[
    str | None, typer.Option("--grace", metavar="SPAN", help="How long the old one still opens: 90m, 12h.")
]
All = Annotated[bool, typer.Option("--all", help="Also those that were revoked or have expired.")]

_AS_SIGNED_ON = "as each token says"
_LIMITS = {
    "concurrency": "at once",
    "requests_per_minute": "requests/min",
    "tokens_per_minute": "tokens/min",
    "tokens_per_day": "tokens/day",
    "tokens_per_month": "tokens/month",
    "wh_per_day": "Wh/day",
    "wh_per_month": "Wh/month",
}


@examples(
    "freehold keys create ada",
    "freehold keys create nightly --batch --for embed --endpoint small --expires 30d",
    "freehold keys create ada --tokens-per-day 100000 --at-once 4",
)
def create_command(  # noqa: PLR0913 - the parameters are the command's options; typer reads them from here
    owner: Owner,
    endpoint: Endpoints = None,
    verb: For = None,
    admin: Admin = False,
    expires: Expires = None,
    at_once: AtOnce = None,
    requests_per_minute: PerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    tokens_per_day: PerDay = None,
    tokens_per_month: PerMonth = None,
    wh_per_day: WhPerDay = None,
    wh_per_month: WhPerMonth = None,
    batch: Batch = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Make a key for a person or a program, and show it once.

    From the first one on the house asks everybody for a key, on every address. It is kept as a hash: who loses a key
    gets another (`rotate`)."""
    from freehold.python import access

    scopes = access.Scopes(tuple(dict.fromkeys(endpoint or ())), access.verbs(verb or []), admin)
    limits = access.Limits(
        at_once,
        requests_per_minute,
        tokens_per_minute,
        tokens_per_day,
        tokens_per_month,
        wh_per_day,
        wh_per_month,
        "batch" if batch else "interactive",
    )
    made = access.create(owner, scopes, limits, access.end_s(expires) if expires is not None else None)
    return _show_once(made, Output(as_json=as_json, quiet=quiet))


@examples("freehold keys list", "freehold keys list --all", "freehold keys list --json")
def list_command(everyone: All = False, as_json: Json = False, quiet: Quiet = False) -> int:
    """List the keys, and the people who signed on: whose, what they may do, and how much."""
    from freehold.python import access

    rows = [_row(key, access.state(key)) for key in access.every()]
    shown = [row for row in rows if everyone or row["state"] == "live"]
    columns = (
        Column("id", "KEY"),
        Column("owner", "OWNER"),
        Column("kind", "KIND"),
        Column("state", "STATE"),
        Column("scopes", "MAY", _scopes),
        Column("limits", "HOW MUCH", _limits),
        Column("expires", "UNTIL", lambda until: until or "revoked"),
    )
    if not as_json:
        shown = [_for_people(row) for row in shown]
    empty = "There is no key: whoever reaches the house may ask it. freehold keys create NAME"
    Output(as_json=as_json, quiet=quiet).table(columns, shown, empty=empty)
    return 0


@examples("freehold keys revoke 5f0c2a91", "freehold keys revoke ada")
def revoke_command(key: Name, as_json: Json = False, quiet: Quiet = False) -> int:
    """Let a key open nothing from now on; what is at work by it ends."""
    from freehold.python import access

    revoked, ended = access.revoke(key)
    text = f"The key {revoked.id} of {revoked.owner} opens nothing any more."
    if revoked.is_person:
        text = f"{revoked.owner} may not use this house any more, whatever the sign-on says."
    if ended:
        text += f" {were(ended, 'request')} ended."
    Output(as_json=as_json, quiet=quiet).sentence({"id": revoked.id, "ended": ended}, text, bare=revoked.id)
    return 0


@examples("freehold keys restore ada@example.org")
def restore_command(key: Name, as_json: Json = False, quiet: Quiet = False) -> int:
    """Let a person in again who signs on elsewhere and was revoked here. An API key stays revoked."""
    from freehold.python import access

    restored, _ = access.restore(key)
    text = f"{restored.owner} may use this house again, with a token of the sign-on."
    Output(as_json=as_json, quiet=quiet).sentence({"id": restored.id}, text, bare=restored.id)
    return 0


@examples("freehold keys rotate ada", "freehold keys rotate 5f0c2a91 --grace 12h")
def rotate_command(key: Name, grace: Grace = None, as_json: Json = False, quiet: Quiet = False) -> int:
    """Give a key a new text, and show it once. Id, scopes, limits and what was used stay.

    The old text opens nothing from now on, or for as long as --grace says.
    """
    from freehold.python import access

    made = access.rotate(key, access.span_s(grace) if grace is not None else 0)
    until = [each.until_s for each in made.key.hashes if each.until_s is not None]
    old = f" The old one opens until {_iso(until[0])}." if until else " The old one opens nothing any more."
    return _show_once(made, Output(as_json=as_json, quiet=quiet), old)


def _show_once(made: Made, output: Output, about_old: str = "") -> int:
    data = {"id": made.key.id, "owner": made.key.owner, "key": made.text}
    text = f"{made.text}\nThe key of {made.key.owner} ({made.key.id}). It is not shown again.{about_old}"
    if made.ended:
        text += f" {were(made.ended, 'request')} ended."
    output.sentence(data, text, bare=made.text)
    for note in made.notes:
        output.say(note)
    return 0


def _row(key: Key, state: str) -> dict[str, Any]:
    return {
        "id": key.id,
        "owner": key.owner,
        "kind": "person" if key.is_person else "key",
        "state": state,
        "created": _iso(key.created_s),
        "expires": _iso(key.expires_s) if key.expires_s is not None else None,
        "scopes": None if key.is_person else dataclasses.asdict(key.scopes),
        "limits": None if key.is_person else dataclasses.asdict(key.limits),
    }


def _for_people(row: Mapping[str, Any]) -> dict[str, Any]:
    """What nothing is said of is known all the same: a key without an end, and a person of whom each token says it."""
    told = {"expires": "always", "scopes": _AS_SIGNED_ON, "limits": _AS_SIGNED_ON}
    return {name: told.get(name) if value is None else value for name, value in row.items()}


def _scopes(scopes: Mapping[str, Any] | str) -> str:
    if isinstance(scopes, str):
        return scopes
    parts = [", ".join(scopes["verbs"]) or "everything"]
    parts += [f"at {', '.join(scopes['endpoints'])}"] * bool(scopes["endpoints"]) + ["admin"] * scopes["admin"]
    return "; ".join(parts)


def _limits(limits: Mapping[str, Any] | str) -> str:
    if isinstance(limits, str):
        return limits
    told = [f"{limits[name]:,} {word}" for name, word in _LIMITS.items() if limits[name] is not None]
    told += ["batch"] * (limits["priority"] == "batch")
    return ", ".join(told) or "no limit"


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


keys_commands = {
    "create": create_command,
    "list": list_command,
    "revoke": revoke_command,
    "restore": restore_command,
    "rotate": rotate_command,
}

"""`freehold usage`: who asked how much, of what, on which day. Read from the ledger; needs no running house."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from freehold.cli.arguments import Json, Quiet, examples
from freehold.cli.output import UNKNOWN, Column, Output
from freehold.core.sizes import duration

By = Annotated[str, typer.Option("--by", help="Sum by these: day, key, endpoint.")]
Since = Annotated[
    str | None, typer.Option("--since", metavar="DAY", help="From this day on, such as 2026-11-30 (UTC).")
]
Until = Annotated[str | None, typer.Option("--until", metavar="DAY", help="Up to this day, which is in it.")]
Key = Annotated[str | None, typer.Option("--key", metavar="KEY", help="Of this key alone: its id, or its owner.")]


@examples("freehold usage", "freehold usage --by key --since 2026-11-01", "freehold usage --by endpoint,day --json")
def usage_command(
    by: By = "day,key,endpoint",
    since: Since = None,
    until: Until = None,
    key: Key = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Show what was used: requests, tokens, time and energy.

    Tokens are as the engines counted them. Where an engine did not tell, as of an answer that was cut off, the pieces
    that had come are shown beside them."""
    from freehold.python import ledger

    asked = ledger.asked(by, since=since, until=until, key=key)
    columns = [_NAMES[name] for name in asked.by]
    output = Output(as_json=as_json, quiet=quiet)
    output.table([*columns, *_COUNTS], ledger.usage(asked, told=not as_json), empty="Nothing was asked in that time.")
    output.say("Added up from the ledger, which this does not verify: freehold ledger verify")
    return 0


def _time(microseconds: int) -> str:
    return duration(microseconds / 1e6)


def _energy(quantity: Mapping[str, Any]) -> str:
    if quantity["value"] is None:
        return UNKNOWN
    return f"about {quantity['value']:.3g} Wh ({quantity['low']:.3g} to {quantity['high']:.3g})"


_NAMES = {
    "day": Column("day", "DAY"),
    "key": Column("key", "KEY"),
    "endpoint": Column("endpoint", "ENDPOINT"),
}
_COUNTS = (
    Column("requests", "REQUESTS", "{:,}".format, right=True),
    Column("not_done", "NOT DONE", "{:,}".format, right=True),
    Column("tokens_in", "TOKENS IN", "{:,}".format, right=True),
    Column("tokens_cached", "CACHED", "{:,}".format, right=True),
    Column("tokens_out", "OUT", "{:,}".format, right=True),
    Column("pieces", "NOT COUNTED", "{:,}".format, right=True),
    Column("total_us", "TIME", _time, right=True),
    Column("energy_wh", "ENERGY", _energy, right=True),
)

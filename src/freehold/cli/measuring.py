"""`freehold machine --measure` and `--check`: what speeds are predicted from, and how good predictions are."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from freehold.cli.figures import memory, rate
from freehold.cli.output import Column, Output, Section

ROWS = (
    Column("build", "BUILD"),
    Column("of", "OF"),
    Column("used_tokens", "TOKENS", right=True),
    Column("concurrency", "AT ONCE", right=True),
    Column("predicted", "PREDICTED", right=True),
    Column("measured", "MEASURED", right=True),
    Column("spread", "LOWEST TO HIGHEST", right=True),
    Column("error", "ERROR", right=True),
)
_MANY = "128"


def measure_command(output: Output) -> int:
    """Measure and keep the record."""
    from freehold.python.measuring import measure_machine

    output.say("Measuring: about a minute, with all of the processor. Leave it alone meanwhile.")
    found = asyncio.run(measure_machine(tell=output.say))
    output.pages(found, list(_record(found)), bare=found["kept_at"])
    return 0


def check_command(output: Output, names: Sequence[str]) -> int:
    """Run builds and compare."""
    from freehold.python.measuring import check_predictions

    found = asyncio.run(check_predictions(tell=output.say, names=names))
    rows = found["rows"]
    if output.as_json:
        output.pages(found, [], bare="")
    else:
        output.table(ROWS, [_row(row) for row in rows], empty="Nothing was measured.")
        output.pages(found, [Section("Apart from each other", list(_errors(found["errors"])))], bare="")
    return 0


def _record(found: Mapping[str, Any]) -> list[Section]:
    first, *sections = measured_sections(found)
    kept = Section(first.title, [("fingerprint", found["fingerprint"]), *first.lines, ("kept at", found["kept_at"])])
    return [kept, *sections]


def measured_sections(found: Mapping[str, Any]) -> list[Section]:
    """What a record holds: how fast memory is read, and how many weights of each type a second."""
    lines = [
        ("engine", found["engine"]),
        ("measured on", found["on"]),
        ("threads", f"{found['threads']} are fastest"),
        *(
            (f"memory, {count} thread{'s' * (count != '1')}", rate(each["value"]))
            for count, each in found["bandwidth_bytes_per_s"].items()
        ),
        ("quiet", found["noisy"] or f"yes: {found['disturbed_share']:.0%} of the timings were disturbed and repeated"),
        ("spread", f"{found['spread']:.1%} between lowest and highest, the middle figure"),
    ]
    types = [
        (kind, f"{_billions(times['1'])} read for one token, {_billions(times[_MANY])} for {_MANY} at once")
        for kind, times in found["weight_s"].items()
    ]
    note = "Billions of weights a second. What is not in the list was not measured, and is not predicted."
    return [Section("This machine, measured", lines), Section("Weights", types, note)]


def _billions(each: Mapping[str, Any]) -> str:
    return f"{1e-9 / each['value']:.1f}" if each["value"] else "too fast to tell"


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    show = memory if row["of"] == "memory" else _speed
    predicted, measured = row["predicted"], row["measured"]
    spread = None if measured["value"] is None else f"{show(measured['low'])} to {show(measured['high'])}"
    return {
        **row,
        "predicted": None if predicted["value"] is None else show(predicted["value"]),
        "measured": None if measured["value"] is None else show(measured["value"]),
        "spread": spread,
        "error": None if row["error"] is None else f"{row['error']:+.1%}",
    }


def _speed(per_s: float) -> str:
    return f"{per_s:,.1f} tokens/s"


def _errors(errors: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    return [(of, _apart(each)) for of, each in errors.items()]


def _apart(each: Mapping[str, Any]) -> str | None:
    if each["median"] is None:
        return None
    own = "" if each["repeatability"] is None else f"; the measurement itself varies by {each['repeatability']:.1%}"
    sides = f"from {each['lowest']:+.1%} to {each['highest']:+.1%}"
    return f"median {each['median']:.1%}, nine of ten {each['p90']:.1%}, worst {each['worst']:.1%}; {sides}{own}"

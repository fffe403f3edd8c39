"""A report of egress in lines for people. Pure."""

from __future__ import annotations

from typing import Any

from freehold.core.sizes import counted
from freehold.engines.sandbox.memory import printable

UNNAMED = "of unknown name"
"""In the place of a chain's name, where the record that holds it is missing."""


def text(document: dict[str, Any]) -> str:
    """A report as lines for people, with their ends. Pure."""
    record, period = document["record"], document["period"]
    whole = "whole" if not record["findings"] else f"NOT WHOLE, {counted(len(record['findings']), 'finding')}"
    until = period["until"]
    if period["asked_until"]:
        until += f", when it was made: {period['asked_until']} was asked for and had not come"
    lines = [
        document["title"],
        f"made {document['made']} by {document['by']}",
        f"period {period['since'] or 'the first record'} to {until}",
        f"record {record['chain'] or UNNAMED}, {whole}, up to number {record['last']}, {record['head']}",
        *(f"  {row['kind']}: record {row['first']} {row['text']}" for row in record["findings"]),
        *(f"  clock: {line}" for line in record["clock"]),
    ]
    for run in document["runs"]:
        lines += ["", *_run_lines(run)]
    lines += ["", "GAPS: times of which this report cannot say that nothing left"]
    lines += [f"  {_span(gap)}: {gap['why']}" for gap in document["gaps"]] or ["  none"]
    lines += ["", "WHAT THIS REPORT DOES NOT SHOW"]
    lines += [f"  - {line}" for line in document["limits"]]
    return "".join(f"{printable(line)}\n" for line in lines)


def _span(gap: dict[str, Any]) -> str:
    return f"{gap['from']} to {gap['to']}" if gap["from"] else f"until {gap['to']}"


def _run_lines(run: dict[str, Any]) -> list[str]:
    allowed = run["allowed"]
    policy = "not restricted" if allowed is None else f"nothing but {', '.join(allowed)}" if allowed else "nothing"
    lines = [
        f"RUN from {run['began']} to {run['last']}, {run['ending']}; freehold {run['version']} on {run['kernel']}",
        f"  may connect to: {policy}",
    ]
    if run["passed_over"]:
        lines.append(f"  NOT UNDERSTOOD: {counted(run['passed_over'], 'record')} of it, which are in no line of this")
    for process in run["processes"]:
        until = f"to {process['ended']}, {process['how']}" if process["ended"] else "on"
        lines.append(f"  {process['process']}, process {process['pid']}, from {process['began']} {until}")
        lines.append(
            f"    lock: {process['lock'] or 'it never said'}" + ("" if process["observed"] else ", not observed")
        )
        lines += [f"    gave up {row['what']}, by {row['by']}" for row in process["enforced"]]
    lines.append("  TRIED")
    lines += [_attempt_line(row) for row in run["attempts"]] or ["    nothing that was observed"]
    if run["probes"]:
        lines.append("  ASKED BY THE RUNTIME ITSELF, AS EVERY HOUSE'S DOES, AND REFUSED ALL THE SAME")
        lines += [_attempt_line(row) for row in run["probes"]]
    lines.append("  CONNECTED BY THE BROKER")
    lines += [_connection_line(row) for row in run["connections"]] or ["    nothing"]
    return lines


def _attempt_line(row: dict[str, Any]) -> str:
    times = f"{row['count']:,} times, {row['first']} to {row['last']}" if row["count"] > 1 else row["first"]
    return f"    {row['process']} ({row['pid']}): {row['what']}: {row['fate']} by {row['by']}, {times}"


def _connection_line(row: dict[str, Any]) -> str:
    more = f" at {row['address']}" if row["address"] else f": {row['why']}" if row["why"] else ""
    return f"    {row['at']} {row['peer']}: {row['fate']}{more}"

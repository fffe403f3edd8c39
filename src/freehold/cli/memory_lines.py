"""What `freehold ps` says of memory beside its tables: how much of it models hold, who waits, what came and went."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from freehold.cli.output import size

EVENTS = 8


def notes(endpoints: Iterable[Mapping[str, Any]]) -> list[str]:
    """Why endpoints take no requests now, or where they are being moved to."""
    return [f"\n{row['name']}: {row['note']}" for row in endpoints if row["note"]]


def memory_lines(report: Mapping[str, Any]) -> list[str]:
    memory = report["memory"]
    lines = [f"\nModels hold {size(memory['reserved_bytes'])} of the {size(memory['most_bytes'])} that they may take."]
    if memory["counted_once_bytes"]:
        once = size(memory["counted_once_bytes"])
        lines += [f"One by one it would be {once} more: workers of one build have its weights mapped together."]
    lines += [line for worker in report["workers"] if (line := _claims(worker))]
    events = report["events"][-EVENTS:]
    return lines + (["", *map(_event, events)] if events else [])


def _claims(worker: Mapping[str, Any]) -> str:
    parts = [
        *(["pinned"] if worker["pinned"] else []),
        *([f"{worker['in_use']:,} at work"] if worker["in_use"] else []),
        *([f"{worker['waiting']:,} wait for it"] if worker["waiting"] else []),
    ]
    return f"{worker['build']}: {', '.join(parts)}" if parts else ""


def _event(event: Mapping[str, Any]) -> str:
    at = time.strftime("%H:%M:%S UTC", time.gmtime(event["at"]))
    took = f" in {event['seconds']:.1f} s" if event["seconds"] is not None else ""
    held = f", {size(event['bytes'])}" if event["bytes"] else ""
    why = f": {event['why']}" if event["why"] else ""
    what = "unloaded" if event["what"] == "idle" else event["what"]
    return f"{at}  {event['build']} {what}{took}{held}{why}"

"""The Admin page's content, drawn here so that the page needs no script of anybody's. Pure; every text is escaped.

Each button says what it asks for (`data-path`, `data-body`) and what a person is asked before. Its id is that of the
thing it is about, so that the page can draw all of it anew without losing where the keyboard is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from freehold.core.ports import WorkerReport
from freehold.core.sizes import duration, size
from freehold.gateway.access.key import HOUSE_KEY
from freehold.gateway.admission.line import Standing
from freehold.gateway.endpoints import EndpointInfo
from freehold.gateway.memory.life import LifeEvent
from freehold.gateway.pool import Occupancy
from freehold.server.at_work import Failure, Work
from freehold.server.pages.tables import section

_NUMBERS = frozenset(
    {"For", "Pieces so far", "At work", "Waiting", "Memory", "Kept free for it", "Restarts", "Took", "Status"}
)
UNKNOWN = "<span class='unknown'>unknown</span>"
STOP, REVOKE = "/api/admin/stop", "/api/admin/revoke"


@dataclass(frozen=True, slots=True)
class Now:
    """The house at one moment, `at_s` seconds since 1970. `lines` and `workers` are those of each endpoint. `viewer` is
    who looks; None where no key is needed."""

    at_s: float
    work: Sequence[Work]
    endpoints: Sequence[EndpointInfo]
    lines: Mapping[str, Standing]
    workers: Mapping[str, WorkerReport]
    memory: Occupancy
    events: Sequence[LifeEvent]
    failures: Sequence[Failure]
    viewer: str | None


def fragment(now: Now) -> str:
    """All of it."""
    who = f"Shown to {now.viewer}." if now.viewer is not None else "This house asks for no key: everybody sees this."
    return "".join(
        (
            f"<p class='who'>{escape(who)}</p>",
            _work(now.work),
            _models(now),
            _events(now.events),
            _failures(now.failures),
        )
    )


def _work(work: Sequence[Work]) -> str:
    heads = ("Who", "Endpoint", "Asked by", "For", "Pieces so far", "")
    rows = [_work_row(each) for each in work]
    return section("At work", heads, rows, numbers=_NUMBERS, none="Nobody asks for anything now.")


def _work_row(work: Work) -> tuple[str, ...]:
    who = "no key" if work.owner is None else work.owner
    buttons = _button(
        f"stop-{work.number}",
        "Stop",
        path=STOP,
        body={"number": work.number},
        title=f"Stop the request of {who}?",
        note=f"What was asked at {work.endpoint or 'an endpoint not yet known'} ends now, and its client is told so.",
        yes="Stop it",
    )
    if work.key is not None and work.key != HOUSE_KEY:
        buttons += _revoke(f"revoke-{work.number}", work.key, who)
    pieces = f"{work.pieces:,}" if work.pieces is not None else "none" if work.is_with_engine else "waits"
    return (escape(who), escape(work.endpoint or "—"), escape(work.route), duration(work.seconds), pieces, buttons)


def _revoke(place: str, key: str, who: str) -> str:
    return _button(
        place,
        "Revoke",
        path=REVOKE,
        body={"key": key},
        title=f"Revoke {who}?",
        note=f"Nothing opens to {who} ({key}) from now on, and all that is at work for it ends.",
        yes="Revoke",
    )


def _models(now: Now) -> str:
    rows = [_model_row(info, now.lines.get(info.name), now.workers.get(info.name)) for info in now.endpoints]
    heads = (
        "Endpoint",
        "Points at",
        "State",
        "At work",
        "Waiting",
        "Memory",
        "Kept free for it",
        "Restarts",
        "Last error",
    )
    return section("Models", heads, rows, numbers=_NUMBERS, none="There are no endpoints.") + _memory(now.memory)


def _model_row(info: EndpointInfo, line: Standing | None, worker: WorkerReport | None) -> tuple[str, ...]:
    at_work = waiting = "0"  # nobody has asked it yet
    if line is not None:
        at_work = f"{line.taken:,}" if line.slots is None else f"{line.taken:,} of {line.slots:,}"
        waiting = f"{line.waiting:,}"
    if line is not None and line.longest_wait_s is not None:
        waiting += f", {duration(line.longest_wait_s)}"
    state = f"{info.state}, pinned" if worker is not None and worker.pinned else info.state
    named = (escape(info.name), escape(info.build or info.target), escape(state), at_work, waiting)
    if worker is None:
        return (*named, "none", "none", "0", "—")
    memory = UNKNOWN if worker.pid is not None else "none"
    memory = size(worker.memory_bytes) if worker.memory_bytes is not None else memory
    return (*named, memory, size(worker.reserved_bytes), f"{worker.restarts:,}", escape(worker.last_error or "—"))


def _memory(memory: Occupancy) -> str:
    held, most = size(memory.reserved_bytes), size(memory.most_bytes)
    once = ""
    if memory.counted_once_bytes:
        more = size(memory.counted_once_bytes)
        once = f" One by one it would be {more} more: workers of one build have its weights mapped together."
    return f"<p class='fine'>{held} of the {most} that models may take are kept for those that are loaded.{once}</p>"


def _events(events: Sequence[LifeEvent]) -> str:
    heads = ("When (UTC)", "Model", "What", "Took", "Memory", "Why")
    rows = [
        (
            _when(event.at),
            escape(event.build),
            escape(event.what),
            f"{event.seconds:.1f} s" if event.seconds is not None else "—",
            size(event.bytes) if event.bytes else "—",
            escape(event.why or "—"),
        )
        for event in events
    ]
    none = "No model was loaded since the house was started."
    return section("What came and went", heads, rows, numbers=_NUMBERS, none=none)


def _failures(failures: Sequence[Failure]) -> str:
    heads = ("When (UTC)", "Who", "Endpoint", "Asked by", "What", "Status", "Request")
    rows = [
        (
            _when(each.at_s),
            escape(each.owner or "—"),
            escape(each.endpoint or "—"),
            escape(each.route),
            f"<code>{escape(each.code)}</code>",
            str(each.status or "—"),
            f"<span class='hash'>{escape(each.request)}</span>",
        )
        for each in failures
    ]
    return section("Last errors", heads, rows, numbers=_NUMBERS, none="Nothing failed since the house was started.")


def _button(place: str, label: str, *, path: str, body: object, title: str, note: str, yes: str) -> str:
    told = {"path": path, "body": json.dumps(body), "title": title, "note": note, "yes": yes}
    data = "".join(f' data-{name}="{escape(value)}"' for name, value in told.items())
    return f'<button id="{place}" class="quiet" type="button" aria-label="{escape(title)}"{data}>{label}</button>'


def _when(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%b %d, %H:%M:%S}"

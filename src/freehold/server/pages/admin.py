"""The Admin page's content, drawn here so that the page needs no script of anybody's. Pure; every text is escaped.

Each button says what it asks for (`data-path`, `data-body`) and what a person is asked before. Its id is that of the
thing it is about, so that the page can draw all of it anew without losing where the keyboard is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from freehold.core.ports import WorkerReport
from freehold.gateway.access.access import HOUSE_KEY
from freehold.gateway.endpoints import EndpointInfo
from freehold.server.at_work import Failure, Work
from freehold.server.pages.tables import section

UNKNOWN = "<span class='unknown'>unknown</span>"


@dataclass(frozen=True, slots=True)
class Now:
    """The house at one moment, `at_s` seconds since 1970. `viewer` is who looks; None where no key is needed."""

    at_s: float
    work: Sequence[Work]
    endpoints: Sequence[EndpointInfo]
    workers: Sequence[WorkerReport]
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
            _failures(now.failures),
        )
    )


def _work(work: Sequence[Work]) -> str:
    heads = ("Who", "Endpoint", "Asked by", "For", "Pieces so far", "")
    return section("At work", heads, [_work_row(each) for each in work], none="Nobody asks for anything now.")


def _work_row(work: Work) -> tuple[str, ...]:
    who = "no key" if work.owner is None else work.owner
    buttons = _button(
        f"stop-{work.number}",
        "Stop",
        path="/api/admin/stop",
        body={"number": work.number},
        title=f"Stop the request of {who}?",
        note=f"What was asked at {work.endpoint or 'an endpoint not yet known'} ends now, and its client is told so.",
        yes="Stop it",
    )
    if work.key is not None and work.key != HOUSE_KEY:
        buttons += _revoke(f"revoke-{work.number}", work.key, who)
    pieces = f"{work.pieces:,}" if work.pieces is not None else "none" if work.is_with_engine else "waits"
    return (escape(who), escape(work.endpoint or "—"), escape(work.route), _span(work.seconds), pieces, buttons)


def _revoke(place: str, key: str, who: str) -> str:
    return _button(
        place,
        "Revoke",
        path="/api/admin/revoke",
        body={"key": key},
        title=f"Revoke {who}?",
        note=f"Nothing opens to {who} ({key}) from now on, and all that is at work for it ends.",
        yes="Revoke",
    )


def _models(now: Now) -> str:
    workers = {worker.build: worker for worker in now.workers}
    rows = []
    for info in now.endpoints:
        worker = workers.get(info.build or info.target)
        at_work = sum(work.endpoint == info.name for work in now.work)
        rows.append(
            (escape(info.name), escape(info.build or info.target), escape(info.state), *_worker(worker, at_work))
        )
    heads = ("Endpoint", "Points at", "State", "At work", "Memory", "Restarts", "Last error")
    return section("Models", heads, rows, none="There are no endpoints.")


def _worker(worker: WorkerReport | None, at_work: int) -> tuple[str, ...]:
    if worker is None:
        return (f"{at_work:,}", "none", "0", "—")
    memory = UNKNOWN if worker.memory_bytes is None else f"{worker.memory_bytes / 1e6:,.0f} MB"
    if worker.pid is None and worker.memory_bytes is None:
        memory = "none here"
    return (f"{at_work:,}", memory, f"{worker.restarts:,}", escape(worker.last_error or "—"))


def _failures(failures: Sequence[Failure]) -> str:
    heads = ("When (UTC)", "Who", "Endpoint", "Asked by", "What", "Status", "Request")
    rows = [
        (
            f"{datetime.fromtimestamp(each.at_s, UTC):%b %d, %H:%M:%S}",
            escape(each.owner or "—"),
            escape(each.endpoint or "—"),
            escape(each.route),
            f"<code>{escape(each.code)}</code>",
            str(each.status or "—"),
            f"<span class='hash'>{escape(each.request)}</span>",
        )
        for each in failures
    ]
    return section("Last errors", heads, rows, none="Nothing failed since the house was started.")


def _button(place: str, label: str, *, path: str, body: object, title: str, note: str, yes: str) -> str:
    told = {"path": path, "body": json.dumps(body), "title": title, "note": note, "yes": yes}
    data = "".join(f' data-{name}="{escape(value)}"' for name, value in told.items())
    return f'<button id="{place}" class="quiet" type="button" aria-label="{escape(title)}"{data}>{label}</button>'


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"

"""The requests of which something was kept, by who asked, what and when. Reads the chain, and judges nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from freehold.ledger.content.container import Name
from freehold.ledger.content.erased import Erased, Erasure, erasure_of
from freehold.ledger.content.spans import name_of
from freehold.ledger.requests import Record, records
from freehold.ledger.segments import segments


@dataclass(frozen=True, slots=True)
class Sought:
    """Which requests: those to which all of it applies that is said. `request` is the id that the client sent or was
    given, `admission` the number of the record; `since_ms` is in it, `until_ms` is not."""

    request: str | None = None
    admission: int | None = None
    key: str | None = None
    endpoint: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    @property
    def is_anything(self) -> bool:
        """Nothing is said."""
        return self == Sought()

    def wants(self, admission: Record) -> bool:
        at_ms = admission.get("at_ms")
        at_ms = at_ms if type(at_ms) is int else 0
        return (
            (self.request is None or admission.get("request") == self.request)
            and (self.admission is None or admission["seq"] == self.admission)
            and (self.key is None or admission.get("key") == self.key)
            and (self.endpoint is None or admission.get("endpoint") == self.endpoint)
            and (self.since_ms is None or self.since_ms <= at_ms)
            and (self.until_ms is None or at_ms < self.until_ms)
        )


Part = Literal["asked", "answered"]


@dataclass(slots=True)
class KeptRequest:
    """A request of which something was kept: the fields of its admission, how it ended (None: it has not), and what was
    kept. `gone` are the parts that were erased, with the records that say so; `names` what is there. Once nothing is,
    `erased` is the last of those records, and `names` has it all."""

    admission: int
    request: str
    at_ms: int | None
    key: str | None
    endpoint: str
    route: str
    names: list[Name] = field(default_factory=list)
    outcome: str | None = None
    error: str | None = None
    erased: Erasure | None = None
    gone: dict[Part, Erasure] = field(default_factory=dict)


def kept_requests(chain_folder: Path, sought: Sought) -> list[KeptRequest]:
    """Those that are `sought`, in the order of their admission. Raises LedgerError."""
    found: dict[int, KeptRequest] = {}
    erasures: list[Erasure] = []
    for record in records(segments(chain_folder)):
        kind = record.get("kind")
        if kind == "admission" and sought.wants(record) and (name := name_of(record)) is not None:
            found[record["seq"]] = _request(record, name)
        elif kind == "outcome" and (request := found.get(record.get("of", 0))) is not None:
            _end(request, record)
        elif kind == "erasure":
            erasures.append(erasure_of(record))
    erased = Erased(erasures)
    for request in found.values():
        _without(request, erased)
    return list(found.values())


def _request(admission: Record, name: Name) -> KeptRequest:
    at_ms, key = admission.get("at_ms"), admission.get("key")
    return KeptRequest(
        admission["seq"],
        str(admission.get("request")),
        at_ms if type(at_ms) is int else None,
        key if isinstance(key, str) else None,
        str(admission.get("endpoint")),
        str(admission.get("route")),
        [name],
    )


def _without(request: KeptRequest, erased: Erased) -> None:
    """A request of which one part was erased and the other is there is not erased: that other part can be."""
    there: list[Name] = []
    for number, name in enumerate(request.names):
        erasure = erased.by(name, request.admission)
        if erasure is None:
            there.append(name)
        else:
            request.gone["answered" if number else "asked"] = request.erased = erasure
    if there:
        request.names, request.erased = there, None


def _end(request: KeptRequest, outcome: Record) -> None:
    request.outcome = str(outcome.get("outcome"))
    request.error = None if outcome.get("error") is None else str(outcome["error"])
    name = name_of(outcome)
    if name is not None:
        request.names.append(name)

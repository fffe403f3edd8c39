"""Reads the rows of devices, one TOML file per maker, and reports every problem of all files together, with its line.

A row names its `source`, which holds for every fact in it; a fact from elsewhere is written `[value, "source"]`. Where
sizes of memory differ in a figure, the figure is a list as long as that of the sizes. A row without a source, a fact
that no source is named for, and a name that two rows claim are errors.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, cast, get_args

import tomli

from freehold.core.errors import CatalogError
from freehold.core.names import nearest
from freehold.core.toml_reader import Problem, TableReader
from freehold.hardware.devices.names import plain
from freehold.hardware.devices.record import Device, Fact, Link, Offer, Precision, Source
from freehold.hardware.rig import PlaceKind

_KEY = re.compile(r"[a-z0-9][a-z0-9.-]*")
_PCIE = re.compile(r"([1-7])\.0 x(1|2|4|8|16)")
_PCI = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}(:[0-9a-f]{2})?")
_WHEN = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")
_PRECISIONS: tuple[Precision, ...] = get_args(Precision)
_TEXTS = ("name", "kind", "source", "aliases", "family", "pci", "pcie", "bridged", "no_engine")
_FIGURES = ("released", "memory_gib", "visible_mib", "bandwidth_gbs", "tera", "power_w", "peer_gbs", "cores", "dies")
_LARGEST = 1e7


def read_devices(texts: Mapping[str, str]) -> tuple[Device, ...]:
    """The devices of the TOML texts, by file name, in their order. Raises CatalogError naming every problem."""
    found: list[tuple[str, Problem]] = []
    devices: list[tuple[str, Device]] = []
    for file, text in texts.items():
        problems: list[Problem] = []
        devices += [(file, device) for device in _file_devices(text, problems)]
        found += [(file, problem) for problem in dict.fromkeys(problems)]
    found += _claimed_twice(devices)
    if found:
        lines = "".join(f"\n  {file} line {problem.line}: {problem.text}" for file, problem in found)
        rows = [{"file": file, "key": p.key, "line": p.line, "text": p.text} for file, p in found]
        raise CatalogError(f"The table of devices has {len(found)} wrong rows:{lines}", problems=rows)
    return tuple(device for _, device in devices)


def _file_devices(text: str, problems: list[Problem]) -> Iterator[Device]:
    try:
        data = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        problems.append(Problem("", f"is not TOML: {error}", getattr(error, "lineno", None)))
        return
    top = TableReader(data, text, problems)
    _only(top, ("vendor", "sources", "devices"))
    vendor = top.text("vendor", "")
    if not vendor:
        top.problem("vendor", "is missing")
    sources = _sources(top.table("sources"))
    rows = top.table("devices")
    for key in rows.names():
        if not _KEY.fullmatch(key):
            rows.problem(key, "is no key: lower-case letters, digits, dot, dash")
        yield _Row(rows.table(key), sources).device(key, vendor)


def _sources(table: TableReader) -> dict[str, Source]:
    found = {}
    for key in table.names():
        parts = table.texts(key)
        if not 2 <= len(parts) <= 3 or not _WHEN.fullmatch(parts[1]):
            table.problem(key, "must be [text, date] or [text, date, address], the date as 2025, 2025-12 or 2025-12-09")
        else:
            found[key] = Source(key, parts[0], parts[1], parts[2] if len(parts) == 3 else None)
    return found


class _Row:
    """One device while it is read."""

    def __init__(self, table: TableReader, sources: Mapping[str, Source]) -> None:
        self._table = table
        self._sources = sources
        self._default = self._source("source", table.text("source", ""))

    def device(self, key: str, vendor: str) -> Device:
        table = self._table
        _only(table, (*_TEXTS, *_FIGURES))
        name = table.text("name", "")
        if not name:
            table.problem("name", "is missing")
        pci = table.texts("pci")
        for each in pci:
            if not _PCI.fullmatch(each):
                table.problem(
                    "pci", f"has {each!r}, which is not vendor:device or vendor:device:revision in hexadecimal"
                )
        return Device(
            key=key,
            name=name,
            vendor=vendor,
            kind=cast("PlaceKind", table.one_of("kind", "gpu", get_args(PlaceKind))),
            offers=self._offers(),
            released=self._one("released"),
            compute_tera=self._compute(),
            power_w=self._one("power_w"),
            link=self._link(),
            cores=self._one("cores"),
            dies=table.integer("dies", 1, 1, 16),
            aliases=table.texts("aliases"),
            family=table.text("family", "") or None,
            pci=pci,
            no_engine=table.text("no_engine", "") or None,
        )

    def _offers(self) -> tuple[Offer, ...]:
        sizes = self._facts(self._table, "memory_gib")
        if not sizes:
            self._table.problem("memory_gib", "is missing")
        wide, seen = (self._beside(key, len(sizes)) for key in ("bandwidth_gbs", "visible_mib"))
        return tuple(Offer(size, wide[number], seen[number]) for number, size in enumerate(sizes))

    def _beside(self, key: str, sizes: int) -> list[Fact | None]:
        facts = self._facts(self._table, key)
        if len(facts) > 1 and len(facts) != sizes:
            self._table.problem(key, f"has {len(facts)} figures beside {sizes} sizes of memory")
        if len(facts) == sizes:
            return list(facts)
        return [facts[0] if facts else None] * sizes

    def _compute(self) -> dict[Precision, Fact]:
        table = self._table.table("tera")
        _only(table, _PRECISIONS)
        facts = {precision: self._facts(table, precision) for precision in _PRECISIONS if table.has(precision)}
        return {precision: found[0] for precision, found in facts.items() if found}

    def _link(self) -> Link | None:
        text = self._table.text("pcie", "")
        parts = _PCIE.fullmatch(text)
        if text and parts is None:
            self._table.problem("pcie", f'must be like "4.0 x16", not {text!r}')
        peer = self._one("peer_gbs")
        if self._default is None or (parts is None and peer is None):
            return None
        generation, lanes = (int(part) for part in parts.groups()) if parts else (None, None)
        bridged = self._table.has("bridged") and self._table.flag("bridged")
        return Link(generation, lanes, peer, bridged, self._default)

    def _one(self, key: str) -> Fact | None:
        facts = self._facts(self._table, key)
        if len(facts) > 1:
            self._table.problem(key, "must be one figure")
        return facts[0] if facts else None

    def _facts(self, table: TableReader, key: str) -> list[Fact]:
        """The figures at `key`: a number, or a list of them, alone or beside the name of their source."""
        if not table.has(key):
            return []
        value, source = table.value(key), self._default
        if isinstance(value, list) and len(value) == 2 and isinstance(value[1], str):
            value, source = value[0], self._source(key, value[1])
        figures = value if isinstance(value, list) else [value]
        if not figures or not all(_is_figure(each) for each in figures):
            table.problem(key, f'must be a number above 0, a list of them, or [that, "source"], not {value!r}')
            return []
        return [Fact(float(each), source) for each in figures] if source is not None else []

    def _source(self, key: str, name: str) -> Source | None:
        if name not in self._sources:
            self._table.problem(key, f"names the source {name!r}, which [sources] does not have")
        return self._sources.get(name)


def _is_figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= _LARGEST


def _only(table: TableReader, known: Collection[str]) -> None:
    for key in table.names():
        if key not in known:
            guess = nearest(key, known, limit=1)
            table.problem(key, "is not a field" + (f"; did you mean {guess[0]!r}?" if guess else ""))


def _claimed_twice(devices: list[tuple[str, Device]]) -> Iterator[tuple[str, Problem]]:
    first: dict[str, str] = {}
    for file, device in devices:
        for name in {plain(each) for each in (device.key, device.name, *device.aliases, *device.pci)}:
            if first.setdefault(name, device.key) != device.key:
                text = f"devices.{device.key} claims {name!r}, which {first[name]} has already"
                yield file, Problem(f"devices.{device.key}", text, None)

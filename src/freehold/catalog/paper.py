"""The paper of a model: everything the catalog knows of it as one JSON-able dictionary with stable keys.

`freehold show` prints it, a deed keeps a snapshot of it, the Models page draws it. Four parts: `model` (what it is,
with the source of every component), `license` (its own license, clause by clause, in our reading of a named text),
`openness` (what is shown, what is possible, what would close the gap, and others' verdicts), `lineage` (what it was
made from). null is unknown. Nothing here says that a use is lawful.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from datetime import date
from typing import Any

from freehold.catalog.catalog import Catalog
from freehold.catalog.licenses.record import Clause, License, TextRef
from freehold.catalog.licenses.shelf import Licenses
from freehold.catalog.model import PROPRIETARY, CatalogModel, Figure, Shape, Source
from freehold.catalog.openness import Openness, assess
from freehold.catalog.openness.freedom import FREEDOM_MEANS, Freedom
from freehold.catalog.openness.mof import MOF_VERSION
from freehold.catalog.openness.osaid import OSAID_VERSION
from freehold.catalog.openness.published import PUBLISHED_MEANS, Published
from freehold.catalog.spoken import duties, spoken

_WITHOUT_CONDITION = (
    *("gated", "base_models", "parameters", "context_tokens", "weights_released", "repository", "chat_template"),
)
_SHAPE_OF_ANY = (
    *("architecture", "layers", "hidden", "feed_forward", "heads", "kv_heads", "head_size"),
    *("window_tokens", "experts", "vocabulary"),
)


def paper(catalog: Catalog, model: CatalogModel, licenses: Licenses | None = None) -> dict[str, Any]:
    """The whole paper of `model`. Raises CatalogError where a row or a license record is wrong."""
    shelf = licenses or Licenses.load()
    opened = assess(model, catalog.get, shelf.get)
    return {
        "model": _model(model),
        "license": license_paper(model.license, shelf),
        "openness": _openness(opened),
        "lineage": _lineage(opened, shelf),
    }


def license_paper(license_id: str, licenses: Licenses) -> dict[str, Any]:
    """One license. `known` False: there is no record of it and every clause is unknown."""
    record = licenses.get(license_id)
    if record is None:
        return _no_record(license_id)
    return {
        "id": record.id,
        "known": True,
        "name": record.name,
        "spdx": record.spdx,
        "kind": record.kind,
        "version_date": _day(record.version_date),
        "osi_approved": record.osi_approved,
        "summary": record.summary,
        "reading": reading(record),
        "text": _text(record.text),
        "use_policy": _text(record.use_policy) if record.use_policy else None,
        "duties": [duty._asdict() for duty in duties(record.clauses)],
        "clauses": {name: _clause(name, clause) for name, clause in record.clauses.items()},
        "unknown": list(record.clauses.unknown),
    }


def license_name(license_id: str, licenses: Licenses) -> str:
    """How a license is called beside a model: its SPDX identifier if the SPDX list has it, else its own name."""
    record = licenses.get(license_id)
    if record is None:
        return license_id
    listed = record.spdx is not None and not record.spdx.startswith("LicenseRef-")
    return str(record.spdx) if listed else record.name


def reading(record: License) -> str:
    """On whose word the clauses stand: ours, of a text with a hash; or not on a text at all."""
    if not record.text.seen:
        return "from memory: nobody read the text"
    known = f"sha256:{record.text.sha256}" if record.text.sha256 else record.text.source
    return f"by our reading of text {known}"


def unknown_fields(model: CatalogModel) -> tuple[str, ...]:
    """What nobody has read of `model`, by name: fields, numbers of its shape, and components."""
    return tuple(_unknown(model))


def _unknown(model: CatalogModel) -> Iterator[str]:
    for name in _WITHOUT_CONDITION:
        if getattr(model, name) is None and not (model.weights == "withheld" and name in _OF_WEIGHTS):
            yield name
    for name in _SHAPE_OF_ANY:
        if getattr(model.shape, name) is None:
            yield f"shape.{name}"
    for name, component in model.published.items():
        if component.state == "unknown":
            yield f"published.{name}"


_OF_WEIGHTS = frozenset({"weights_released", "repository", "gated"})


def _model(model: CatalogModel) -> dict[str, Any]:
    shape = {field.name: getattr(model.shape, field.name) for field in fields(Shape)}
    publisher = model.publisher
    return {
        "name": model.name,
        "title": model.title,
        "publisher": {
            "key": publisher.key,
            "name": publisher.name,
            "kind": publisher.kind,
            "country": publisher.country,
        },
        "family": model.family or None,
        "license": model.license,
        "license_note": model.license_note,
        "gated": model.gated,
        "base_models": None if model.base_models is None else list(model.base_models),
        "skills": list(model.skills),
        "modalities": list(model.modalities),
        "parameters": model.parameters,
        "parameters_nominal": model.parameters_nominal,
        "active_parameters": model.active_parameters,
        "context_tokens": model.context_tokens,
        "shape": shape,
        "weights": model.weights,
        "weights_released": _day(model.weights_released),
        "api_released": _day(model.api_released),
        "repository": model.repository,
        "chat_template": model.chat_template,
        "published": {
            name: {"state": each.state, "evidence": each.evidence, "source": _source(each.source)}
            for name, each in model.published.items()
        },
        "sources": {name: _source(source) for name, source in model.sources.items()},
        "builds": [asdict(build) for build in model.builds],
        "unknown": list(unknown_fields(model)),
    }


def _openness(opened: Openness) -> dict[str, Any]:
    return {
        "label": {
            "low": opened.label.low,
            "high": opened.label.high,
            "name": opened.label.name,
            "best": opened.label.best,
            "text": opened.label.text,
            "position": list(opened.label.position),
        },
        "sentence": opened.sentence,
        "freedom": _freedom(opened.freedom),
        "published": _published(opened.published),
        "evidence": [asdict(each) for each in opened.evidence],
        "gated": opened.gated,
        "mof": {"version": MOF_VERSION, **asdict(opened.mof)},
        "osaid": {"version": OSAID_VERSION, **asdict(opened.osaid)},
        "osi_reviewed": opened.osi_reviewed,
        "osai": _figure(opened.osai),
        "transparency": _figure(opened.transparency),
    }


def _freedom(freedom: Freedom) -> dict[str, Any]:
    return {
        "low": freedom.low,
        "high": freedom.high,
        "means": FREEDOM_MEANS[freedom.low],
        "best": FREEDOM_MEANS[freedom.high],
        "decided_by": freedom.low_from.model,
        "parts": [
            {
                "model": part.model,
                "license": part.license,
                "low": part.low,
                "high": part.high,
                "restrictions": [asdict(each) for each in part.restrictions],
                "unknown": list(part.unknown),
            }
            for part in freedom.parts
        ],
    }


def _published(published: Published) -> dict[str, Any]:
    return {
        "low": published.low,
        "high": published.high,
        "means": PUBLISHED_MEANS[published.low],
        "best": PUBLISHED_MEANS[published.high],
        "derived": published.derived,
        "components": {name: {"low": each.low, "high": each.high} for name, each in published.components.items()},
    }


def _lineage(opened: Openness, licenses: Licenses) -> dict[str, Any]:
    """`complete`: every ancestor and what it was made from is known."""
    ancestors = [
        {
            "name": each.name,
            "path": list(each.path),
            "in_catalog": each.model is not None,
            "publisher": each.model.publisher.name if each.model else None,
            "license": each.model.license if each.model else None,
            "license_name": license_name(each.model.license, licenses) if each.model else None,
            "binding": each.binding,
        }
        for each in opened.lineage.ancestors
    ]
    gaps = [asdict(gap) for gap in opened.lineage.gaps]
    return {"ancestors": ancestors, "gaps": gaps, "complete": not gaps}


def _no_record(license_id: str) -> dict[str, Any]:
    closed = license_id == PROPRIETARY
    name = "the publisher's terms of service" if closed else license_id
    summary = "Offered as a service only." if closed else "There is no record of this license: read its text."
    empty = dict.fromkeys(("spdx", "kind", "version_date", "osi_approved", "text", "use_policy"))
    return {
        "id": license_id,
        "known": False,
        "name": name,
        **empty,
        "summary": summary,
        "reading": "nobody read it",
        "duties": [],
        "clauses": {},
        "unknown": ["every clause"],
    }


def _clause(name: str, clause: Clause | None) -> dict[str, Any] | None:
    if clause is None:
        return None
    values = {key: _day(value) if isinstance(value, date) else value for key, value in asdict(clause).items()}
    return {"words": spoken(name, clause), **values}


def _text(text: TextRef) -> dict[str, Any]:
    return {**asdict(text), "retrieved": _day(text.retrieved)}


def _figure(figure: Figure | None) -> dict[str, Any] | None:
    return None if figure is None else {**asdict(figure), "source": _source(figure.source)}


def _source(source: Source | None) -> Mapping[str, str | None] | None:
    return None if source is None else asdict(source)


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()

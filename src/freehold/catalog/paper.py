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
from freehold.catalog.licenses.record import Clause, License
from freehold.catalog.licenses.shelf import Licenses
from freehold.catalog.model import PROPRIETARY, CatalogModel, Figure, Shape, Source
from freehold.catalog.openness import Openness, assess
from freehold.catalog.openness.freedom import FREEDOM_MEANS, Freedom
from freehold.catalog.openness.lineage import Ancestor
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
    multimodal = model.modalities != ("text",)
    written = {
        "model": _model(model),
        "license": _license_of(model, shelf, multimodal),
        "openness": _openness(opened),
        "lineage": _lineage(opened, shelf, multimodal),
    }
    return {part: _plain(value) for part, value in written.items()}


def _license_of(model: CatalogModel, shelf: Licenses, multimodal: bool) -> dict[str, Any]:
    """Its own license; `beside` are the further texts that bind. Their duties follow its own, with `of`."""
    own = license_paper(model.license, shelf, multimodal=multimodal)
    beside = [license_paper(each, shelf, multimodal=multimodal) for each in model.terms]
    kept = ("id", "known", "name", "summary", "reading", "text", "clauses", "unknown")
    return {
        **own,
        "beside": [{key: each[key] for key in kept} for each in beside],
        "duties": [*own["duties"], *({**duty, "of": each["id"]} for each in beside for duty in each["duties"])],
    }


def license_paper(license_id: str, licenses: Licenses, *, multimodal: bool = True) -> dict[str, Any]:
    """One license. `known` False: there is no record of it and every clause is unknown. `multimodal` False leaves out
    the duties that only models with more than text have."""
    record = licenses.get(license_id)
    written: dict[str, Any] = _plain(_license(record, multimodal) if record else _no_record(license_id))
    return written


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
        "base_models": model.base_models,
        "skills": model.skills,
        "modalities": model.modalities,
        "parameters": model.parameters,
        "parameters_nominal": model.parameters_nominal,
        "active_parameters": model.active_parameters,
        "context_tokens": model.context_tokens,
        "shape": shape,
        "weights": model.weights,
        "weights_released": model.weights_released,
        "api_released": model.api_released,
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


def _license(record: License, multimodal: bool) -> dict[str, Any]:
    return {
        "id": record.id,
        "known": True,
        "name": record.name,
        "spdx": record.spdx,
        "kind": record.kind,
        "version_date": record.version_date,
        "osi_approved": record.osi_approved,
        "summary": record.summary,
        "reading": reading(record),
        "text": asdict(record.text),
        "use_policy": asdict(record.use_policy) if record.use_policy else None,
        "live": record.live,
        "duties": _duties(record, multimodal),
        **_clauses(record),
    }


def _clauses(record: License | None) -> dict[str, Any]:
    if record is None:
        return {"clauses": {}, "unknown": ["every clause"]}
    clauses = {name: _clause(name, clause) for name, clause in record.clauses.items()}
    return {"clauses": clauses, "unknown": record.clauses.unknown}


def _duties(record: License | None, multimodal: bool) -> list[dict[str, Any]]:
    return [duty._asdict() for duty in duties(record.clauses, multimodal=multimodal)] if record else []


def _openness(opened: Openness) -> dict[str, Any]:
    return {
        "label": {
            "low": opened.label.low,
            "high": opened.label.high,
            "name": opened.label.name,
            "best": opened.label.best,
            "text": opened.label.text,
            "position": opened.label.position,
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
                "unknown": part.unknown,
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


def _lineage(opened: Openness, licenses: Licenses, multimodal: bool) -> dict[str, Any]:
    """`complete`: every ancestor and what it was made from is known."""
    gaps = [asdict(gap) for gap in opened.lineage.gaps]
    ancestors = [_ancestor(each, licenses, multimodal) for each in opened.lineage.ancestors]
    return {"ancestors": ancestors, "gaps": gaps, "complete": not gaps}


def _ancestor(each: Ancestor, licenses: Licenses, multimodal: bool) -> dict[str, Any]:
    """`binding`: the license of this base binds whoever takes the model; `duties` and `clauses` are its own then, and
    empty where it does not."""
    base = each.model
    record = licenses.get(base.license) if base else None
    return {
        "name": each.name,
        "path": each.path,
        "in_catalog": base is not None,
        "publisher": base.publisher.name if base else None,
        "weights": base.weights if base else None,
        "license": base.license if base else None,
        "license_name": license_name(base.license, licenses) if base else None,
        "known": record is not None,
        "binding": each.binding,
        "reading": reading(record) if record else None,
        "live": record.live if record else None,
        "duties": _duties(record, multimodal) if each.binding else [],
        **(_clauses(record) if each.binding else {"clauses": {}, "unknown": []}),
    }


def _no_record(license_id: str) -> dict[str, Any]:
    closed = license_id == PROPRIETARY
    name = "the publisher's terms of service" if closed else license_id
    summary = "Offered as a service only." if closed else "There is no record of this license: read its text."
    empty = dict.fromkeys(("spdx", "kind", "version_date", "osi_approved", "text", "use_policy", "live"))
    return {
        "id": license_id,
        "known": False,
        "name": name,
        **empty,
        "summary": summary,
        "reading": "nobody read these terms",
        "duties": [],
        **_clauses(None),
    }


def _clause(name: str, clause: Clause | None) -> dict[str, Any] | None:
    if clause is None:
        return None
    return {"words": spoken(name, clause), **asdict(clause)}


def _figure(figure: Figure | None) -> dict[str, Any] | None:
    return None if figure is None else {**asdict(figure), "source": _source(figure.source)}


def _source(source: Source | None) -> Mapping[str, str | None] | None:
    return None if source is None else asdict(source)


def _plain(value: Any) -> Any:
    """The same in what JSON has: lists, objects, dates as text."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value

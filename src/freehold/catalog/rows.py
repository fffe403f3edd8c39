"""Reads the catalog's TOML files, one per publisher, and reports every error of all of them together, with its place.

It refuses unknown fields, names and hashes that occur twice, sources that a file does not list, base models that are
neither in the catalog nor a hub's repository, chains of base models that turn in a circle. It does not ask whether a
source still says what the row says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple, cast, get_args

import tomli

from freehold.catalog.model import (
    COMPONENTS,
    MODALITIES,
    NOT_KNOWN,
    SKILLS,
    CatalogBuild,
    CatalogModel,
    Component,
    Evidence,
    Kind,
    Publisher,
    Review,
    Shape,
    Source,
    State,
    Weights,
)
from freehold.catalog.row import Row, RowFile
from freehold.core.errors import CatalogError
from freehold.core.names import nearest
from freehold.core.refs import SourceRef
from freehold.core.toml_reader import Problem

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_COUNTRY = re.compile(r"[A-Z]{2}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PARTS = frozenset({"publisher", "sources", "families", "models"})
_SOURCED = (
    *("shape", "parameters", "context_tokens", "license", "base_models", "weights_released", "api_released"),
    "osi_reviewed",
)
_FAMILY_FIELDS = frozenset(
    {
        *("license", "license_note", "terms", "gated", "base_models", "skills", "modalities", "parameters"),
        "context_tokens",
        *(
            "parameters_nominal",
            "active_parameters",
            "shape",
            "weights_released",
            "api_released",
            "weights",
            "published",
        ),
        *("osi_reviewed", "osai", "repository", "chat_template"),
        *(f"{field}_source" for field in _SOURCED),
    }
)
_MODEL_FIELDS = _FAMILY_FIELDS | {"title", "family", "builds"}
_BUILD_FIELDS = frozenset({"source", "file", "sha256", "size_bytes", "quantization"})
_SHAPE_NUMBERS = tuple(field.name for field in fields(Shape) if field.name != "architecture")
_STATES: tuple[str, ...] = get_args(State)
_EVIDENCE: tuple[str, ...] = get_args(Evidence)
_LARGEST_BYTES = 2**50
_MOST_PARAMETERS = 10**14


class FileRows(NamedTuple):
    """One file after it was read: what was found wrong in it stands in `file`."""

    file: RowFile
    models: tuple[CatalogModel, ...]


def read_models(texts: Mapping[str, str]) -> tuple[CatalogModel, ...]:
    """The models of the TOML texts, by file name, in their order. Raises CatalogError naming every problem."""
    return joined([read_file(name, text) for name, text in texts.items()])


def read_file(name: str, text: str) -> FileRows:
    """The rows of one file, alone. Nothing is raised: `sound` and `joined` do."""
    file = RowFile(name, text)
    return FileRows(file, tuple(_file_models(file)))


def sound(rows: FileRows) -> tuple[CatalogModel, ...]:
    """The models of one file. Raises CatalogError with all that is wrong in it by itself."""
    _raise_problems([rows.file])
    return rows.models


def joined(files: Sequence[FileRows]) -> tuple[CatalogModel, ...]:
    """The models of all files, also checked against each other. Raises CatalogError naming every problem."""
    models = [(rows.file, model) for rows in files for model in rows.models]
    _check_names(models)
    _check_hashes(models)
    _check_bases(models)
    _raise_problems([rows.file for rows in files])
    return tuple(model for _, model in models)


def _file_models(file: RowFile) -> Iterable[CatalogModel]:
    try:
        data = tomli.loads(file.text)
    except tomli.TOMLDecodeError as error:
        file.problems.append(Problem("", f"is not TOML: {error}", getattr(error, "lineno", None)))
        return ()
    top = Row(data, file).only(_PARTS)
    _read_sources(top.table("sources"), file)
    publisher = _publisher(top.table("publisher"), file)
    families = {name: top.table("families").table(name).only(_FAMILY_FIELDS) for name in top.table("families").names()}
    rows = top.table("models")
    used = {name: rows.table(name).text("family", "") for name in rows.names()}
    for family in families.keys() - set(used.values()):
        top.table("families").problem(family, "is the family of no model")
    return [_model(name, _with_family(name, data, file, families), publisher) for name in used]


def _with_family(name: str, data: Mapping[str, Any], file: RowFile, families: Mapping[str, Row]) -> Row:
    alone = Row(data, file).table("models").table(name)
    family = alone.text("family", "")
    if family and family not in families:
        guess = nearest(family, families, limit=1)
        alone.problem(
            "family", f"is {family!r}, which [families] does not have" + (f"; {guess[0]!r}?" if guess else "")
        )
    return Row(data["models"][name], file, ("models", name), families.get(family)).only(_MODEL_FIELDS)


def _read_sources(row: Row, file: RowFile) -> None:
    for key in row.names():
        parts = row.texts(key)
        if not 1 <= len(parts) <= 3:
            row.problem(key, "must be [text], [text, date] or [text, date, address]")
            continue
        text, when, url = (*parts, "", "")[:3]
        file.sources[key] = Source(key, text, url or None, when or None)


def _publisher(row: Row, file: RowFile) -> Publisher:
    row.only({"name", "kind", "country", "transparency"})
    country = row.optional_text("country")
    if country and not _COUNTRY.fullmatch(country):
        row.problem("country", f"must be two capital letters (ISO 3166), not {country!r}")
    kind = cast("Kind", row.one_of("kind", "community", get_args(Kind)) if row.required("kind") else "community")
    return Publisher(file.publisher, row.required("name"), kind, country, row.figure("transparency"))


def _model(name: str, row: Row, publisher: Publisher) -> CatalogModel:
    model = CatalogModel(
        name=name,
        title=row.required("title"),
        publisher=publisher,
        license=row.required("license"),
        family=row.text("family", ""),
        license_note=row.optional_text("license_note"),
        terms=row.texts("terms"),
        gated=row.optional_flag("gated"),
        base_models=row.texts("base_models") if row.has("base_models") else None,
        skills=row.some_of("skills", SKILLS),
        modalities=row.some_of("modalities", MODALITIES),
        parameters=row.optional_integer("parameters", 1, _MOST_PARAMETERS),
        parameters_nominal=bool(row.optional_flag("parameters_nominal")),
        active_parameters=row.optional_integer("active_parameters", 1, _MOST_PARAMETERS),
        context_tokens=row.optional_integer("context_tokens", 1, 2**40),
        shape=_shape(row.table("shape")),
        weights_released=row.day("weights_released"),
        api_released=row.day("api_released"),
        weights=cast("Weights", row.one_of("weights", "published", get_args(Weights))),
        published=_published(row.table("published")),
        osi_reviewed=cast("Review", row.one_of("osi_reviewed", "not reviewed", get_args(Review))),
        osai=row.figure("osai"),
        repository=row.optional_text("repository"),
        chat_template=row.optional_flag("chat_template"),
        sources=_field_sources(row),
        builds=tuple(_build(tag, row.table("builds")) for tag in row.table("builds").names()),
    )
    _check_model(model, row)
    return model


def _check_model(model: CatalogModel, row: Row) -> None:
    if not _NAME.fullmatch(model.name):
        row.problem("title", f"belongs to {model.name!r}, which is no name: lower-case letters, digits, dot, dash")
    if model.repository and not _REPOSITORY.fullmatch(model.repository):
        row.problem("repository", f"must be a hub's ORG/REPO, not {model.repository!r}")
    if model.weights == "withheld" and model.published["weights_final"].state in {"open", "restricted", "partial"}:
        row.problem("weights", "is withheld and yet published.weights_final is not absent")


def _shape(row: Row) -> Shape:
    row.only({"architecture", *_SHAPE_NUMBERS})
    numbers = {key: row.optional_integer(key, 0, 2**40) for key in _SHAPE_NUMBERS if row.has(key)}
    return Shape(architecture=row.optional_text("architecture"), **numbers)


def _published(row: Row) -> dict[str, Component]:
    row.only(COMPONENTS)
    return {key: _component(key, row) for key in COMPONENTS}


def _component(key: str, row: Row) -> Component:
    if key not in row.data:
        return NOT_KNOWN
    known = row.seen(key)
    if known is not None:
        return known
    parts = row.texts(key)
    if len(parts) != 3 or parts[0] not in _STATES or parts[1] not in _EVIDENCE:
        row.problem(key, f"must be [state, evidence, source]: {', '.join(_STATES)}; {', '.join(_EVIDENCE)}")
        return NOT_KNOWN
    component = Component(cast("State", parts[0]), cast("Evidence", parts[1]), row.source(key, parts[2]))
    return row.remember(key, component)


def _field_sources(row: Row) -> dict[str, Source]:
    named = {field: row.source(f"{field}_source", row.text(f"{field}_source", "")) for field in _SOURCED
             if row.has(f"{field}_source")}  # fmt: skip
    return {field: source for field, source in named.items() if source is not None}


def _build(tag: str, builds: Row) -> CatalogBuild:
    if not _NAME.fullmatch(tag):
        builds.problem(tag, "is not a build's tag: lower-case letters, digits, dot, dash and underscore")
    row = builds.table(tag).only(_BUILD_FIELDS)
    source = row.reference("source", required=True)
    if source is not None and not isinstance(source, SourceRef):
        row.problem("source", f"must be a source (pypi:, hf:, https:), not {source}")
    sha256 = row.required("sha256")
    if sha256 and not _SHA256.fullmatch(sha256):
        row.problem("sha256", "must be 64 lower-case hexadecimal digits")
    return CatalogBuild(
        tag=tag,
        source=str(source),
        file=row.required("file"),
        sha256=sha256,
        size_bytes=row.integer("size_bytes", 0, 1, _LARGEST_BYTES),
        quantization=row.required("quantization"),
    )


def _row_of(file: RowFile, *path: str) -> Row:
    return Row({}, file, path)


def _check_names(models: list[tuple[RowFile, CatalogModel]]) -> None:
    first: dict[str, str] = {}
    for file, model in models:
        if first.setdefault(model.name, file.name) != file.name:
            _row_of(file, "models").problem(model.name, f"is a model of {first[model.name]} already")


def _check_hashes(models: list[tuple[RowFile, CatalogModel]]) -> None:
    first: dict[str, str] = {}
    for file, model in models:
        for build in model.builds:
            name = f"{model.name}:{build.tag}"
            if build.sha256 and first.setdefault(build.sha256, name) != name:
                row = _row_of(file, "models", model.name, "builds", build.tag)
                row.problem("sha256", f"is already the hash of {first[build.sha256]}")


def _check_bases(models: list[tuple[RowFile, CatalogModel]]) -> None:
    known = {model.name: model for _, model in models}
    for file, model in models:
        row = _row_of(file, "models", model.name)
        for base in model.base_models or ():
            if base not in known and not _REPOSITORY.fullmatch(base):
                guess = nearest(base, known, limit=1)
                row.problem(
                    "base_models", f"has {base!r}, no model of the catalog" + (f"; {guess[0]!r}?" if guess else "")
                )
        if _turns(model.name, known):
            row.problem("base_models", "lead back to the model itself")


def _turns(name: str, known: Mapping[str, CatalogModel]) -> bool:
    seen: set[str] = set()
    waiting = [*(known[name].base_models or ())]
    while waiting:
        base = waiting.pop()
        if base == name:
            return True
        if base in known and base not in seen:
            seen.add(base)
            waiting += known[base].base_models or ()
    return False


def _raise_problems(files: list[RowFile]) -> None:
    found = [(file.name, problem) for file in files for problem in dict.fromkeys(file.problems)]
    if not found:
        return
    lines = "".join(f"\n  {name} line {problem.line}: {problem.text}" for name, problem in found)
    rows = [{"file": n, "key": p.key, "line": p.line, "text": p.text} for n, p in found]
    raise CatalogError(f"The catalog has {len(found)} wrong rows:{lines}", problems=rows)

"""Reads the catalog's TOML rows into records and reports every error together, each with its line.

It refuses unknown fields, hashes that are not sha256, sources that do not parse, a model without builds and two
builds with one hash. It does not ask whether a source still offers what its row says.
"""

from __future__ import annotations

import re
import tomllib

from freehold.catalog.catalog import CatalogBuild, CatalogModel
from freehold.core.errors import CatalogError
from freehold.core.refs import SourceRef
from freehold.core.toml_reader import Problem, TableReader

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MODEL_FIELDS = frozenset({"title", "publisher", "license", "base_model", "chat_template", "builds"})
_BUILD_FIELDS = frozenset({"source", "file", "sha256", "size_bytes", "quantization"})
_LARGEST_BYTES = 2**50


def read_models(text: str, file: str) -> tuple[CatalogModel, ...]:
    """The models in the TOML `text` of `file`, in its order. Raises CatalogError naming every problem."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogError(f"{file} is not TOML: {error}.", file=file) from error
    problems: list[Problem] = []
    top = TableReader(data, text, problems)
    seen: dict[str, str] = {}
    models = tuple(_model(name, top, seen) for name in top.names())
    if problems:
        lines = "".join(f"\n  line {problem.line}: {problem.text}" for problem in problems)
        rows = [{"key": problem.key, "line": problem.line, "text": problem.text} for problem in problems]
        raise CatalogError(f"{file} has {len(problems)} wrong rows:{lines}", file=file, problems=rows)
    return models


def _model(name: str, top: TableReader, seen: dict[str, str]) -> CatalogModel:
    if not _NAME.fullmatch(name):
        top.problem(name, "is not a model name: lower-case letters, digits, dot, dash and underscore")
    row = top.table(name)
    _refuse_unknown(row, _MODEL_FIELDS)
    builds = row.table("builds")
    if not builds.names():
        row.problem("builds", "is empty: a model needs at least one build")
    return CatalogModel(
        name=name,
        title=_required(row, "title"),
        publisher=_required(row, "publisher"),
        license=_required(row, "license"),
        base_model=row.text("base_model", "") or None,
        chat_template=row.flag("chat_template"),
        builds=tuple(_build(f"{name}:{tag}", builds, seen) for tag in builds.names()),
    )


def _build(name: str, builds: TableReader, seen: dict[str, str]) -> CatalogBuild:
    tag = name.partition(":")[2]
    if not _NAME.fullmatch(tag):
        builds.problem(tag, "is not a build's tag: lower-case letters, digits, dot, dash and underscore")
    row = builds.table(tag)
    _refuse_unknown(row, _BUILD_FIELDS)
    source = row.reference("source", required=True)
    if source is not None and not isinstance(source, SourceRef):
        row.problem("source", f"must be a source (pypi:, hf:, https:), not {source}")
    return CatalogBuild(
        tag=tag,
        source=str(source),
        file=_required(row, "file"),
        sha256=_sha256(row, name, seen),
        size_bytes=row.integer("size_bytes", 0, 1, _LARGEST_BYTES),
        quantization=_required(row, "quantization"),
    )


def _sha256(row: TableReader, name: str, seen: dict[str, str]) -> str:
    sha256 = _required(row, "sha256")
    if sha256 and not _SHA256.fullmatch(sha256):
        row.problem("sha256", "must be 64 lower-case hexadecimal digits")
    elif sha256 and seen.setdefault(sha256, name) != name:
        row.problem("sha256", f"is already the hash of {seen[sha256]}")
    return sha256


def _required(row: TableReader, key: str) -> str:
    if not row.has(key):
        row.problem(key, "is missing")
    return row.text(key, "")


def _refuse_unknown(row: TableReader, known: frozenset[str]) -> None:
    for key in row.names():
        if key not in known:
            row.problem(key, f"is not a field of this row; there are {', '.join(sorted(known))}")

"""What a weight file says of its license and lineage, held against what the catalog knows of the model.

Only GGUF files say anything. A file is known by its hash, or else by the name it gives itself, which anyone can write:
a difference is for a person to look at, and an agreement proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from freehold.catalog import Catalog, CatalogModel
from freehold.catalog.licenses.shelf import Licenses
from freehold.weights.checks import Findings
from freehold.weights.gguf import GgufLook
from freehold.weights.gguf.look import Metadata
from freehold.weights.report import Finding

CHECKS = ("provenance.license", "provenance.base", "provenance.unstated")
_HUB = re.compile(r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/([^/\s]+/[^/\s?#]+)/?$")
_OTHER = {"other", "unknown", "custom"}
_DEEPEST = 16


def check_provenance(
    look: GgufLook, sha256: str | None, catalog: Catalog, licenses: Licenses
) -> tuple[CatalogModel | None, tuple[Finding, ...]]:
    """The model that `look` is of, and where the file and the catalog differ. No model and no finding where the
    catalog does not know it."""
    model = _model_of(look, sha256, catalog)
    if model is None:
        return None, ()
    findings = Findings(look.file)
    _license(look, model, licenses, findings)
    _bases(look, model, catalog, findings)
    return model, findings.found


def _model_of(look: GgufLook, sha256: str | None, catalog: Catalog) -> CatalogModel | None:
    entry = catalog.by_sha256(sha256) if sha256 is not None else None
    if entry is not None:
        return entry.model
    name = _plain(look.metadata.get("general.name"))
    named = (model for model in catalog.models if name in {_plain(model.name), _plain(model.title)})
    return next(named, None) if name else None


def _plain(name: Metadata | None) -> str:
    return re.sub(r"[^a-z0-9]+", "", name.lower()) if isinstance(name, str) else ""


def _license(look: GgufLook, model: CatalogModel, licenses: Licenses, findings: Findings) -> None:
    said = look.metadata.get("general.license")
    name = look.metadata.get("general.license.name")
    if isinstance(said, str) and said.strip().lower() in _OTHER and isinstance(name, str):
        said = name
    if not isinstance(said, str) or not said.strip():
        return findings.add("provenance.unstated", f"It states no license. The catalog has {model.license!r}.")
    meant = {record.id for record in licenses.by_tag(said.strip())}
    if said.strip().lower() == model.license.lower() or model.license in meant:
        return None
    if not meant and licenses.get(model.license) is None:
        known = f"It states the license {said[:80]!r}, and neither it nor {model.license!r} is one of the records."
        return findings.add("provenance.unstated", known)
    what = f"It states the license {said[:80]!r}; {model.name} has {model.license!r}."
    return findings.add("provenance.license", what)


def _bases(look: GgufLook, model: CatalogModel, catalog: Catalog, findings: Findings) -> None:
    own = {name.lower() for name in _ancestors(model, catalog)}
    for said in _stated_bases(look.metadata):
        known = catalog.get(said)
        names = {said.lower()} | ({known.name.lower()} if known is not None else set())
        if not names & own and model.base_models is not None:
            findings.add("provenance.base", f"It says that it was made from {said[:120]!r}; {model.name} was not.")


def _stated_bases(metadata: Mapping[str, Metadata]) -> Iterator[str]:
    for key, value in metadata.items():
        if key.startswith("general.base_model.") and key.endswith(".repo_url") and isinstance(value, str):
            found = _HUB.match(value.strip())
            if found is not None:
                yield found[1]


def _ancestors(model: CatalogModel, catalog: Catalog) -> set[str]:
    """The model's own names and those of everything it was made from, as far as that is known."""
    names: set[str] = set()
    waiting = [(model.name, 0)]
    while waiting:
        name, deep = waiting.pop()
        if name in names or deep > _DEEPEST:
            continue
        names.add(name)
        known = catalog.get(name)
        if known is not None:
            names |= {known.name, known.repository or known.name}
            waiting += ((base, deep + 1) for base in known.base_models or ())
    return names

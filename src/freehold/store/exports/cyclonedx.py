"""A deed as a CycloneDX 1.7 bill of materials (ECMA-424) for a machine-learning model. Pure.

The model is the component that the document describes; its files and license texts are parts of it, its bases the
ancestors of its pedigree. Hash, size and verdicts are the deed's. What has no field stands among the properties, under
`freehold:`. A model card has only what the weights and the catalog say of the architecture: nothing about data, use or
risk is known here, and nothing is claimed.
"""

from __future__ import annotations

from typing import Any

from freehold.store.deeds.record import Deed, DeedFile, TextFile
from freehold.store.exports import said

SPEC_VERSION = "1.7"


def document(deed: Deed) -> dict[str, Any]:
    """The bill of materials, ready to be written as JSON."""
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC_VERSION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": said.document_id(deed),
        "version": 1,
        "metadata": {
            "timestamp": said.created(deed),
            "tools": {
                "components": [{"type": "application", "name": "freehold", "version": deed.statement.freehold}],
            },
            "component": _model(deed),
        },
    }


def _model(deed: Deed) -> dict[str, Any]:
    catalog, publisher = said.model(deed), said.publisher(deed)
    files = [_file(file) for file in deed.files]
    return _known(
        {
            "type": "machine-learning-model",
            "bom-ref": deed.digest,
            "name": said.model_name(deed),
            "version": deed.digest,
            "description": catalog.get("title"),
            "publisher": publisher.get("name"),
            "manufacturer": _organization(publisher),
            "hashes": files[0]["hashes"] if len(files) == 1 else None,
            "licenses": _licenses(said.terms(deed)),
            "purl": said.package_url(deed),
            "pedigree": _known({"ancestors": [_base(base) for base in said.bases(deed)]}),
            "components": [*files, *(_text(text) for text in deed.statement.texts)],
            "modelCard": _card(deed),
            "properties": [{"name": name, "value": value} for name, value in said.properties(deed)],
        }
    )


def _organization(publisher: Any) -> dict[str, Any] | None:
    if not publisher.get("name"):
        return None
    country = publisher.get("country")
    return _known({"name": publisher["name"], "address": {"country": country} if country else None})


def _licenses(terms: said.Terms | None) -> list[dict[str, Any]] | None:
    if terms is None:
        return None
    if terms.expression is not None and not terms.own_id:
        return [{"expression": terms.expression, "acknowledgement": "declared"}]
    details = [
        {"name": f"freehold:{name}", "value": value}
        for name, value in (("license:spdx", terms.expression), ("license:text_sha256", terms.text_sha256))
        if value
    ]
    return [{"license": _known({"name": terms.name, "acknowledgement": "declared", "properties": details})}]


def _base(base: said.Base) -> dict[str, Any]:
    named = [{"license": {"name": base.license}}] if base.license else None
    return _known(
        {"type": "machine-learning-model", "name": base.name, "publisher": base.publisher, "licenses": named},
    )


def _file(file: DeedFile) -> dict[str, Any]:
    return {
        "type": "file",
        "bom-ref": f"file:{file.name}",
        "name": file.name,
        "hashes": [{"alg": "SHA-256", "content": file.sha256}],
        "properties": [
            {"name": "freehold:size_bytes", "value": str(file.size_bytes)},
            {"name": "freehold:verified", "value": file.verified},
        ],
    }


def _text(text: TextFile) -> dict[str, Any]:
    return {
        "type": "file",
        "bom-ref": f"text:{text.name}",
        "name": text.name,
        "hashes": [{"alg": "SHA-256", "content": text.sha256}],
        "properties": [
            {"name": "freehold:size_bytes", "value": str(text.size_bytes)},
            {"name": "freehold:source", "value": text.source},
        ],
    }


def _card(deed: Deed) -> dict[str, Any]:
    facts, shape = deed.facts, said.model(deed).get("shape")
    numbers = sorted(shape.items()) if isinstance(shape, dict) else ()
    return _known(
        {
            "modelParameters": {"modelArchitecture": facts.architecture},
            "properties": [
                {"name": f"freehold:shape:{name}", "value": str(value)} for name, value in numbers if value is not None
            ],
        }
    )


def _known(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that say something: unknown and empty ones are left out."""
    return {name: value for name, value in fields.items() if value not in (None, [], {})}

"""A deed as an SPDX 3.0.1 document with the AI profile, in JSON-LD. Pure.

One AIPackage with its files, its license as declared, and its bases. The profile wants a concluded license too: this
is `NoAssertionLicense`, because nothing here concludes what the law makes of a text. Data it was trained on is
`NoAssertionElement`: no deed names data sets. What has no field stands in a CycloneDX properties extension.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from freehold.store.deeds.record import Deed, DeedFile, TextFile
from freehold.store.exports import said

SPEC_VERSION = "3.0.1"
CONTEXT = f"https://spdx.org/rdf/{SPEC_VERSION}/spdx-context.jsonld"
_CREATION = "_:creation"
_NO_LICENSE = "expandedlicensing_NoAssertionLicense"
_NO_ELEMENT = "NoAssertionElement"
# SPDX identifiers that models are published under; what is not among them gets an identifier of the document's own.
_LISTED = frozenset(
    ("Apache-2.0", "MIT", "BSD-3-Clause", "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0")
)
_PROFILES = ["core", "software", "ai", "simpleLicensing", "extension"]


def document(deed: Deed) -> dict[str, Any]:
    """The document, ready to be written as JSON."""
    return {"@context": CONTEXT, "@graph": _Writer(deed).graph()}


class _Writer:
    """Writes the elements of one deed; their identifiers start with the document's own."""

    def __init__(self, deed: Deed) -> None:
        self._deed = deed
        self._base = said.document_id(deed)
        self._package = self._id("package")

    def graph(self) -> list[dict[str, Any]]:
        elements = [self._author(), self._model(), *self._publisher(), *self._files(), *self._license()]
        elements += [*self._bases(), *self._relations()]
        return [self._creation(), self._document([each["spdxId"] for each in elements]), *elements]

    def _id(self, name: str) -> str:
        return f"{self._base}#{name}"

    def _creation(self) -> dict[str, Any]:
        return {
            "@id": _CREATION,
            "type": "CreationInfo",
            "specVersion": SPEC_VERSION,
            "created": said.created(self._deed),
            "createdBy": [self._id("freehold")],
        }

    def _document(self, elements: list[str]) -> dict[str, Any]:
        return self._element(
            "SpdxDocument",
            "document",
            name=f"Deed of {self._deed.names[0]}",
            profileConformance=_PROFILES,
            rootElement=[self._package],
            element=elements,
        )

    def _author(self) -> dict[str, Any]:
        return self._element("SoftwareAgent", "freehold", name=f"Freehold {self._deed.statement.freehold}")

    def _model(self) -> dict[str, Any]:
        deed, catalog = self._deed, said.model(self._deed)
        released = catalog.get("weights_released")
        entries = [
            {"type": "extension_CdxPropertyEntry", "extension_cdxPropName": name, "extension_cdxPropValue": value}
            for name, value in said.properties(deed)
        ]
        return self._element(
            "ai_AIPackage",
            "package",
            name=said.model_name(deed),
            description=catalog.get("title"),
            software_packageVersion=deed.digest,
            software_packageUrl=said.package_url(deed),
            software_primaryPurpose="model",
            originatedBy=[self._id("publisher")] if self._publisher() else None,
            releaseTime=f"{released}T00:00:00Z" if isinstance(released, str) and len(released) == 10 else None,
            ai_typeOfModel=[deed.facts.architecture],
            verifiedUsing=[_hash(deed.files[0].sha256)] if len(deed.files) == 1 else None,
            extension=[{"type": "extension_CdxPropertiesExtension", "extension_cdxProperty": entries}],
        )

    def _publisher(self) -> list[dict[str, Any]]:
        name = said.publisher(self._deed).get("name")
        return [self._element("Organization", "publisher", name=name)] if name else []

    def _files(self) -> Iterator[dict[str, Any]]:
        for number, file in enumerate(self._deed.files):
            yield self._file(f"file-{number}", file, "model")
        for number, text in enumerate(self._deed.statement.texts):
            yield self._file(f"text-{number}", text, "documentation")

    def _file(self, name: str, file: DeedFile | TextFile, purpose: str) -> dict[str, Any]:
        return self._element(
            "software_File",
            name,
            name=file.name,
            software_primaryPurpose=purpose,
            verifiedUsing=[_hash(file.sha256)],
        )

    def _license(self) -> Iterator[dict[str, Any]]:
        """The declared license, where one is named."""
        terms = said.terms(self._deed)
        if terms is not None:
            yield self._expression("license", terms.expression or _own(terms.name), terms.name)

    def _bases(self) -> Iterator[dict[str, Any]]:
        for number, base in enumerate(said.bases(self._deed)):
            yield self._element("ai_AIPackage", f"base-{number}", name=base.name, software_primaryPurpose="model")
            if base.license is not None:
                yield self._expression(f"base-{number}-license", _own(base.license), base.license)

    def _expression(self, key: str, expression: str, known_as: str) -> dict[str, Any]:
        kind = "simplelicensing_LicenseExpression"
        return self._element(kind, key, name=known_as, simplelicensing_licenseExpression=expression)

    def _relations(self) -> Iterator[dict[str, Any]]:
        deed, bases = self._deed, said.bases(self._deed)
        kept = [f"file-{number}" for number in range(len(deed.files))]
        kept += [f"text-{number}" for number in range(len(deed.statement.texts))]
        yield self._relation("package", "contains", kept, "complete")
        yield from self._licensed("package", "license" if said.terms(deed) else None)
        yield self._relation("package", "trainedOn", [], "noAssertion")
        if bases:
            names = [f"base-{number}" for number in range(len(bases))]
            yield self._relation("package", "descendantOf", names, "noAssertion")
        for number, base in enumerate(bases):
            yield from self._licensed(f"base-{number}", f"base-{number}-license" if base.license else None)

    def _licensed(self, start: str, declared: str | None) -> Iterator[dict[str, Any]]:
        """Both relations that the profile wants of every AIPackage."""
        yield self._relation(start, "hasDeclaredLicense", [declared] if declared else [])
        yield self._relation(start, "hasConcludedLicense", [])

    def _relation(self, start: str, kind: str, targets: list[str], completeness: str | None = None) -> dict[str, Any]:
        """A relation from one element of this document to others; to none of them is no assertion."""
        unknown = _NO_LICENSE if kind.endswith("License") else _NO_ELEMENT
        fields = {
            "from": self._id(start),
            "to": [self._id(name) for name in targets] or [unknown],
            "relationshipType": kind,
            "completeness": completeness,
        }
        return self._element("Relationship", f"{start}-{kind}", **fields)

    def _element(self, kind: str, key: str, /, **fields: Any) -> dict[str, Any]:
        known = {field: value for field, value in fields.items() if value is not None}
        return {"type": kind, "spdxId": self._id(key), "creationInfo": _CREATION, **known}


def _own(name: str) -> str:
    """A license expression for a license that is known by its name: on the SPDX list, or of this document's own."""
    if name in _LISTED:
        return name
    return "LicenseRef-" + re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")


def _hash(sha256: str) -> dict[str, str]:
    return {"type": "Hash", "algorithm": "sha256", "hashValue": sha256}

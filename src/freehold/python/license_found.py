"""What the catalog knows of files that were looked at: of which model each is, and what its license asks.

A file is known by its hash, or else by the name it gives itself, which any file can: which of both it was is said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from freehold.catalog import Catalog, CatalogModel
from freehold.catalog.licenses.shelf import Licenses
from freehold.core.settings import Settings
from freehold.store.provenance import check_provenance
from freehold.weights.gguf import GgufLook
from freehold.weights.report import Finding


@dataclass(frozen=True, slots=True)
class LicenseFound:
    """The license of the model that `file` is of, and what it comes to, strictest along the chain of bases.

    `known_by` "name": the file calls itself so, and that is all. `stated` is the license that the file names itself,
    None where it names none. `decision` and `duties` are for `organization`; None: for nobody in particular.
    """

    file: str
    model: str
    known_by: Literal["sha256", "name"]
    license: str
    license_name: str
    stated: str | None
    decision: str
    duties: int
    organization: str | None


class Finder:
    """Finds licenses with the catalog and the records that ship. `settings` None: for nobody in particular."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._catalog, self._licenses = Catalog.load(), Licenses.load()
        self._settings = settings

    def of(
        self, path: Path, look: GgufLook, sha256: str | None, shown: Callable[[str], str]
    ) -> tuple[LicenseFound | None, tuple[Finding, ...]]:
        """The license of the file at `path`, None where the catalog does not know it, and where the two differ. `shown`
        makes a text of the file printable."""
        model, findings = check_provenance(look, sha256, self._catalog, self._licenses)
        if model is None:
            return None, findings
        stated = look.metadata.get("general.license")
        known = sha256 is not None and self._catalog.by_sha256(sha256) is not None
        return (
            LicenseFound(
                file=shown(str(path)),
                model=model.name,
                known_by="sha256" if known else "name",
                stated=shown(stated) if isinstance(stated, str) and stated.strip() else None,
                **self._asked(model),
            ),
            findings,
        )

    def _asked(self, model: CatalogModel) -> dict[str, Any]:
        from freehold.catalog.paper import license_name
        from freehold.catalog.policy import Asker, Shelf, check

        given = self._settings
        asker = Asker(organization=given.organization, policy=given.policy) if given else Asker()
        verdict = check(model, Shelf(models=self._catalog.get, licenses=self._licenses.get), asker)
        return {
            "license": model.license,
            "license_name": license_name(model.license, self._licenses),
            "decision": verdict.decision,
            "duties": len(verdict.duties),
            "organization": verdict.organization,
        }

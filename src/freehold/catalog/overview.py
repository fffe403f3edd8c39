"""The catalog as one table, and each model's paper beside it: what the Models page is drawn from.

Rows are made when they are first asked for and kept, since neither the catalog nor the license records change while a
program runs. null is unknown. Nothing here looks at a store or at a network. Where an organization is described, or the
house has rules of its own, each model has a verdict; else there is none, and none is made up.
"""

from __future__ import annotations

from dataclasses import fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

from freehold.catalog.catalog import Catalog
from freehold.core.organization import Organization, Policy

if TYPE_CHECKING:
    from freehold.catalog.find import Graded
    from freehold.catalog.licenses.shelf import Licenses
    from freehold.catalog.model import CatalogModel
    from freehold.catalog.policy import Verdict

# What a model is judged and described by is imported where it is needed: 50 ms that only the page costs.


class Overview:
    """What there is to show of `catalog` to one organization under one policy.

    Its methods raise CatalogError where a row or a license record is wrong.
    """

    def __init__(
        self, catalog: Catalog, organization: Organization | None = None, policy: Policy | None = None
    ) -> None:
        self._catalog = catalog
        self._organization = organization
        self._policy = policy or Policy()

    def under(self, organization: Organization | None, policy: Policy) -> Overview:
        """The same for another organization or policy; this one where they are its own."""
        if (organization, policy) == (self._organization, self._policy):
            return self
        return Overview(self._catalog, organization, policy)

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """One row of stable keys for every model, in the order of the catalog's files."""
        from freehold.catalog.find import graded

        return [self._row(each) for each in graded(self._catalog, self._licenses)]

    @cached_property
    def words(self) -> dict[str, Any]:
        """What the levels mean, lowest first, and which components each level of publication asks for."""
        from freehold.catalog.model import COMPONENTS, SKILLS
        from freehold.catalog.openness import LABELS
        from freehold.catalog.openness.freedom import FREEDOM_MEANS
        from freehold.catalog.openness.published import PUBLISHED_MEANS, REQUIRED

        return {
            "labels": list(LABELS),
            "freedom": list(FREEDOM_MEANS.values()),
            "published": list(PUBLISHED_MEANS.values()),
            "required": {str(level): list(names) for level, names in REQUIRED.items()},
            "components": list(COMPONENTS),
            "skills": list(SKILLS),
        }

    @property
    def asker(self) -> dict[str, Any]:
        """For whom verdicts are given. `organization` None: nobody said who it is."""
        return {"judged": self.judged, "organization": _described(self._organization), "rules": self._has_rules}

    def paper(self, name: str) -> dict[str, Any]:
        """The whole paper of the model called `name`, and `verdict`. Raises NotFoundError with the nearest names."""
        from freehold.catalog.paper import paper

        model = self._catalog.model(name)
        verdict = self._verdict(model)
        judged = {**verdict.as_json(), "grounds": verdict.grounds} if verdict else None
        return {**paper(self._catalog, model, self._licenses), "verdict": judged}

    @cached_property
    def _licenses(self) -> Licenses:
        from freehold.catalog.licenses.shelf import Licenses

        return Licenses.load()

    @property
    def _has_rules(self) -> bool:
        return self._policy != Policy()

    @property
    def judged(self) -> bool:
        """Whether there are verdicts: an organization is described, or the house has rules of its own."""
        return self._organization is not None or self._has_rules

    def _verdict(self, model: CatalogModel) -> Verdict | None:
        from freehold.catalog.policy import Asker, Shelf, check

        if not self.judged:
            return None
        shelf = Shelf(models=self._catalog.get, licenses=self._licenses.get)
        return check(model, shelf, Asker(organization=self._organization, policy=self._policy))

    def _row(self, each: Graded) -> dict[str, Any]:
        from freehold.catalog.model import PROPRIETARY
        from freehold.catalog.paper import license_name

        model = each.model
        closed = model.license == PROPRIETARY
        verdict = self._verdict(model)
        return {
            **each.facts,
            "family": model.family or None,
            "license_name": "terms of service" if closed else license_name(model.license, self._licenses),
            "freedom": each.freedom,
            "published": each.published,
            "label": each.label,
            "verdict": verdict.decision if verdict else None,
        }


def _described(organization: Organization | None) -> dict[str, Any] | None:
    """What was stated of the organization, fact by fact, and the names of what was not."""
    if organization is None:
        return None
    names = [field.name for field in fields(organization) if field.name != "name"]
    stated = [name for name in names if getattr(organization, name) not in (None, {})]
    return {
        "name": organization.name,
        "stated": [organization.said(name) for name in stated],
        "unknown": [name for name in names if name not in stated],
    }

"""L3: the one place that says whether the house takes a build: asked before a pull, and before an endpoint is served.

Without an [organization] it stays out of the way: what turns on facts nobody stated is noted and let pass, and only
what no fact could change is refused, which is what [policy] itself denies and weights that were never licensed. With
one, a denial is refused and an open question too, unless the policy says otherwise. A named person's override, recorded
in the store, lets through exactly what it names.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from freehold.catalog import Catalog, CatalogModel
from freehold.core.builds import HeldBuild
from freehold.core.errors import PolicyError, PolicyReviewError
from freehold.core.settings import Settings
from freehold.store.candidate import Candidate, of_deed
from freehold.store.overrides import Override, Overrides
from freehold.store.store import Store

if TYPE_CHECKING:
    from freehold.catalog.licenses.shelf import Licenses
    from freehold.catalog.policy import Asker, Reason, Verdict


class Permits:
    """Judges models, candidates and builds for the settings it is given. Judging writes nothing."""

    def __init__(self, catalog: Catalog, store: Store) -> None:
        self._catalog = catalog
        self._store = store
        self._licenses: Licenses | None = None
        self.overrides = Overrides(store.layout.home)

    def of_model(self, model: CatalogModel, settings: Settings) -> Verdict:
        """What the licenses of `model` and its bases ask. Raises CatalogError where a row or a record is wrong."""
        from freehold.catalog.policy import Shelf, check

        return check(model, Shelf(models=self._catalog.get, licenses=self._shelf().get), _asker(settings))

    def of_candidate(self, candidate: Candidate, settings: Settings) -> Verdict:
        """The same for weights, with what the house asks of their bytes."""
        from freehold.catalog.policy import Shelf, check_claim
        from freehold.catalog.policy.house_rules import of_unverified
        from freehold.catalog.policy.verdict import strictest

        if candidate.model is not None:
            found = self.of_model(candidate.model, settings)
        else:
            shelf = Shelf(models=self._catalog.get, licenses=self._shelf().get)
            found = check_claim(candidate.name, self._claimed(candidate.license), shelf, _asker(settings))
        if candidate.verified is not False:
            return found
        reasons = (*of_unverified(found.subject, settings.policy), *found.reasons)
        return replace(found, reasons=reasons, decision=strictest(reasons, found.duties))

    def of_build(self, build: HeldBuild, settings: Settings) -> Verdict:
        """The same for a held build, by its deed and what the catalog knows today. Raises DeedError."""
        return self.of_candidate(of_deed(self._store.deed(build), self._catalog), settings)

    def require(self, verdict: Verdict, settings: Settings) -> Verdict:
        """`verdict`, if the house takes it. Raises PolicyError for a denial, PolicyReviewError for an open question,
        unless an override stands that covers it."""
        if verdict.decision not in refused_decisions(settings) or self.overridden(verdict) is not None:
            return verdict
        raise refusal([verdict])

    def require_build(self, build: HeldBuild, settings: Settings) -> None:
        """Raises what `require` raises."""
        self.require(self.of_build(build, settings), settings)

    def overridden(self, verdict: Verdict) -> Override | None:
        """The override that lets `verdict` through, or None."""
        standing = self.overrides.standing(verdict.subject)
        return standing if standing is not None and standing.covers(verdict.grounds) else None

    def _claimed(self, license_name: str | None) -> tuple[str, ...]:
        if not license_name:
            return ()
        return tuple(record.id for record in self._shelf().by_tag(license_name)) or (license_name,)

    def _shelf(self) -> Licenses:
        from freehold.catalog.licenses.shelf import Licenses

        self._licenses = self._licenses or Licenses.load()
        return self._licenses


def refused_decisions(settings: Settings) -> frozenset[str]:
    """The decisions that stop a pull or an endpoint under these settings."""
    review = settings.policy.review or ("allow" if settings.organization is None else "ask")
    return frozenset({"deny"} if review == "allow" else {"deny", "review"})


def refusal(verdicts: Iterable[Verdict]) -> PolicyError:
    """The error that says why all of these are refused; only open questions make a PolicyReviewError."""
    refused = list(verdicts)
    denied = any(verdict.decision == "deny" for verdict in refused)
    kind = PolicyError if denied else PolicyReviewError
    names = [verdict.subject for verdict in refused]
    return kind(
        "\n".join(_paragraph(verdict) for verdict in refused),
        hint="\n".join(
            (
                f"Everything it stands on: freehold license check {names[0]}",
                f'To take it all the same, by name and on record: freehold license override {names[0]} "why"',
            )
        ),
        refused=[verdict.as_json() | {"grounds": list(verdict.grounds)} for verdict in refused],
    )


def _paragraph(verdict: Verdict) -> str:
    said = "is denied" if verdict.decision == "deny" else "needs a review before it is used"
    decisive = [reason for reason in verdict.reasons if reason.decision == verdict.decision]
    lines = "".join(f"\n  - {in_words(reason)}" for reason in decisive)
    read = f"\n  {'; '.join(reading.words for reading in verdict.readings)}." if verdict.readings else ""
    return f"{verdict.subject} {said}:{lines}{read}"


def in_words(reason: Reason) -> str:
    """A reason on one line: what, by which clause and section of which license, on which fact."""
    clause = reason.clause.replace("_", " ")
    section = f", section {reason.section}" if reason.section else ""
    where = f"{reason.license}{section}: " if reason.license else ""
    fact = f" [{reason.fact}]" if reason.fact else ""
    return f"{clause}, {where}{reason.text}{fact}" if where else f"{clause}: {reason.text}{fact}"


def _asker(settings: Settings) -> Asker:
    from freehold.catalog.policy import Asker

    return Asker(organization=settings.organization, policy=settings.policy)

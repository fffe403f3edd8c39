"""The one place that says whether the house takes a build: asked before a pull, and before an endpoint is served.

Without an [organization] it stays out of the way: what turns on facts nobody stated is noted and let pass, and only
what no fact could change is refused: what [policy] itself denies, weights that were never licensed, files that could
not be judged to their end. With one, a denial is refused and an open question too, unless the policy says otherwise. A
named person's override, recorded in the store, lets through exactly what it names.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from freehold.catalog import Catalog, CatalogModel
from freehold.core.builds import HeldBuild
from freehold.core.errors import FreeholdError, PolicyError, PolicyReviewError, SettingsError
from freehold.core.names import nearest
from freehold.core.refs import parse
from freehold.core.settings import Settings
from freehold.store.candidate import Candidate, Unread, of_deed
from freehold.store.overrides import Override, Overrides
from freehold.store.store import Store

if TYPE_CHECKING:
    from freehold.catalog.licenses.shelf import Licenses
    from freehold.catalog.policy import Asker, Reason, Shelf, Verdict

VERIFICATION = "verification"
"""The clause of a reason that stands on the bytes and on no license."""

_LET_THROUGH: ContextVar[list[dict[str, Any]] | None] = ContextVar("let_through", default=None)


@contextmanager
def let_through() -> Iterator[list[dict[str, Any]]]:
    """Gives what is let through inside because an override stands, as `data["refused"]` of a PolicyError has it."""
    seen: list[dict[str, Any]] = []
    token = _LET_THROUGH.set(seen)
    try:
        yield seen
    finally:
        _LET_THROUGH.reset(token)


class Permits:
    """Judges models, candidates and builds for the settings it is given. Judging writes nothing."""

    def __init__(self, catalog: Catalog, store: Store) -> None:
        self._catalog = catalog
        self._store = store
        self._licenses: Licenses | None = None
        self.overrides = Overrides(store.layout.home)

    def of_model(self, model: CatalogModel, settings: Settings) -> Verdict:
        """What the licenses of `model` and its bases ask. Raises CatalogError where a row or a record is wrong."""
        from freehold.catalog.policy import check

        return check(model, self._shelf(), self._asker(settings))

    def of_candidate(self, candidate: Candidate, settings: Settings) -> Verdict:
        """The same for weights, with what the house asks of their bytes."""
        from freehold.catalog.policy.house_rules import of_unverified
        from freehold.catalog.policy.verdict import strictest

        found = self._of_whoevers(candidate, settings)
        unverified = of_unverified(found.subject, settings.policy) if candidate.verified is False else ()
        reasons = (*_of_unread(found.subject, candidate.unread), *unverified, *found.reasons)
        return replace(found, reasons=reasons, decision=strictest(reasons, found.duties))

    def of_build(self, build: HeldBuild, settings: Settings) -> Verdict:
        """The same for a held build, by its deed and what the catalog knows today. Raises DeedError."""
        return self.of_candidate(of_deed(self._store.deed(build), self._catalog), settings)

    def require(self, verdict: Verdict, settings: Settings, door: str | None = None) -> Verdict:
        """`verdict`, if the house takes it. Raises PolicyError for a denial, PolicyReviewError for an open question,
        unless an override stands that covers it. `door` is the command that takes this very build with a reason behind
        it: what is known of a model by its name says nothing of the bytes."""
        if verdict.decision not in refused_decisions(settings):
            return verdict
        if (standing := self.overridden(verdict)) is not None:
            if (seen := _LET_THROUGH.get()) is not None:
                seen.append(_as_refused(verdict))
            return replace(verdict, overridden_by=standing.by)
        if door is not None and any(reason.clause == VERIFICATION for reason in verdict.reasons):
            raise _refusal(verdict, take=door)
        if self._is_known(verdict.subject):
            look = f"Everything it stands on: freehold license check {verdict.subject}"
            raise _refusal(verdict, look, take=f"license override {verdict.subject}")
        raise _refusal(verdict, take=f"pull {verdict.subject} --override")

    def require_build(self, build: HeldBuild, settings: Settings) -> None:
        """Raises what `require` raises."""
        self.require(self.of_build(build, settings), settings, f"license override {build.name}")

    def overridden(self, verdict: Verdict) -> Override | None:
        """The override that lets `verdict` through, or None."""
        standing = self.overrides.standing(verdict.subject)
        return standing if standing is not None and standing.covers(verdict.grounds) else None

    def _of_whoevers(self, candidate: Candidate, settings: Settings) -> Verdict:
        from freehold.catalog.policy import check, check_claim

        model, asker, claims = candidate.model, self._asker(settings), self._claimed(candidate.license)
        if model is None:
            return check_claim(candidate.name, claims, self._shelf(), asker)
        if not candidate.derived:
            return check(model, self._shelf(), asker)
        return check(model, self._shelf(), asker, derived=candidate.name, claims=claims)

    def _asker(self, settings: Settings) -> Asker:
        """Raises SettingsError where [policy] names a license that nobody knows: a rule with a slip in it does not
        hold, and nobody would see that."""
        from freehold.catalog.policy import Asker

        policy = settings.policy
        known = {*self._records().ids, *(model.license for model in self._catalog.models)}
        for name in (*policy.allowed_licenses, *policy.denied_licenses, *policy.agreements):
            if name not in known:
                near = ", ".join(nearest(name, known)) or "`freehold license list`"
                raise SettingsError(f"[policy] names the license {name!r}, which is not known. Nearest: {near}.")
        return Asker(organization=settings.organization, policy=policy)

    def _is_known(self, subject: str) -> bool:
        """Whether `freehold license` finds it by that name: not what was never held and has no row."""
        if self._catalog.get(subject) is not None:
            return True
        try:
            self._store.peek(parse(subject))
        except FreeholdError:
            return False
        return True

    def _claimed(self, license_name: str | None) -> tuple[str, ...]:
        if not license_name:
            return ()
        return tuple(record.id for record in self._records().by_tag(license_name)) or (license_name,)

    def _shelf(self) -> Shelf:
        from freehold.catalog.policy import Shelf

        return Shelf(models=self._catalog.get, licenses=self._records().get)

    def _records(self) -> Licenses:
        from freehold.catalog.licenses.shelf import Licenses

        self._licenses = self._licenses or Licenses.load()
        return self._licenses


def _of_unread(subject: str, unread: tuple[Unread, ...]) -> Iterator[Reason]:
    """Against files that nobody could judge to their end, whatever the policy says. The bytes are part of the ground,
    so that an override of these is none of others that come by the same name."""
    from freehold.catalog.policy.verdict import Reason

    for each in unread:
        yield Reason(
            decision="deny",
            clause=VERIFICATION,
            text=each.said,
            model=subject,
            section=f"{each.check} of {each.digest}",
        )


def refused_decisions(settings: Settings) -> frozenset[str]:
    """The decisions that stop a pull or an endpoint under these settings."""
    review = settings.policy.review or ("allow" if settings.organization is None else "ask")
    return frozenset({"deny"} if review == "allow" else {"deny", "review"})


def _refusal(verdict: Verdict, *hints: str, take: str) -> PolicyError:
    """The error that says why; for an open question it is a PolicyReviewError."""
    kind = PolicyError if verdict.decision == "deny" else PolicyReviewError
    against = f'To take it all the same, by name and on record: freehold {take} "why" --by NAME'
    return kind(_paragraph(verdict), hint="\n".join((*hints, against)), refused=[_as_refused(verdict)])


def _as_refused(verdict: Verdict) -> dict[str, Any]:
    """What an override of `verdict` is recorded from."""
    return verdict.as_json() | {"grounds": list(verdict.grounds)}


def _paragraph(verdict: Verdict) -> str:
    said = "is denied" if verdict.decision == "deny" else "needs a review before it is used"
    decisive = [reason for reason in verdict.reasons if reason.decision == verdict.decision]
    lines = "".join(f"\n  - {in_words(reason)}" for reason in decisive)
    texts = verdict.readings if any(reason.license for reason in decisive) else ()
    read = f"\n  {'; '.join(reading.words for reading in texts)}." if texts else ""
    return f"{verdict.subject} {said}:{lines}{read}"


def in_words(reason: Reason) -> str:
    """A reason on one line: what, by which clause and section of which license, on which fact."""
    clause = reason.clause.replace("_", " ")
    section = f", section {reason.section}" if reason.section else ""
    where = f"{reason.license}{section}: " if reason.license else ""
    fact = f" [{reason.fact}]" if reason.fact else ""
    return f"{clause}, {where}{reason.text}{fact}" if where else f"{clause}: {reason.text}{fact}"

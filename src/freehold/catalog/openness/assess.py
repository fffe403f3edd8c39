"""The whole answer to "how open is this model": both axes, the label, the verdicts of others, and what is missing.

A pure function of a catalog row, its ancestors' rows and license records. Somebody else's figure stays theirs, with its
date; Freehold's computations by somebody else's rules say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from freehold.catalog.model import CatalogModel, Figure, Review
from freehold.catalog.openness.freedom import FREEDOM_MEANS, FindLicense, Freedom, Part, freedom, of_parts
from freehold.catalog.openness.label import Label, label
from freehold.catalog.openness.lineage import Find, Lineage, trace
from freehold.catalog.openness.mof import Mof, mof
from freehold.catalog.openness.osaid import Osaid, osaid
from freehold.catalog.openness.published import (
    PUBLISHED_MEANS,
    Published,
    Range,
    of_components,
    published,
    unknown_that_matter,
)

MissingKind = Literal["component", "license", "clauses", "base models", "base model", "terms"]


@dataclass(frozen=True, slots=True)
class Missing:
    """Evidence that would narrow an interval.

    `what` is the component, the license id, the clauses or the base model; `of` the model whose row lacks it. `narrows`
    counts the levels it would take off the label's interval at most, `axis` those off the F or T interval.
    """

    kind: MissingKind
    what: str
    of: str
    narrows: int
    axis: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Openness:
    """Everything about one model's openness. `evidence`: what would close the intervals, what would change most first.

    `gated`: terms must be accepted or data given before the weights can be had; a flag, not a level. `osai` and
    `transparency` are the European index's figure and Stanford's figure of the publisher.
    """

    model: str
    freedom: Freedom
    published: Published
    label: Label
    sentence: str
    evidence: tuple[Missing, ...]
    mof: Mof
    osaid: Osaid
    osi_reviewed: Review
    osai: Figure | None
    transparency: Figure | None
    gated: bool | None
    lineage: Lineage


def assess(model: CatalogModel, find: Find, licenses: FindLicense) -> Openness:
    """How open `model` is. `find` looks up ancestors by name or hub repository, `licenses` license records by id.

    Raises CatalogError where the chain of base models runs in a circle.
    """
    lineage = trace(model, find)
    free = freedom(model, lineage, licenses)
    public = published(model, lineage)
    both = _label(free, public)
    return Openness(
        model=model.name,
        freedom=free,
        published=public,
        label=both,
        sentence=sentence(both, free, public),
        evidence=evidence(model.name, free, public),
        mof=mof(model),
        osaid=osaid(free, public.components),
        osi_reviewed=model.osi_reviewed,
        osai=model.osai,
        transparency=model.publisher.transparency,
        gated=model.gated,
        lineage=lineage,
    )


def sentence(both: Label, free: Freedom, public: Published) -> str:
    """One line: the label with both axes, and the ancestor that decided where one did."""
    axes = f"{_axis('F', free.low, free.high)}, {_axis('T', public.low, public.high)}"
    use = f"{_at_least(free.low < free.high)}{FREEDOM_MEANS[free.low]}"
    shown = f"{_at_least(public.low < public.high)}{PUBLISHED_MEANS[public.low]}"
    own = free.parts[0]
    decided = free.high_from if free.high < own.high else free.low_from
    because = f"; {_decided(decided)}" if decided is not own else ""
    return f"{both.text} ({axes}): {use}; {shown}{because}."


def evidence(name: str, free: Freedom, public: Published) -> tuple[Missing, ...]:
    """What would close the intervals, what would change most first; each judged as if it alone became known."""
    found = [*_of_license(free, public), *_of_components(name, free, public)]
    return tuple(sorted(found, key=lambda each: (-each.narrows, -each.axis)))


def _label(free: Freedom, public: Published) -> Label:
    return Label(label(free.low, public.low), label(free.high, public.high))


def _at_least(interval: bool) -> str:
    return "at least " if interval else ""


def _axis(letter: str, low: int, high: int) -> str:
    return f"{letter}{low}" if low == high else f"{letter}{low}-{letter}{high}"


def _decided(part: Part) -> str:
    if part.gap is not None and part.gap.kind == "base models":
        return f"what {part.model} was made from is not known"
    if part.gap is not None:
        return f"the terms of {part.gap.what}, which {part.model} was made from, are not known"
    return f"the license of {part.model}, which it was made from, decides"


def _of_components(name: str, free: Freedom, public: Published) -> Iterator[Missing]:
    for component in unknown_that_matter(public):
        unknown = public.components[component]
        answers = [
            _known(public, component, state)
            for state in (Range(unknown.low, unknown.low), Range(unknown.high, unknown.high))
        ]
        narrows = _narrowed(_label(free, public), [_label(free, answer) for answer in answers])
        axis = max(public.high - public.low - (answer.high - answer.low) for answer in answers)
        yield Missing("component", component, name, narrows, axis)


def _known(public: Published, component: str, state: Range) -> Published:
    return of_components({**public.components, component: state}, derived=public.derived)


def _of_license(free: Freedom, public: Published) -> Iterator[Missing]:
    for index, part in enumerate(free.parts):
        if part.low == part.high:
            continue
        answers = [
            of_parts((*free.parts[:index], known, *free.parts[index + 1 :]))
            for known in (replace(part, high=part.low), replace(part, low=part.high))
        ]
        narrows = _narrowed(_label(free, public), [_label(answer, public) for answer in answers])
        axis = max(free.high - free.low - (answer.high - answer.low) for answer in answers)
        if axis > 0:
            yield _missing(part, narrows, axis)


def _missing(part: Part, narrows: int, axis: int) -> Missing:
    if part.gap is not None:
        return Missing(part.gap.kind, part.gap.what, part.gap.of, narrows, axis)
    if part.unknown == ("every clause",):
        return Missing("license", part.license or "", part.model, narrows, axis)
    return Missing("clauses", f"{part.license}: {', '.join(part.unknown)}", part.model, narrows, axis)


def _narrowed(before: Label, after: list[Label]) -> int:
    return max(before.high - before.low - (each.high - each.low) for each in after)

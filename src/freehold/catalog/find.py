"""Searches the catalog: by text, size, license, openness, skill and publisher. Pure; what is unknown matches no filter.

A model whose size nobody knows is neither under 10 billion parameters nor over it. A model is as free, or as open, as
can be shown of it: filters look at the lower bound where they ask for "at least", at the upper for "at most".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from freehold.catalog.catalog import Catalog
from freehold.catalog.licenses.shelf import Licenses
from freehold.catalog.model import SKILLS, CatalogModel
from freehold.catalog.openness import LABELS
from freehold.catalog.openness.freedom import freedom
from freehold.catalog.openness.label import label
from freehold.catalog.openness.lineage import inherited_licenses, trace
from freehold.catalog.openness.published import published
from freehold.core.errors import CallError
from freehold.core.names import nearest

_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*([kmbt]?)", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}
_ABOUT = 0.1
_LEVEL = re.compile(r"([FL])(\d)", re.IGNORECASE)
SORTS = ("match", "name", "size", "context", "openness", "released")
SIZE_FORMS = '"<10b", ">=70b", "7b-14b", or "8b" (within a tenth)'


class Interval(NamedTuple):
    """From `low` to `high`, both included; None is no bound."""

    low: float | None
    high: float | None

    def holds(self, low: float, high: float) -> bool:
        """True where everything from `low` to `high` is inside."""
        return (self.low is None or low >= self.low) and (self.high is None or high <= self.high)


class Graded(NamedTuple):
    """A model and how open it can be shown to be, and how open it might be. `inherited` are the texts that bind
    it beside its own license: terms that lie with it, and licenses of others' bases."""

    model: CatalogModel
    freedom: tuple[int, int]
    published: tuple[int, int]
    label: tuple[int, int]
    inherited: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, Any]:
        """What every table of models shows of it, under stable keys; None is unknown."""
        model = self.model
        released = model.weights_released or model.api_released
        return {
            "name": model.name,
            "title": model.title,
            "publisher": model.publisher.name,
            "parameters": model.parameters,
            "active_parameters": model.active_parameters,
            "context_tokens": model.context_tokens,
            "license": model.license,
            "inherited_licenses": list(self.inherited),
            "skills": list(model.skills),
            "weights": model.weights,
            "released": None if released is None else released.isoformat(),
            "repository": model.repository,
            "pullable": bool(model.builds),
        }


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for; what is left out asks for nothing. `license_id` and `freedom` come from one option.
    `bound_by` is a license that is a model's own or that of another publisher's base of it."""

    text: str = ""
    size: Interval | None = None
    freedom: Interval | None = None
    license_id: str | None = None
    bound_by: str | None = None
    openness: Interval | None = None
    skills: tuple[str, ...] = ()
    publisher: str = ""
    open_weights: bool = False
    sort: str = "match"


def graded(catalog: Catalog, licenses: Licenses) -> list[Graded]:
    """Every model of the catalog with its bounds, as `openness.assess` gives them, without the rest of its answer."""
    return [_graded(model, catalog, licenses) for model in catalog.models]


def _graded(model: CatalogModel, catalog: Catalog, licenses: Licenses) -> Graded:
    lineage = trace(model, catalog.get)
    free, public = freedom(model, lineage, licenses.get), published(model, lineage)
    levels = (label(free.low, public.low), label(free.high, public.high))
    inherited = inherited_licenses(model, lineage)
    return Graded(model, (free.low, free.high), (public.low, public.high), levels, inherited)


def search(models: Iterable[Graded], query: Query) -> list[Graded]:
    """The models that fit every part of `query`, in the order it asks for."""
    found = [each for each in models if _fits(each, query)]
    return sorted(found, key=_order(query))


def matches(model: CatalogModel, text: str) -> bool:
    """True where every word of `text` stands in its name, title, publisher, family or repository, in any case."""
    publisher = f"{model.publisher.name} {model.publisher.key}"
    names = f"{model.name} {model.title} {publisher} {model.family} {model.repository or ''}".casefold()
    return all(word in names for word in text.casefold().split())


def read_size(text: str) -> Interval:
    """Parameters, as people write them: SIZE_FORMS. Raises CallError."""
    written = text.replace(" ", "")
    compared = re.fullmatch(r"(<=?|>=?)(.+)", written)
    parts = (compared[2],) if compared else tuple(written.split("-"))
    numbers = [_number(part) for part in parts]
    first, last = float(numbers[0] or 0), float(numbers[-1] or 0)
    if None in numbers or len(numbers) > 2 or first > last:
        raise CallError(f"{text!r} is not a size.", hint=f"Write one like {SIZE_FORMS}.", size=text)
    if compared:
        return _compared(compared[1], first)
    return Interval(first * (1 - _ABOUT), first * (1 + _ABOUT)) if len(parts) == 1 else Interval(first, last)


def read_license(text: str, known: Iterable[str]) -> tuple[Interval | None, str | None]:
    """A freedom ("F2": at least that) or the id of a license that occurs among `known`. Raises CallError."""
    if _LEVEL.match(text.strip("<>=")):
        return _levels(text, "F", 3), None
    return None, read_license_id(text, known)


def read_license_id(text: str, known: Iterable[str]) -> str:
    """The id of a license that occurs among `known`. Raises CallError."""
    licenses = sorted(set(known))
    if text.lower() in licenses:
        return text.lower()
    near = nearest(text, licenses)
    raise CallError(
        f"No model of the catalog has a license {text!r}.",
        hint=f"Nearest: {', '.join(near) or 'none'}. A freedom is F0 to F3: F3 any purpose, F2 within terms.",
        license=text,
        nearest=near,
    )


def read_openness(text: str) -> Interval:
    """A label ("L3", "open weights": at least that; "<=L1" at most; "L0-L2" between). Raises CallError."""
    if text.casefold() in LABELS:
        return Interval(LABELS.index(text.casefold()), None)
    return _levels(text, "L", 5)


def read_skill(text: str) -> str:
    """One of SKILLS. Raises CallError."""
    if text.casefold() in SKILLS:
        return text.casefold()
    raise CallError(f"{text!r} is not a skill.", hint=f"There are {', '.join(SKILLS)}.", skill=text)


def read_sort(text: str) -> str:
    """One of SORTS. Raises CallError."""
    if text in SORTS:
        return text
    raise CallError(f"There is no order {text!r}.", hint=f"There are {', '.join(SORTS)}.", sort=text)


def _fits(each: Graded, query: Query) -> bool:
    model = each.model
    if query.size is not None and (model.parameters is None or not query.size.holds(*(model.parameters,) * 2)):
        return False
    if query.freedom is not None and not query.freedom.holds(*each.freedom):
        return False
    if query.openness is not None and not query.openness.holds(*each.label):
        return False
    return (
        (query.license_id in (None, model.license))
        and (query.bound_by in (None, model.license, *each.inherited))
        and set(query.skills) <= set(model.skills)
        and (not query.open_weights or model.weights == "published")
        and query.publisher.casefold() in f"{model.publisher.name} {model.publisher.key}".casefold()
        and matches(model, query.text)
    )


def _order(query: Query) -> Callable[[Graded], Any]:
    """What to sort by; the unknown comes last, and models that are alike stand by name."""
    return {
        "match": lambda each: (_closeness(each.model, query.text), each.model.publisher.key, _natural(each.model.name)),
        "name": lambda each: _natural(each.model.name),
        "size": lambda each: (each.model.parameters or float("inf"), each.model.name),
        "context": lambda each: (-(each.model.context_tokens or 0), each.model.name),
        "openness": lambda each: (-each.label[0], -each.published[0], -each.label[1], each.model.name),
        "released": lambda each: (-_day(each.model).toordinal(), each.model.name),
    }[query.sort]


def _closeness(model: CatalogModel, text: str) -> int:
    asked = "-".join(text.casefold().split())
    if not asked or model.name == asked:
        return 0
    return 1 if model.name.startswith(asked) else 2 if asked in model.name else 3


def _natural(name: str) -> list[tuple[int, int, str]]:
    """A key in which 8b stands before 70b."""
    parts: list[str] = re.findall(r"\d+|\D+", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def _day(model: CatalogModel) -> date:
    return model.weights_released or model.api_released or date.min


def _number(text: str) -> float | None:
    match = _NUMBER.fullmatch(text)
    return float(match[1]) * _UNITS[match[2].lower()] if match else None


def _compared(sign: str, number: float) -> Interval:
    """Counts are whole, so that "under" is "at most one less"."""
    return {
        "<": Interval(None, number - 1),
        "<=": Interval(None, number),
        ">": Interval(number + 1, None),
        ">=": Interval(number, None),
    }[sign]


def _levels(text: str, letter: str, highest: int) -> Interval:
    compared = re.fullmatch(r"(<=?|>=?)?(.+)", text.replace(" ", ""))
    parts = compared[2].split("-") if compared else []
    levels = [int(match[2]) for part in parts if (match := _LEVEL.fullmatch(part)) and match[1].upper() == letter]
    right = (
        levels == sorted(levels)
        and 1 <= len(parts) == len(levels) <= 2
        and max(levels) <= highest
        and not (compared and compared[1] and parts[1:])
    )
    if not right or compared is None:
        names = f" or a name: {', '.join(LABELS)}" if letter == "L" else ""
        example = f'Write "{letter}2" (at least), "<={letter}1" (at most), "{letter}1-{letter}2"'
        raise CallError(f"{text!r} is not a level from {letter}0 to {letter}{highest}.", hint=f"{example}{names}.")
    if compared[1]:
        return _compared(compared[1], levels[0])
    return Interval(levels[0], levels[1] if parts[1:] else None)

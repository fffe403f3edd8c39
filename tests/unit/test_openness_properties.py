"""What holds of every model: knowing more never contradicts what was said before."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

from hypothesis import given
from hypothesis import strategies as st

from freehold.catalog.model import COMPONENTS, NOT_KNOWN, CatalogModel, Component, State
from freehold.catalog.openness import Openness
from tests.openness_rows import assessed, row

STATES = st.sampled_from(get_args(State))
ROWS: st.SearchStrategy[dict[str, State]] = st.fixed_dictionaries(dict.fromkeys(COMPONENTS, STATES))
LICENSES = st.sampled_from(["mit", "llama3.1", "mrl-0.1", "nobody-read-this"])
MOF_ORDER = ("none", "III", "II", "I")
OSAID_ORDER = ("inconsistent", "undetermined", "consistent")


def _place(found: Openness) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Every lower bound, every upper bound."""
    low = (found.published.low, found.freedom.low, found.label.low, MOF_ORDER.index(found.mof.low))
    high = (found.published.high, found.freedom.high, found.label.high, MOF_ORDER.index(found.mof.high))
    return low, high


@st.composite
def _chains(draw: st.DrawFn) -> tuple[CatalogModel, CatalogModel]:
    publisher = draw(st.sampled_from(["one", "two"]))
    base = row("base", draw(LICENSES), draw(ROWS), publisher="one", bases=draw(st.sampled_from([(), None])))
    bases = draw(st.sampled_from([(), None, ("base",), ("who/knows",), ("base", "who/knows")]))
    return row("model", draw(LICENSES), draw(ROWS), bases=bases, publisher=publisher), base


def _told(model: CatalogModel, component: str, state: Literal["open", "absent"]) -> CatalogModel:
    return replace(model, published={**model.published, component: Component(state, "cited")})


@given(chain=_chains(), component=st.sampled_from(COMPONENTS), of_base=st.booleans())
def test_learning_that_something_is_open_never_lowers_and_that_it_is_absent_never_raises(
    chain: tuple[CatalogModel, CatalogModel], component: str, of_base: bool
) -> None:
    model, base = chain
    target = base if of_base else model
    target = replace(target, published={**target.published, component: NOT_KNOWN})

    def with_target(changed: CatalogModel) -> Openness:
        return assessed(model, changed) if of_base else assessed(changed, base)

    before, opened, gone = (
        with_target(each) for each in (target, _told(target, component, "open"), _told(target, component, "absent"))
    )
    for was, better, worse in zip(_place(before), _place(opened), _place(gone), strict=True):
        assert all(a <= b for a, b in zip(was, better, strict=True))
        assert all(a >= b for a, b in zip(was, worse, strict=True))
    assert OSAID_ORDER.index(opened.osaid.verdict) >= OSAID_ORDER.index(before.osaid.verdict)
    assert OSAID_ORDER.index(gone.osaid.verdict) <= OSAID_ORDER.index(before.osaid.verdict)


@given(chain=_chains())
def test_an_interval_is_never_upside_down_and_an_open_one_says_what_would_close_it(
    chain: tuple[CatalogModel, CatalogModel],
) -> None:
    found = assessed(*chain)
    low, high = _place(found)
    assert all(a <= b for a, b in zip(low, high, strict=True))
    assert bool(found.evidence) == (
        found.published.low < found.published.high or found.freedom.low < found.freedom.high
    )
    assert [each.narrows for each in found.evidence] == sorted((e.narrows for e in found.evidence), reverse=True)


@given(chain=_chains())
def test_a_chain_is_never_freer_than_its_own_license(chain: tuple[CatalogModel, CatalogModel]) -> None:
    model, base = chain
    alone = assessed(replace(model, base_models=()))
    assert assessed(model, base).freedom.high <= alone.freedom.high
    assert assessed(model, base).freedom.low <= alone.freedom.low

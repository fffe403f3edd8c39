"""Which models are recommended for a machine, and which machines for a model."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from freehold.catalog import Catalog
from freehold.catalog.model import CatalogModel
from freehold.core.quantity import at_least
from freehold.fit.buy import buy, machines
from freehold.fit.choice import meets
from freehold.fit.needs import Need, read_need
from freehold.fit.options import OFFERED, offered_options
from freehold.fit.plan import Wanted
from freehold.fit.recommend import Machine, Recommended, recommend
from freehold.hardware.describe import described
from freehold.hardware.devices import Devices
from freehold.hardware.rig import Rig
from tests.fit_cases import between, fast, host

CATALOG = Catalog.load()
LLAMA = CATALOG.model("llama-3.1-8b-instruct")
QUICK = {name.lower(): between(50, 90) for name in OFFERED}


def model(name: str, *, billions: float = 8, released: date = date(2026, 1, 1), **changed: object) -> CatalogModel:
    """A model of the shape of Llama 3.1 8B, of a family of its own."""
    size = int(billions * 10**9)
    row = replace(LLAMA, name=name, family=name, parameters=size, active_parameters=None, weights_released=released)
    return replace(row, **changed)  # type: ignore[arg-type]  # fields of the record, by name


def found(models: list[CatalogModel], rig: Rig, need: Need | None = None, denied: tuple[str, ...] = ()) -> Recommended:
    asked = need or Need()
    machine = Machine(rig, Wanted(asked.context_tokens, asked.users), fast(QUICK))
    return recommend(models, machine, asked, lambda each: each.name not in denied)


def names(result: Recommended) -> list[str]:
    return [each.model.name for each in result.found]


def test_the_larger_comes_first_and_a_year_of_age_counts_as_half_the_size() -> None:
    models = [
        model("small", billions=3),
        model("old-and-large", billions=24, released=date(2024, 1, 1)),
        model("large", billions=12),
        model("younger-and-smaller", billions=7, released=date(2026, 12, 31)),
    ]
    assert names(found(models, host(64))) == ["younger-and-smaller", "large", "old-and-large", "small"]


def test_what_does_not_fit_is_left_out_and_what_fits_in_fewer_bits_is_named_with_them() -> None:
    result = found([model("huge", billions=70), model("snug", billions=8), model("tiny", billions=1)], host(7))
    assert [(each.model.name, each.build.tag) for each in result.found] == [("snug", "q4_k_m"), ("tiny", "q6_k")]


def test_what_is_denied_is_never_recommended_and_counted() -> None:
    result = found([model("good"), model("forbidden", billions=9)], host(64), denied=("forbidden",))
    assert (names(result), result.denied) == (["good"], 1)


def test_a_task_asks_for_its_skill_and_chat_is_what_is_meant_without_one() -> None:
    models = [
        model("talker", skills=("chat",)),
        model("coder", skills=("code",)),
        model("base", skills=("completion",)),
    ]
    assert names(found(models, host(64))) == ["talker"]
    assert names(found(models, host(64), read_need("for code"))) == ["coder"]


def test_of_one_family_only_the_best_is_named() -> None:
    sizes = [model(f"kin-{size}", billions=size, family="kin") for size in (1, 8, 70)]
    assert names(found(sizes, host(30))) == ["kin-8"]


def test_a_need_that_a_model_cannot_meet_leaves_it_out() -> None:
    short = model("short", context_tokens=4096)
    assert names(found([short, model("long")], host(64), Need(context_tokens=16_384))) == ["long"]
    assert names(found([model("slow")], host(64), Need(generation_tokens_per_s=60))) == []


def test_models_of_which_it_cannot_be_said_are_counted_and_not_recommended() -> None:
    strange = model("strange", shape=replace(LLAMA.shape, architecture="not-known"))
    result = found([strange], host(64))
    assert (names(result), sum(result.untold.values()), result.looked_at) == ([], 1, 1)


def test_withheld_and_unsized_models_are_not_looked_at() -> None:
    models = [model("closed", weights="withheld"), replace(model("dark"), parameters=None)]
    assert found(models, host(64)).looked_at == 0


def test_machines_are_tried_from_the_smallest_up_and_each_can_be_described_again() -> None:
    every = machines(Devices.load())
    assert len(every) > 300
    assert [each.memory_bytes for each in every] == sorted(each.memory_bytes for each in every)
    for each in every[:: len(every) // 40]:
        total = sum(place.memory_bytes for place in described(each.text).places)
        assert total == each.memory_bytes, each.text


def test_the_machines_named_for_a_need_surely_do_it_and_none_smaller_was_passed_over() -> None:
    need = read_need("4 users, 8k context, 10 tok/s")
    wanted = Wanted(need.context_tokens, need.users)
    options = [each for each in offered_options(LLAMA) if each.tag in ("q8_0", "q4_k_m", "q2_k")]
    bought = buy(options, need, wanted, lambda _: fast(QUICK), limit=3)
    assert len(bought) == 3
    for each in bought:
        assert each.choice.build is not None and meets(each.choice.build, need)
        assert each.choice.build.tag != "q2_k", "what loses more than a smaller model is no reason to buy"
        low = at_least(each.choice.build.placement.need.total_bytes)
        assert low is not None and low <= each.machine.memory_bytes
    sizes = [each.machine.memory_bytes for each in bought]
    assert sizes == sorted(sizes)
    assert all(each.machine.memory_bytes <= 24 * 2**30 for each in bought)


def test_no_machine_is_named_for_what_nobody_can_tell() -> None:
    strange = replace(LLAMA, shape=replace(LLAMA.shape, architecture="not-known"))
    assert buy(offered_options(strange), Need(), Wanted(), lambda _: fast(QUICK)) == []

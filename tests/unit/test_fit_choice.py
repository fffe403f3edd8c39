"""Which build of a model is taken: the least lossy of those that fit and are fast enough, and what is said of none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from freehold.core.quantity import Measured, Quantity, at_least, at_most
from freehold.fit.choice import Choice, choose, meets
from freehold.fit.memory import need as needed_of
from freehold.fit.needs import Need, read_need
from freehold.fit.options import Option
from freehold.fit.plan import BuildPlan, Wanted, plan
from tests.fit_cases import GB, between, fast, host, option

BUILDS = (
    option("bf16", 16, 0.0),
    option("q8_0", 8, 0.0014),
    option("q6_k", 6, 0.0055),
    option("q4_k_m", 4, 0.03),
    option("q2_k", 2, 0.4),
)
QUICK = {each.tag: between(200 / size, 400 / size) for each, size in zip(BUILDS, (16, 8, 6, 4, 2), strict=True)}


def chosen(
    gigabytes: float,
    speeds: Mapping[str, Quantity] | None = None,
    need: str = "1 user",
    options: tuple[Option, ...] = BUILDS,
) -> Choice:
    return choose(plans(gigabytes, speeds, need, options), read_need(need))


def plans(
    gigabytes: float, speeds: Mapping[str, Quantity] | None, need: str, options: tuple[Option, ...] = BUILDS
) -> list[BuildPlan]:
    asked = read_need(need)
    wanted = Wanted(asked.context_tokens, asked.users)
    return plan(options, host(gigabytes), wanted, fast(QUICK if speeds is None else speeds))


def tag(found: Choice) -> str | None:
    return found.build.tag if found.build else None


def test_losses_too_small_to_be_seen_count_as_none_and_the_smallest_of_those_wins() -> None:
    found = chosen(64)
    assert (tag(found), found.fits) == ("q6_k", True)
    assert found.reason == (
        "q6_k: the smallest whose expected loss counts as none, negligible to small (estimate), of those that fit and "
        "write faster than people read"
    )


def test_a_loss_that_was_measured_is_named_by_what_was_measured() -> None:
    measured = replace(BUILDS[1], loss=Measured(0.004, 0.003, 0.005, 1, "2026-11-20"))
    assert (
        "q8_0: the smallest whose measured loss counts as none, negligible, of those"
        in chosen(64, options=(BUILDS[0], measured)).reason
    )


def test_where_less_fits_the_least_lossy_of_what_does_is_taken() -> None:
    assert tag(chosen(5)) == "q4_k_m"
    last = chosen(4, options=(*BUILDS, option("iq3_xxs", 3, 0.18)))
    assert tag(last) == "iq3_xxs"
    assert last.reason.endswith("; a smaller model may answer better")


def test_what_loses_most_of_a_model_is_never_recommended_and_named_with_what_it_loses() -> None:
    found = chosen(3)
    assert (found.build, found.fits) == (None, False)
    assert found.reason == (
        "none to recommend: q2_k does it and is expected to lose 0.2 to 0.8 nats a token: a smaller model answers "
        "better, and `freehold fit` without a name lists models"
    )


def test_of_the_one_build_that_was_asked_about_it_is_said_whether_it_fits() -> None:
    found = chosen(3, options=BUILDS[-1:])
    assert (tag(found), found.fits) == ("q2_k", True)
    assert found.reason.endswith("; a smaller model may answer better")
    assert chosen(1, options=BUILDS[-1:]).fits is False


def test_nothing_fits_is_said_of_the_smallest_with_both_figures() -> None:
    found = chosen(1)
    assert (found.build, found.fits) == (None, False)
    assert found.reason.startswith("none fits, not even q2_k: it needs 2.1 to 2.2 GB and the machine has 1.0 GB")


def test_what_is_slower_than_people_read_gives_way_to_a_smaller_build_that_is_not() -> None:
    slow = {"bf16": between(1, 2), "q8_0": between(2, 3), "q6_k": between(3, 5), "q4_k_m": between(7, 9)}
    assert tag(chosen(64, slow)) == "q4_k_m"


def test_speed_is_not_bought_with_what_a_model_knows() -> None:
    crawling = {"bf16": between(0.5, 1), "q8_0": between(0.7, 1.5), "q6_k": between(1, 2), "q4_k_m": between(2, 3)}
    found = chosen(64, {**crawling, "q2_k": between(8, 9)})
    assert (tag(found), found.fits) == ("q4_k_m", True)
    assert found.reason == (
        "q4_k_m: the fastest that can be recommended; it surely writes 2 tokens a second and people read 6: "
        "a smaller model is faster"
    )


def test_where_no_speed_is_known_it_does_not_count_and_the_answer_says_so() -> None:
    found = chosen(64, {})
    assert tag(found) == "q6_k"
    assert "how fast they are is not known" in found.reason


def test_a_need_is_only_met_by_the_low_end_of_an_estimate() -> None:
    assert tag(chosen(64, need="30 tok/s")) == "q6_k"  # 33 to 67
    assert tag(chosen(64, need="40 tok/s")) == "q4_k_m"  # 50 to 100
    found = chosen(64, need="60 tok/s")
    assert (found.build, found.fits) == (None, None), "one that loses little reaches 50 to 100: it cannot be said"
    assert chosen(64, need="500 tok/s").fits is False


def test_a_need_for_faithfulness_leaves_out_what_loses_more() -> None:
    assert tag(chosen(64, need="loss 0.002, 1 tok/s")) == "q8_0"
    assert chosen(5, need="loss 0.002").fits is False


def test_what_cannot_be_told_is_never_a_no() -> None:
    strange = (option("q4_k_m", 4, 0.03, cannot_say="its architecture 'new' is not known"),)
    found = chosen(64, options=strange)
    assert (found.build, found.fits) == (None, None)
    assert found.reason == "cannot say: its architecture 'new' is not known"
    assert chosen(64, options=()).fits is None


def test_one_that_is_known_to_be_slow_is_not_the_fastest_of_those_that_nobody_has_timed() -> None:
    found = chosen(64, {"q8_0": between(3, 5)})
    assert tag(found) == "q6_k"
    assert found.reason.endswith("of those that fit; how fast they are is not known")


def test_whether_what_loses_most_of_a_model_fits_leaves_nothing_open() -> None:
    needed = needed_of(BUILDS[-1].blueprint, Wanted().run(BUILDS[-1].blueprint)).total_bytes
    close = ((at_least(needed) or 0) + (at_most(needed) or 0)) / 2 / GB
    assert [each.fits for each in plans(close, None, "1 user")] == [False, False, False, False, None]
    found = chosen(close)
    assert (found.build, found.fits) == (None, False)
    assert found.reason.startswith("none fits, not even q4_k_m: it needs 4")


def test_what_the_engine_refuses_is_not_taken_and_its_words_are_the_reason() -> None:
    refused = replace(BUILDS[2], refused="llama.cpp refuses it: missing tensor 'x'")
    assert tag(chosen(64, options=(*BUILDS[:2], refused))) == "q8_0"
    assert chosen(64, options=(refused,)) == Choice(None, "llama.cpp refuses it: missing tensor 'x'", False)
    assert "not even q8_0: it needs" in chosen(1, options=(*BUILDS[:2], refused)).reason


def test_a_build_at_hand_goes_before_one_that_has_to_be_fetched() -> None:
    twins = (option("q6_k", 6, 0.0055), option("mine", 6, 0.0055, origin="held"))
    found = chosen(64, {}, options=twins)
    assert tag(found) == "mine"


def test_a_build_whose_loss_nobody_measured_comes_last_and_says_so() -> None:
    assert tag(chosen(64, {}, options=(option("mxfp4", 1, None), option("q4_k_m", 4, 0.03)))) == "q4_k_m"
    assert chosen(64, {}, options=(option("mxfp4", 1, None),)).reason.endswith("what it loses has not been measured")


@pytest.mark.parametrize(
    ("need", "answer"),
    [
        (Need(), True),
        (Need(context_tokens=65_536), False),  # it was trained with 32,768
        (Need(prompt_tokens_per_s=999), True),
        (Need(prompt_tokens_per_s=1001), False),
        (Need(generation_tokens_per_s=40), None),  # 33 to 67
        (Need(generation_tokens_per_s=40, context_tokens=65_536), False),
    ],
)
def test_a_part_that_is_surely_missed_decides_and_one_that_is_open_leaves_it_open(
    need: Need, answer: bool | None
) -> None:
    (build,) = plan([BUILDS[2]], host(64), Wanted(need.context_tokens), fast(QUICK))
    assert meets(build, need) is answer


def test_a_need_that_only_a_mangled_build_meets_is_not_met() -> None:
    """Whether q4_k_m writes 90 cannot be said (50 to 100); that it does not write 110 can."""
    open_still = chosen(64, need="1 user, 90 tok/s")
    assert (open_still.build, open_still.fits) == (None, None)
    assert "q2_k does it and is expected to lose 0.2 to 0.8 nats" in open_still.reason
    sure = chosen(64, {**QUICK, "q2_k": between(120, 130)}, need="1 user, 110 tok/s")
    assert (sure.build, sure.fits) == (None, False)
    assert sure.reason.startswith("none to recommend: q2_k does it")


def test_whoever_asks_for_a_loss_gets_what_loses_no_more() -> None:
    assert tag(chosen(3, need="loss 0.5")) == "q2_k"
    assert tag(chosen(64, need="loss 0.5, 90 tok/s")) == "q2_k"

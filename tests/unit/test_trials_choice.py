"""The rule that chooses a way of running: the fastest faithful one, and never one that only chance made faster."""

from __future__ import annotations

import statistics
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from freehold.core.builds import HeldBuild, WeightFacts
from freehold.core.refs import FakeRef
from freehold.core.settings import load
from freehold.engines.fake.engine import Fake
from freehold.trials.arms import AS_IT_IS, Arm
from freehold.trials.choice import LEAST_GAIN, Trial, choose
from freehold.trials.race import Race
from freehold.trials.workloads import WORKLOADS

FACTS = WeightFacts("gguf", "llama", "Q4_1", 1000, 2048, 64, 2, 4, 4, 100, None)
BUILD = HeldBuild("m:q4_1", "m", "sha256:" + "a" * 64, (Path("/m.gguf"),), 1000, FACTS)


def arm(threads: int) -> Arm:
    return Arm("llama.cpp", AS_IT_IS, BUILD, {"threads": threads})


speeds = st.lists(st.floats(0.1, 1000), min_size=5, max_size=5).map(tuple)
many = st.lists(st.tuples(speeds, st.booleans()), min_size=1, max_size=6)


def trials_of(drawn: list[tuple[tuple[float, ...], bool]]) -> list[Trial]:
    """The first is the incumbent, and as faithful as asked."""
    return [
        Trial(arm(number + 1), each, None if number == 0 or fit else "too far from float32")
        for number, (each, fit) in enumerate(drawn)
    ]


@given(many)
def test_the_winner_is_faithful_and_no_slower_than_what_was_used(drawn: list[tuple[tuple[float, ...], bool]]) -> None:
    trials = trials_of(drawn)
    found = choose(trials, arm(1))
    assert found.winner is not None
    assert found.winner.unfit is None
    assert found.winner == trials[0] or found.gain >= LEAST_GAIN
    pairs = zip(found.winner.speeds, trials[0].speeds, strict=True)
    assert sum(mine < before for mine, before in pairs) <= 1


@given(many)
def test_nothing_that_is_faithful_and_surely_faster_beats_the_winner(
    drawn: list[tuple[tuple[float, ...], bool]],
) -> None:
    trials = trials_of(drawn)
    found = choose(trials, arm(1))
    for other in trials[1:]:
        ratios = [mine / before for mine, before in zip(other.speeds, trials[0].speeds, strict=True)]
        if other.unfit is None and min(ratios) >= LEAST_GAIN:
            assert found.gain >= statistics.median(ratios)


def test_a_busy_minute_does_not_choose() -> None:
    now = Trial(arm(2), (10.0, 10.0, 4.0, 4.0, 10.0))
    other = Trial(arm(1), (9.0, 11.0, 5.0, 3.0, 11.0))
    found = choose([now, other], arm(2))
    assert found.winner is now
    assert "within the noise" in found.why


def test_what_is_not_faithful_does_not_win_however_fast_it_is() -> None:
    now = Trial(arm(2), (10.0,) * 5)
    fast = Trial(arm(1), (90.0,) * 5, "+0.0500 nats")
    assert choose([now, fast], arm(2)).winner is now


def test_what_is_used_goes_where_it_is_under_the_bar_and_a_slower_faithful_one_takes_its_place() -> None:
    now = Trial(arm(2), (10.0,) * 5, "0.0047 nats, and at most 0.001 are asked for")
    slow = Trial(arm(1), (3.0,) * 5)
    assert choose([now, slow], arm(2)).winner is slow
    alone = choose([now], arm(2))
    assert alone.winner is None
    assert alone.why == "nothing is as faithful as asked"


@given(many)
def test_the_order_in_which_ways_are_listed_does_not_matter(drawn: list[tuple[tuple[float, ...], bool]]) -> None:
    trials = trials_of(drawn)
    assert choose(trials, arm(1)).gain == choose(trials[::-1], arm(1)).gain


async def test_a_way_that_runs_no_more_is_an_answer_about_it_and_ends_no_bench() -> None:
    settings, notes = load(), list[str]()
    fake = Fake(runtime_dir=settings.runtime_dir, log_dir=settings.home / "logs")
    race = Race(lambda _: fake.worker(FakeRef("broken", (("refuse-start", ""),))), WORKLOADS["chat"], notes.append)
    assert await race.first_log_probabilities(arm(1), ["A river"]) is None
    assert notes and notes[0].startswith(f"{arm(1).name}: ")

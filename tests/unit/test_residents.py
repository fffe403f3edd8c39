"""Who may come into memory and who has to go: held against every order of events, and a few that matter by name."""

from __future__ import annotations

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from freehold.core.ports import Mapped
from freehold.gateway.memory.residents import Resident, Residents, Step

TURN_S = 10.0


class House:
    """Models that load and go at once when they are told to, and requests that come and end."""

    def __init__(self, capacity: int) -> None:
        self.now = 0.0
        self.all = Residents(capacity, turn_s=TURN_S)
        self.needs: dict[Resident, int] = {}
        self.steps_taken: list[Step] = []

    def model(
        self,
        name: str,
        need: int,
        *,
        pinned: bool = False,
        keep_s: float = math.inf,
        mapped: Mapped | None = None,
    ) -> Resident:
        found = Resident(name, keep_s=keep_s, pinned=pinned, mapped=mapped)
        self.needs[found] = need
        self.all.add(found)
        return found

    def ask(self, model: Resident) -> None:
        if model.is_open:
            model.users += 1
            return
        model.waiters += 1
        if model.phase == "away":
            self.all.line_up(model, self.needs[model])
        self.go_on()

    def finish(self, model: Resident) -> None:
        model.users -= 1
        model.used_at = self.now
        self.go_on()

    def give_up(self, model: Resident) -> None:
        model.waiters -= 1
        if not model.waiters and model.phase == "waiting":
            self.took(self.all.step_out(model))
        self.go_on()

    def load(self, model: Resident, charge: int | None = None) -> None:
        self.all.loaded(model, self.needs[model] if charge is None else charge, self.now)
        self.serve(model)
        self.go_on()

    def fail(self, model: Resident) -> None:
        self.all.ended(model)
        model.waiters = 0
        self.go_on()

    def gone(self, model: Resident) -> None:
        self.all.ended(model)
        if model.waiters:
            self.all.line_up(model, self.needs[model])
        self.go_on()

    def serve(self, model: Resident) -> None:
        if model.is_open:
            model.users, model.waiters = model.users + model.waiters, 0

    def go_on(self) -> None:
        self.took(self.all.steps(self.now))

    def took(self, steps: list[Step]) -> None:
        for step in steps:
            self.steps_taken.append(step)
            if step.move == "open":
                self.serve(step.resident)
            elif step.move == "refuse":
                step.resident.waiters = 0

    def use(self, *models: Resident) -> None:
        """Bring each in, ask it once and let it end, a second apart."""
        for model in models:
            self.now += 1
            self.ask(model)
            if model.phase == "loading":
                self.load(model)
            self.finish(model)


def test_of_two_that_fit_the_longest_unused_goes_for_the_third() -> None:
    house = House(20)
    a, b, c = (house.model(name, 10) for name in "abc")
    house.use(a, b, a)
    house.ask(c)
    assert (a.phase, b.phase, c.phase) == ("here", "leaving", "waiting")
    house.gone(b)
    assert c.phase == "loading" and house.all.charged_bytes == 20


def test_no_more_go_than_are_needed() -> None:
    house = House(20)
    small, large, next_one = house.model("small", 2), house.model("large", 12), house.model("next", 15)
    house.use(small, large)
    house.ask(next_one)
    assert (small.phase, large.phase) == ("here", "leaving"), "without the large one there is room beside the small"


def test_a_model_in_use_is_closed_only_after_its_turn_and_goes_after_its_last_request() -> None:
    house = House(10)
    a, b = house.model("a", 10), house.model("b", 10)
    house.ask(a)
    house.load(a)
    house.ask(b)
    assert a.is_open and house.all.wake_at(house.now) == a.since + TURN_S
    house.now += TURN_S
    house.go_on()
    assert a.phase == "here" and not a.is_open
    house.ask(a)
    assert a.waiters == 1, "who comes now waits"
    house.finish(a)
    assert (a.phase, a.why) == ("leaving", "memory")
    house.gone(a)
    assert (a.phase, b.phase) == ("waiting", "loading")


def test_it_opens_again_when_the_one_that_waited_gives_up() -> None:
    house = House(10)
    a, b = house.model("a", 10), house.model("b", 10)
    house.ask(a)
    house.load(a)
    house.now += TURN_S
    house.ask(b)
    house.ask(a)
    assert (a.users, a.waiters) == (1, 1)
    house.give_up(b)
    assert a.is_open and (a.users, a.waiters) == (2, 0) and b.phase == "away"


def test_a_pinned_one_never_goes_and_what_would_need_its_place_is_refused() -> None:
    house = House(10)
    a, b = house.model("a", 8, pinned=True), house.model("b", 5)
    house.use(a)
    house.ask(b)
    assert [step.move for step in house.steps_taken if step.resident is b] == ["refuse"]
    assert (a.phase, b.phase, b.waiters) == ("here", "away", 0)


def test_nobody_overtakes_the_first_in_line() -> None:
    house = House(10)
    a, large, small = house.model("a", 6), house.model("large", 8), house.model("small", 2)
    house.ask(a)
    house.load(a)
    house.ask(large)
    house.ask(small)
    assert (large.phase, small.phase) == ("waiting", "waiting")
    house.now += TURN_S
    house.finish(a)
    house.gone(a)
    assert (large.phase, small.phase) == ("loading", "loading")


def test_what_takes_no_memory_waits_behind_nobody() -> None:
    house = House(10)
    a, b, far = house.model("a", 10), house.model("b", 10), house.model("far", 0)
    house.ask(a)
    house.load(a)
    house.ask(b)
    house.ask(far)
    assert (b.phase, far.phase) == ("waiting", "loading")


def test_an_idle_one_goes_when_its_time_is_over_and_not_a_second_before() -> None:
    house = House(10)
    a = house.model("a", 5, keep_s=60)
    house.use(a)
    assert house.all.wake_at(house.now) == house.now + 60
    house.now += 59
    house.go_on()
    assert a.phase == "here"
    house.now += 1
    house.go_on()
    assert (a.phase, a.why) == ("leaving", "idle")


def test_one_that_turns_out_larger_makes_an_idle_one_go() -> None:
    house = House(10)
    a, b = house.model("a", 5), house.model("b", 5)
    house.use(a)
    house.ask(b)
    house.load(b, charge=7)
    assert (a.phase, b.phase) == ("leaving", "here")


SEVEN = Mapped("sha256:one", 7)


def test_weights_that_two_have_mapped_are_counted_once() -> None:
    house = House(20)
    a, b = house.model("a", 10, mapped=SEVEN), house.model("b", 11, mapped=SEVEN)
    other = house.model("other", 6, mapped=Mapped("sha256:another", 5))
    house.use(a, b, other)
    assert [each.phase for each in (a, b, other)] == ["here"] * 3
    assert (house.all.charged_bytes, house.all.counted_once_bytes) == (7 + 3 + 4 + 6, 7)


def test_one_of_two_gives_back_no_weights_that_the_other_has_and_who_comes_last_brings_none() -> None:
    house = House(20)
    a, b, c = (house.model(name, 10, mapped=SEVEN) for name in "abc")
    large = house.model("large", 14)
    house.use(a, b)
    house.ask(large)
    assert (a.phase, b.phase) == ("leaving", "leaving"), "three bytes of one alone are not enough"
    house.gone(a)
    assert large.phase == "waiting" and house.all.charged_bytes == 10
    house.gone(b)
    house.load(large)
    house.finish(large)
    house.ask(a)
    house.gone(large)
    house.load(a)
    house.finish(a)
    house.use(b, c)
    assert house.all.charged_bytes == 7 + 3 * 3


def test_a_pinned_ones_weights_are_there_for_whoever_has_them_too() -> None:
    house = House(12)
    pinned, same = house.model("pinned", 10, pinned=True, mapped=SEVEN), house.model("same", 9, mapped=SEVEN)
    house.use(pinned)
    assert house.all.most_bytes(same) == 9 and house.all.fits_beside(same, 9, evicting=False)
    house.use(same)
    assert same.phase == "here" and house.all.charged_bytes == 12


class Everything(RuleBasedStateMachine):
    """Any order of events. After each, the decisions are looked at as they come."""

    @initialize(capacity=st.integers(8, 24))
    def begin(self, capacity: int) -> None:
        self.house = House(capacity)
        self.seen = 0
        two, four = Mapped("two", 2), Mapped("four", 4)
        sizes = (
            (3, False, math.inf, two),
            (5, False, 30.0, four),
            (8, False, math.inf, four),
            (4, True, math.inf, two),
            (20, False, 5.0, None),
            (6, False, math.inf, four),
        )
        self.models = [
            self.house.model(str(number), need, pinned=pinned, keep_s=keep_s, mapped=mapped)
            for number, (need, pinned, keep_s, mapped) in enumerate(sizes)
        ]
        self.look()

    def pick(self, data: st.DataObject, *phases: str) -> Resident | None:
        found = [each for each in self.models if not phases or each.phase in phases]
        return data.draw(st.sampled_from(found)) if found else None

    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        model = self.pick(data)
        assert model is not None
        self.house.ask(model)

    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        busy = [each for each in self.models if each.users]
        if busy:
            self.house.finish(data.draw(st.sampled_from(busy)))

    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        waiting = [each for each in self.models if each.waiters]
        if waiting:
            self.house.give_up(data.draw(st.sampled_from(waiting)))

    @rule(data=st.data(), more=st.integers(-2, 2))
    def load(self, data: st.DataObject, more: int) -> None:
        if (model := self.pick(data, "loading")) is not None:
            self.house.load(model, max(1, self.house.needs[model] + more))

    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        if (model := self.pick(data, "loading")) is not None:
            self.house.fail(model)

    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        """A worker is given up: requests at work on it end."""
        if (model := self.pick(data, "here")) is not None:
            model.users = 0
            self.house.fail(model)

    @rule(data=st.data())
    def gone(self, data: st.DataObject) -> None:
        if (model := self.pick(data, "leaving")) is not None:
            self.house.gone(model)

    @rule(data=st.data())
    def unload(self, data: st.DataObject) -> None:
        if (model := self.pick(data, "here")) is not None:
            self.house.all.close(model)
            self.house.go_on()

    @rule(seconds=st.sampled_from([0.5, 5.0, 10.0, 31.0]))
    def wait(self, seconds: float) -> None:
        self.house.now += seconds
        self.house.go_on()

    @rule(capacity=st.integers(8, 24))
    def others_take_memory(self, capacity: int) -> None:
        self.house.all.capacity_bytes = capacity
        self.house.go_on()

    @invariant()
    def every_decision_keeps_its_promise(self) -> None:
        self.look()

    def look(self) -> None:
        if not hasattr(self, "house"):
            return
        house = self.house
        for step in house.steps_taken[self.seen :]:
            resident = step.resident
            if step.move == "leave":
                assert resident.users == 0, "one in use never goes"
                assert resident.why == "asked" or not resident.pinned, "a pinned one never goes"
        started = [step.resident for step in house.steps_taken[self.seen :] if step.move == "start"]
        # What started last must fit beside everything that was there: nothing has grown since, within one event.
        if started and started[-1].phase == "loading":
            assert house.all.charged_bytes <= house.all.capacity_bytes
        self.seen = len(house.steps_taken)
        assert house.all.charged_bytes == taken(self.models)
        for each in self.models:
            assert (each.charge_bytes > 0) == (each.phase in {"loading", "here", "leaving"})
            assert (each in house.all.line) == (each.phase == "waiting")
            assert each.waiters or each.phase != "waiting", "nobody stands in line for nobody"

    def teardown(self) -> None:
        """Whatever happened: once loads end and requests end, everybody who waits is answered."""
        if not hasattr(self, "house"):
            return
        house = self.house
        for _ in range(100):
            house.now += TURN_S + 1
            for each in self.models:
                while each.users:
                    house.finish(each)
                if each.phase == "leaving":
                    house.gone(each)
                if each.phase == "loading":
                    house.load(each)
            house.go_on()
            if not any(each.waiters for each in self.models):
                return
        left = [(each.name, each.phase, each.waiters) for each in self.models if each.waiters]
        raise AssertionError(f"never answered: {left}")


TestEverything = Everything.TestCase
TestEverything.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)


def taken(models: list[Resident]) -> int:
    """Byte by byte: each charge is so many of its own, and the mapped ones by their place in the file."""
    bytes_taken = {
        (each.mapped.digest if each.mapped and place < each.mapped.size_bytes else each.name, place)
        for each in models
        for place in range(each.charge_bytes)
    }
    return len(bytes_taken)


class LongestUnusedFirst(RuleBasedStateMachine):
    """Models of any size, none in use: who goes for another is among the longest unused that give enough, and each of
    them is needed."""

    @initialize(sizes=st.lists(st.integers(1, 9), min_size=2, max_size=6))
    def begin(self, sizes: list[int]) -> None:
        self.house = House(sum(sizes))
        self.models = [self.house.model(str(number), size) for number, size in enumerate(sizes)]
        self.house.use(*self.models)

    @rule(data=st.data())
    def use(self, data: st.DataObject) -> None:
        here = [each for each in self.models if each.phase == "here"]
        if here:
            self.house.use(data.draw(st.sampled_from(here)))

    @rule(data=st.data())
    def another(self, data: st.DataObject) -> None:
        house = self.house
        order = sorted((each for each in self.models if each.phase == "here"), key=lambda each: each.used_at)
        charges = {each: each.charge_bytes for each in order}
        need = data.draw(st.integers(1, house.all.capacity_bytes))
        missing = need - (house.all.capacity_bytes - house.all.charged_bytes)
        before = len(house.steps_taken)
        new = house.model("new", need)
        house.ask(new)
        going = [step.resident for step in house.steps_taken[before:] if step.move == "leave"]
        prefix: list[Resident] = []
        while sum(charges[each] for each in prefix) < missing:
            prefix.append(order[len(prefix)])
        assert set(going) <= set(prefix)
        given = sum(charges[each] for each in going)
        assert given >= missing and all(given - charges[each] < missing for each in going)
        for each in going:
            house.gone(each)
        assert new.phase == "loading"
        house.load(new)
        house.finish(new)
        self.models.append(new)


TestLongestUnusedFirst = LongestUnusedFirst.TestCase
TestLongestUnusedFirst.settings = settings(max_examples=80, stateful_step_count=20, deadline=None)

"""Which build of a model to take, by one rule that is said with the answer.

Of those that fit and are fast enough, the one that is expected to lose least; losses below NEGLIGIBLE_NATS count as
none, and the smallest of those wins, because it is the fastest and leaves the most room. The likeliest figure counts,
and the answer names the whole range. Where nothing is fast enough, the fastest, and how slow it is; of what may be,
because nobody knows its speed, the least lossy, and the answer says so.

Speed is never bought with more than MOST_NATS, and nothing is recommended that loses more than LAST_NATS: then there is
no build to take, and the answer names what does fit and what it loses. A need that names a loss of its own, and a
question about one build, ask for what they get.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from freehold.core.quantity import Measured, at_least, at_most, likeliest
from freehold.fit.loss import NEGLIGIBLE_NATS, in_words
from freehold.fit.needs import Need
from freehold.fit.plan import BuildPlan

MOST_NATS = 0.15
"""More than this is taken only where nothing else fits: about what 3 bits lose."""
LAST_NATS = 0.25
"""More than this is never taken: types of 3 bits lose less, those of 2 bits more (`loss.toml`, on Llama 3 8B)."""
READING_TOKENS_PER_S = 6.0
"""238 words a minute are read in silence (Brysbaert 2019, doi:10.1016/j.jml.2019.104047), at 1.4 tokens a word."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The build to take and why. `build` None: none; `fits` None then means that it cannot be told."""

    build: BuildPlan | None
    reason: str
    fits: bool | None


def choose(plans: Iterable[BuildPlan], need: Need | None = None) -> Choice:
    """The build that `need` is best met by; without one, the best that fits."""
    every = list(plans)
    asked = need or Need()
    if len(every) <= 1:
        return _chosen(every, asked)
    for most in (asked.loss or MOST_NATS, max(asked.loss or 0, LAST_NATS)):
        among = [each for each in every if _loses_at_most(each, most)]
        if any(each.fits is not False for each in among):
            found = _chosen(among, asked)
            break
    else:  # whether one fits that would not be recommended anyway leaves nothing open
        found = _none([each for each in every if each.fits is False] or every, asked)
    lossy = [] if found.build is not None else [each for each in every if meets(each, asked) is True]
    return _beside(found, min(lossy, key=_counted_loss)) if lossy else found


def _beside(found: Choice, least: BuildPlan) -> Choice:
    """`found`, no build, with the one that would do it and loses too much to be recommended."""
    low, high = at_least(least.loss) or 0, at_most(least.loss) or 0
    lost = (
        f"{least.tag} does it and is expected to lose {low:.2g} to {high:.2g} nats a token: a smaller model answers "
        "better, and `freehold fit` without a name lists models"
    )
    return replace(found, reason=f"{found.reason}; {lost}" if found.fits is None else f"none to recommend: {lost}")


def _chosen(among: list[BuildPlan], asked: Need) -> Choice:
    meeting = [each for each in among if meets(each, asked) is True]
    if not meeting:
        return _none(among, asked)
    if asked.generation_tokens_per_s is not None:
        return _least_lossy(meeting, "of those that meet the need")
    fast = [each for each in meeting if (_speed(each) or 0) >= READING_TOKENS_PER_S]
    if fast:
        return _least_lossy(fast, "of those that fit and write faster than people read")
    unknown = [each for each in meeting if _speed(each) is None]
    if unknown:
        return _least_lossy(unknown, "of those that fit; how fast they are is not known")
    return _slow(max(meeting, key=lambda each: _speed(each) or 0))


def meets(each: BuildPlan, need: Need) -> bool | None:
    """Whether it fits, an engine runs it there, and it is surely as fast and as faithful as asked; None: that
    cannot be told.

    The context and the slots of the need are those that were planned for.
    """
    answers = [each.fits if each.placement.no_engine is None else False]
    if need.context_tokens is not None:
        answers.append(each.run.context_tokens >= need.context_tokens)
    speeds = each.speeds
    for wanted, found in (
        (need.generation_tokens_per_s, speeds.generation_tokens_per_s),
        (need.prompt_tokens_per_s, speeds.prompt_tokens_per_s),
    ):
        if wanted is not None:
            answers.append(_reaches(at_least(found), at_most(found), wanted))
    if need.loss is not None:
        value = likeliest(each.loss)
        answers.append(None if value is None else value <= need.loss)
    return False if False in answers else None if None in answers else True


def _reaches(low: float | None, high: float | None, wanted: float) -> bool | None:
    """Sure where the low end does, sure not where the high end does not."""
    if low is None or high is None:
        return None
    return True if low >= wanted else False if high < wanted else None


def _slow(fastest: BuildPlan) -> Choice:
    """What is taken where nothing writes as fast as people read."""
    reason = (
        f"{fastest.tag}: the fastest that can be recommended; it surely writes {_speed(fastest):.2g} tokens "
        f"a second and people read {READING_TOKENS_PER_S:g}: a smaller model is faster"
    )
    return Choice(fastest, reason, True)


def _least_lossy(among: list[BuildPlan], how: str) -> Choice:
    best = min(among, key=lambda each: (_counted_loss(each), _bytes(each), each.origin != "held"))
    value = likeliest(best.loss)
    if value is None:
        return Choice(best, f"{best.tag}: the only sort {how}; what it loses has not been measured", True)
    loss = f"{'measured' if isinstance(best.loss, Measured) else 'expected'} loss"
    if value <= NEGLIGIBLE_NATS:
        return Choice(best, f"{best.tag}: the smallest whose {loss} counts as none, {in_words(best.loss)}, {how}", True)
    warning = "; a smaller model may answer better" if value > MOST_NATS else ""
    return Choice(best, f"{best.tag}: the least {loss}, {in_words(best.loss)}, {how}{warning}", True)


def _none(every: list[BuildPlan], need: Need) -> Choice:
    if not every:
        return Choice(None, "there is no build of it to plan for", None)
    loaded = [each for each in every if each.refused is None]
    if not loaded:
        return Choice(None, every[0].refused or "", False)
    silent = next((each.placement.no_engine for each in every if each.placement.no_engine), None)
    if silent:
        return Choice(None, silent, False)
    untold = [each for each in every if meets(each, need) is None]
    if untold:
        return Choice(None, f"cannot say: {_why_untold(untold[0])}", None)
    smallest = min(loaded, key=_bytes)
    if smallest.fits is False:
        return Choice(None, f"none fits, not even {smallest.tag}: {smallest.placement.why_not}", False)
    return Choice(None, "none of those that fit is as fast, as faithful or as long as asked", False)


def _why_untold(each: BuildPlan) -> str:
    if each.fits is None:
        return each.placement.why_not or "whether it fits is not known"
    unknown = each.speeds.generation_tokens_per_s
    return getattr(unknown, "reason", "the estimate of its speed is above and below what was asked")


def _speed(each: BuildPlan) -> float | None:
    return at_least(each.speeds.generation_tokens_per_s)


def _loses_at_most(each: BuildPlan, nats: float) -> bool:
    """Whether it may be taken: nobody holds against a build what nobody has measured."""
    value = likeliest(each.loss)
    return value is None or value <= nats


def _counted_loss(each: BuildPlan) -> float:
    value = likeliest(each.loss)
    return float("inf") if value is None else max(value, NEGLIGIBLE_NATS)


def _bytes(each: BuildPlan) -> float:
    return likeliest(each.placement.need.weights_bytes) or float("inf")

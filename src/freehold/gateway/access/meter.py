"""How much one key has used, and whether it may ask once more. Pure but for the clocks it is given.

A minute is any 60 seconds, a day and a month are the calendar's (UTC) and never begin again where the wall clock is set
back. Tokens are counted when an answer has ended. What a request may take at most is held back while it is at work, so
that no order of requests takes more than a limit. How much energy one takes nobody knows before: each at work holds
back what the dearest of its key took since the house started, and nothing where that is unknown."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from freehold.core.errors import LimitError
from freehold.gateway.access.key import Key, Limits
from freehold.ledger.usage import Spent

MINUTE_S = 60.0
_NOTHING = Spent()


@dataclass(frozen=True, slots=True)
class Clocks:
    """`now_s` only goes forward; `wall_s` is since 1970."""

    now_s: Callable[[], float] = time.monotonic
    wall_s: Callable[[], float] = time.time


class Standing(NamedTuple):
    """One limit as it stands: how much in all, how much is left, and the seconds until more is. `unused` is what is
    left and what requests at work hold back; 0 where nothing is held back of such a limit."""

    limit: int
    remaining: int
    reset_s: float
    unused: int = 0


class Meter:
    """One key's use. `spent` is what the ledger knows of."""

    def __init__(self, key: Key, *, spent: Spent = _NOTHING, clocks: Clocks | None = None) -> None:
        self.key = key
        self._clocks = clocks or Clocks()
        self._at_work = 0
        self._held = 0
        self._requests: deque[float] = deque()
        self._tokens: deque[tuple[float, int]] = deque()
        self._minute_tokens = 0
        self._day = self._month = datetime.fromtimestamp(self._clocks.wall_s(), UTC)
        self._day_tokens, self._month_tokens = spent.tokens_today, spent.tokens_this_month
        self._day_wh, self._month_wh = spent.wh_today, spent.wh_this_month
        self._dearest_wh = 0.0

    @property
    def limits(self) -> Limits:
        return self.key.limits

    def enter(self, most_tokens: int | None) -> int:
        """Take in a request that says it takes `most_tokens` at most (None: it does not say); gives what is held back
        for it, until `exchange` knows better. Raises LimitError, and then nothing is counted."""
        self._forget()
        held = most_tokens or 0
        self._require_room()
        self._require_tokens(max(1, held))
        self._require_energy()
        self._requests.append(self._clocks.now_s())
        self._at_work += 1
        self._held += held
        return held

    def left(self) -> int | None:
        """How many tokens are neither used nor held back, of the limit that leaves the fewest; None without one."""
        self._forget()
        return min((standing.remaining for _, standing in self._token_limits()), default=None)

    def exchange(self, held: int, wanted: int) -> int:
        """Hold `wanted` back instead of `held`. Raises LimitError, and then `held` still is."""
        self._forget()
        self._held -= held
        try:
            self._require_tokens(wanted)
        except LimitError:
            self._held += held
            raise
        self._held += wanted
        return wanted

    def leave(self, held: int, tokens: int, wh: float = 0.0) -> None:
        """The request has ended for which `held` was held back; it took `tokens`, and `wh` as far as that is known."""
        self._forget()
        self._at_work -= 1
        self._held -= held
        self._day_wh += wh
        self._month_wh += wh
        self._dearest_wh = max(self._dearest_wh, wh)
        if tokens:
            self._tokens.append((self._clocks.now_s(), tokens))
            self._minute_tokens += tokens
            self._day_tokens += tokens
            self._month_tokens += tokens

    def requests(self) -> Standing | None:
        """The limit of requests a minute as it stands; None where there is none."""
        limit = self.limits.requests_per_minute
        if limit is None:
            return None
        self._forget()
        return Standing(limit, max(0, limit - len(self._requests)), self._until_request_fades())

    def tokens(self) -> Standing | None:
        """The shortest limit of tokens there is, as it stands; None where there is none."""
        self._forget()
        return next((standing for _, standing in self._token_limits()), None)

    def _require_room(self) -> None:
        limits, named = self.limits, self.key.named
        if limits.concurrency is not None and self._at_work >= limits.concurrency:
            text = f"{named} has {self._at_work} requests at work, which is all it may have at once."
            raise _refusal(text, 1.0, "concurrency", limits.concurrency)
        limit = limits.requests_per_minute
        if limit is not None and len(self._requests) >= limit:
            text = f"{named} has asked {limit:,} times within a minute, which is all it may."
            raise _refusal(text, self._until_request_fades(), "requests_per_minute", limit)

    def _require_tokens(self, held: int) -> None:
        short = [(name, standing) for name, standing in self._token_limits() if held > standing.remaining]
        if short:  # what opens first lets nobody in while another is shut
            raise max((self._too_many_tokens(*each, held) for each in short), key=_wait_s)

    def _too_many_tokens(self, name: Span, standing: Standing, held: int) -> LimitError:
        """Of one limit, to a request that may take `held`."""
        span, owner = _SPANS[name], self.key.owner
        limit, left, may_take = f"{standing.limit:,}", standing.remaining, f"This request may take {held:,} tokens"
        if held > standing.limit:
            text = f"{may_take}, and {owner} has no more than {limit} {span}."
            hint = "Shorten its prompt, or ask for fewer (`max_tokens`)."
            return LimitError(text, retry_after_s=None, hint=hint, limit=name, value=standing.limit)
        if standing.unused >= held:
            text = (
                f"{owner} has {standing.unused:,} tokens left of the {limit} {span}, and requests at work hold "
                f"back {standing.unused - left:,} of them. Ask again when one of those has ended."
            )
            return _refusal(text, 1.0, name, standing.limit)
        is_minute = name == "tokens_per_minute"
        wait_s = self._until_tokens_fade(held - standing.unused) if is_minute else standing.reset_s
        opens = _iso(self._clocks.wall_s() + wait_s)
        text = f"{self.key.named} has used its {limit} tokens {span}; it opens again at {opens}."
        if left > 0:
            text = (
                f"{may_take}, and {left:,} are left of the {limit} that {owner} has {span}. "
                f"Ask for fewer (`max_tokens`), or wait: it opens again at {opens}."
            )
        return _refusal(text, wait_s, name, standing.limit)

    def _require_energy(self) -> None:
        limits = self.limits
        spans: tuple[tuple[Span, float | None, float, Callable[[], float]], ...] = (
            ("wh_per_day", limits.wh_per_day, self._day_wh, self._until_tomorrow),
            ("wh_per_month", limits.wh_per_month, self._month_wh, self._until_next_month),
        )
        for name, limit, used, until_s in spans:
            if limit is None:
                continue
            if used < limit <= used + self._at_work * self._dearest_wh:
                text = f"What {self.key.owner} has at work may take what is left of the {limit:g} Wh {_SPANS[name]}."
                raise _refusal(f"{text} Ask again when it has ended.", 1.0, name, limit)
            if used >= limit:
                wait_s = until_s()
                opens = _iso(self._clocks.wall_s() + wait_s)
                text = f"{self.key.named} has used its {limit:g} Wh {_SPANS[name]}; it opens again at {opens}."
                raise _refusal(text, wait_s, name, limit)

    def _token_limits(self) -> list[tuple[Span, Standing]]:
        """Every limit of tokens as it stands, the shortest span first."""
        limits, found = self.limits, []
        spans: tuple[tuple[Span, int | None, int, Callable[[], float]], ...] = (
            ("tokens_per_minute", limits.tokens_per_minute, self._minute_tokens, self._until_tokens_fade),
            ("tokens_per_day", limits.tokens_per_day, self._day_tokens, self._until_tomorrow),
            ("tokens_per_month", limits.tokens_per_month, self._month_tokens, self._until_next_month),
        )
        for name, limit, used, reset_s in spans:
            if limit is not None:
                unused = max(0, limit - used)
                found.append((name, Standing(limit, max(0, unused - self._held), reset_s(), unused)))
        return found

    def _forget(self) -> None:
        """Let go of what is over: a minute ago, yesterday, last month."""
        past_s = self._clocks.now_s() - MINUTE_S
        while self._requests and self._requests[0] <= past_s:
            self._requests.popleft()
        while self._tokens and self._tokens[0][0] <= past_s:
            self._minute_tokens -= self._tokens.popleft()[1]
        wall = datetime.fromtimestamp(self._clocks.wall_s(), UTC)
        if wall.date() > self._day.date():
            self._day, self._day_tokens, self._day_wh = wall, 0, 0.0
        if (wall.year, wall.month) > (self._month.year, self._month.month):
            self._month, self._month_tokens, self._month_wh = wall, 0, 0.0

    def _until_request_fades(self) -> float:
        return self._requests[0] + MINUTE_S - self._clocks.now_s() if self._requests else 0.0

    def _until_tokens_fade(self, missing: int = 1) -> float:
        """Seconds until so many more are left of a minute's."""
        for at_s, tokens in self._tokens:
            missing -= tokens
            if missing <= 0:
                return at_s + MINUTE_S - self._clocks.now_s()
        return 0.0

    def _until_tomorrow(self) -> float:
        return self._until(self._day.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1))

    def _until_next_month(self) -> float:
        first = self._month.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return self._until((first + timedelta(days=32)).replace(day=1))

    def _until(self, then: datetime) -> float:
        return max(0.0, then.timestamp() - self._clocks.wall_s())


Span = Literal["tokens_per_minute", "tokens_per_day", "tokens_per_month", "wh_per_day", "wh_per_month"]
_SPANS: dict[Span, str] = {
    "tokens_per_minute": "for a minute",
    "tokens_per_day": "for today",
    "tokens_per_month": "for this month",
    "wh_per_day": "for today",
    "wh_per_month": "for this month",
}


def _refusal(text: str, wait_s: float, limit: str, value: float) -> LimitError:
    return LimitError(text, retry_after_s=max(1, math.ceil(wait_s)), limit=limit, value=value)


def _wait_s(refusal: LimitError) -> float:
    return math.inf if refusal.retry_after_s is None else refusal.retry_after_s


def _iso(wall_s: float) -> str:
    return datetime.fromtimestamp(round(wall_s), UTC).isoformat().replace("+00:00", "Z")

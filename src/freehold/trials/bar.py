"""How faithful a way of running must be to be chosen. Pure.

`own`: no worse than llama.cpp on the same file with its 16-bit cache, within the error of the comparison. `strict`:
surely no worse. A number: at most so many nats from float32 arithmetic on the same weights, error included.
"""

from __future__ import annotations

from dataclasses import dataclass

from freehold.core.errors import CallError
from freehold.trials.fidelity import Distances, difference, mean_and_error

ERRORS = 2.0
"""How many standard errors a difference may be and still be chance: a 95 % interval, about."""
SERVED_LIMIT = 0.1
"""Nats by which a server's first token may differ from what was measured beside it: batches are cut otherwise there."""


@dataclass(frozen=True, slots=True)
class Bar:
    """`name` is "own", "strict" or "at most"; `nats` is given with the last."""

    name: str = "own"
    nats: float | None = None

    @classmethod
    def read(cls, text: str) -> Bar:
        """As `--faithful` takes it. Raises CallError."""
        if text in {"own", "strict"}:
            return cls(text)
        try:
            nats = float(text)
        except ValueError:
            nats = -1.0
        if not 0 < nats < 100:
            raise CallError(
                f"{text!r} does not say how faithful.",
                hint='"own" (no worse than llama.cpp on the same file), "strict", or a number of nats such as 0.01.',
            )
        return cls("at most", nats)

    def __str__(self) -> str:
        return self.name if self.nats is None else f"{self.nats:g}"

    def fails(self, found: Distances, own: Distances) -> str | None:
        """Why `found` is under the bar, `own` being llama.cpp's on the same file; None where it is not."""
        if self.nats is not None:
            mean, error = mean_and_error(found.nats)
            if mean + ERRORS * error <= self.nats:
                return None
            return f"{mean:.4f} ± {error:.4f} nats from float32, and at most {self.nats:g} are asked for"
        if found == own:
            return None
        more, error = difference(found, own)
        if more <= (ERRORS * error if self.name == "own" else -ERRORS * error):
            return None
        how = "more" if more > 0 else "not surely less"
        return f"{more:+.4f} ± {error:.4f} nats from float32 against llama.cpp's own: {how}"

"""The label of a model, L0 to L5, from its freedom (F) and what was published (T): two axes, never summed.

L0 closed (F0), L1 restricted (F1), L2 community license (F2), L3 open weights (F3 and less than T3), L4 open-source
consistent (F3 and T3), L5 open science (F3 and T4). The label is always said together with T: a model whose license
restricts may have published everything (BLOOM is L2, T4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from freehold.catalog.openness.freedom import FreedomLevel
from freehold.catalog.openness.published import PublishedLevel

LabelLevel = Literal[0, 1, 2, 3, 4, 5]
LabelName = Literal[
    "closed", "restricted", "community license", "open weights", "open-source consistent", "open science"
]

LABELS: tuple[LabelName, ...] = (
    *("closed", "restricted", "community license"),
    *("open weights", "open-source consistent", "open science"),
)


@dataclass(frozen=True, slots=True)
class Label:
    """The label as an interval. `low` is what a policy may rely on."""

    low: LabelLevel
    high: LabelLevel

    @property
    def name(self) -> LabelName:
        """The name of the lower bound: what is shown to hold."""
        return LABELS[self.low]

    @property
    def best(self) -> LabelName:
        """The name of the upper bound: what the unknowns still allow."""
        return LABELS[self.high]

    @property
    def position(self) -> tuple[float, float]:
        """Both bounds on a line from 0 (closed) to 1 (open science), for drawing."""
        return self.low / 5, self.high / 5

    @property
    def text(self) -> str:
        """ "L3 open weights", or "L1-L3 restricted to open weights"."""
        if self.low == self.high:
            return f"L{self.low} {self.name}"
        return f"L{self.low}-L{self.high} {self.name} to {self.best}"


def label(freedom: FreedomLevel, published: PublishedLevel) -> LabelLevel:
    """The label of one point of both axes."""
    if freedom < 3:
        return freedom
    return 5 if published == 4 else 4 if published == 3 else 3

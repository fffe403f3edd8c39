"""Who of several has had the least of something: start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996). Pure.

Each name has what it `had`, divided by its weight. What it is about to have is charged when it begins, by an estimate,
and corrected once it is known. Whoever comes back after a while begins where those are who were served meanwhile: what
nobody asked for is not saved up, and what others left over is not held against anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

Name = TypeVar("Name")


class Shares(Generic[Name]):
    """`weights` are how much of it each is to have against the others; 1 where there is none."""

    __slots__ = ("_had", "_virtual", "_weights")

    def __init__(self, weights: Mapping[Name, float] | None = None) -> None:
        self._weights: Mapping[Name, float] = weights or {}
        self._had: dict[Name, float] = {}
        self._virtual = 0.0  # what the last one to begin had before: where newcomers start

    def arrive(self, name: Name) -> None:
        """`name` wants something, and wanted nothing until now."""
        self._had[name] = max(self._had.get(name, 0.0), self._virtual)

    def begin(self, name: Name, cost: float) -> None:
        """`name`, which has arrived, is having about `cost` from now on."""
        had = self._had[name]
        self._virtual = max(self._virtual, had)
        self._had[name] = had + cost / self._weights.get(name, 1.0)

    def correct(self, name: Name, difference: float) -> None:
        """It was `difference` more than `begin` was told; less where it is negative."""
        self._had[name] += difference / self._weights.get(name, 1.0)

    def after(self, name: Name, cost: float = 0.0) -> float:
        """What `name`, which has arrived, would have had after another `cost`: whoever has the least is next."""
        return self._had[name] + cost / self._weights.get(name, 1.0)

    def clear(self) -> None:
        """Nobody wants anything and nobody is having any: begin anew."""
        self._had.clear()
        self._virtual = 0.0

"""The text that engines are compared on: eight passages of different kinds, from a report to a table.

It was written for this purpose and is published nowhere else: a text that models have learned by heart is easy, and
easy tokens hide what arithmetic loses. It is English; what an engine loses elsewhere it does not show.
"""

from __future__ import annotations

from importlib import resources

_BREAK = "\n%%\n"


def passages() -> tuple[str, ...]:
    """The passages, 120 to 220 words each."""
    text = (resources.files("freehold.trials") / "held.txt").read_text(encoding="utf-8")
    return tuple(text.strip("\n").split(_BREAK))


def words(start: int, count: int) -> str:
    """`count` words of the whole text from its word `start` on, as they stand there; it goes round at the end."""
    every = " ".join(passages()).split(" ")
    return " ".join(every[(start + number) % len(every)] for number in range(count))

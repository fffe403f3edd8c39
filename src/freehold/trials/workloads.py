"""The kinds of work that ways of running are compared on, as requests. Pure; what they measure is said beside each.

Every request begins with words that no other has, so that no engine answers from what it has computed before; only the
turns of one conversation share their beginning, as they do for people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from freehold.trials.held import words

WorkloadName = Literal["chat", "documents", "batch"]


@dataclass(frozen=True, slots=True)
class Workload:
    """`streams` run at once, each of `turns` turns; a turn adds `prompt_words` to what was said and asks for
    `answer_tokens`. `unit` is what is counted per second: tokens of an answer, or whole requests."""

    name: WorkloadName
    unit: Literal["tokens/s", "requests/s"]
    streams: int
    turns: int
    prompt_words: int
    answer_tokens: int
    about: str


WORKLOADS: dict[WorkloadName, Workload] = {
    "chat": Workload(
        "chat", "tokens/s", 1, 4, 45, 96, "one conversation of four turns, each about 60 tokens in and 96 out"
    ),
    "documents": Workload(
        "documents", "requests/s", 1, 1, 1100, 32, "one text of about 1,500 tokens at a time, 32 tokens out"
    ),
    "batch": Workload(
        "batch", "requests/s", 32, 1, 172, 64, "32 requests at once, about 236 tokens in and 64 out each"
    ),
}


def shortened(workload: Workload, share: float) -> Workload:
    """About `share` of the work of `workload`, of the same kind: as many at once, each with less to do."""
    turns = max(1, round(workload.turns * share)) if workload.turns > 1 else 1
    rest = share * workload.turns / turns
    return Workload(
        workload.name,
        workload.unit,
        workload.streams,
        turns,
        max(8, round(workload.prompt_words * rest)),
        max(8, round(workload.answer_tokens * rest)),
        workload.about,
    )


def conversation(workload: Workload, stream: int, run: int) -> Sequence[str]:
    """What is said in each turn of one stream; `run` counts the runs of a bench, so that none repeats another."""
    start = 97 * stream + 389 * run
    first = f"Case {run}-{stream}. "
    return [
        (first if turn == 0 else "\n") + words(start + turn * workload.prompt_words, workload.prompt_words)
        for turn in range(workload.turns)
    ]

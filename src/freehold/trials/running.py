"""Runs a workload on a worker and says how fast it was."""

from __future__ import annotations

import asyncio
import statistics
from dataclasses import dataclass

from freehold.trials.asking import Answered, Asker
from freehold.trials.workloads import Workload, conversation


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `speed` is in the workload's unit. `generation` and `prompt` are tokens/s of one stream by itself, as
    its client sees them; `first_s` the time to the first token. Medians over the answers."""

    speed: float
    generation: float
    prompt: float
    first_s: float
    elapsed_s: float


async def run(asker: Asker, workload: Workload, number: int) -> Run:
    """Run `workload` once; `number` is that of the run, so that no run repeats another's words."""
    streams = [_stream(asker, workload, stream, number) for stream in range(workload.streams)]
    answers = [answer for stream in await asyncio.gather(*streams) for answer in stream]
    elapsed_s = max(answer.ended_at for answer in answers) - min(answer.asked_at for answer in answers)
    tokens = sum(answer.answer_tokens for answer in answers)
    # A request counts by the tokens that it brought: an engine that ended early did not do the work.
    counted = tokens if workload.unit == "tokens/s" else tokens / workload.answer_tokens
    return Run(
        speed=counted / elapsed_s,
        generation=statistics.median(_generation(answer) for answer in answers),
        prompt=statistics.median(answer.prompt_tokens / (answer.began_at - answer.asked_at) for answer in answers),
        first_s=statistics.median(answer.began_at - answer.asked_at for answer in answers),
        elapsed_s=elapsed_s,
    )


async def _stream(asker: Asker, workload: Workload, stream: int, number: int) -> list[Answered]:
    answers: list[Answered] = []
    said = ""
    for turn in conversation(workload, stream, number):
        said += turn
        answer = await asker.complete(said, workload.answer_tokens)
        said += answer.text
        answers.append(answer)
    return answers


def _generation(answer: Answered) -> float:
    return (answer.answer_tokens - 1) / max(answer.ended_at - answer.began_at, 1e-9)

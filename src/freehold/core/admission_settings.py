"""`[admission]` of freehold.toml: how many requests wait for a worker, and how long."""

from __future__ import annotations

from dataclasses import dataclass

from freehold.core.toml_reader import TableReader

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class AdmissionSettings:
    """`queue` requests may wait for one worker, each `wait_s` at most until its turn: clients of OpenAI's and
    Anthropic's give up after 600 s. `deadline_s` is how long a request may take in all; None is as long as it takes."""

    queue: int = 1024
    wait_s: float = 600.0
    deadline_s: float | None = None


def read_admission(table: TableReader) -> AdmissionSettings:
    default = AdmissionSettings()
    admission = AdmissionSettings(
        queue=table.integer("queue", default.queue, 0, 100_000),
        wait_s=table.number("wait_s", default.wait_s, 0, DAY_S),
        deadline_s=table.number("deadline_s", DAY_S, 0.001, DAY_S) if table.has("deadline_s") else None,
    )
    table.refuse_unknown()
    return admission

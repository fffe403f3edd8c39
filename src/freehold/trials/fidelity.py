"""How far one way of computing a model is from another, token by token: the arithmetic, and what is said of it.

At every position p is the reference's distribution of the next token and q the compared one's. Their Kullback-Leibler
divergence, sum of p(t) (log p(t) - log q(t)) over the whole vocabulary, is in nats: 0 where they are equal. The top
token agrees where both have the same likeliest one. Positions of one text are not independent, so the standard error
is taken from the means of blocks of `BLOCK` neighbors.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Table = NDArray[numpy.float32]

BLOCK = 32


@dataclass(frozen=True, slots=True)
class Distances:
    """Position by position: the divergence in nats, and whether the likeliest token is the reference's."""

    nats: tuple[float, ...]
    agrees: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Fidelity:
    """What is said of one way of computing. `error` is the standard error of the mean `nats`; `agreement` a share.

    `served` is by how much the log probability of a first token, as the engine's server gave it, differed at most from
    what was measured beside it; None where the server gives none.
    """

    nats: float
    error: float
    agreement: float
    positions: int
    served: float | None = None


def log_probabilities(logits: bytes, vocabulary: int) -> Table:
    """Rows of float32 logits as natural logarithms of probabilities; normalized in float64."""
    import numpy

    rows = numpy.frombuffer(logits, dtype=numpy.float32).reshape(-1, vocabulary).astype(numpy.float64)
    rows -= rows.max(axis=1, keepdims=True)
    rows -= numpy.log(numpy.exp(rows).sum(axis=1, keepdims=True))
    return rows.astype(numpy.float32)


def distances(reference: Table, compared: Table) -> Distances:
    """Both are log probabilities of the same positions."""
    import numpy

    nats: list[float] = []
    for p, q in zip(reference, compared, strict=True):
        exact = p.astype(numpy.float64)
        nats.append(float((numpy.exp(exact) * (exact - q)).sum()))
    same: Any = reference.argmax(axis=1) == compared.argmax(axis=1)
    return Distances(tuple(nats), tuple(bool(each) for each in same))


def joined(parts: Sequence[Distances]) -> Distances:
    """Those of several passages, one after the other."""
    return Distances(
        tuple(value for part in parts for value in part.nats), tuple(value for part in parts for value in part.agrees)
    )


def said(found: Distances, *, served: float | None = None) -> Fidelity:
    """The means, and how sure they are."""
    mean, error = mean_and_error(found.nats)
    return Fidelity(mean, error, sum(found.agrees) / len(found.agrees), len(found.nats), served)


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean and its standard error, from the means of blocks; infinite where there are fewer than two blocks."""
    blocks = [values[place : place + BLOCK] for place in range(0, len(values) - BLOCK + 1, BLOCK)]
    if len(blocks) < 2:
        return statistics.fmean(values), math.inf
    means = [statistics.fmean(block) for block in blocks]
    return statistics.fmean(values), statistics.stdev(means) / math.sqrt(len(means))


def difference(found: Distances, other: Distances) -> tuple[float, float]:
    """How much larger the divergence of `found` is than that of `other`, position by position: mean and its error."""
    return mean_and_error([mine - its for mine, its in zip(found.nats, other.nats, strict=True)])

"""One look at a GGUF file: everything that is wrong with it, what it is, and the texts that others judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from freehold.core.builds import WeightFacts
from freehold.core.errors import WeightsError
from freehold.weights.gguf.facts import read_facts
from freehold.weights.report import Finding

Metadata = str | int | float | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """The place of one file in a build of several: `number` of `count`, from 0; `tensors` the build has, if said."""

    number: int
    count: int
    tensors: int | None


@dataclass(frozen=True, slots=True)
class GgufLook:
    """What one file is and what is wrong with it.

    `facts` are None where something wrong kept them from being read. `templates` are the texts of every
    `tokenizer.chat_template*` by key, `metadata` the values of `general.*` and `quantize.*` by key, as the file
    states them. `piece` is None for a file that stands alone.
    """

    file: str
    findings: tuple[Finding, ...] = ()
    undecided: tuple[Finding, ...] = ()
    facts: WeightFacts | None = None
    templates: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Metadata] = field(default_factory=dict)
    piece: Piece | None = None
    tensor_names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SplitLook:
    """What is wrong with files that belong together and with none of them alone."""

    findings: tuple[Finding, ...] = ()
    undecided: tuple[Finding, ...] = ()


def check_gguf(path: Path) -> GgufLook:
    """Look at one file, by itself. It never raises for what a file holds. Findings name the file as `path` was given."""
    try:
        facts = read_facts(path)
    except WeightsError as error:
        return GgufLook(str(path), (Finding("gguf.header", "refuse", str(path), error.message, error.hint),))
    template = facts.chat_template
    return GgufLook(str(path), facts=facts, templates={} if template is None else {"tokenizer.chat_template": template})


def check_splits(looks: Sequence[GgufLook]) -> SplitLook:
    """Look at all files of one folder together: pieces that are missing, doubled, swapped or of another build."""
    return SplitLook(undecided=tuple(_missing(look) for look in looks if look.piece is not None))


def _missing(look: GgufLook) -> Finding:
    return Finding("gguf.split.missing", "review", look.file, "The other pieces of this build were not looked at.")

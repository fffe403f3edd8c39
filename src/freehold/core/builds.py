"""Records about builds that several packages hand to each other.

`weights` fills WeightFacts, `store` fills HeldBuild, `engines` run it, `gateway` serves it. None of them
imports another; they meet here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class WeightFacts:
    """What a weight file says of itself, after its bounds were checked. None where it does not say."""

    format: str
    architecture: str
    quantization: str | None
    parameters: int | None
    context_length: int | None
    embedding_length: int | None
    block_count: int | None
    head_count: int | None
    head_count_kv: int | None
    vocabulary_size: int | None
    chat_template: str | None
    key_length: int | None = None
    value_length: int | None = None


@dataclass(frozen=True, slots=True)
class HeldBuild:
    """A verified build in the store.

    `name` is the reference people type (`smollm2-135m-instruct:q4_1`), `model` the part before the colon.
    `digest` is `sha256:` and the hash of the weight file; for a split build, the hash of its files' hashes.
    `files` are absolute paths, the one an engine opens first. `license` is an SPDX id or None (unknown). `parent` is
    the digest of the build that this one was made from here, None where it is as it was had.
    """

    name: str
    model: str
    digest: str
    files: tuple[Path, ...]
    size_bytes: int
    facts: WeightFacts
    license: str | None = None
    parent: str | None = None


class Stamp(NamedTuple):
    """What the kernel says of a file: another one where it was written to, renamed, or is another file.

    `changed_ns` is the time of change of its record (ctime), which only the kernel sets. Nanoseconds since 1970.
    """

    device: int
    inode: int
    size_bytes: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> Stamp:
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

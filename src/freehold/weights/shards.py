"""Checks the index of a model that is spread over safetensors shards against the shards that are there."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from freehold.weights.bounded_json import JsonError, string_at, walk_object
from freehold.weights.checks import Findings

LARGEST_INDEX_BYTES = 16 << 20
MOST_TENSORS = 400_000
MOST_SHARDS = 10_000
_FLAT_OBJECT = re.compile(r"\{[^{}]*\}")
_SHARD = re.compile(r"-\d{5}-of-\d{5}\.safetensors")
INDEX_SUFFIX = ".safetensors.index.json"


def check_index(path: Path, tensors: Mapping[str, frozenset[str]], findings: Findings) -> None:
    """Look at the index at `path`. `tensors` are the names in each safetensors file of its folder, by file name; a
    file in which nothing could be read is there with none. Raises OSError."""
    if path.stat().st_size > LARGEST_INDEX_BYTES:
        return findings.add("sidecar.size", f"It is larger than {LARGEST_INDEX_BYTES:,} bytes.")
    try:
        placed = _weight_map(path.read_bytes().decode("utf-8"), findings)
    except UnicodeDecodeError:
        return findings.add("shards.index", "It is not UTF-8.")
    except JsonError as error:
        return findings.add("shards.index", f"It {error}.", offset=error.position)
    for file, names in placed.items():
        if not file or "/" in file or "\\" in file or file in {".", ".."} or ":" in file:
            findings.add("shards.path", f"It puts tensors into {file[:120]!r}, which is no file of its folder.")
        elif file not in tensors:
            findings.add("shards.missing", f"The shard {file[:120]!r} is not here.")
        elif tensors[file] and not names <= tensors[file]:
            missing = min(names - tensors[file])
            findings.add("shards.tensor", f"The shard {file[:120]!r} does not hold the tensor {missing[:80]!r}.")
    # Other files, such as the same model in one piece, may lie beside the shards.
    for file in sorted(name for name in tensors.keys() - placed.keys() if _SHARD.search(name)):
        findings.add("shards.unnamed", f"The file {file[:120]!r} lies here and is not in the index.")
    return None


def _weight_map(text: str, findings: Findings) -> Mapping[str, set[str]]:
    """The tensors that the index puts into each file."""
    placed: dict[str, set[str]] = defaultdict(set)
    seen: set[str] = set()

    def tensor(name: str, at: int) -> int:
        if name in seen:
            findings.add("shards.index", f"It has the tensor {name[:80]!r} twice.", offset=at)
        if len(seen) >= MOST_TENSORS:
            raise JsonError(f"has more than {MOST_TENSORS:,} tensors", at)
        seen.add(name)
        file, end = string_at(text, at)
        if file not in placed and len(placed) >= MOST_SHARDS:
            raise JsonError(f"names more than {MOST_SHARDS:,} files", at)
        placed[file].add(name)
        return end

    def member(key: str, at: int) -> int:
        if key == "weight_map":
            return walk_object(text, at, tensor)
        found = _FLAT_OBJECT.match(text, at)
        if found is None:
            raise JsonError(f"has {key[:80]!r}, which no index has, or in another form", at)
        return found.end()

    end = walk_object(text, 0, member)
    if text[end:].strip():
        raise JsonError("goes on after its end", end)
    if not placed:
        raise JsonError("has no weight_map", 0)
    return placed

"""Verifying weight files: with the hash against the hash alone, the header of a 20 GB file, the most hostile files.

Each look is a process of its own, so that its memory is its own. The two large files are written here: a GGUF of 1 GB,
and one of 20 GB that is a hole in the disk behind a header of 50,000 tokens. The hostile files are those of the tests:
all of them are looked at in the round that warms up, and in the others those that took the longest or the most memory
there, since no other can be the worst.
"""

from __future__ import annotations

import asyncio
import functools
import json
import struct
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop

from bench.harness import arms
from bench.harness.measure import Claim, Measurement, Values, arguments
from tests.gguf_bytes import ARRAY, F32, I32, STRING, U32, header, tensor
from tests.hostile.gguf_worst import WORST as GGUF_WORST
from tests.hostile.other_worst import WORST as OTHER_WORST

REACH_OVER_HASH = 1.10
# What a small file costs besides its hash: its vocabulary, and the parser of its template, whatever its size.
REACH_ADDED_S = 0.1
REACH_HEADER_S, REACH_HEADER_MB = 1.0, 100
REACH_HOSTILE_S, REACH_HOSTILE_MB = 2.0, 200
TOKENS = 50_000
WORST = 8
LOOK = arms.PROGRAMS / "one_look.py"


def write_gguf(path: Path, size_bytes: int, *, sparse: bool) -> None:
    """A sound GGUF of about `size_bytes`: a vocabulary and one large tensor."""
    tokens = [f"token {number}" for number in range(TOKENS)]
    keys: dict[str, tuple[int, object]] = {
        "general.architecture": (STRING, "llama"),
        "llama.context_length": (U32, 4096),
        "llama.embedding_length": (U32, 4096),
        "llama.block_count": (U32, 1),
        "llama.attention.head_count": (U32, 32),
        "tokenizer.ggml.model": (STRING, "llama"),
        "tokenizer.ggml.tokens": (ARRAY, (STRING, tokens)),
        "tokenizer.ggml.scores": (ARRAY, (F32, [0.0] * TOKENS)),
        "tokenizer.ggml.token_type": (ARRAY, (I32, [1] * TOKENS)),
    }
    rows = size_bytes // (4096 * 4)
    head = header(keys, [tensor("blk.0.ffn_up.weight", (4096, rows), 0, 0)])
    head += b"\0" * (-len(head) % 32)
    with path.open("wb") as file:
        file.write(head)
        if not sparse:
            block = struct.pack("<Q", 0x3C003C003C003C00) * (1 << 17)
            for _ in range(rows * 4096 * 4 // len(block) + 1):
                file.write(block)
        file.truncate(len(head) + rows * 4096 * 4)


async def look(what: str, path: Path) -> Values:
    """One look in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(LOOK), what, str(path), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"looking at {path.name} ended with {process.returncode}")
    values: Values = json.loads(said)
    return values


class Hostile:
    """The most costly files there are, in `folder`; a tenth of them where the run is `quick`."""

    def __init__(self, folder: Path, *, quick: bool) -> None:
        made: list[tuple[str, Callable[[], bytes]]] = [("m.gguf", make) for make in GGUF_WORST.values()]
        made += OTHER_WORST.values()
        self._paths: list[Path] = []
        for number, (name, make) in enumerate(made[:: 10 if quick else 1]):
            path = folder / str(number) / name
            path.parent.mkdir(parents=True)
            path.write_bytes(make())
            self._paths.append(path)

    async def look(self) -> Values:
        """Each once: the longest time and the largest memory of any of them."""
        found = {path: await look("header", path) for path in self._paths}
        longest, largest = (sorted(found, key=lambda path: -found[path][metric]) for metric in ("seconds", "peak MB"))
        self._paths = list(dict.fromkeys((*longest[:WORST], *largest[:WORST])))
        return {metric: max(values[metric] for values in found.values()) for metric in ("seconds", "peak MB")}


async def main() -> None:
    chosen = arguments(__doc__)
    result = Measurement("verify", quick=chosen.quick)
    with tempfile.TemporaryDirectory(dir=arms.cache()) as name:
        folder = Path(name)
        real, large, sparse = arms.weights(), folder / "large.gguf", folder / "sparse.gguf"
        write_gguf(large, 10**8 if chosen.quick else 10**9, sparse=False)
        write_gguf(sparse, 20 * 10**9, sparse=True)
        hostile = Hostile(folder / "hostile", quick=chosen.quick)
        each: dict[str, Callable[[], Coroutine[Any, Any, Values]]] = {
            "sha256 alone, SmolLM2 98 MB": functools.partial(look, "hash", real),
            "verify with sha256, SmolLM2 98 MB": functools.partial(look, "verify", real),
            f"sha256 alone, {large.stat().st_size / 1e9:.1f} GB": functools.partial(look, "hash", large),
            f"verify with sha256, {large.stat().st_size / 1e9:.1f} GB": functools.partial(look, "verify", large),
            "header of 20 GB": functools.partial(look, "header", sparse),
            "most hostile files": hostile.look,
        }
        await result.interleave(each, chosen.repetitions)
        result.save(_claims(result, list(each)))


def _claims(result: Measurement, names: list[str]) -> list[Claim]:
    small = result.paired(names[1], names[0], "seconds", lambda mine, theirs: mine - theirs)
    large = result.paired(names[3], names[2], "seconds", lambda mine, theirs: mine / theirs)
    header_s, header_mb = (result.median(names[4], metric) for metric in ("seconds", "peak MB"))
    hostile_s, hostile_mb = (result.median(names[5], metric) for metric in ("seconds", "peak MB"))
    reach = f"at most {REACH_OVER_HASH:.2f} of sha256 alone"
    return [
        Claim(names[3], reach, f"{large:.2f}", large <= REACH_OVER_HASH),
        Claim(names[1], f"under {REACH_ADDED_S} s more", f"{small:.3f} s more", small < REACH_ADDED_S),
        Claim("header of 20 GB", f"under {REACH_HEADER_S:.0f} s", f"{header_s:.2f} s", header_s < REACH_HEADER_S),
        Claim("header of 20 GB", f"under {REACH_HEADER_MB} MB", f"{header_mb:.0f} MB", header_mb < REACH_HEADER_MB),
        Claim("any hostile file", f"under {REACH_HOSTILE_S:.0f} s", f"{hostile_s:.2f} s", hostile_s < REACH_HOSTILE_S),
        Claim(
            "any hostile file", f"under {REACH_HOSTILE_MB} MB", f"{hostile_mb:.0f} MB", hostile_mb < REACH_HOSTILE_MB
        ),
    ]


if __name__ == "__main__":
    uvloop.run(main())

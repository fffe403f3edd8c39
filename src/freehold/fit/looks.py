"""How often heads look at held tokens in one pass, and how evenly the engine's threads share that. A pass waits for its
slowest thread, so what is counted is what that one does, as if all did as much.

llama.cpp b11549 (ggml-cpu/ops.cpp, `ggml_compute_forward_flash_attn_ext_f16`) goes one of three ways:

- for one token of one sequence it cuts the cells of the cache into a piece for each thread; a pass takes cells 256 at a
  time (`llama_kv_cache::get_n_kv`), and the last piece has those that are still empty;
- else it takes rows, one for each head of each token, in four pieces for each thread, to the thread that is free;
- of many tokens of a sequence a piece is computed in tiles of rows of one head, and a tile that is not full takes as
  long as one that is.

The first and the third are for caches that are not quantized.
"""

from __future__ import annotations

import heapq
from functools import lru_cache

from freehold.fit.blueprint import Layer, RunShape
from freehold.fit.cache import cells, padded

TILE = 64
"""Rows of a tile (`ggml_fa_tile_config::Q`); of fewer tokens none are made."""
_FEWEST_CUT = 512
"""Cells that are cut; fewer are left whole."""
_PIECES = 4
_PLAIN_TYPES = frozenset({"f16"})


def tiled(cache_type: str, tokens: int) -> bool:
    """Whether a pass over `tokens` of each sequence looks in tiles, which takes a fraction of the time."""
    return cache_type in _PLAIN_TYPES and tokens >= TILE


def looks(layer: Layer, run: RunShape, threads: int, *, sequences: int, tokens: int, held: int) -> float:
    """How often heads of `layer` look at a token, in a pass over `tokens` new ones of each of `sequences` that hold
    `held`: as often as if all of `threads` did what the busiest does."""
    if not layer.heads:
        return 0.0
    seen = _seen(layer.window_tokens, tokens, held)
    taken = min(padded(held + 1), cells(run, layer.window_tokens))
    if sequences * tokens == 1 and run.cache_type_k in _PLAIN_TYPES and taken >= _FEWEST_CUT:
        # Of a window, which may lie anywhere among its cells, one piece is taken to lie inside it whole.
        return layer.heads * threads * min(seen, -(-taken // threads))
    tile = TILE if tiled(run.cache_type_k, tokens) else 1
    return sequences * layer.heads * seen * _dealt(sequences * layer.heads, tokens, threads, tile)


def _seen(window: int, tokens: int, held: int) -> float:
    """Tokens that the new ones of a sequence see, those of all of them added up."""
    if not window:
        return tokens * (held + (tokens + 1) / 2)
    ramp = max(0, min(tokens, window - held))
    return ramp * (held + (ramp + 1) / 2) + (tokens - ramp) * window


@lru_cache(maxsize=4096)
def _dealt(heads: int, tokens: int, threads: int, tile: int) -> float:
    """How often the busiest thread computes a row, over how often it would if all rows were shared evenly."""
    rows = heads * tokens
    each = -(-rows // (_PIECES * threads))
    if threads == 1 or -(-rows // each) < threads:
        each = -(-rows // threads)
    busy = [0] * threads
    for start in range(0, rows, each):
        heapq.heapreplace(busy, busy[0] + _computed(start, min(start + each, rows), tokens, tile))
    return max(busy) * threads / rows


def _computed(start: int, end: int, tokens: int, tile: int) -> int:
    """Rows that are computed for those from `start` to `end`: a tile ends where a head does, and is never shorter."""
    if tile == 1:
        return end - start
    tiles = 0
    while start < end:
        start = min(start + tile, end, start - start % tokens + tokens)
        tiles += 1
    return tiles * tile

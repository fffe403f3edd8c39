"""How unevenly threads share attention, held to a walk over every row and cell as llama.cpp's kernels make it."""

from __future__ import annotations

import pytest

from freehold.fit.blueprint import Layer, RunShape
from freehold.fit.looks import looks

LONG = RunShape(context_tokens=8192, batch_tokens=128)


def heads(count: int, *, window: int = 0) -> Layer:
    return Layer("window" if window else "full", 1, 64, 64, window, heads=count)


def looked(count: int, threads: int, *, sequences: int = 1, tokens: int = 1, held: int, kind: str = "f16") -> float:
    run = RunShape(8192, sequences, 128, kind, kind)
    return looks(heads(count), run, threads, sequences=sequences, tokens=tokens, held=held)


@pytest.mark.parametrize("threads", [1, 2, 3, 8, 64])
@pytest.mark.parametrize("held", [511, 512, 600, 767, 1023, 1024, 4095])
def test_one_token_waits_for_the_thread_whose_cells_are_all_taken(threads: int, held: int) -> None:
    cells = next(count for count in range(256, 9000, 256) if count > held)
    piece = -(-cells // threads)
    taken = [sum(cell <= held for cell in range(start, min(start + piece, cells))) for start in range(0, cells, piece)]
    assert looked(9, threads, held=held) == pytest.approx(9 * max(taken) * threads)


def test_two_threads_share_a_full_cache_evenly_and_one_that_has_just_grown_badly() -> None:
    assert looked(16, 2, held=1023) == 16 * 1024
    assert looked(16, 2, held=1024) == 16 * 1280


def _walked(count: int, sequences: int, tokens: int, threads: int, tile: int) -> int:
    """Rows that the busiest thread computes: pieces are taken in order by whoever has done least so far."""
    rows = [(head, token) for head in range(count * sequences) for token in range(tokens)]
    size = -(-len(rows) // (4 * threads))
    if threads == 1 or -(-len(rows) // size) < threads:
        size = -(-len(rows) // threads)
    done = [0] * threads
    for start in range(0, len(rows), size):
        piece, cost = rows[start : start + size], 0
        while piece:
            alike = [row for row in piece[:tile] if row[0] == piece[0][0]]
            piece, cost = piece[len(alike) :], cost + tile
        done[done.index(min(done))] += cost
    return max(done)


@pytest.mark.parametrize("threads", [1, 2, 3, 8, 64])
@pytest.mark.parametrize(("count", "sequences", "tokens"), [(9, 1, 1), (9, 4, 1), (9, 1, 63), (5, 3, 2), (1, 1, 1)])
def test_rows_go_in_pieces_to_the_thread_that_is_free(count: int, sequences: int, tokens: int, threads: int) -> None:
    seen = tokens * (100 + (tokens + 1) / 2) / tokens
    rows = _walked(count, sequences, tokens, threads, 1)
    found = looked(count, threads, sequences=sequences, tokens=tokens, held=100)
    assert found == pytest.approx(rows * threads * seen)


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize(("count", "tokens"), [(9, 128), (4, 128), (16, 128), (9, 64), (3, 100)])
def test_a_tile_that_is_not_full_takes_as_long_as_one_that_is(count: int, tokens: int, threads: int) -> None:
    seen = 256 + (tokens + 1) / 2
    rows = _walked(count, 1, tokens, threads, 64)
    assert looked(count, threads, tokens=tokens, held=256) == pytest.approx(rows * threads * seen)


def test_a_quantized_cache_is_neither_cut_nor_tiled() -> None:
    assert looked(16, 2, held=1024, kind="q8_0") == 16 * 1025
    assert looked(9, 2, tokens=128, held=0, kind="q8_0") == pytest.approx(9 * 128 * 64.5)


def test_of_a_window_no_more_is_seen_than_it_holds_and_a_piece_of_its_cells_is_full() -> None:
    window = heads(4, window=512)
    far, farther = (looks(window, LONG, 2, sequences=1, tokens=1, held=held) for held in (2000, 7000))
    assert far == farther == 4 * 2 * 384  # of 768 cells (512 and a batch, in steps of 256) a thread has 384
    assert looks(window, LONG, 1, sequences=1, tokens=1, held=2000) == 4 * 512
    together = looks(window, LONG, 2, sequences=2, tokens=1, held=2000)
    assert together == 2 * 4 * 512


def test_heads_that_nobody_counted_look_at_nothing() -> None:
    assert looked(0, 2, held=1000) == 0

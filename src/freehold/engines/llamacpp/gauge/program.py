"""The process of the micro-benchmark: runs what `plan` names with the engine's library, and prints a line of JSON for
each timing. It is started by `measure`; after the seconds it is given it begins no further type. What time is left once
all types were measured goes into the first ones again: a machine that has neighbors is another one a minute later.

What must stay true: a timing during which other programs had the processor is repeated, and printed all the same,
marked; nothing is read but the models that were written here, in the scratch folder that is named; and no line on
stdout is another's, whatever the library prints.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import math
import os
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from freehold.engines.llamacpp import native
from freehold.engines.llamacpp.gauge import plan
from freehold.engines.llamacpp.gauge.disturbance import Window, timed
from freehold.engines.llamacpp.gauge.loaded import Loaded, RefusedError, Room
from freehold.engines.llamacpp.gauge.plan import Pass
from freehold.engines.llamacpp.gauge.shapes import Shape, written
from freehold.engines.sandbox import lock
from freehold.fit.cache import padded
from freehold.weights.tensor_types import TENSOR_TYPES

_ROWS, _ROW = 64, 1024
_SHORT, _LONG, _LONG_S = 5, 3, 0.1
"""Undisturbed windows that are wanted of a pass: fewer of one that takes longer than that."""
_WINDOW_S = 0.015
"""A window holds as many passes as fill it: one of 3 ms would tell of an instant."""
_TRIES = 3
_PATIENCE_S = 1.5
"""How long undisturbed windows of one pass are waited for, once there are three of any kind."""
_NICE = -20


class Bench:
    """Runs probes, for `seconds` from now on."""

    def __init__(self, library: Any, folder: Path, seconds: float, *, cache_bytes: int) -> None:
        self._library = library
        self._folder = folder
        self._deadline = time.monotonic() + seconds
        self._blocks: dict[str, bytes] = {}
        self._other = bytearray(b"\1") * (2 * cache_bytes)

    def write(self, name: str, shape: Shape, *, words: bool = False) -> Path:
        """The file of `shape`, in the scratch folder."""
        for kind in ("F32", shape.type):
            if kind not in self._blocks:
                self._blocks[kind] = _block(self._library, kind)
        path = self._folder / f"{name}.gguf"
        written(path, shape, self._blocks, words=words)
        return path

    def run(self, name: str, shape: Shape, room: Room, passes: Sequence[Pass], *, cold: bool = False) -> None:
        """Time `passes` of `shape`; says why where the engine refuses. `cold`: with nothing of it in the processor's
        caches, as it is where the weights of a real model pass through them between two looks."""
        path = self.write("probe", shape)
        try:
            with Loaded(self._library, path, room) as model:
                for held in sorted({one.held for one in passes}):
                    model.forget()
                    for start in range(0, held, room.batch):
                        model.decode(min(room.batch, held - start), start=start)
                    self._rounds(name, model, [one for one in passes if one.held == held], cold=cold)
        except RefusedError as error:
            _say({"probe": name, "refused": str(error)})

    @property
    def over(self) -> bool:
        """The time is over: no more is begun that could be left out."""
        return time.monotonic() > self._deadline

    def _rounds(self, name: str, model: Loaded, passes: Sequence[Pass], *, cold: bool) -> None:
        """One window of each of `passes` in turn, so that what slows the machine for a while falls on all of them. The
        first round warms up and is not told."""
        left, filling = dict.fromkeys(passes, _SHORT), dict.fromkeys(passes, 1)
        began = time.monotonic()
        for turn in range(1 + _TRIES * _SHORT):
            if turn > _LONG and time.monotonic() - began > _PATIENCE_S * len(passes):
                return
            for one in [one for one in passes if left[one] > 0]:
                window = self._window(model, one, filling[one], cold=cold)
                if turn:
                    left[one] -= not window.disturbed
                    said = {"seconds": window.seconds, "waited_share": window.waited_share}
                    _say({"probe": name, "tokens": one.tokens, "held": one.held, **said})
                elif window.seconds > _LONG_S:
                    left[one] = _LONG
                else:
                    filling[one] = math.ceil(_WINDOW_S / window.seconds)

    def _window(self, model: Loaded, one: Pass, times: int, *, cold: bool) -> Window:
        """What one of `times` passes took, each of which finds held what the first found."""

        def work(passes: int) -> None:
            for _ in range(passes):
                model.forget(one.held)
                model.decode(one.tokens, start=one.held)

        if not cold:
            window = timed(partial(work, times))
            return replace(window, seconds=window.seconds / times)
        each = []
        for _ in range(times):
            self._other.find(0)  # reads all of it
            each.append(timed(partial(work, 1)))
        seconds = sum(window.seconds for window in each)
        return Window(seconds / times, sum(window.waited_share * window.seconds for window in each) / seconds)


def _block(library: Any, kind: str) -> bytes:
    """Rows of small random numbers in `kind`, as the engine itself quantizes them."""
    source = random.Random(0)  # noqa: S311 - weights of no meaning
    count = _ROWS * _ROW
    numbers = (ctypes.c_float * count)(*(source.uniform(-0.05, 0.05) for _ in range(count)))
    if kind == "F32":
        return bytes(numbers)
    number = next(number for number, each in TENSOR_TYPES.items() if each.name == kind)
    size_bytes = count // TENSOR_TYPES[number].block_weights * TENSOR_TYPES[number].block_bytes
    made, importance = ctypes.create_string_buffer(size_bytes), (ctypes.c_float * _ROW)(*[1.0] * _ROW)
    library.ggml_quantize_chunk(number, numbers, made, 0, _ROWS, _ROW, importance)
    return made.raw


def main() -> None:
    """Orders on stdin: scratch, try_threads, cache_bytes, types, seconds; then, once asked for, threads."""
    lock.arm_death_signal()
    keep_stdout()
    os.putenv("GGML_NO_BACKTRACE", "1")  # read as it ends by an assertion: a debugger's pages would hide what failed
    orders = json.loads(sys.stdin.readline())
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)
    cache_bytes, library = orders["cache_bytes"], native.library(lambda _: None)
    bench = Bench(library, Path(orders["scratch"]), orders["seconds"], cache_bytes=cache_bytes)
    for count, shape in plan.SPOKEN.items():
        bench.write(f"spoken-{count}", shape, words=True)
    for kind in ("F16", plan.BASE):
        for count in orders["try_threads"]:
            bench.run(f"threads {count} {kind}", plan.wide(kind, cache_bytes), Room(count), [Pass(1)])
    _say({"tried": True})
    threads = json.loads(sys.stdin.readline())["threads"]
    _parts(bench, Room(threads), cache_bytes, orders["types"])


def _parts(bench: Bench, room: Room, cache_bytes: int, types: Sequence[str]) -> None:
    bench.run("small", plan.SMALL, room, [Pass(1)])
    _grounds(bench, room, cache_bytes)
    for size in plan.OTHER_LOOKS:
        _look(bench, room, plan.PLAIN_CACHE, size)
    _, *others = types
    for count, kind in enumerate((*others, *types), 1):
        if bench.over:
            return
        _weights(bench, room, kind, cache_bytes)
        if count % plan.OTHERS_BETWEEN == 0 and not bench.over:
            _grounds(bench, room, cache_bytes)
        if count == plan.OTHERS_BETWEEN:
            _quantized_looks(bench, room)


def _grounds(bench: Bench, room: Room, cache_bytes: int) -> None:
    """What every prediction rests on."""
    bench.run("narrow", plan.narrow(cache_bytes), room, [Pass(1), Pass(plan.MANY)])
    _weights(bench, room, plan.BASE, cache_bytes)
    _look(bench, room, plan.PLAIN_CACHE, plan.FIRST_LOOK)


def _quantized_looks(bench: Bench, room: Room) -> None:
    """They take as long as ten types, and few run such a cache."""
    for cache_type, size in plan.QUANTIZED_LOOKS:
        if not bench.over:
            _look(bench, room, cache_type, size)


def _weights(bench: Bench, room: Room, kind: str, cache_bytes: int) -> None:
    passes = [Pass(count) for count in plan.AT_ONCE]
    bench.run(f"weights {kind}", plan.wide(kind, cache_bytes), room, passes)


def _look(bench: Bench, room: Room, cache_type: str, size: int) -> None:
    passes = [Pass(count, held) for count in (1, plan.MANY) for held in (0, plan.LOOKED_AT)]
    long = Room(room.threads, cells=padded(plan.LOOKED_AT + plan.MANY), cache_type=cache_type)
    bench.run(f"look {cache_type} {size}", plan.looking(size), long, passes, cold=True)


def keep_stdout() -> None:
    """Keep it for our lines; what native code prints there goes where errors go."""
    sys.stdout = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

"""A worker on a kernel without Landlock, as far as it can tell: says it is ready and waits to be ended."""

from __future__ import annotations

import threading

from freehold.engines.inside import Orders, run
from freehold.engines.sandbox import landlock


def no_landlock() -> None:
    return None


def serve(orders: Orders) -> None:
    orders.ready({})
    threading.Event().wait()


if __name__ == "__main__":
    landlock.version = no_landlock
    run(serve)

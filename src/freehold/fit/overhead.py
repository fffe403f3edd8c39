"""What the worker's process takes beside its build: the program, its libraries, its tables, its caches of prompts."""

from __future__ import annotations

from freehold.core.quantity import Estimated, Quantity
from freehold.fit.blueprint import Blueprint

PROGRAM_BYTES = 50 << 20
TOKEN_BYTES = 250


def process_bytes(blueprint: Blueprint) -> Quantity:
    """Of the process that serves the build on this machine's processor."""
    tables = blueprint.vocabulary * TOKEN_BYTES
    low = PROGRAM_BYTES + tables
    return Estimated(low, 2 * low, "workers that were measured with two small builds", low)

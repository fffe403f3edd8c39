"""What measurements of this engine are kept under: its name, and the release that they were taken with."""

from __future__ import annotations

from functools import cache
from importlib import metadata

RELEASE = "2026.10.11549"
"""The release of xllamacpp that is pinned, which what is known here of its library was read from."""


@cache
def release() -> str:
    """The release of xllamacpp, which carries the engine: its last part is llama.cpp's build."""
    return metadata.version("xllamacpp")


def engine_id() -> str:
    """ "llama.cpp (xllamacpp 2026.10.11549)": another release may be faster or slower."""
    return f"llama.cpp (xllamacpp {release()})"

"""What measurements of this engine are kept under: its name, and the release that they were taken with."""

from __future__ import annotations

from importlib import metadata


def engine_id() -> str:
    """ "llama.cpp (xllamacpp 2026.10.11549)": another release may be faster or slower."""
    return f"llama.cpp (xllamacpp {metadata.version('xllamacpp')})"

"""GGUF files: `check_gguf` finds what is wrong with one, `check_splits` with several that belong together.

`read_facts`, `read_split` and `read_outline` refuse what is wrong and say what the weights are. All of them parse a
file once. `write_skeleton` writes a build without its weights, for an engine to be asked about.
"""

from freehold.weights.gguf.look import (
    GgufLook,
    SplitLook,
    check_gguf,
    check_splits,
    holds_header,
    read_facts,
    read_outline,
    read_split,
)
from freehold.weights.gguf.outline import Outline
from freehold.weights.gguf.skeleton import write_skeleton
from freehold.weights.gguf.splits import Piece

__all__ = [
    "GgufLook",
    "Outline",
    "Piece",
    "SplitLook",
    "check_gguf",
    "check_splits",
    "holds_header",
    "read_facts",
    "read_outline",
    "read_split",
    "write_skeleton",
]

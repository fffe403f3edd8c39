"""GGUF files: `check_gguf` finds what is wrong with one, `check_splits` with several that belong together.

`read_facts` and `read_split` refuse what is wrong and say what the weights are. All of them parse a file once.
"""

from freehold.weights.gguf.look import GgufLook, SplitLook, check_gguf, check_splits, read_facts, read_split
from freehold.weights.gguf.splits import Piece

__all__ = [
    "GgufLook",
    "Piece",
    "SplitLook",
    "check_gguf",
    "check_splits",
    "read_facts",
    "read_split",
]

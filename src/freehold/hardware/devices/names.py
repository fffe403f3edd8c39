"""When two spellings name the same device: "NVIDIA GeForce RTX 4090", "rtx-4090" and "RTX4090" do."""

from __future__ import annotations

import re
from functools import lru_cache

# What makers, drivers and shops put around a name that says the same without it.
_WORDS = (
    *("nvidia", "geforce", "tesla", "amd", "radeon", "instinct", "intel", "google", "cloud", "apple"),
    *("generation", "graphics", "(r)", "(tm)"),
)
_COMPUTERS = re.compile(r"^(?:macbook (?:pro|air)|macbook|mac (?:studio|mini|pro)|imac)\b(?=\s*\S)")
_AROUND = re.compile(r"\b(?:" + "|".join(re.escape(word) for word in _WORDS if word[0] != "(") + r")\b|\((?:r|tm)\)")
_SIZE = re.compile(r"[\s-]*\b\d+\s*gi?b\b(?:\s*hbm\d\w*)?")


@lru_cache(maxsize=2048)
def plain(name: str) -> str:
    """The spelling that two names of one device share: "rtx4090"."""
    lower = " ".join(re.split(r"[\s_-]+", name.lower().strip()))
    bare = _COMPUTERS.sub("", _AROUND.sub(" ", lower).strip())
    return re.sub(r"\s+", "", bare) or lower.replace(" ", "")


def without_size(name: str) -> str:
    """`name` as a driver reports it, without the memory that some say in it: "NVIDIA A100-SXM4-40GB"."""
    return _SIZE.sub("", name.lower())

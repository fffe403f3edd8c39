"""Says what a file is that was taken for a GGUF and is not one. It looks at the first bytes only and never judges."""

from __future__ import annotations

from collections.abc import Mapping

from freehold.weights.formats import Format, format_of

LOOKED_AT_BYTES = 512

_OF_OLD: tuple[tuple[bytes, str], ...] = (
    (b"lmgg", "a GGML file of before 2023, which no engine reads any more"),
    (b"fmgg", "a GGML file of before 2023, which no engine reads any more"),
    (b"tjgg", "a GGML file of before 2023, which no engine reads any more"),
    (b"%PDF", "a PDF document"),
)
_NAMES: Mapping[Format, str] = {
    "compressed": "compressed",
    "empty": "empty",
    "gguf": "a GGUF file",
    "hdf5": "an HDF5 file",
    "json": "JSON",
    "numpy": "a NumPy file",
    "pickle": "a Python pickle, which Freehold never loads",
    "pointer": "a Git LFS pointer: the text that stands for a large file, not the file",
    "program": "a program",
    "safetensors": "a safetensors file",
    "tar": "a tar archive",
    "text": "text",
    "zip": "a zip archive (a wheel, or a PyTorch checkpoint)",
}


def describe(head: bytes) -> str:
    """What a file with these first bytes is, as the end of "It is …"."""
    for magic, name in _OF_OLD:
        if head.startswith(magic):
            return name
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page: a login or an error page was saved in place of the file"
    kind = format_of(head)
    return _NAMES[kind] if kind is not None else "of a kind Freehold does not know"

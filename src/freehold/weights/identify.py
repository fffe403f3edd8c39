"""Says what a file is that was taken for a GGUF and is not one. It looks at the first bytes only and never judges."""

from __future__ import annotations

LOOKED_AT_BYTES = 512

_MAGICS: tuple[tuple[bytes, str], ...] = (
    (
        b"version https://git-lfs.github.com/spec/",
        "a Git LFS pointer: the text that stands for a large file, not the file",
    ),
    (b"PK\x03\x04", "a zip archive (a wheel, or a PyTorch checkpoint)"),
    (b"\x1f\x8b", "gzip-compressed"),
    (b"(\xb5/\xfd", "Zstandard-compressed"),
    (b"\xfd7zXZ", "xz-compressed"),
    (b"\x80\x02", "a Python pickle, which Freehold never loads"),
    (b"\x80\x04", "a Python pickle, which Freehold never loads"),
    (b"lmgg", "a GGML file of before 2023, which no engine reads any more"),
    (b"fmgg", "a GGML file of before 2023, which no engine reads any more"),
    (b"tjgg", "a GGML file of before 2023, which no engine reads any more"),
    (b"\x89HDF", "an HDF5 file"),
    (b"%PDF", "a PDF document"),
    (b"\x7fELF", "a program"),
)


def describe(head: bytes) -> str:
    """What a file with these first bytes is, as the end of "It is …"."""
    if not head:
        return "empty"
    for magic, name in _MAGICS:
        if head.startswith(magic):
            return name
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page: a login or an error page was saved in place of the file"
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**32:
        return "a safetensors file"
    if text.startswith((b"{", b"[")):
        return "JSON"
    if all(byte in b"\t\n\r" or byte >= 32 for byte in head) and head.isascii():
        return "text"
    return "of a kind Freehold does not know"

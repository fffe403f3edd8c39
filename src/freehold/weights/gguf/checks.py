"""Every check of a GGUF file by its name: what it is for, how grave what it finds is, and where it has been exploited.

The table is what reports and documents list. `Notes` refuses a name that is not in it, and a test shows a file for
every one of them. CVE records are public reports of this kind of damage harming one program or another, as of
November 2026; a finding does not say that a file was made to exploit one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from freehold.weights.report import Severity

DAMAGED = "Pull it again; if that does not help, the file was published damaged."
CONVERT = "Convert the model again with a current converter, or take another build of it."
NOT_OURS = "Do not run it. Take the model from another source, and tell the publisher of this one."


class Check(NamedTuple):
    """`what` is refused, in one line. `undecided`: what it finds leaves the file undecidable instead of wrong."""

    what: str
    severity: Severity = "refuse"
    hint: str = DAMAGED
    cves: tuple[str, ...] = ()
    undecided: bool = False


def _open_question(what: str, hint: str) -> Check:
    return Check(what, "review", hint, undecided=True)


_HEADER = {
    "gguf.file.kind": Check("something that is no regular file, such as a pipe or a device", hint=NOT_OURS),
    "gguf.file.unreadable": _open_question("a file that cannot be read, or changes while it is", "Look at its rights."),
    "gguf.magic": Check("a file that does not begin as a GGUF does"),
    "gguf.version.old": _open_question("version 1, whose lengths are written differently", CONVERT),
    "gguf.version.unknown": _open_question("a version that is not 2 or 3", "Update Freehold, or convert it again."),
    "gguf.byte_order": Check("big-endian numbers; engines on common machines do not read them", "note", CONVERT),
    "gguf.header.unread": _open_question("a header that could not be read to its end", DAMAGED),
    "gguf.header.truncated": Check("a header that goes on beyond the end of the file"),
    "gguf.header.size": Check("a header of more than 256 MiB", hint=NOT_OURS),
    "gguf.header.work": Check("more strings or nested arrays than any known vocabulary needs", hint=NOT_OURS),
    "gguf.count.keys": Check("more keys than the file can hold", cves=("CVE-2025-66960", "CVE-2026-65315")),
    "gguf.count.tensors": Check("more tensors than the file can hold", cves=("CVE-2026-27940", "CVE-2026-65315")),
    "gguf.key.length": Check("a key without a name or with one of more than 65,535 bytes"),
    "gguf.key.ascii": Check("a key's name with anything but printable ASCII"),
    "gguf.key.name": Check("a key that is not lower case in dotted parts", "review", CONVERT),
    "gguf.key.duplicate": Check("one key twice: programs differ in which value counts", hint=NOT_OURS),
    "gguf.key.type": Check("a known key with a value of the wrong type", hint=CONVERT, cves=("CVE-2025-0317",)),
    "gguf.value.type": Check("a value of a type the format does not have"),
    "gguf.value.bool": Check("a truth value that is neither 0 nor 1"),
    "gguf.string.length": Check(
        "a string longer than what the file still holds",
        cves=("CVE-2024-12055", "CVE-2025-66959", "CVE-2025-66960", "CVE-2026-65315"),
    ),
    "gguf.string.utf8": Check("a text that is not UTF-8"),
    "gguf.string.nul": Check("a zero byte in a text: programs differ in where it ends", "review", NOT_OURS),
    "gguf.string.long": Check("a text of more than 1 MiB where a short one belongs", hint=NOT_OURS),
    "gguf.array.type": Check("an array of a type the format does not have", cves=("CVE-2024-32878",)),
    "gguf.array.length": Check("an array longer than what the file still holds", cves=("CVE-2026-65315",)),
    "gguf.array.long": Check("an array of numbers of more than 16 MiB", hint=NOT_OURS),
    "gguf.array.item": Check("an array with a string of more than 1 MiB", hint=NOT_OURS),
    "gguf.array.depth": Check("arrays inside arrays, more than 4 deep", hint=NOT_OURS, cves=("CVE-2024-32878",)),
    "gguf.array.nested": Check("arrays inside arrays, which no engine reads", "review", CONVERT, ("CVE-2024-32878",)),
}

_TENSORS = {
    "gguf.tensor.none": Check("a file without weights"),
    "gguf.tensor.name_length": Check("a tensor without a name or with one of more than 64 bytes"),
    "gguf.tensor.name": Check("a tensor's name with anything but printable ASCII"),
    "gguf.tensor.duplicate": Check("one tensor twice", hint=NOT_OURS),
    "gguf.tensor.dimensions": Check("a tensor of no dimension or of more than 4"),
    "gguf.tensor.shape": Check("a tensor with a dimension of zero", cves=("CVE-2024-8063",)),
    "gguf.tensor.wide": Check(
        "a tensor with a dimension over 2,147,483,647, which 32-bit counters cut short", cves=("CVE-2026-53923",)
    ),
    "gguf.tensor.overflow": Check(
        "a tensor whose size passes 63 bits", cves=("CVE-2025-53630", "CVE-2026-27940", "CVE-2026-33298")
    ),
    "gguf.tensor.total": Check(
        "tensors whose sizes together pass 63 bits", cves=("CVE-2025-53630", "CVE-2026-27940", "CVE-2026-33298")
    ),
    "gguf.tensor.type": Check("a tensor of a type that was removed from the format or never was"),
    "gguf.tensor.type_new": _open_question("a tensor of a type newer than this table", "Update Freehold."),
    "gguf.tensor.rows": Check("a tensor whose rows are not whole blocks of its type"),
    "gguf.tensor.alignment": Check("a tensor at a place that is not aligned"),
    "gguf.tensor.outside": Check(
        "tensors beyond the end of the file", cves=("CVE-2024-39720", "CVE-2025-66959", "CVE-2026-7482")
    ),
    "gguf.tensor.overlap": Check("a tensor inside another one", hint=NOT_OURS),
    "gguf.tensor.gap": Check("bytes between two tensors that belong to none", "review", NOT_OURS),
    "gguf.tensor.padding": Check("anything but zeros where the file is only filled up", "review", NOT_OURS),
    "gguf.layout.alignment": Check("an alignment that is no power of two from 8 to 1 MiB", hint=CONVERT),
    "gguf.layout.trailing": Check("bytes after the last tensor", "review", NOT_OURS),
    "gguf.layout.archive": Check("a zip archive in the same bytes", hint=NOT_OURS),
}

_ARCHITECTURE = {
    "gguf.arch.missing": Check("a file that does not say its architecture", cves=("CVE-2025-0312",)),
    "gguf.arch.name": Check("an architecture with anything but letters, digits and hyphens in its name"),
    "gguf.arch.blocks": Check("a number of layers that is not 1 to 512"),
    "gguf.arch.block_number": Check("a tensor of a layer the model does not have", cves=("CVE-2025-0315",)),
    "gguf.arch.layer_array": Check("a list by layer whose length is not the number of layers"),
    "gguf.arch.size": Check("a width of zero or beyond any model"),
    "gguf.arch.heads": Check("no attention heads where there is attention", cves=("CVE-2024-8063", "CVE-2025-0317")),
    "gguf.arch.head_size": Check("heads that do not divide the width, with no head size stated"),
    "gguf.arch.kv_heads": Check("key-value heads that do not divide the heads", cves=("CVE-2024-8063",)),
    "gguf.arch.embedding": Check("a token embedding of another width than the model"),
    "gguf.arch.vocabulary": Check("a token embedding with another number of rows than there are tokens"),
    "gguf.arch.vocab_size": Check("a stated vocabulary size that is not the number of tokens", "review", CONVERT),
    "gguf.arch.rope": Check("rotary dimensions that are odd or more than a head has", hint=CONVERT),
    "gguf.arch.number": Check("a setting of the model that is infinite, not a number, or below zero", hint=CONVERT),
    "gguf.arch.experts": Check("more experts used than there are, none used, or more than 4,096", hint=CONVERT),
    "gguf.arch.context": Check("a context length of zero or over 2,147,483,647", hint=CONVERT),
}

_TOKENIZER = {
    "gguf.tokenizer.types": Check("a token table, score list or type list of the wrong type"),
    "gguf.tokenizer.lengths": Check("scores or token types in another number than tokens"),
    "gguf.tokenizer.token_type": Check("a token type that is not 0 to 6", "review", CONVERT),
    "gguf.tokenizer.duplicate": Check("a token twice, which keeps some runtimes from loading it", "review", CONVERT),
    "gguf.tokenizer.token_length": Check("a token of more than 64 KiB", cves=("CVE-2025-49847",)),
    "gguf.tokenizer.byte_token": Check("a byte token that is not <0x, two hexadecimal digits and >", hint=NOT_OURS),
    "gguf.tokenizer.special": Check("a special token outside the token table", "review", CONVERT),
    "gguf.tokenizer.merges": Check("a merge that is not two parts with a space between", "review", CONVERT),
    "gguf.tokenizer.utf8": Check("a token or merge that is not UTF-8", "review", CONVERT),
    "gguf.tokenizer.charsmap": Check("a character map that says it is longer than it is"),
}

_SPLITS = {
    "gguf.split.number": Check("a piece whose number is not below the number of pieces"),
    "gguf.split.name": Check("a piece whose file name says another number", hint="Give the file its own name again."),
    "gguf.split.missing": _open_question("a build of which pieces are missing", "Pull all files of the build."),
    "gguf.split.twice": Check("the same piece twice"),
    "gguf.split.total": Check("pieces that do not hold the number of tensors they say"),
    "gguf.split.architecture": Check("pieces of different architectures", hint=NOT_OURS),
    "gguf.split.tensor": Check("one tensor in two pieces", hint=NOT_OURS),
}

CHECKS: Mapping[str, Check] = MappingProxyType({**_HEADER, **_TENSORS, **_ARCHITECTURE, **_TOKENIZER, **_SPLITS})

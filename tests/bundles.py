"""Bundles for tests: made of small builds, taken apart and put together again in hostile ways."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from freehold.catalog import Catalog
from freehold.store.bundles import unaided
from freehold.store.bundles.making import Made, make
from freehold.store.bundles.opening import Opened, open_bundle
from freehold.store.store import Store
from tests.recorder import Recorder

Members = list[tuple[str, bytes]]


def made(store: Store, out: Path, *names: str) -> Made:
    """A bundle of these builds of `store`, without wheels; of all, where none is named."""
    builds = [build for build in store.builds() if not names or build.name in names]
    return make(builds, None, out, store=store, progress=Recorder())


def opened(store: Store, path: Path, **options: Any) -> Opened:
    return open_bundle(path, store=store, catalog=Catalog([]), progress=Recorder(), **options)


def taken_apart(path: Path) -> tuple[dict[str, Any], Members]:
    """The envelope of a bundle, and every other member with its content."""
    with tarfile.open(path) as tar:
        members = [(info.name, _content(tar, info)) for info in tar]
    return json.loads(members[0][1]), members[1:]


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(info)
    assert file is not None
    return file.read()


def put_together(
    path: Path, manifest: dict[str, Any], members: Members, envelope: dict[str, Any] | None = None
) -> Path:
    """A bundle of `members` whose manifest names them as they are, as somebody makes who writes new hashes;
    signature and key are those of `envelope`."""
    manifest = manifest | {
        "members": [
            {"path": name, "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in members
        ]
    }
    said = envelope or {}
    first = unaided.envelope(manifest, said.get("signature"), said.get("public_key"))
    path.write_bytes(b"".join(_block(name, data) for name, data in [(unaided.MANIFEST, first), *members]) + unaided.END)
    return path


def _block(name: str, data: bytes) -> bytes:
    return unaided.header(name, len(data)) + data + unaided.padding(len(data))


def changed(path: Path, member: str, change: Callable[[tarfile.TarInfo], None], data: bytes = b"") -> Path:
    """The bundle with the header of one member rewritten, and its content left as it is or replaced."""
    raw = path.read_bytes()
    at, info = _header_at(path, member)
    change(info)
    path.write_bytes(raw[:at] + info.tobuf(tarfile.GNU_FORMAT) + raw[at + 512 :] + data)
    return path


def flipped(path: Path, at: int, bit: int = 1) -> Path:
    raw = bytearray(path.read_bytes())
    raw[at] ^= bit
    path.write_bytes(raw)
    return path


def content_at(path: Path, member: str) -> int:
    """Where the content of a member begins."""
    with tarfile.open(path) as tar:
        return tar.getmember(member).offset_data


def _header_at(path: Path, member: str) -> tuple[int, tarfile.TarInfo]:
    with tarfile.open(path) as tar:
        info = tar.getmember(member)
        return info.offset, tarfile.TarInfo.frombuf(
            path.read_bytes()[info.offset : info.offset + 512], "utf-8", "strict"
        )


def extra(path: Path, name: str, data: bytes = b"#!/bin/sh\n") -> Path:
    """The bundle with one more member behind the last."""
    raw = path.read_bytes().removesuffix(unaided.END)
    path.write_bytes(raw + _block(name, data) + unaided.END)
    return path

"""One hostile folder for each check of what is neither GGUF nor safetensors nor a chat template."""

from __future__ import annotations

import io
import json
import os
import pickle
import stat
import struct
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.hostile.folders import Folder
from tests.hostile.gguf_files import sound
from tests.hostile.safetensors_files import safetensors


class Runs:
    """A pickle that calls a function when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("the pickle ran",)


PICKLE = pickle.dumps(Runs())
OLD_PICKLE = pickle.dumps(Runs(), protocol=0)


def zipped(members: Mapping[str, bytes], before: bytes = b"") -> bytes:
    file = io.BytesIO()
    file.write(before)
    with zipfile.ZipFile(file, "a") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def zip_link() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        member = zipfile.ZipInfo("link")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    return file.getvalue()


def tarred(*names: str, link: str | None = None) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            if link is not None:
                member.type, member.linkname = tarfile.SYMTYPE, link
            archive.addfile(member)
    return file.getvalue()


def zip64(members: Mapping[str, bytes]) -> bytes:
    """An archive whose end record leaves the place of the directory to a larger one before it."""
    plain = zipped(members)
    end = plain.rfind(b"PK\5\6")
    count, size, start = struct.unpack("<HII", plain[end + 10 : end + 20])
    return plain[:end] + zip64_end(count, size, start, size + start)


def zip64_end(count: int, size: int, start: int, at: int) -> bytes:
    large = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, at, 1)
    return large + locator + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, 0xFFFFFFFF, 0xFFFFFFFF, 0)


def in_safetensors(data: bytes) -> bytes:
    """A sound safetensors file whose one tensor is `data`."""
    return safetensors({"a": {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}}, data)


def in_safetensors_by_place() -> bytes:
    """A zip at the end of a safetensors file whose end record gives the place of its directory and not its length."""
    archive = zipped({"m/data.pkl": PICKLE})
    whole = in_safetensors(archive)
    end = whole.rfind(b"PK\5\6")
    start = len(whole) - len(archive) + struct.unpack("<I", archive[-6:-2])[0]
    return whole[: end + 12] + struct.pack("<II", 7, start) + whole[end + 20 :]


def renamed() -> bytes:
    """A member that is called another thing in the directory than at its own place."""
    archive = zipped({"a.txt": b"hello"})
    return archive[:30] + b"p.pkl" + archive[35:]


def old_tar(name: str) -> bytes:
    """A tar of before there was a magic: known by the sum over its header alone."""
    block = bytearray(tarred(name)[:512])
    block[257:265] = bytes(8)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + bytes(1024)


FIELDS = "[" + ", ".join(f"('f{number}', '<f4')" for number in range(30)) + ", ('z', 'O')]"


def numpy(descr: str) -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}".ljust(117) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + bytes(8)


def config(**more: Any) -> bytes:
    return json.dumps({"architectures": ["LlamaForCausalLM"], "model_type": "llama", **more}).encode()


def one(name: str, data: bytes, *also: str) -> Folder:
    return Folder({name: data}, also)


def _deep(folder: Path) -> None:
    inner = folder.joinpath(*["d"] * 17)
    inner.mkdir(parents=True)
    (inner / "m.gguf").write_bytes(sound())
    (folder / "m.gguf").write_bytes(sound())


def _link(folder: Path) -> None:
    (folder / "m.gguf").symlink_to("/etc/hostname")


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "model.bin")


def _closed(folder: Path) -> None:
    # A link to itself cannot be read by anyone, whoever runs the tests.
    (folder / "m.gguf").symlink_to("m.gguf")


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 4000000000\n"

HOSTILE: dict[str, Folder] = {
    "file.kind": Folder(make=_pipe),
    "file.link": Folder(make=_link),
    "file.unreadable": Folder({"README.md": b"# A model"}, make=_closed),
    "folder.bounds": Folder(make=_deep),
    "folder.empty": Folder(),
    "format.mismatch": one("m.gguf", safetensors()),
    "format.unknown": one("m.onnx", b"\x08\x07\x12\x07pytorch"),
    "format.pointer": one("m.safetensors", LFS),
    "format.polyglot": one("readme.txt", zipped({"a.txt": b"a"}, before=b"Only a text.\n" * 4)),
    "format.program": one("install", b"\x7fELF\2\1\1" + bytes(64)),
    "pickle.stream": one("pytorch_model.bin", PICKLE),
    "pickle.archive": one("model.pt", zipped({"archive/data.pkl": PICKLE, "archive/data/0": bytes(8)})),
    "pickle.numpy": one("m.npy", numpy("'|O'")),
    "format.hdf5": one("m.h5", b"\x89HDF\r\n\x1a\n" + bytes(64)),
    "format.keras": one("m.keras", zipped({"config.json": b"{}", "metadata.json": b"{}"})),
    "archive.escape": one("m.zip", zipped({"../../bin/tool": b"x"})),
    "archive.damaged": one("m.zip", b"PK\x03\x04" + bytes(200)),
    "archive.unopened": one("m.gz", b"\x1f\x8b\x08" + bytes(32)),
    "sidecar.json": one("config.json", b'{"model_type": "llama", "model_type": "other"}'),
    "sidecar.size": one("config.json", b"[" + b" " * (4 << 20) + b"]"),
    "sidecar.code": one("modeling_llama.py", b"import os\n"),
    "sidecar.auto_map": one("config.json", config(auto_map={"AutoModel": "modeling_x.Model"})),
    "sidecar.auto_map.elsewhere": one("config.json", config(auto_map={"AutoModel": "other/repo--modeling.Model"})),
    "sidecar.attention": one("config.json", config(text_config={"_attn_implementation_internal": "other/repo"})),
    "sidecar.trust": one("config.json", config(keypoint_detector_config={"trust_remote_code": True})),
    "manifest.digest": one("manifest", json.dumps({"layers": [{"digest": "sha256:../../../etc/passwd"}]}).encode()),
}

# More files, each found by the check named.
MORE: list[tuple[str, str, bytes]] = [
    ("pickle.stream", "m.safetensors", PICKLE),
    ("pickle.stream", "m.gguf", PICKLE),
    ("pickle.stream", "weights", OLD_PICKLE),
    ("sidecar.auto_map", "config.json", b'{"auto_map": {"AutoModel": "\\ud800.M"}}'),
    ("pickle.stream", "notes.txt", pickle.dumps(Runs(), protocol=2)),
    ("pickle.archive", "m.safetensors", zipped({"m/data.pkl": PICKLE})),
    ("pickle.archive", "m.gguf", tarred("pickle.pkl")),
    ("pickle.numpy", "m.npz", zipped({"a.npy": numpy("'|O'")})),
    ("pickle.numpy", "m.npy", numpy("[('a', 'O')]")),
    ("pickle.numpy", "m.npy", numpy(FIELDS)),
    ("pickle.numpy", "m.npz", zipped({"a.npy": numpy(FIELDS)})),
    ("pickle.numpy", "m.npy", numpy("'|O8'")),
    ("format.unknown", "m.npy", numpy("'\\x4f'")),
    ("format.unknown", "m.npy", numpy("(" * 5000)),
    ("pickle.stream", "x", b"\x80\x01" + b"U\x01a0" * 3000 + b"cos\nsystem\n(S'id'\ntR."),
    ("format.hdf5", "m.h5", bytes(512) + b"\x89HDF\r\n\x1a\n"),
    ("format.unknown", "m.joblib", b"x\x9c" + bytes(64)),
    ("format.polyglot", "m.safetensors", in_safetensors(zip64({"m/data.pkl": PICKLE}))),
    ("format.polyglot", "m.safetensors", in_safetensors_by_place()),
    ("archive.damaged", "m.zip", renamed()),
    ("archive.escape", "m.tar", old_tar("../x")),
    ("archive.escape", "m.bin", tarred("a")[:512] + old_tar("../x")),
    ("archive.escape", "m.zip", zip_link()),
    ("archive.escape", "m.zip", zipped({"/etc/cron.d/x": b"x"})),
    ("archive.escape", "m.zip", zipped({"..\\..\\x": b"x"})),
    ("archive.escape", "m.tar", tarred("../x")),
    ("archive.escape", "m.tar", tarred("x", link="/etc/passwd")),
    ("archive.escape", "m.tar", tarred("../" + "a" * 200)),
    ("archive.unopened", "m.tar", tarred("a/b")),
    ("format.mismatch", "m.safetensors", sound()),
    ("format.mismatch", "m.gguf", b"<!doctype html><title>Sign in</title>"),
    ("format.program", "run", b"#!/bin/sh\nrm -rf /\n"),
    ("format.keras", "m.keras", zipped({"model.weights.h5": b""})),
    ("sidecar.json", "config.json", b"{'model_type': 'llama'}"),
    ("sidecar.json", "config.json", b"\xff{}"),
    ("sidecar.json", "config.json", b"[" * 200_000),
    ("sidecar.auto_map", "tokenizer_config.json", config(auto_map={"AutoTokenizer": ["tokenization_x.T", None]})),
    ("sidecar.auto_map.elsewhere", "tokenizer_config.json", config(auto_map={"AutoTokenizer": [None, "o/r--t.T"]})),
    ("sidecar.attention", "config.json", config(attn_implementation={"text_config": "o/r:kernel"})),
    ("sidecar.code", "run.ipynb", b"{}"),
    ("manifest.digest", "manifest.json", json.dumps({"config": {"digest": "sha256-" + "0" * 64}}).encode()),
]

"""Reads and checks a bundle with Python's standard library alone. It travels in every bundle as `open.py`, so that a
machine with nothing but Python can open one; nothing of Freehold is imported here.

A bundle is a plain tar. Its first member is `manifest.json`: canonical JSON of `manifest`, `seal` (its SHA-256),
`signature` and `public_key`. The manifest names every other member in order, with size and SHA-256. Nothing in the tar
decides anything: each header must be, byte for byte, the one this module writes for the member that the manifest names
next, so there is no link, no device, no other name, no second member and no size but the named one. Whatever a file
claims, memory stays within a manifest of 16 MiB and a step of 1 MiB.

What this cannot show: who made the manifest. Only a signature can, and only with a key that came by another way; that
is looked at by `freehold bundle open`, not here.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

VERSION = 1
MANIFEST = "manifest.json"
LARGEST_MANIFEST_BYTES = 16 << 20
END = bytes(1024)
_BLOCK = 512
_STEP_BYTES = 1 << 20
_BESIDE = re.compile(r"README\.txt|open\.py|wheels/[\w.+!-]{1,200}\.whl")
_OF_BUILD = re.compile(r"builds/[0-9a-f]{64}/(?:papers/)?(?P<name>[^/]+)")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.DIRTYPE: "a folder",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}


class RefusedError(Exception):
    """What is wrong with a bundle: the rest of a sentence that begins with the name of its file."""


class Kind(NamedTuple):
    """A kind of file that is laid out so: what it calls itself, and which members it may have. No path that `is_path`
    takes may lead out of the folder that the members are unpacked in."""

    word: str
    is_path: Callable[[str], bool]


class Member(NamedTuple):
    """One member, as the manifest names it."""

    path: str
    size_bytes: int
    sha256: str


class Manifest(NamedTuple):
    """What a bundle says of itself. `sealed` is the text that the seal and a signature are of."""

    data: dict[str, Any]
    members: tuple[Member, ...]
    sealed: str
    seal: str
    signature: dict[str, Any] | None
    public_key: str | None


class Bundle:
    """A bundle that is read once, from its beginning. Raises RefusedError."""

    def __init__(self, file: IO[bytes], kind: Kind | None = None) -> None:
        self._file = file
        self._kind = kind or BUNDLE
        self.manifest = self._read_manifest()

    def members(self) -> Iterator[tuple[Member, Iterator[bytes]]]:
        """Every member in order, with its bytes, which are hashed as they are read; what is not taken is read, too."""
        for member in self.manifest.members:
            expected = header(member.path, member.size_bytes)
            found = self._file.read(len(expected))
            if found != expected:
                raise RefusedError(_strange(found, member, self._kind.word))
            chunks = self._content(member)
            yield member, chunks
            for _ in chunks:
                pass
        self._refuse_more()

    def _content(self, member: Member) -> Iterator[bytes]:
        digest, left = hashlib.sha256(), member.size_bytes
        while left:
            chunk = self._file.read(min(left, _STEP_BYTES))
            if not chunk:
                raise RefusedError(f"ends in the middle of {member.path}.")
            digest.update(chunk)
            left -= len(chunk)
            yield chunk
        if self._file.read(_padding(member.size_bytes)).strip(b"\0"):
            raise RefusedError(f"has bytes after {member.path} that belong to no member.")
        if digest.hexdigest() != member.sha256:
            raise RefusedError(
                f"was changed: {_what(member.path)} {member.path} has sha256 {digest.hexdigest()}, "
                f"and its manifest names {member.sha256}."
            )

    def _read_manifest(self) -> Manifest:
        size_bytes = self._manifest_bytes()
        raw = self._file.read(size_bytes)
        if len(raw) < size_bytes:
            raise RefusedError(f"ends in the middle of {MANIFEST}.")
        if self._file.read(_padding(size_bytes)).strip(b"\0"):
            raise RefusedError(f"has bytes after {MANIFEST} that belong to no member.")
        manifest = _manifest(raw, self._kind)
        self._refuse_short(manifest, size_bytes)
        return manifest

    def _manifest_bytes(self) -> int:
        first = self._file.read(_BLOCK)
        try:
            info = tarfile.TarInfo.frombuf(first, "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            raise RefusedError(f"is no {self._kind.word}: it is not a tar.") from None
        if info.name != MANIFEST or not info.isreg():
            raise RefusedError(f"is no {self._kind.word}: it begins with {info.name!r} and not with {MANIFEST}.")
        if not 0 <= info.size <= LARGEST_MANIFEST_BYTES:
            raise RefusedError(
                f"claims a manifest of {info.size:,} bytes; none has more than {LARGEST_MANIFEST_BYTES:,}."
            )
        if first != header(MANIFEST, info.size):
            raise RefusedError(f"describes its {MANIFEST} in another way than a {self._kind.word} does.")
        return info.size

    def _refuse_short(self, manifest: Manifest, manifest_bytes: int) -> None:
        named = span(MANIFEST, manifest_bytes) + len(END)
        named += sum(span(member.path, member.size_bytes) for member in manifest.members)
        found = os.fstat(self._file.fileno()).st_size
        if found < named:
            raise RefusedError(f"was cut off: it has {found:,} bytes, and its manifest names {named:,}.")

    def _refuse_more(self) -> None:
        rest = self._file.read(len(END))
        if rest == END and not self._file.read(1):
            return
        try:
            name = tarfile.TarInfo.frombuf(rest[:_BLOCK], "utf-8", "surrogateescape").name
        except tarfile.HeaderError:
            raise RefusedError("goes on after everything that its manifest names.") from None
        raise RefusedError(f"has a member that its manifest does not name: {name!r}.")


def header(path: str, size_bytes: int) -> bytes:
    """The only header a bundle has for a member: no owner, no time, readable by all."""
    info = tarfile.TarInfo(path)
    info.size = size_bytes
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict")


def span(path: str, size_bytes: int) -> int:
    """The bytes a member takes in the file."""
    return len(header(path, size_bytes)) + size_bytes + _padding(size_bytes)


def padding(size_bytes: int) -> bytes:
    """What follows the content of a member, up to the next block."""
    return bytes(_padding(size_bytes))


def canonical(value: object) -> str:
    """The one form of a manifest (RFC 8785 for what it has: text, whole numbers, lists, objects with ASCII keys)."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)


def envelope(manifest: dict[str, Any], signature: dict[str, Any] | None, public_key: str | None) -> bytes:
    """The bytes of `manifest.json`."""
    seal = hashlib.sha256(canonical(manifest).encode()).hexdigest()
    whole = {"manifest": manifest, "seal": seal, "signature": signature, "public_key": public_key}
    return (canonical(whole) + "\n").encode()


def _manifest(raw: bytes, kind: Kind) -> Manifest:
    try:
        whole = json.loads(raw)
        if raw != (canonical(whole) + "\n").encode():
            raise RefusedError("was changed: its manifest is not laid out as it was written.")
        if whole.keys() != {"manifest", "seal", "signature", "public_key"}:
            raise ValueError(f"it has {', '.join(sorted(whole))}")
        data, seal, signature, public_key = (whole[name] for name in ("manifest", "seal", "signature", "public_key"))
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise RefusedError(f"was changed: its manifest cannot be read ({error}).") from error
    sealed = canonical(data)
    found = hashlib.sha256(sealed.encode()).hexdigest()
    if found != seal:
        raise RefusedError(f"was changed: its manifest has sha256 {found}, and {seal} was sealed.")
    fields = data if isinstance(data, dict) else {}
    called = fields.get("kind", BUNDLE.word)
    if called != kind.word:
        raise RefusedError(f"is no {kind.word} but something that calls itself {str(called)[:20]!r}.")
    if fields.get("version") != VERSION:
        raise RefusedError(
            f"is a {kind.word} of version {fields.get('version')!r}; this program reads version {VERSION}."
        )
    signature = signature if isinstance(signature, dict) else None
    public_key = public_key if isinstance(public_key, str) else None
    return Manifest(fields, _members(fields.get("members"), kind), sealed, found, signature, public_key)


def _members(listed: object, kind: Kind) -> tuple[Member, ...]:
    members, seen = [], set()
    for each in listed if isinstance(listed, list) else []:
        member = _member(each, kind)
        if member.path.casefold() in seen:
            raise RefusedError(f"names {member.path} twice.")
        seen.add(member.path.casefold())
        members.append(member)
    if not members:
        raise RefusedError("names no members.")
    return tuple(members)


def _member(data: object, kind: Kind) -> Member:
    fields = data if isinstance(data, dict) else {}
    path, size_bytes, sha256 = (fields.get(name) for name in ("path", "size_bytes", "sha256"))
    if not isinstance(path, str) or not kind.is_path(path):
        raise RefusedError(f"names {path!r}, and no {kind.word} has such a member.")
    if type(size_bytes) is not int or not 0 <= size_bytes < 1 << 60:
        raise RefusedError(f"says that {path} has {size_bytes!r} bytes.")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise RefusedError(f"says that {path} has the sha256 {sha256!r}.")
    return Member(path, size_bytes, sha256)


def _is_path(path: str) -> bool:
    """True for the few paths that members of a bundle have; none leads out of the folder it is unpacked in."""
    found = _OF_BUILD.fullmatch(path)
    if found is None:
        return _BESIDE.fullmatch(path) is not None
    name = found["name"]
    return name.isprintable() and name not in {".", "..", "papers"} and "\\" not in name and len(name.encode()) <= 255


BUNDLE = Kind("bundle", _is_path)


def _strange(found: bytes, member: Member, word: str) -> str:
    """What stands where the header of `member` should."""
    try:
        info = tarfile.TarInfo.frombuf(found[:_BLOCK], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return f"is damaged where {member.path} should begin."
    if info.type in _KINDS:
        return f"holds {_KINDS[info.type]}, {info.name!r}, where its manifest names {member.path}."
    if info.name != member.path:
        return f"holds {info.name!r} where its manifest names {member.path}."
    if info.size != member.size_bytes:
        return f"says that {member.path} has {info.size:,} bytes; its manifest names {member.size_bytes:,}."
    return f"describes {member.path} in another way than a {word} does."


def _what(path: str) -> str:
    if path.endswith("/deed.json"):
        return "the deed"
    if "/papers/" in path:
        return "the license text"
    if path.startswith("wheels/"):
        return "the wheel"
    return "the weight file" if path.startswith("builds/") else "the file"


def _padding(size_bytes: int) -> int:
    return -size_bytes % _BLOCK


def main(arguments: list[str] | None = None) -> int:
    """Check a bundle, install its wheels into a virtual environment, and let Freehold take in its builds."""
    parser = argparse.ArgumentParser(prog="open.py", description=main.__doc__)
    parser.add_argument("bundle", type=Path, help="the bundle this program came in")
    parser.add_argument("--into", type=Path, default=Path("freehold-venv"), help="the environment (freehold-venv)")
    parser.add_argument("rest", nargs="*", help="options for `freehold bundle open`, after --")
    given = parser.parse_args(arguments)
    try:
        command = _install(given.bundle, given.into)
    except RefusedError as refused:
        sys.stderr.write(f"{given.bundle} {refused}\n")
        return 3
    except OSError as error:
        sys.stderr.write(f"{error.filename or given.bundle}: {error.strerror}.\n")
        return 3
    except subprocess.CalledProcessError as failed:
        sys.stderr.write(f"{' '.join(map(str, failed.cmd[:4]))} ... ended with {failed.returncode}.\n")
        return 3
    _say(f"Taking in what it carries: {command} bundle open {given.bundle} ...")
    done = subprocess.run([command, "bundle", "open", str(given.bundle), *given.rest], check=False)
    sys.stderr.write(f"Freehold is {command}\n")
    return done.returncode


def _install(path: Path, into: Path) -> Path:
    """Put the wheels of a bundle, every member of it checked first, into an environment; its `freehold`."""
    with path.open("rb") as file, tempfile.TemporaryDirectory() as folder:
        bundle = Bundle(file)
        _require_python(bundle.manifest.data.get("wheels"))
        wheels = []
        _say(f"Checking every byte of {path} ...")
        for member, chunks in bundle.members():
            if member.path.startswith("wheels/"):
                wheels.append(Path(folder) / member.path.partition("/")[2])
                with wheels[-1].open("wb") as out:
                    out.writelines(chunks)
        _say(f"Making a Python environment, {into} ...")
        subprocess.run([sys.executable, "-m", "venv", str(into)], check=True)
        _say(f"Installing Freehold and what it needs into it, {len(wheels)} wheels, with no network ...")
        pip = [str(into / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        subprocess.run([*pip, "--no-index", "--no-deps", *map(str, wheels)], check=True)
    return into.resolve() / "bin" / "freehold"


def _say(step: str) -> None:
    """Steps of seconds to a minute begin here, each of which would else pass in silence."""
    sys.stderr.write(f"{step}\n")
    sys.stderr.flush()


def _require_python(wheels: object) -> None:
    if not isinstance(wheels, dict):
        raise RefusedError("has no wheels. Install Freehold in another way, then: freehold bundle open FILE")
    here = {"python": f"{sys.version_info[0]}.{sys.version_info[1]}", "platform": sysconfig.get_platform()}
    if any(wheels.get(name) != value for name, value in here.items()):
        raise RefusedError(
            f"has wheels for Python {wheels.get('python')} on {wheels.get('platform')}; "
            f"this is Python {here['python']} on {here['platform']}."
        )


if __name__ == "__main__":
    sys.exit(main())

"""Names for builds, digests for split ones, and how references are written down. Pure."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from freehold.core.builds import WeightFacts
from freehold.core.errors import CallError
from freehold.core.refs import FileRef, ModelRef, Reference, WebRef, parse

_SPLIT = re.compile(r"-(\d{5})-of-(\d{5})(?=\.[^.]+$|$)")


def digest_of(sha256s: Sequence[str]) -> str:
    """The digest of a build: its file's hash; for several files, the hash of their hashes, one per line."""
    if len(sha256s) == 1:
        return f"sha256:{sha256s[0]}"
    return "sha256:" + hashlib.sha256("\n".join(sha256s).encode()).hexdigest()


def name_from_file(file: str, facts: WeightFacts) -> str:
    """`model:tag` from a file's name and its quantization: `SmolLM2-135M.Q4_1.gguf` is `smollm2-135m:q4_1`."""
    tag = _legal(facts.quantization or facts.format)
    stem = _legal(_SPLIT.sub("", file).removesuffix(".gguf"))
    return f"{_legal(re.sub(rf'[-_.]{re.escape(tag)}$', '', stem))}:{tag}"


def may_be_named(file: str, ref: ModelRef) -> bool:
    """Whether a build may have got the name `ref` from `file`, one of its files. Its header is not read: where its name
    speaks of no quantization, every tag may be meant."""
    from freehold.store.sources.gguf_names import quantization  # its patterns are needed for a deed that cannot be read

    found = quantization(file)
    tag = _legal(found) if found else None
    stem = _legal(_SPLIT.sub("", file).removesuffix(".gguf"))
    model = stem if tag is None else re.sub(rf"[-_.]{re.escape(tag)}$", "", stem)
    return ref.model == model and (tag is None or ref.tag in {None, tag})


def legal_name(suggested: str, facts: WeightFacts) -> str:
    """A name that a source suggests, brought into the form of names."""
    model, _, tag = suggested.partition(":")
    return f"{_legal(model)}:{_legal(tag or facts.quantization or facts.format)}"


def chosen_name(text: str, facts: WeightFacts) -> str:
    """The name a person chose, as `model:tag`. Raises CallError for what is not one."""
    ref = parse(text)
    if not isinstance(ref, ModelRef):
        raise CallError(f"{text!r} is not a name for a build.", hint="Write one like my-model:q4_k_m.")
    return f"{ref.model}:{ref.tag or _legal(facts.quantization or facts.format)}"


def displaced_name(name: str, digest: str) -> str:
    """What a build is called once another one has taken its name."""
    return f"{name}-{digest.removeprefix('sha256:')[:8]}"


def written(ref: Reference) -> str:
    """`ref` as deeds record it: a file by its absolute path, an address without user and password."""
    if isinstance(ref, FileRef):
        return f"file:{absolute(ref)}"
    if isinstance(ref, WebRef):
        return str(WebRef(public_url(ref.url), ref.sha256))
    return str(ref)


def absolute(ref: FileRef) -> Path:
    """The path that `ref` means now: `~` expanded, relative to the working folder, symbolic links left as they are."""
    return Path(os.path.abspath(Path(ref.path).expanduser()))  # noqa: PTH100 -- resolve() would follow links


def public_url(url: str) -> str:
    """`url` without user and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def split_names(file: str) -> tuple[str, ...]:
    """The names of all files of the split build that `file` belongs to, or `file` alone (gguf-split's convention)."""
    match = _SPLIT.search(file)
    count = int(match[2]) if match else 0
    if match is None or not 1 <= int(match[1]) <= count <= 1000:
        return (file,)
    before, after = file[: match.start()], file[match.end() :]
    return tuple(f"{before}-{number:05}-of-{count:05}{after}" for number in range(1, count + 1))


def is_file_name(name: str) -> bool:
    """True for a plain name that can stand in a build's folder."""
    return bool(re.fullmatch(r"[\w][\w.+=@ ~()\[\],-]{0,199}", name)) and name not in {"deed.json", "papers"}


def _legal(text: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("._-") or "model"

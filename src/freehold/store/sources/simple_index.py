"""Reads one project's page of a package index: PEP 691 JSON, and PEP 503 HTML where an index has only that.

Pure: text in, files out. Source archives and names that are not wheels are left out, and so is a link to anything
but http, https and file, or to no address at all. A page that is neither form is an error; an index that names no
hash is not, but its files say `sha256=None`. What a page says is not believed further than that: the archive itself
is checked later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
# What a distribution's file may end in: wheels, source archives, and the forms before them.
_FILE = re.compile(r"\.(whl|zip|egg|exe|rpm|deb|msi|dmg|tgz|tar(\.(gz|bz2|xz|z|lzma|zst))?)$", re.IGNORECASE)
# The headings of the lists that index programs and file servers write: no other page has them where it has no file.
_LIST = re.compile(r"\s*(simple index|links for|index of|directory listing)\b", re.IGNORECASE)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)


class NotAnIndexPageError(ValueError):
    """The text is no page of a simple index."""


class NotAnIndexError(NotAnIndexPageError):
    """The text is a page, and another one than an index has: it links to no file and does not look like a list."""


class NoFilesError(ValueError):
    """The page is one of an index, and lists no files at all."""


@dataclass(frozen=True, slots=True)
class WheelLink:
    """One wheel that an index offers. `index` is the index's address without credentials.

    `universal` is True for a wheel that fits every machine. None where the index does not say.
    """

    project: str
    version: Version
    filename: str
    url: str
    index: str
    sha256: str | None = None
    size_bytes: int | None = None
    yanked: bool = False
    universal: bool = True


def parse_page(text: str, content_type: str, *, url: str, index: str) -> tuple[WheelLink, ...]:
    """The wheels on a page that came from `url`. Raises NotAnIndexPageError, NoFilesError."""
    if "json" in content_type.partition(";")[0].lower():
        return _from_json(text, url=url, index=index)
    return _from_html(text, url=url, index=index)


def link(url: str, *, index: str, filename: str | None = None, **facts: Any) -> WheelLink | None:
    """The wheel that `url` names, its hash taken from the fragment; None for anything that is not a wheel."""
    try:
        address, fragment = urldefrag(url)
        parts = urlsplit(address)
    except ValueError:
        return None
    name = filename or unquote(parts.path.rpartition("/")[2])
    if parts.scheme not in {"http", "https", "file"} or "/" in name or "\\" in name:
        return None
    try:
        project, version, _, tags = parse_wheel_filename(name)
    except InvalidWheelFilename:
        return None
    algorithm, _, digest = fragment.partition("=")
    facts.setdefault("sha256", _sha256(digest) if algorithm == "sha256" else None)
    universal = any(tag.platform == "any" and tag.abi == "none" for tag in tags)
    return WheelLink(project, version, name, address, index, universal=universal, **facts)


def _sha256(value: Any) -> str | None:
    return value.lower() if isinstance(value, str) and _SHA256.fullmatch(value) else None


def _from_json(text: str, *, url: str, index: str) -> tuple[WheelLink, ...]:
    try:
        page = json.loads(text)
    except ValueError as error:
        raise NotAnIndexPageError(f"it is not JSON: {error}") from error
    files = page.get("files") if isinstance(page, dict) else None
    if not isinstance(files, list):
        raise NotAnIndexPageError("it is JSON without a list of files")
    if not files:
        raise NoFilesError
    found = (_json_link(file, url=url, index=index) for file in files if isinstance(file, dict))
    return tuple(item for item in found if item is not None)


def _json_link(file: Mapping[str, Any], *, url: str, index: str) -> WheelLink | None:
    hashes, size = file.get("hashes"), file.get("size")
    if not isinstance(file.get("url"), str) or not isinstance(file.get("filename"), str):
        return None
    return link(
        _joined(url, file["url"]),
        index=index,
        filename=file["filename"],
        sha256=_sha256(hashes.get("sha256")) if isinstance(hashes, dict) else None,
        size_bytes=size if isinstance(size, int) and not isinstance(size, bool) and size > 0 else None,
        yanked=file.get("yanked", False) is not False,
    )


class _Anchors(HTMLParser):
    """Collects the attributes of every link, and the base that relative ones start from."""

    def __init__(self) -> None:
        super().__init__()
        self.base: str | None = None
        self.anchors: list[dict[str, str | None]] = []
        self.tags = 0
        self.is_list = False
        self._heading = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags += 1
        if tag == "a":
            self.anchors.append(dict(attrs))
        elif tag == "meta" and dict(attrs).get("name") == "pypi:repository-version":
            self.is_list = True
        elif tag == "base" and self.base is None:
            self.base = dict(attrs).get("href")
        self._heading = tag in {"title", "h1"}

    def handle_data(self, data: str) -> None:
        self.is_list = self.is_list or (self._heading and bool(_LIST.match(data)))


def _from_html(text: str, *, url: str, index: str) -> tuple[WheelLink, ...]:
    parser = _Anchors()
    parser.feed(text)
    parser.close()
    if not parser.tags:
        raise NotAnIndexPageError("it is neither JSON nor HTML")
    base = _joined(url, parser.base or "") or url
    found = []
    for anchor in parser.anchors:
        target = anchor.get("href")
        if target:
            found.append(link(_joined(base, target.strip()), index=index, yanked="data-yanked" in anchor))
    if not any(_is_file(anchor.get("href")) for anchor in parser.anchors):
        if parser.is_list:
            raise NoFilesError
        raise NotAnIndexError("it links to no file")
    return tuple(item for item in found if item is not None)


def _is_file(target: str | None) -> bool:
    return bool(_FILE.search(re.split("[?#]", (target or "").strip(), maxsplit=1)[0]))


def _joined(base: str, target: str) -> str:
    """`target` as seen from `base`; empty where it is no address, such as `http://[::bad/`."""
    try:
        return urljoin(base, target)
    except ValueError:
        return ""

"""Which wheels to look into, and in which order. Pure.

Newest version first; yanked files and pre-releases only where their version was asked for by name, as pip does. What
the wheel requires of Python or of other projects plays no part: nothing is installed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.message import Message

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from freehold.core.errors import BadReferenceError, NotFoundError
from freehold.core.refs import PypiRef
from freehold.store.sources.simple_index import WheelLink

MAX_PARTS = 256


@dataclass(frozen=True, slots=True)
class Pin:
    """A project at one exact version."""

    project: str
    version: Version


def candidates(links: Sequence[WheelLink], ref: PypiRef) -> tuple[WheelLink, ...]:
    """The wheels that `ref` may mean, best first; one per file name, with a hash if any index names one.

    Raises NotFoundError naming what is there, BadReferenceError for a version that is none.
    """
    wanted = _version(ref)
    allowed = [link for link in links if _allowed(link, wanted)]
    if not allowed:
        raise _nothing(links, ref)
    unique: dict[str, WheelLink] = {}
    for link in sorted(allowed, key=lambda link: link.sha256 is None):
        unique.setdefault(link.filename, link)
    return tuple(sorted(unique.values(), key=lambda link: (link.version, link.universal), reverse=True))


def pinned_parts(metadata: Message, project: str) -> tuple[Pin, ...]:
    """The projects that carry parts of `project`: named after it, and required at one exact version.

    At most MAX_PARTS; other requirements are code, which nobody asked for, and are left out.
    """
    pins = (_pin(text, project) for text in metadata.get_all("Requires-Dist", []))
    found = dict.fromkeys(pin for pin in pins if pin is not None)
    return tuple(sorted(found, key=lambda pin: (trailing_number(pin.project) or 0, pin.project)))[:MAX_PARTS]


def trailing_number(project: str) -> int | None:
    """The number at the end of a project's name: 3 for `model-gguf-part3`."""
    match = re.search(r"(\d{1,5})$", project)
    return int(match[1]) if match else None


def _pin(text: str, project: str) -> Pin | None:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return None
    name, specifiers = canonicalize_name(requirement.name), list(requirement.specifier)
    if not name.startswith(f"{project}-") or len(specifiers) != 1 or specifiers[0].operator != "==":
        return None
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return None
    try:
        return Pin(name, Version(specifiers[0].version))
    except InvalidVersion:
        return None


def _version(ref: PypiRef) -> Version | None:
    if ref.version is None:
        return None
    try:
        return Version(ref.version)
    except InvalidVersion as error:
        raise BadReferenceError(
            f"{ref.version!r} in {ref} is not a version.", hint=f"Write one like pypi:{ref.project}==1.2.0."
        ) from error


def _allowed(link: WheelLink, wanted: Version | None) -> bool:
    if wanted is not None:
        return link.version == wanted
    return not link.yanked and not link.version.is_prerelease


def _nothing(links: Iterable[WheelLink], ref: PypiRef) -> NotFoundError:
    versions = [str(version) for version in sorted({link.version for link in links}, reverse=True)]
    if not versions:
        return NotFoundError("wheel", str(ref), hint=f"No wheel of the project {ref.project} was found.")
    named = f"pypi:{ref.project}=={versions[0]}"
    why = "" if ref.version else " Those there are yanked or pre-releases, which are taken only when named."
    return NotFoundError(
        "version", str(ref), nearest=tuple(versions[:5]), hint=f"{why} Name one: `freehold pull {named}`.".strip()
    )

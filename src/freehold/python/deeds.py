"""What a house knows of its deeds: one read by name or from a file, its parts looked at, two compared, one signed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freehold.core.errors import DeedError, DeedUnreadableError, NotFoundError
from freehold.core.refs import parse
from freehold.python.held import store
from freehold.store.deeds.check import Part, Verdict, check, verdict
from freehold.store.deeds.diff import Difference, differences
from freehold.store.deeds.document import document, read_deed
from freehold.store.deeds.record import Deed
from freehold.store.deeds.signing import Keys, SignatureState


@dataclass(frozen=True, slots=True)
class Found:
    """A deed, and what it is called here. `folder` is its build's, None for a deed in a file of its own."""

    called: str
    deed: Deed
    folder: Path | None

    @property
    def document(self) -> dict[str, Any]:
        """The deed as its file holds it."""
        return document(self.deed)


@dataclass(frozen=True, slots=True)
class Checked:
    """Every part of one deed, and what follows."""

    called: str
    parts: tuple[Part, ...]

    @property
    def verdict(self) -> Verdict:
        return verdict(self.parts)


def find(text: str) -> Found:
    """The deed of a held build, or the one in a `.json` file. Raises NotFoundError, BadReferenceError, DeedError."""
    if text.endswith(".json"):
        path = Path(text).expanduser()
        if not path.exists():
            raise NotFoundError("file", text)
        return Found(text, read_deed(path, exactly=False), None)
    house = store()
    build = house.peek(parse(text))
    return Found(build.name, house.deed(build), house.layout.build(build.digest))


def look(text: str) -> Checked:
    """Every part of a deed, all files hashed. A deed that cannot be read is a part that is wrong, one that
    this account may not read is undecided."""
    try:
        found = find(text)
    except DeedUnreadableError as error:
        return Checked(text, (Part("deed", "undecided", f"{error.message} {error.hint}".removesuffix(".")),))
    except DeedError as error:
        return Checked(text, (Part("deed", "wrong", error.message.removesuffix(".")),))
    return Checked(found.called, check(found.deed, keys(), found.folder))


def compare(before: Found, after: Found) -> tuple[Difference, ...]:
    """What changed from one deed to the other."""
    return differences(before.deed, after.deed)


def sign(texts: Iterable[str]) -> list[Found]:
    """Sign the deeds of held builds, every file hashed first; the signed ones. Stops at the first that cannot be."""
    house = store()
    signed = []
    for text in texts:
        deed = house.sign(parse(text))
        signed.append(Found(deed.names[0], deed, house.layout.build(deed.digest)))
    return signed


def unsigned() -> list[str]:
    """Names of the held builds whose deeds nobody has signed."""
    return _in_state("missing")


def otherwise_signed() -> list[str]:
    """Names of the held builds whose deeds bear a signature that this house does not know or that is wrong."""
    return _in_state("unknown key", "wrong")


def _in_state(*states: SignatureState) -> list[str]:
    house = store()
    return [build.name for build in house.builds() if house.keys.state(house.deed(build)) in states]


def keys() -> Keys:
    """The keys of the house that these settings and this environment mean."""
    return store().keys

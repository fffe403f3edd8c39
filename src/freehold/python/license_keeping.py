"""Keeps a license text beside a held build: the text that a house accepted, where none came with the weights.

The text is held to our records: it must be, word for word, the license of the build or of a base that binds it, or the
list of uses that goes with one. What is none of that is kept only where somebody says so, and the deed says it too.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from freehold.catalog import Catalog
from freehold.catalog.licenses.record import License
from freehold.catalog.licenses.shelf import Licenses
from freehold.core.builds import HeldBuild
from freehold.core.errors import CallError
from freehold.core.refs import parse
from freehold.core.settings import Settings
from freehold.permits import Permits
from freehold.store.deeds.record import Deed, TextFile
from freehold.store.license_texts import MAX_TEXT_BYTES
from freehold.store.naming import is_file_name
from freehold.store.opened import open_regular
from freehold.store.store import Store


@dataclass(frozen=True, slots=True)
class Kept:
    """A text that stands beside a build now, and the deed that names it. `recognized` is the record it is of, or None;
    `added` False: it was there."""

    build: str
    text: TextFile
    recognized: str | None
    deed: Deed
    added: bool


def keep_text(name: str, path: Path, settings: Settings, *, unrecognized: bool = False) -> Kept:
    """Keep the text at `path` beside the held build `name`. Raises CallError for a text that is another license's, or
    that is not recognized unless `unrecognized`; NotFoundError and what `Store.add_text` raises."""
    store, ref = Store.of(settings), parse(name)
    build, data = store.peek(ref), _read(path)
    licenses = Licenses.load()
    bound = _bound(build, store, licenses, settings)
    recognized = _recognized(data, path, bound, licenses)
    if recognized is None and not unrecognized:
        raise _unrecognized(path, build, bound)
    texts = store.deed(build).statement.texts
    text = TextFile(path.name, len(data), hashlib.sha256(data).hexdigest(), _source(recognized))
    deed = store.add_text(ref, text, data)
    kept = next(each for each in deed.statement.texts if each.sha256 == text.sha256)
    return Kept(build.name, kept, recognized, deed, added=kept not in texts)


def _bound(build: HeldBuild, store: Store, licenses: Licenses, settings: Settings) -> tuple[License, ...]:
    """The records of every license that binds whoever takes `build`."""
    verdict = Permits(Catalog.load(), store).of_build(build, settings)
    found = (licenses.get(reading.license) for reading in verdict.readings)
    return tuple(record for record in found if record is not None)


def _read(path: Path) -> bytes:
    if not is_file_name(path.name):
        raise CallError(f"{path.name!r} is no name that a file beside a build can have.", hint="Rename it.")
    try:
        with open_regular(path) as file:
            data = file.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        raise CallError(f"{path} cannot be read: {error.strerror}.", file=str(path)) from error
    if not data or len(data) > MAX_TEXT_BYTES:
        size = "is empty" if not data else f"is larger than a license text: over {MAX_TEXT_BYTES:,} bytes"
        raise CallError(f"{path} {size}.", file=str(path))
    return data


def _recognized(data: bytes, path: Path, bound: tuple[License, ...], licenses: Licenses) -> str | None:
    """The id of the record among `bound` that the text is of, None where it is none we know. Raises CallError where it
    is that of another license; of a build of which no license is known, it may be any that is."""
    from freehold.catalog.licenses.normalize import normalize
    from freehold.catalog.licenses.recognize import recognize

    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    hashes = {hashlib.sha256(data).hexdigest(), normalize(text).sha256}
    for record in bound:
        policy = record.use_policy
        if policy is not None and hashes & {policy.sha256, policy.normalized_sha256}:
            return record.id
    found = recognize(text, licenses)
    if found.kind != "exact" or found.license is None:
        return None
    if bound and found.license.id not in {record.id for record in bound}:
        under = ", ".join(record.id for record in bound)
        raise CallError(f"{path} is {found.license.name}, and the build is under {under}.", file=str(path))
    return found.license.id


def _unrecognized(path: Path, build: HeldBuild, bound: tuple[License, ...]) -> CallError:
    known = "; ".join(f"{each.id}, sha256 {each.text.sha256}" for each in bound if each.text.sha256)
    read = f" What was read here: {known}." if known else ""
    return CallError(
        f"{path} is not, word for word, a text that {build.name} is known to be under.{read}",
        hint="A copy of a page holds more than the text. To keep it as it is, and have the deed say so: --unrecognized",
        file=str(path),
    )


def _source(recognized: str | None) -> str:
    day = datetime.now(UTC).date().isoformat()
    return f"this house, added on {day}, {f'recognized as {recognized}' if recognized else 'not recognized'}"

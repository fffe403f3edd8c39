"""Says which license a text is: exactly one we know, one of them with something added, or none we know.

There is no likeness here. `exact` means the same words in the same order, apart from the name of whoever holds the
copyright; `modified` means that all words of a known license are there and others besides, which are shown; everything
else is `unknown`. So a license that calls itself a modified MIT is found as itself or as modified, never as MIT.
A license whose text is not shipped, changed inside, is unknown: its hash says only whether the words are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

from freehold.catalog.licenses.normalize import names_someone, normalize, sha256_of
from freehold.catalog.licenses.record import License, Template
from freehold.catalog.licenses.shelf import Licenses

LONGEST = 2**20
"""Characters of the longest text that is looked at; no license comes near it."""

_HOLDER_CHARACTERS = 160
_RESIDUE_CHARACTERS = 4000


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a text is. `residue` are the words left over, in their normal form (cut at 4,000 characters).

    `holders` are the copyright lines and names that were set apart: whoever shows a verdict shows them too.
    `sha256` is of the text as given. `license` is None exactly where `kind` is "unknown".
    """

    kind: Literal["exact", "modified", "unknown"]
    license: License | None
    residue: str
    holders: tuple[str, ...]
    sha256: str

    def __str__(self) -> str:
        if self.license is None:
            return "unknown license"
        return f"recognized as {self.license.id}" if self.kind == "exact" else f"modified {self.license.id}"


class _Match(NamedTuple):
    license: License
    residue: str
    holders: tuple[str, ...] = ()


def recognize(text: str, licenses: Licenses) -> Recognition:
    """The license that `text` is. A text longer than LONGEST is unknown."""
    sha256 = sha256_of(text)
    if len(text) > LONGEST:
        return Recognition("unknown", None, "", (), sha256)
    normal = normalize(text)
    known = licenses.by_text.get(sha256) or licenses.by_text.get(normal.sha256)
    if known is not None:
        return Recognition("exact", known, "", normal.holders, sha256)
    matches = [*_templates(normal.words, licenses), *_enclosed(normal.words, licenses)]
    if not matches:
        return Recognition("unknown", None, "", normal.holders, sha256)
    best = min(matches, key=lambda match: len(match.residue))
    kind: Literal["exact", "modified"] = "modified" if best.residue else "exact"
    return Recognition(kind, best.license, best.residue[:_RESIDUE_CHARACTERS], normal.holders + best.holders, sha256)


def _enclosed(words: str, licenses: Licenses) -> Iterator[_Match]:
    """Licenses whose whole text, known by its hash alone, begins or ends `words`."""
    every = words.split(" ")
    for record in licenses:
        count = record.text.normalized_words
        if count is None or count >= len(every):
            continue
        for part, rest in ((every[:count], every[count:]), (every[-count:], every[:-count])):
            if sha256_of(" ".join(part)) == record.text.normalized_sha256:
                yield _Match(record, " ".join(rest))


def _templates(words: str, licenses: Licenses) -> Iterator[_Match]:
    """Licenses whose shipped text stands somewhere in `words`."""
    for record in licenses:
        shipped = licenses.template(record)
        if shipped is None or record.template is None:
            continue
        for variant in _variants(shipped.words, record.template):
            span = _find(words, _pieces(variant, record.template))
            if span is not None:
                yield _Match(record, _residue(words, span, record.template), span.holders)
                break


def _variants(shipped: str, template: Template) -> Iterator[str]:
    """The shipped words, then what is left when a copy ends early; the longest first."""
    yield shipped
    for ending in template.endings:
        head, found, _ = shipped.partition(normalize(ending).words)
        if found:
            yield head.rstrip()


class _Piece(NamedTuple):
    """Words that must be there, and the holder the shipped text names after them (None at the end)."""

    words: str
    holder: str | None


def _pieces(variant: str, template: Template) -> list[_Piece]:
    pieces = []
    rest = variant
    for holder in template.holders:
        name = normalize(holder).words
        head, found, tail = rest.partition(f" {name} ")
        if found:
            pieces.append(_Piece(f"{head} ", name))
            rest = f" {tail}"
    return [*pieces, _Piece(rest, None)]


class _Span(NamedTuple):
    start: int
    end: int
    holders: tuple[str, ...]


def _find(words: str, pieces: list[_Piece]) -> _Span | None:
    """The first place where the pieces follow one another with nothing but a holder's name between them."""
    start = words.find(pieces[0].words)
    while start >= 0:
        span = _follow(words, start, pieces)
        if span is not None:
            return span
        start = words.find(pieces[0].words, start + 1)
    return None


def _follow(words: str, start: int, pieces: list[_Piece]) -> _Span | None:
    end = start + len(pieces[0].words)
    holders: list[str] = []
    for piece, after in pairwise(pieces):
        at = words.find(after.words, end, end + _HOLDER_CHARACTERS + len(after.words))
        name = words[end:at].strip()
        if at < 0 or not name or not (name == piece.holder or names_someone(name)):
            return None
        if name != piece.holder:
            holders.append(name)
        end = at + len(after.words)
    return _Span(start, end, tuple(holders))


def _residue(words: str, span: _Span, template: Template) -> str:
    """What stands around the license, without a title of its own."""
    above = words[: span.start].strip(" .:#=-")
    if above in {normalize(title).words for title in template.titles}:
        above = ""
    return f"{above} {words[span.end :]}".strip()

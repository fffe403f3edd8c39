"""Reduces a license text to the words that matter, so that two layouts of the same words become the same string.

What goes: case, Unicode variants of letters, quotes and dashes, white space, list markers and comment or Markdown
marks at the start of a line, rules of dashes, emphasis, and lines that only say who holds the copyright. Those are set
apart and handed back, because a sentence could hide among them. What stays: every other word, number and sign. Nothing
is guessed: a line that says more than a name is part of the text.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass

_SIGNS = str.maketrans(
    {
        **dict.fromkeys("“”„‟«»″", '"'),
        **dict.fromkeys("‘’‚‛′´", "'"),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys("{⟨", "["),
        **dict.fromkeys("}⟩", "]"),
        **dict.fromkeys("\ufeff\u200b\u00ad*`", None),
    }
)
_LINE_MARKS = re.compile(r"^(?:\s|/{2,}|/(?=\s|$)|#|;{2,}|--(?=\s)|>|<!--|-->|\|(?=\s))+")
_RULE = re.compile(r"[-=_~+\s]*")
_MARKER = re.compile(r"(?:[-•·o▪](?=\s)|\(?(?:\d{1,2}(?:\.\d{1,2}){0,3}|[a-z]|[ivx]{1,4})[.)]+)\s+(?=\S)")
_ITEM_BEFORE = re.compile(r"(?:[.;:,]|\b(?:and|or))$")
_ESCAPE = re.compile(r"\\(?=[^\w\s])")
_DOUBLE = re.compile(r"``|''")
_NOTICE = re.compile(r"(?:copyright|\(c\)|©)(?:\s|:|$)")
_NOTICE_MARK = re.compile(r"\(c\)|©|\b(?:19|20)\d\d\b|[\[<](?:yyyy|year)[\]>]")
_RESERVED = re.compile(r"[.,]?\s*\ball rights reserved\b\.?")
_SENTENCE_END = re.compile(r"(?<!\b\w)[.;:!?]\s+")  # the dot of an initial ends no sentence
_ADDRESS = re.compile(r"<[^<>\s]+@[^<>\s]+>")
_SAYS_MORE = re.compile(
    r"\b(?:use[ds]?|using|users?|must|may|shall|not|no|only|if|unless|except|for|free|please|contact|terms|under|"
    r"licen[sc]e[ds]?|grant(?:s|ed)?|permi(?:t|ts|tted|ssion)|(?:non-?)?commercial|prohibit(?:s|ed)?|forbidden|rights?|"
    r"requires?d?|restrict(?:s|ed|ions?)?|subject|agree(?:s|ment)?|notice|purposes?|research|above|below)\b"
)
_NO_NAME = re.compile(r"\b(?:holders?|owners?|laws?|appl(?:y|ies)|protect(?:s|ed)?|statements?|notices|and/or)\b")
_NOTICE_WORDS = 24
_NOTICE_CHARACTERS = 400
_BARE_NOTICE_WORDS = 9  # of a notice without a year or a sign
_TITLE_WORDS = 8
_NAME_TAIL_WORDS = 3  # "Example, Inc. and its affiliates": more after a full stop is a sentence


@dataclass(frozen=True, slots=True)
class Normalized:
    """`words` are separated by single blanks; `holders` are the copyright lines that were set apart, as words too."""

    words: str
    holders: tuple[str, ...]

    @property
    def sha256(self) -> str:
        return sha256_of(self.words)


def sha256_of(text: str) -> str:
    """SHA-256 of `text` in UTF-8, 64 hexadecimal digits; lone surrogates count as the replacement character."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def normalize(text: str) -> Normalized:
    """`text` in its normal form. Linear in its length."""
    kept: list[str] = []
    holders: list[str] = []
    before = ""
    for raw in _plain(text).splitlines():
        line = _bare(raw)
        if _RULE.fullmatch(line):
            before = ""
        elif _is_notice(line, before):
            if _named(line):
                holders.append(line)
            before = ""
        else:
            kept.append(_without_marker(line, before))
            before = line
    words = _DOUBLE.sub('"', " ".join(kept)).replace("https://", "http://")
    return Normalized(" ".join(words.split()), tuple(holders))


def _plain(text: str) -> str:
    """Without variants of one sign; a text in ASCII has none that the line rules do not see."""
    composed = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return _ESCAPE.sub("", composed.translate(_SIGNS)).casefold()


def _bare(line: str) -> str:
    """One line with single blanks and without the marks of a comment, a quotation or a table around it."""
    inner = _LINE_MARKS.sub("", " ".join(line.split()))
    return inner.rstrip(" |").removesuffix("-->").removesuffix(" /").rstrip()


def _is_notice(line: str, before: str) -> bool:
    """True for a line that only names who holds the copyright, at a place where notices stand."""
    if len(line) > _NOTICE_CHARACTERS or (before and (len(before.split()) > _TITLE_WORDS or before.endswith(","))):
        return False
    named = _named(line)
    if not named:
        return True
    words = len(named.split())
    marked = _NOTICE_MARK.search(named) is not None or (words <= _BARE_NOTICE_WORDS and not _NO_NAME.search(named))
    return 1 < words <= _NOTICE_WORDS and marked and _NOTICE.match(named) is not None and names_someone(named)


def _named(line: str) -> str:
    """A notice without its address and its "all rights reserved"; nothing may be left of it."""
    return _ADDRESS.sub("", _RESERVED.sub("", line)).strip()


def names_someone(words: str) -> bool:
    """True where `words` can be a name and nothing more: no word that grants or forbids, no second sentence."""
    tail = _SENTENCE_END.split(words)[1:]
    return not _SAYS_MORE.search(words) and all(len(part.split()) <= _NAME_TAIL_WORDS for part in tail)


def _without_marker(line: str, before: str) -> str:
    """Without a list marker; a number that continues the sentence of the line before is no marker."""
    if before and not _ITEM_BEFORE.search(before) and len(before.split()) > _TITLE_WORDS:
        return line
    marker = _MARKER.match(line)
    return line[marker.end() :] if marker else line

"""What a template could do to the conversation without any code: hidden instructions, addresses, triggers.

These are signs, not proofs: publishers put prompts of their own into templates, so whatever is found here is for a
person to read. Comments are not looked at, except for characters that cannot be seen.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from jinja2 import nodes

from freehold.weights.templates.branches import Branches
from freehold.weights.templates.execution import Report
from freehold.weights.templates.fold import Folder
from freehold.weights.templates.parse import walk

_INSTRUCTION = "template.text.instruction"
_INSTRUCTIONS = re.compile(
    r"(ignore|disregard|forget|override|overrule)\W+(\w+\W+){0,4}"
    r"(instructions?|prompts?|rules|guidelines|messages?)"
    r"|(do not|don't|never|without)\W+(\w+\W+){0,3}(tell|telling|mention|mentioning|reveal|revealing|disclose"
    r"|disclosing|inform|informing|notify|notifying|alert|alerting)\W+"
    r"(\w+\W+){0,4}(users?|anyone|them|this|these|it|that)\b"
    r"(?!\W+about\W+function\W+calls)"
    r"|\b(secretly|covertly|surreptitiously|stealthily|unbeknownst)\b"
    r"|(always|must|silently|subtly)\W+(\w+\W+){0,3}(recommend|promote|insert|append|include|embed|advertise|inject)\W+"
    r"(\w+\W+){0,6}(link|url|website|product|backdoor|vulnerabilit\w+|payload|script|wallet|address)"
    r"|(send|forward|upload|exfiltrate|leak|transmit|post)\W+(\w+\W+){0,6}(conversation|users?'? messages?"
    r"|passwords?|keys?|secrets?|credentials|data)\W+(\w+\W+){0,3}to\b"
    r"|\byou are (now )?(dan|jailbroken|unrestricted|unfiltered)\b"
    r"|hide\W+(\w+\W+){0,3}(this|these|from)\W+(\w+\W+){0,2}(instructions?|users?|prompt)",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"(?:https?|ftps?|wss?|file|data)://?[^\s'\"<>|\\]{3,}|\bwww\.[\w-]+\.\w{2,}|\b(?:\d{1,3}\.){3}\d{1,3}\b",
    re.IGNORECASE,
)
_NAMESPACES = re.compile(r"https?://(?:[\w.-]*\.)?(?:json-schema\.org|www\.w3\.org)/", re.IGNORECASE)
_MARKUP = re.compile(
    r"<script\b|<iframe\b|<img\s|<svg[\s>]|<object\s|<embed\s|<form\s|<link\s|<meta\s|<style[\s>]|javascript:"
    r"|\bon(?:error|load|click|mouseover|focus)\s*=|!\[[^\]\n]*\]\(\s*https?:",
    re.IGNORECASE,
)
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{100,}={0,2}")
_LONGEST_LOOKED_AT = 20_000
_OVERLAP = 500
# More words than an instruction may have between its own.
_GAP = "gap " * 12
# Letters of Cyrillic and Greek that look like Latin ones (Unicode Technical Standard 39, confusables).
_LOOK_ALIKE = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u0261"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0406"
    "\u03bf\u03b1\u03bd\u03b9\u039f\u0391\u0399\u0131\u217c",
    "aeopcyxijshdqgABEKMHOPCTYXIoaviOAIil",
)
# Characters that are seen as nothing, or turn the reading direction: format characters, tags, variation selectors'
# supplement, fillers.
_UNSEEN = frozenset("\u115f\u1160\u3164\uffa0\u2800\u17b4\u17b5")
_JOINER = "\u200d"


def check_behavior(text: str, tree: nodes.Template, folder: Folder, report: Report) -> None:
    """Report what a person should read in the template `text`, whose tree is `tree`."""
    for line, name in _unseen(text):
        report("template.text.invisible", f"It holds the character {name}.", line)
    found = [(check, message, line) for line, said in _said(tree, folder) for check, message in signs(said)]
    for each in found:
        report(*each)
    # Once more as one text: what is said may come in pieces.
    in_pieces = next(filter(None, map(_INSTRUCTIONS.search, _windows(_letters(_run_on(tree, folder))))), None)
    if in_pieces and not any(check == _INSTRUCTION for check, _, _ in found):
        report(_INSTRUCTION, f"It says, in pieces, {in_pieces[0][:100]!r}.", 1)
    Branches(tree, folder).check(report)


def _unseen(text: str) -> Iterator[tuple[int, str]]:
    line = 1
    for at, character in enumerate(text):
        if character == "\n":
            line += 1
        elif not character.isascii() and is_unseen(text, at):
            yield line, f"U+{ord(character):04X} {unicodedata.name(character, 'without a name')}"


def is_unseen(text: str, at: int) -> bool:
    """True where the character at `at` cannot be seen. A joiner between two pictures belongs to them."""
    character = text[at]
    if character == _JOINER and 0 < at < len(text) - 1:
        return unicodedata.category(text[at + 1]) != "So"
    if at == 0 and character == "\ufeff":
        return False
    return character in _UNSEEN or unicodedata.category(character) == "Cf" or 0xE0000 <= ord(character) <= 0xE01EF


def _said(tree: nodes.Template, folder: Folder) -> Iterator[tuple[int, str]]:
    """Every text of the template that could reach the model, those put together out of pieces included."""
    seen: set[str] = set()
    for node, _ in walk(tree):
        texts: tuple[str, ...] = ()
        if isinstance(node, nodes.Concat | nodes.Add | nodes.Filter | nodes.Const):
            texts = folder.texts(node)
        elif isinstance(node, nodes.TemplateData):
            texts = (node.data,)
        for said in texts:
            if len(said) > 6 and said not in seen:
                seen.add(said)
                yield from ((node.lineno, part) for part in _windows(said))


def _windows(said: str) -> Iterator[str]:
    """`said` in parts that a pattern looks through quickly, each with the end of the one before."""
    for start in range(0, max(1, len(said) - _OVERLAP), _LONGEST_LOOKED_AT - _OVERLAP):
        yield said[start : start + _LONGEST_LOOKED_AT]


def signs(said: str) -> Iterator[tuple[str, str]]:
    """What a person should read in one text that reaches the model: the name of a check, and a message."""
    if found := _INSTRUCTIONS.search(_letters(said)):
        yield _INSTRUCTION, f"It says {found[0][:100]!r}."
    for address in _ADDRESS.finditer(said):
        if not _NAMESPACES.match(address[0]):
            yield "template.text.address", f"It names the address {address[0][:100]!r}."
            break
    if found := _MARKUP.search(said):
        yield "template.text.markup", f"It writes {found[0][:60]!r}."
    if (found := _ENCODED.search(said)) and _is_mixed(found[0]):
        yield "template.text.encoded", f"It holds {len(found[0]):,} characters that look encoded: {found[0][:40]!r}."
    for at, character in enumerate(said):
        if not character.isascii() and is_unseen(said, at):
            yield "template.text.invisible", f"It writes the character U+{ord(character):04X}."
            break


def _letters(said: str) -> str:
    """`said` in the letters that are seen: without marks on them, wide, bold or taken from other alphabets."""
    if said.isascii():
        return said
    plain = unicodedata.normalize("NFKD", said).translate(_LOOK_ALIKE)
    return "".join(character for character in plain if not unicodedata.combining(character))


def _run_on(tree: nodes.Template, folder: Folder) -> str:
    """All texts of the template in the order in which they stand; a gap where another branch or macro begins."""
    parts: list[str] = []
    waiting: list[nodes.Node | str] = [*reversed(tree.body)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            parts.append(node)
        elif isinstance(node, nodes.Output):
            parts += [_first_text(part, folder) for part in node.nodes]
        elif isinstance(node, nodes.If):
            for branch in (node.else_, *(other.body for other in reversed(node.elif_))):
                waiting += [*reversed(branch), _GAP] if branch else []
            waiting += reversed(node.body)
        else:
            waiting += [_GAP] if isinstance(node, nodes.Macro) else []
            waiting += reversed([child for child in node.iter_child_nodes() if isinstance(child, nodes.Stmt)])
    return "".join(parts)


def _first_text(part: nodes.Node, folder: Folder) -> str:
    if isinstance(part, nodes.TemplateData):
        return part.data
    return next(iter(folder.texts(part)), "")


def _is_mixed(run: str) -> bool:
    letters = {character for character in run if character.isalnum()}
    return len(letters) >= 12 and any(c.isdigit() for c in run) and any(c.islower() for c in run)

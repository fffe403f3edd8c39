"""What a template could do to the conversation without any code: hidden instructions, addresses, triggers.

These are signs, not proofs: publishers put prompts of their own into templates, so whatever is found here is for a
person to read. Comments are not looked at, except for characters that cannot be seen.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator

from jinja2 import nodes

from freehold.weights.templates import allowed
from freehold.weights.templates.execution import Report
from freehold.weights.templates.fold import Folder, callee, names_in
from freehold.weights.templates.parse import walk

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
_WORDS = re.compile(r"[^\W\d_]{3,}")
# Switches that publishers document: what they do stands on the model's card.
_SWITCHES = frozenset({"detailed thinking on", "detailed thinking off"})
_MARKS = re.compile(r"[<>\[\]{}|/#*`_=~\\]")
_LONGEST_LOOKED_AT = 20_000
_MESSAGE_TEXTS = frozenset({"content", "text"})
_FINDERS = frozenset({"startswith", "endswith", "find", "index", "count", "rfind", "rindex"})
# Characters that are seen as nothing, or turn the reading direction: format characters, tags, variation selectors'
# supplement, fillers.
_UNSEEN = frozenset("\u115f\u1160\u3164\uffa0\u2800\u17b4\u17b5")
_JOINER = "\u200d"


def check_behavior(text: str, tree: nodes.Template, folder: Folder, report: Report) -> None:
    """Report what a person should read in the template `text`, whose tree is `tree`."""
    for line, name in _unseen(text):
        report("template.text.invisible", f"It holds the character {name}.", line)
    for line, said in _said(tree, folder):
        for check, message in signs(said):
            report(check, message, line)
    _Branches(tree, folder).check(report)


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
                yield node.lineno, said[:_LONGEST_LOOKED_AT]


def signs(said: str) -> Iterator[tuple[str, str]]:
    """What a person should read in one text that reaches the model: the name of a check, and a message."""
    if found := _INSTRUCTIONS.search(said):
        yield "template.text.instruction", f"It says {found[0][:100]!r}."
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


def _is_mixed(run: str) -> bool:
    letters = {character for character in run if character.isalnum()}
    return len(letters) >= 12 and any(c.isdigit() for c in run) and any(c.islower() for c in run)


class _Branches:
    """Conditions on what a message says, and on the date."""

    def __init__(self, tree: nodes.Template, folder: Folder) -> None:
        self._tree = tree
        self._folder = folder
        self._texts = self._spread(self._is_message_text)
        self._dates = self._spread(lambda node: isinstance(node, nodes.Call) and callee(node) == "strftime_now")

    def check(self, report: Report) -> None:
        for node, _ in walk(self._tree):
            for word in self._asked_for(node):
                report("template.branch.content", f"It asks whether a message says {word[:80]!r}.", node.lineno)
            if isinstance(node, nodes.Compare) and self._holds(node, self._dates):
                report("template.branch.date", "It compares the date.", node.lineno)

    @staticmethod
    def _is_message_text(node: nodes.Node) -> bool:
        if isinstance(node, nodes.Getattr):
            return node.attr in _MESSAGE_TEXTS
        is_get = isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr == "get"
        key = node.arg if isinstance(node, nodes.Getitem) else node.args[0] if is_get and node.args else None  # type: ignore[attr-defined]  # is_get says so
        return isinstance(key, nodes.Const) and key.value in _MESSAGE_TEXTS

    def _spread(self, begins: Callable[[nodes.Node], bool]) -> set[str]:
        """The names whose values come from expressions for which `begins` is true, through assignments and macros."""
        found: list[str] = []
        leads_to: dict[str, list[str]] = defaultdict(list)
        pairs = [(name, source) for name, sources in self._folder.assigned.items() for source in sources]
        pairs += [(name, node) for node, _ in walk(self._tree) for name, node in self._bound(node)]
        for name, source in pairs:
            for part, _ in walk(source):
                if begins(part):
                    found.append(name)
                elif (other := self._folder.name_of(part)) is not None:
                    leads_to[other].append(name)
        reached: set[str] = set()
        while found:
            name = found.pop()
            if name not in reached:
                reached.add(name)
                found += leads_to[name]
        return reached

    def _bound(self, node: nodes.Node) -> Iterator[tuple[str, nodes.Node]]:
        """What loops and macro calls give their variables."""
        if isinstance(node, nodes.For):
            yield from ((name, node.iter) for name in names_in(node.target))
        elif isinstance(node, nodes.Call) and (macro := self._folder.macros.get(callee(node) or "")) is not None:
            yield from ((argument.name, value) for argument, value in zip(macro.args, node.args, strict=False))
            yield from ((pair.key, pair.value) for pair in node.kwargs)

    def _holds(self, node: nodes.Node, names: set[str]) -> bool:
        return any(
            self._folder.name_of(part) in names or (isinstance(part, nodes.Call) and callee(part) == "strftime_now")
            for part, _ in walk(node)
        )

    def _is_text(self, node: nodes.Node) -> bool:
        if isinstance(node, nodes.Filter | nodes.Getitem) and node.node is not None and self._is_text(node.node):
            return True
        if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and self._is_text(node.node.node):
            return True
        called = callee(node) if isinstance(node, nodes.Call) else None
        is_macro = called in self._folder.macros and any(
            self._is_text(argument) for argument in getattr(node, "args", ())
        )
        return self._is_message_text(node) or self._folder.name_of(node) in self._texts or is_macro

    def _asked_for(self, node: nodes.Node) -> Iterator[str]:
        """The words for which the text of a message is searched, or with which it is compared, at this node."""
        looked_for: list[nodes.Node] = []
        if isinstance(node, nodes.Compare):
            for operand in node.ops:
                if operand.op in {"in", "notin"} and self._is_text(operand.expr):
                    looked_for.append(node.expr)
                elif self._is_text(node.expr):
                    looked_for.append(operand.expr)
        elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr):
            is_asked = node.node.attr in _FINDERS and self._is_text(node.node.node)
            looked_for += node.args if is_asked else []
        for expression in looked_for:
            values = self._folder.values(expression)
            for value in values:
                yield from (text for text in (value if isinstance(value, tuple) else (value,)) if _is_word(text))


def _is_word(text: object) -> bool:
    """Words of a language, as against the marks that templates look for and the keys of messages."""
    if not isinstance(text, str) or text.strip().lower() in allowed.STRUCTURE | _SWITCHES:
        return False
    return bool(_WORDS.search(text)) and not _MARKS.search(text)

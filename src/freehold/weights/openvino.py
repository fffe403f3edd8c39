"""Looks at a model in OpenVINO's form: an XML file of layers, and beside it a binary file of the same name with their
constants.

The XML is read as a stream, within bounds. What XML has for programs to fetch or to multiply (document types, entities)
is refused before it means anything. Every constant must lie inside the binary file. What is not checked: the numbers,
and what the layers compute; operations are those of OpenVINO and its tokenizers, an unknown one fails to load.

Source: OpenVINO's documentation, "Operation sets and IR format", version 11.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.parsers import expat

from freehold.weights.checks import Findings, Stopped
from freehold.weights.templates import check_templates

LARGEST_XML_BYTES = 64 << 20
MOST_LAYERS = 1_000_000
DEEPEST = 64
LARGEST_TEMPLATE_CHARACTERS = 1 << 20
LARGEST_PLACE = 2**63
_CHUNK_BYTES = 1 << 20
_HEAD_BYTES = 512


def is_openvino(path: Path) -> bool:
    """Whether the file at `path` begins as such a model does. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES).lstrip()
    return head.startswith(b"<?xml") and b"<net " in head


def is_constants(path: Path) -> bool:
    """Whether the file at `path` is the binary half of a model that lies beside it. Raises OSError."""
    beside = path.with_suffix(".xml")
    return path.suffix == ".bin" and beside.is_file() and is_openvino(beside)


def check_openvino(path: Path, findings: Findings, known: Mapping[str, str]) -> None:
    """Look at the XML half at `path`. `known` are templates by fingerprint. Raises OSError."""
    if path.stat().st_size > LARGEST_XML_BYTES:
        return findings.add("openvino.size", f"It is larger than {LARGEST_XML_BYTES:,} bytes.")
    constants = path.with_suffix(".bin")
    look = _Look(findings, constants.stat().st_size if constants.is_file() else None)
    try:
        look.read(path)
    except Stopped:
        return None
    except (expat.ExpatError, UnicodeDecodeError) as error:
        return findings.add("openvino.xml", f"It is not well-formed XML: {str(error)[:200]}.")
    return check_templates(look.templates, findings, known)


class _Look:
    """One pass over the XML. `size_bytes` of the binary half; None where it is not there."""

    def __init__(self, findings: Findings, size_bytes: int | None) -> None:
        self._findings = findings
        self._size_bytes = size_bytes
        self._depth = 0
        self._layers = 0
        self._kind = ""
        self.templates: list[tuple[str, str]] = []

    def read(self, path: Path) -> None:
        parser = expat.ParserCreate()
        parser.StartDoctypeDeclHandler = self._on_doctype
        parser.EntityDeclHandler = self._on_entity
        parser.StartElementHandler = self._on_start
        parser.EndElementHandler = self._on_end
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                parser.Parse(chunk, False)
        parser.Parse(b"", True)

    def _on_doctype(self, *_: object) -> None:
        raise self._findings.stop("openvino.doctype", "It has a document type, which can make a parser fetch files.")

    def _on_entity(self, *_: object) -> None:
        raise self._findings.stop("openvino.doctype", "It declares an entity, which can multiply without end.")

    def _on_start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._findings.stop("openvino.xml", f"It is nested deeper than {DEEPEST} levels.")
        if self._depth == 1 and name != "net":
            raise self._findings.stop("openvino.xml", f"It is a {name[:80]!r}, not a model's net.")
        if name == "layer":
            self._layer(attributes)
        elif name == "data" and self._kind == "Const":
            self._constant(attributes)
        elif name == "chat_template":
            self._template(attributes.get("value", ""))

    def _on_end(self, name: str) -> None:
        self._depth -= 1
        if name == "layer":
            self._kind = ""

    def _layer(self, attributes: Mapping[str, str]) -> None:
        self._layers += 1
        self._kind = attributes.get("type", "")
        if self._layers > MOST_LAYERS:
            raise self._findings.stop("openvino.xml", f"It has more than {MOST_LAYERS:,} layers.")

    def _constant(self, attributes: Mapping[str, str]) -> None:
        try:
            offset, size_bytes = int(attributes["offset"]), int(attributes["size"])
        except (KeyError, ValueError):
            return self._findings.add("openvino.constant", "It has a constant that does not say where it lies.")
        if not 0 <= offset <= LARGEST_PLACE or not 0 <= size_bytes <= LARGEST_PLACE:
            self._findings.add("openvino.constant", f"It has a constant at the impossible place {offset}.")
        elif self._size_bytes is None:
            raise self._findings.stop("openvino.constant", "The binary file with its constants is not beside it.")
        elif offset + size_bytes > self._size_bytes:
            what = (
                f"It has a constant up to byte {offset + size_bytes:,}, and the binary file has {self._size_bytes:,}."
            )
            self._findings.add("openvino.constant", what)
        return None

    def _template(self, text: str) -> None:
        if len(text) > LARGEST_TEMPLATE_CHARACTERS:
            self._findings.add("template.size", f"It has more than {LARGEST_TEMPLATE_CHARACTERS:,} characters.")
        else:
            self.templates.append(("chat_template", text))

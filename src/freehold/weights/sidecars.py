"""Looks at the files that lie beside weights: configurations that name code, manifests, chat templates, code itself.

JSON is read within bounds and with every key that comes twice noticed. Nothing is imported, and no template rendered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from freehold.weights.bounded_json import DuplicateKeyError, JsonError, loads_once, strings_in
from freehold.weights.checks import Findings
from freehold.weights.templates import check_template

LARGEST_JSON_BYTES = 4 << 20
LARGEST_TEXT_BYTES = 1 << 20
CODE = frozenset({".py", ".pyc", ".pyd", ".so", ".dll", ".dylib", ".ipynb", ".sh", ".bat", ".ps1", ".exe", ".js"})
# Vocabularies: large, made of strings alone, and read by no check here.
UNREAD_JSON = frozenset({"tokenizer.json", "vocab.json", "added_tokens.json"})
_TEMPLATES = (".jinja", ".jinja2", ".j2")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ATTENTION = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal", "experts_implementation")
_OLLAMA = re.compile(r'^\s*TEMPLATE\s+(?:"""(.*?)"""|(\S[^\n]*))', re.DOTALL | re.MULTILINE | re.IGNORECASE)

Known = Mapping[str, str]


def check_sidecar(path: Path, findings: Findings, known: Known) -> bool:
    """Look at `path` if it is a file that belongs beside weights; False where it is none of them. Raises OSError."""
    suffix, name = path.suffix.lower(), path.name.lower()
    if suffix in CODE:
        findings.add("sidecar.code", f"It is program code ({suffix}).")
    elif suffix in _TEMPLATES:
        _template(path, findings, known)
    elif name == "modelfile":
        _modelfile(path, findings)
    elif suffix == ".json" or name == "manifest":
        if name not in UNREAD_JSON:
            _json(path, findings, known)
    else:
        return False
    return True


def _template(path: Path, findings: Findings, known: Known) -> None:
    text = _text(path, LARGEST_TEXT_BYTES)
    if text is None:
        return findings.add("template.size", f"It is not UTF-8 or has more than {LARGEST_TEXT_BYTES:,} bytes.")
    return check_template(text, path.name, findings, known)


def _modelfile(path: Path, findings: Findings) -> None:
    """Ollama's templates are written for Go and are no jinja2: only their texts are looked at."""
    from freehold.weights.templates.behavior import signs

    text = _text(path, LARGEST_TEXT_BYTES)
    if text is None:
        return findings.add("template.size", f"It is not UTF-8 or has more than {LARGEST_TEXT_BYTES:,} bytes.")
    for found in _OLLAMA.finditer(text):
        for check, message in signs(found[1] or found[2]):
            findings.add(check, f"Its TEMPLATE: {message}")
    return None


def _text(path: Path, largest_bytes: int) -> str | None:
    with path.open("rb") as file:
        data = file.read(largest_bytes + 1)
    if len(data) > largest_bytes:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _json(path: Path, findings: Findings, known: Known) -> None:
    if path.stat().st_size > LARGEST_JSON_BYTES:
        return findings.add("sidecar.size", f"It is larger than {LARGEST_JSON_BYTES:,} bytes.")
    text = _text(path, LARGEST_JSON_BYTES)
    if text is None:
        return findings.add("sidecar.json", "It is not UTF-8.")
    try:
        data = loads_once(text.removeprefix("\ufeff"))
    except DuplicateKeyError as error:
        return findings.add("sidecar.json", f"It {error}.")
    except JsonError as error:
        return findings.add("sidecar.json", f"It {error}.", offset=error.position or None)
    for key, value in strings_in(data):
        _member(key, value, findings)
    if isinstance(data, dict):
        for where, template in _templates(data):
            check_template(template, where, findings, known)
    return None


def _member(key: str, value: Any, findings: Findings) -> None:
    if key in {"auto_map", "custom_pipelines"} and value:
        elsewhere = [name for name in _strings(value) if "--" in name]
        if elsewhere:
            what = f"It takes code from another repository: {elsewhere[0][:120]!r}."
            findings.add("sidecar.auto_map.elsewhere", what)
        else:
            findings.add("sidecar.auto_map", f"It names code of its own: {json.dumps(value)[:120]}.")
    elif key in _ATTENTION and any("/" in name for name in _strings(value)):
        findings.add("sidecar.attention", f"Its {key} is {json.dumps(value)[:120]}: a place to fetch code from.")
    elif key == "trust_remote_code" and value is not False and value is not None:
        findings.add("sidecar.trust", "It sets trust_remote_code by itself.")
    elif key == "digest" and isinstance(value, str) and not _DIGEST.fullmatch(value):
        findings.add("manifest.digest", f"It has the digest {value[:120]!r}.")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item) if isinstance(item, str | list) else ()
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item) if isinstance(item, str | list) else ()


def _templates(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every chat template in a tokenizer's configuration, in all the forms there are."""
    found = data.get("chat_template")
    if isinstance(found, str):
        yield "chat_template", found
    elif isinstance(found, dict):
        yield from ((f"chat_template.{name}", text) for name, text in found.items() if isinstance(text, str))
    elif isinstance(found, list):
        for item in found:
            if isinstance(item, dict) and isinstance(item.get("template"), str):
                yield f"chat_template.{item.get('name')}", item["template"]

"""Looks at the files that lie beside weights: configurations that name code, manifests, chat templates, code itself.

JSON is read within bounds and with every key that comes twice noticed. Nothing is imported, and no template rendered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from freehold.weights.bounded_json import DuplicateKeyError, JsonError, loads_both, loads_once, strings_in
from freehold.weights.checks import Findings
from freehold.weights.templates import check_templates

LARGEST_JSON_BYTES = 4 << 20
LARGEST_TEXT_BYTES = 1 << 20
CODE = frozenset({".py", ".pyc", ".pyd", ".so", ".dll", ".dylib", ".ipynb", ".sh", ".bat", ".ps1", ".exe", ".js"})
# Vocabularies and logs: large, made of texts and numbers alone, and read by no check here.
UNREAD_JSON = frozenset({"tokenizer.json", "vocab.json", "added_tokens.json", "tekken.json", "trainer_state.json"})
# Where Ollama keeps its manifests; it calls them by the model's tag.
_MANIFESTS = "manifests"
_LONGEST_NAME = 80
_TEMPLATES = (".jinja", ".jinja2", ".j2")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ATTENTION = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal", "experts_implementation")
_OLLAMA = re.compile(r'^[ \t]*TEMPLATE[ \t]+(?:"""(.*?)"""|(\S[^\n]*))', re.DOTALL | re.MULTILINE | re.IGNORECASE)

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
    elif suffix == ".json" or name == "manifest" or (_MANIFESTS in path.parts[:-1] and _begins_as_object(path)):
        if name not in UNREAD_JSON:
            _json(path, findings, known)
    else:
        return False
    return True


def _begins_as_object(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(512).lstrip().startswith(b"{")


def _template(path: Path, findings: Findings, known: Known) -> None:
    text = _text(path, LARGEST_TEXT_BYTES)
    if text is None:
        return findings.add("template.size", f"It is not UTF-8 or has more than {LARGEST_TEXT_BYTES:,} bytes.")
    return check_templates([(path.name, text)], findings, known)


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
    templates: list[tuple[str, str]] = []
    for data in _readings(text.removeprefix("\ufeff"), findings):
        is_manifest = _is_manifest_name(path) or (isinstance(data, dict) and "layers" in data)
        for key, value in strings_in(data):
            _member(key, value, findings, is_manifest=is_manifest)
        if isinstance(data, dict):
            templates += _templates(data)
    return check_templates(templates, findings, known)


def _is_manifest_name(path: Path) -> bool:
    """True for the manifest of a model, of which programs make paths. Elsewhere a digest is just a text."""
    return path.name.lower().startswith("manifest") or _MANIFESTS in path.parts[:-1]


def _readings(text: str, findings: Findings) -> Sequence[Any]:
    """What programs read in `text`: one value, and another one where a key comes twice; none where it is no JSON."""
    try:
        try:
            return [loads_once(text)]
        except DuplicateKeyError as error:
            findings.add("sidecar.json", f"It {error}.")
            return loads_both(text)
    except JsonError as error:
        findings.add("sidecar.json", f"It {error}.", offset=error.position or None)
        return ()


def _member(key: str, value: Any, findings: Findings, *, is_manifest: bool) -> None:
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
    elif key == "digest" and is_manifest and isinstance(value, str) and not _DIGEST.fullmatch(value):
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
        yield from (
            (f"chat_template.{name[:_LONGEST_NAME]}", text) for name, text in found.items() if isinstance(text, str)
        )
    elif isinstance(found, list):
        for item in found:
            if isinstance(item, dict) and isinstance(item.get("template"), str):
                yield f"chat_template.{str(item.get('name'))[:_LONGEST_NAME]}", item["template"]

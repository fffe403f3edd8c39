"""Files that cost the most time and memory that their readers allow: headers, archives and chat templates."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tarfile
from collections.abc import Callable

from tests.hostile.other_files import zip64_end, zipped
from tests.hostile.safetensors_files import safetensors

SIZE = 128 * 1024
HEADER = 16 << 20


def filled(*parts: str, before: str = "", after: str = "") -> bytes:
    """A chat template as long as one may be, made of `parts` in turn; `@` in one becomes its number."""
    made, length, number = [], len(before) + len(after), 0
    while length < SIZE - 200:
        made.append(parts[number % len(parts)].replace("@", str(number)).replace("&", str(number + 1)))
        length += len(made[-1])
        number += 1
    return (before + "".join(made) + after).encode()


def _choices() -> str:
    return filled("{% set a = 'aa@' %}", "{% set b = a ~ a ~ a %}").decode()


def _entries(entry: str, separator: str = ",") -> bytes:
    count = (HEADER - 100) // (len(entry) + 9)
    return safetensors("{" + separator.join(entry.replace("@", f"{number:07}") for number in range(count)) + "}", b"")


def _tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for number in range(20_000):
            archive.addfile(tarfile.TarInfo(f"../{number}"))
    return file.getvalue()


_LONG_TEXTS = "".join(f"{{% set a = '{letter}' * {2048 - number} %}}" for number, letter in enumerate("abcdefgh"))


def _long_names() -> bytes:
    """A tar of members that only say what the next one is called, in thousands of lines each."""
    member = tarfile.TarInfo("a")
    member.size, member.type = 1 << 16, tarfile.XHDTYPE
    return (member.tobuf(tarfile.USTAR_FORMAT) + b"=\n" * (1 << 15)) * 1500


WORST: dict[str, tuple[str, Callable[[], bytes]]] = {
    "tensors without end": ("m.safetensors", lambda: _entries('"@":{"dtype":"I8","shape":[],"data_offsets":[0,0]}')),
    "tensors that overlap": ("m.safetensors", lambda: _entries('"@":{"dtype":"I8","shape":[],"data_offsets":[0,1]}')),
    "tensors that are none": ("m.safetensors", lambda: _entries('"@":{}')),
    "metadata without end": (
        "m.safetensors",
        lambda: safetensors('{"__metadata__":' + _entries('"@":""')[8:].decode() + "}"),
    ),
    "a name of sixteen megabytes": (
        "m.safetensors",
        lambda: safetensors(
            '{"' + "a" * (HEADER - 200) + '\U0001f600":{"dtype":"I8","shape":[],"data_offsets":[0,0]}}', b""
        ),
    ),
    "large shapes": (
        "m.safetensors",
        lambda: _entries('"@":{"dtype":"I8","shape":[' + ",".join(["9" * 18] * 200) + '],"data_offsets":[0,1]}'),
    ),
    "brackets": ("m.safetensors", lambda: safetensors('{"a":' + "[" * (HEADER - 100))),
    "a header of a hundred megabytes": ("m.safetensors", lambda: struct.pack("<Q", 99_999_999) + b"{" * 99_999_999),
    "members of an archive": ("m.zip", lambda: zipped({f"../{number}": b"" for number in range(20_000)})),
    "a directory of a hundred megabytes": (
        "m.zip",
        lambda: b"PK\3\4" + bytes(100 << 20) + zip64_end(1, 100 << 20, 4, (100 << 20) + 4),
    ),
    "an end record in an end record": (
        "m.zip",
        lambda: b"PK\3\4" + bytes(100 << 20) + struct.pack("<4sIHHIIH", b"PK\5\6", 0, 1, 1, 100 << 20, 0x06054B50, 0),
    ),
    "ends of archives": ("m.txt", lambda: b"PK\5\6" * 20_000),
    "members of a tar": ("m.tar", _tar),
    "long names of a tar": ("m.tar", _long_names),
    "operations of a pickle": ("m.bin", lambda: b"(" * 100_000 + pickle.dumps([1], 0)),
    "objects in a configuration": ("config.json", lambda: b"[" + b"{}," * 1_390_000 + b"{}]"),
    "keys in a configuration": (
        "config.json",
        lambda: b"{" + b",".join(b'"auto_map%d":1' % n for n in range(200_000)) + b"}",
    ),
    "an index of many tensors": (
        "model.safetensors.index.json",
        lambda: b'{"weight_map":{' + b",".join(b'"%07d":"a"' % number for number in range(900_000)) + b"}}",
    ),
    "many templates": (
        "tokenizer_config.json",
        lambda: json.dumps(
            {"chat_template": [{"name": "t", "template": _choices() + " " * number} for number in range(30)]}
        ).encode(),
    ),
    "an empty Modelfile": ("Modelfile", lambda: b"\n" * 1_000_000),
    "a long Modelfile": ("Modelfile", lambda: b'TEMPLATE """' + b"never must always send the a b c d " * 28_000),
    "an index of many files": (
        "model.safetensors.index.json",
        lambda: b'{"weight_map":{' + b",".join(b'"%07d":"%d"' % (n, n) for n in range(390_000)) + b"}}",
    ),
    "texts that double": ("t.jinja", lambda: filled("{% set a& = a@ ~ a@ %}", before="{% set a0 = 'aaaa' %}")),
    "texts that double in a loop": (
        "t.jinja",
        lambda: filled("{% set a& = a@ ~ a@ %}", before="{% for x in m %}", after="{% endfor %}"),
    ),
    "macros that call in circles": (
        "t.jinja",
        lambda: filled("{% macro m@(n) %}{{ m&(n) }}{{ m0(n) }}{% endmacro %}"),
    ),
    "lists that are filled in loops": (
        "t.jinja",
        lambda: filled("{{ a@.append(a&) }}", before="{% for a in b %}" * 100, after="{% endfor %}" * 100),
    ),
    "names that lead to names": ("t.jinja", lambda: filled("{% set a@ = a& %}", after="{{ x[a0] }}")),
    "names that lead from messages": (
        "t.jinja",
        lambda: filled("{% set a@ = a& + 1 %}", after="{% set a0 = m.content %}"),
    ),
    "computed names": ("t.jinja", lambda: filled("{% set a = a ~ x@ ~ '_' %}{{ m[a] }}")),
    "products": ("t.jinja", lambda: filled("{% set a@ = a& * a& %}", after="{{ a0 * 2 }}")),
    "choices": ("t.jinja", lambda: _choices().encode()),
    "lists in lists": (
        "t.jinja",
        lambda: b"{% set a = [1] * 2000 %}{% set b = [a] * 2000 %}{% set c = [b] * 2000 %}{{ m[c ~ ''] }}",
    ),
    "widths that are given": (
        "t.jinja",
        lambda: b"{{ m['%*d' % (900000000, 1)] }}{{ m['%*d' | format(900000000, 1)] }}",
    ),
    "long texts in long texts": (
        "t.jinja",
        lambda: filled("{{ m[a.replace('', a)] }}{{ m[a | join(a)] }}", before=_LONG_TEXTS),
    ),
    "nested loops": ("t.jinja", lambda: filled("{{ a }}", before="{% for a in b %}" * 100, after="{% endfor %}" * 100)),
    "macros that call macros": ("t.jinja", lambda: filled("{% macro m@() %}{{ m&() }}{{ m&() }}{% endmacro %}")),
    "plain text": ("t.jinja", lambda: filled("never must always send the a b c d e f ")),
    "unseen characters": ("t.jinja", lambda: ("\u200b" * 80_000).encode()),
    "open comments": ("t.jinja", lambda: filled("{# ")),
    "open tags": ("t.jinja", lambda: filled("{% ")),
    "open brackets": ("t.jinja", lambda: filled("{{ ((((((((")),
    "raw blocks": ("t.jinja", lambda: filled("{% raw %}{% endraw %}")),
    "white space": ("t.jinja", lambda: filled("{{ a }}" + " " * 500 + "\n")),
    "one long sum": ("t.jinja", lambda: filled("a + ", before="{{ ", after="1 }}")),
    "one long list": ("t.jinja", lambda: filled("'a', ", before="{{ x[[", after="1] | join] }}")),
    "powers": ("t.jinja", lambda: filled("{{ 9 ** 9 }}{{ '%99999d' % 1 }}{{ 'a' * 99999 }}")),
    "one long number": ("t.jinja", lambda: filled("9", before="{{ ", after=" }}")),
}

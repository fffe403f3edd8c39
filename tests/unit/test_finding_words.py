"""What findings say, as people read it: sentences, and nothing in the form that Python prints values in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from freehold.weights.verify import verify
from tests.hostile import gguf_files, openvino_files, other_files, safetensors_files, template_files

KINDS = (gguf_files, safetensors_files, other_files, openvino_files, template_files)
PYTHON = re.compile(r" b['\"]|\(\d+,\)|\bare\.$|\bhas (include|import|fromimport|extends|block)\.|(?<![\d,])1 bytes")


def said(folder: Path, data: bytes, name: str) -> str:
    (folder / name).write_bytes(data)
    report = verify([folder])
    return " ".join(finding.message for finding in (*report.findings, *report.undecided))


def test_no_hostile_file_is_described_in_pythons_own_forms(tmp_path: Path) -> None:
    looked = 0
    for number, hostile in enumerate(each for kind in KINDS for each in kind.HOSTILE.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        hostile.write(folder)
        report = verify([folder])
        for finding in (*report.findings, *report.undecided):
            looked += 1
            assert PYTHON.search(finding.message) is None, (finding.check, finding.message)
    assert looked > 150


@pytest.mark.parametrize(
    ("data", "name", "sentence"),
    [
        (safetensors_files.safetensors() + b"\0", "m.safetensors", "No tensor takes the 1 byte after the last one."),
        ((9).to_bytes(8, "little") + b"[" + bytes(20), "m.safetensors", "Its header begins with '['."),
        (
            b"{% include 'x' %}",
            "chat_template.jinja",
            "It uses {% include %}, which is for templates of several files.",
        ),
    ],
)
def test_a_finding_is_a_sentence(data: bytes, name: str, sentence: str, tmp_path: Path) -> None:
    assert sentence in said(tmp_path, data, name)

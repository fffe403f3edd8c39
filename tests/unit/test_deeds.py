"""Deeds: what is written is what is read, and what is neither is refused with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from freehold.core.builds import WeightFacts
from freehold.core.errors import StoreError
from freehold.store.deeds import Deed, DeedFile, Origin, read_deed, write_deed

FACTS = WeightFacts("gguf", "llama", "Q4_1", 544, 2048, 64, 2, 4, None, 3, None)
DEED = Deed(
    digest="sha256:" + "a" * 64,
    names=("m:q4_1", "other:q4_1"),
    files=(
        DeedFile("m.gguf", 10, "a" * 64, "named by you"),
        DeedFile("n.gguf", 11, "b" * 64, "unverified: recorded", path="/data/n.gguf", modified_ns=5),
    ),
    origins=(Origin("https://host/m.gguf", "https://host/m.gguf", "2026-03-02T10:00:00+00:00", {"url": "u"}),),
    facts=FACTS,
    checks=("sha256",),
    freehold="0.1.0",
    kept_at="2026-03-02T10:00:00+00:00",
    named_at="2026-03-02T10:00:00+00:00",
)


def changed(tmp_path: Path, change: dict[str, Any]) -> Path:
    path = tmp_path / "deed.json"
    write_deed(path, DEED)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    return path


def test_a_deed_reads_back_as_it_was_written(tmp_path: Path) -> None:
    write_deed(tmp_path / "deed.json", DEED)
    assert read_deed(tmp_path / "deed.json") == DEED
    assert [item.name for item in tmp_path.iterdir()] == ["deed.json"]


def test_unknown_stays_unknown(tmp_path: Path) -> None:
    write_deed(tmp_path / "deed.json", DEED)
    data = json.loads((tmp_path / "deed.json").read_text())
    assert data["license"] is None
    assert data["facts"]["head_count_kv"] is None
    assert data["version"] == 1


def test_a_deed_of_a_later_version_is_refused_with_both_versions(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"deed of version 7; this Freehold reads version 1") as caught:
        read_deed(changed(tmp_path, {"version": 7}))
    assert "update" in caught.value.hint


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"names": "m:q4_1"}, "deed.names"),
        ({"names": [1]}, "deed.names"),
        ({"names": []}, "deed.names is empty"),
        ({"files": []}, "deed.files is empty"),
        ({"origins": []}, "deed.origins is empty"),
        ({"files": [{"name": "m"}]}, "size_bytes"),
        ({"files": [{"name": "m", "size_bytes": True, "sha256": "", "verified": "named by you"}]}, "size_bytes"),
        ({"files": [{"name": "m", "size_bytes": 1, "sha256": "", "verified": "trust me"}]}, "verified"),
        ({"facts": None}, "facts"),
        ({"digest": 5}, "deed.digest"),
        ({"version": "1"}, "deed.version"),
    ],
)
def test_a_damaged_deed_is_refused_with_the_field(tmp_path: Path, change: dict[str, Any], what: str) -> None:
    path = changed(tmp_path, change)
    with pytest.raises(StoreError) as caught:
        read_deed(path)
    assert what in caught.value.message
    assert str(path) in caught.value.message
    assert str(path.parent) in caught.value.hint


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"deed"', "\xff"])
def test_what_is_no_deed_at_all_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "deed.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(StoreError, match="cannot be read as a deed"):
        read_deed(tmp_path / "deed.json")


def test_a_field_added_later_does_not_make_a_deed_unreadable(tmp_path: Path) -> None:
    assert read_deed(changed(tmp_path, {"mood": "good"})) == DEED


def test_a_deed_nested_without_end_is_refused_as_damaged(tmp_path: Path) -> None:
    path = tmp_path / "deed.json"
    path.write_text("[" * 100_000)
    with pytest.raises(StoreError, match="cannot be read as a deed"):
        read_deed(path)

"""Deeds: what is written is what is read, every changed byte shows, what is no deed is refused with its place."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freehold.core.builds import WeightFacts
from freehold.core.errors import DeedChangedError, DeedError
from freehold.store.deeds.canonical import canonical
from freehold.store.deeds.document import document, read_deed, write_deed
from freehold.store.deeds.record import Deed, DeedFile, Labels, Origin, Statement, TextFile, Verification
from freehold.store.naming import digest_of
from freehold.weights.report import CANNOT_SHOW, Finding, LookedAt, Report

NOW = "2026-03-02T10:00:00+00:00"
FACTS = WeightFacts("gguf", "llama", "Q4_1", 544, 2048, 64, 2, 4, None, 3, "{{ 'é\u2028\"' }}")
FILES = (
    DeedFile("m.gguf", 10, "a" * 64, "named by you"),
    DeedFile("n.gguf", 11, "b" * 64, "unverified: recorded"),
)
STATEMENT = Statement(
    digest=digest_of([file.sha256 for file in FILES]),
    files=FILES,
    origin=Origin("https://host/m.gguf", "https://host/m.gguf", NOW, {"url": "u"}),
    facts=FACTS,
    checks=("sha256",),
    freehold="0.1.0",
    kept_at=NOW,
    license="llama3.1",
    papers={"openness": {"freedom": "F2", "score": 87.5, "published": ["T1", "T2"]}},
    texts=(TextFile("LICENSE", 12, "c" * 64, "https://host/LICENSE"),),
    verification=Verification.of(
        Report(
            files=(LookedAt("m.gguf", 10, "gguf"),),
            checks=("gguf.magic",),
            findings=(Finding("gguf.odd", "note", "m.gguf", "Odd.", offset=8, cves=("CVE-2024-39720",)),),
        ),
        date=NOW,
        freehold="0.1.0",
    ),
)
PLACES = {"m.gguf": "/data/m.gguf", "n.gguf": "/data/n.gguf"}
DEED = Deed(STATEMENT, Labels(("m:q4_1", "other:q4_1"), NOW, places=PLACES))
FIRST_VERSION: dict[str, Any] = {
    "digest": "sha256:" + "a" * 64,
    "names": ["m:q4_1"],
    "files": [
        {
            "name": "m.gguf",
            "size_bytes": 10,
            "sha256": "a" * 64,
            "verified": "named by you",
            "path": "/data/m.gguf",
            "modified_ns": 5,
        }
    ],
    "origins": [
        {"asked": "m", "pinned": "https://host/m.gguf", "date": NOW, "provenance": {"url": "u"}},
        {"asked": "file:/m", "pinned": "file:/m", "date": NOW, "provenance": {}},
    ],
    "facts": asdict(FACTS),
    "checks": ["sha256"],
    "freehold": "0.1.0",
    "kept_at": NOW,
    "named_at": NOW,
    "license": "mit",
    "version": 1,
}


def written(folder: Path, deed: Deed = DEED) -> Path:
    path = folder / "deed.json"
    write_deed(path, deed)
    return path


def resealed(path: Path, part: str, change: dict[str, Any]) -> Path:
    """The deed at `path` with one part changed by somebody who also writes the seal: what no seal can show."""
    import hashlib

    data = json.loads(path.read_text())
    data[part] |= change
    data["seals"][part] = hashlib.sha256(canonical(data[part]).encode()).hexdigest()
    path.write_text(canonical(data) + "\n")
    return path


def test_a_deed_reads_back_as_it_was_written(tmp_path: Path) -> None:
    assert read_deed(written(tmp_path)) == DEED
    assert [item.name for item in tmp_path.iterdir()] == ["deed.json"]


def test_the_file_has_one_form_whatever_order_its_fields_were_given_in(tmp_path: Path) -> None:
    data = written(tmp_path).read_bytes()
    assert data == (canonical(json.loads(data)) + "\n").encode()
    assert data.count(b"\n") == 1 and b'": ' not in data and "é".encode() in data
    assert read_deed(tmp_path / "deed.json").sealed == canonical(asdict(STATEMENT))


def test_unknown_stays_unknown(tmp_path: Path) -> None:
    bare = Deed(replace(STATEMENT, license=None, papers=None, texts=(), verification=None), DEED.labels)
    data = json.loads(written(tmp_path, bare).read_text())["statement"]
    assert [data[name] for name in ("license", "papers", "verification")] == [None, None, None]
    assert data["facts"]["head_count_kv"] is None
    assert read_deed(tmp_path / "deed.json").statement.papers is None


def test_a_verification_says_what_it_cannot_show() -> None:
    verification = STATEMENT.verification
    assert verification is not None
    assert (verification.verdict, verification.cannot_show) == ("clean", CANNOT_SHOW)


def test_naming_a_build_leaves_its_statement_as_it_was(tmp_path: Path) -> None:
    before = read_deed(written(tmp_path))
    named = replace(before, labels=replace(before.labels, names=("new:name", *before.names)))
    after = read_deed(written(tmp_path, named))
    assert after.names[0] == "new:name"
    assert (after.sealed, after.statement_sha256) == (before.sealed, before.statement_sha256)


def test_a_field_added_later_is_kept_through_naming_and_makes_no_deed_unreadable(tmp_path: Path) -> None:
    path = resealed(written(tmp_path), "statement", {"mood": "good"})
    read = read_deed(path)
    assert read == DEED
    write_deed(path, replace(read, labels=replace(read.labels, names=("new:name",))))
    assert json.loads(path.read_text())["statement"]["mood"] == "good"
    assert read_deed(path).statement_sha256 == read.statement_sha256


@pytest.mark.parametrize("part", ["statement", "labels"])
def test_a_changed_part_is_called_changed_with_both_hashes(tmp_path: Path, part: str) -> None:
    path = written(tmp_path)
    data = document(DEED)
    sealed = data["seals"][part]
    data[part]["names" if part == "labels" else "license"] = ["mine:q4_1"] if part == "labels" else "mit"
    path.write_text(canonical(data) + "\n")
    with pytest.raises(DeedChangedError, match=f"its {part} is [0-9a-f]{{64}}, and {sealed} was sealed") as bad:
        read_deed(path)
    assert str(path) in bad.value.message and str(tmp_path) in bad.value.hint


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, len(canonical(document(DEED)).encode())), bits=st.integers(1, 255))
def test_any_changed_byte_of_a_deed_is_refused(tmp_path: Path, at: int, bits: int) -> None:
    path = written(tmp_path)
    data = bytearray(path.read_bytes())
    data[at] ^= bits
    path.write_bytes(bytes(data))
    with pytest.raises(DeedError):
        read_deed(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(left=st.integers(0, len(canonical(document(DEED)).encode())))
def test_a_truncated_deed_is_refused(tmp_path: Path, left: int) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(DeedError):
        read_deed(path)


def test_another_layout_is_refused_in_the_store_and_read_where_a_person_kept_it(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()), indent=2))
    with pytest.raises(DeedChangedError, match="not laid out as it was written"):
        read_deed(path)
    assert read_deed(path, exactly=False) == DEED


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text().replace('"license":', '"license":"mit","license":', 1))
    with pytest.raises(DeedError, match="'license' is given twice"):
        read_deed(path, exactly=False)


def test_a_deed_of_a_later_version_is_refused_with_both_versions(tmp_path: Path) -> None:
    (tmp_path / "deed.json").write_text(json.dumps({"version": 7}))
    with pytest.raises(DeedError, match=r"deed of version 7; this Freehold reads up to version 2") as caught:
        read_deed(tmp_path / "deed.json")
    assert "update" in caught.value.hint


@pytest.mark.parametrize(
    ("part", "change", "what"),
    [
        ("labels", {"names": "m:q4_1"}, "deed.labels.names"),
        ("labels", {"names": [1]}, "deed.labels.names"),
        ("labels", {"names": []}, "deed.names is empty"),
        ("labels", {"places": {"m.gguf": 5}}, "deed.labels.places.m.gguf"),
        ("statement", {"files": []}, "deed.files is empty"),
        ("statement", {"files": [{"name": "m"}]}, "size_bytes"),
        ("statement", {"files": [{"name": "m", "size_bytes": True}]}, "size_bytes"),
        ("statement", {"files": [asdict(FILES[0]) | {"verified": "trust me"}]}, "verified"),
        ("statement", {"files": [asdict(FILES[0]) | {"name": "../../m.gguf"}]}, "not the name of a file"),
        ("statement", {"texts": [{"name": "/etc/x", "size_bytes": 1, "sha256": "", "source": ""}]}, "not the name"),
        ("statement", {"files": [asdict(FILES[0])]}, f"its files make sha256:{'a' * 64}"),
        ("statement", {"origin": None}, "deed.statement.origin"),
        ("statement", {"facts": None}, "facts"),
        ("statement", {"digest": 5}, "deed.statement.digest"),
        ("statement", {"verification": {"verdict": "perfect"}}, "verdict"),
    ],
)
def test_a_deed_that_cannot_be_is_refused_with_the_field(
    tmp_path: Path, part: str, change: dict[str, Any], what: str
) -> None:
    path = resealed(written(tmp_path), part, change)
    with pytest.raises(DeedError) as caught:
        read_deed(path)
    assert what in caught.value.message
    assert str(path) in caught.value.message
    assert str(path.parent) in caught.value.hint


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"deed"', "\xff", "[" * 100_000, '{"version":2}', '{"a":NaN}'])
def test_what_is_no_deed_at_all_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "deed.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DeedError, match="cannot be read as a deed"):
        read_deed(tmp_path / "deed.json")


def test_a_deed_of_version_1_is_read_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "deed.json"
    path.write_text(json.dumps(FIRST_VERSION, indent=2))
    deed = read_deed(path)
    assert deed.statement.written_as == 1
    assert (deed.statement.papers, deed.statement.verification, deed.signature) == (None, None, None)
    assert [origin.asked for origin in deed.origins] == ["m", "file:/m"]
    assert (deed.names, deed.license, deed.labels.places) == (("m:q4_1",), "mit", {"m.gguf": "/data/m.gguf"})
    assert deed.facts == FACTS
    write_deed(path, deed)
    assert read_deed(path) == deed


@pytest.mark.parametrize("missing", ["digest", "names", "files", "origins", "facts"])
def test_a_deed_of_version_1_that_lacks_something_is_refused(tmp_path: Path, missing: str) -> None:
    path = tmp_path / "deed.json"
    for data in ({k: v for k, v in FIRST_VERSION.items() if k != missing}, FIRST_VERSION | {missing: []}):
        path.write_text(json.dumps(data))
        with pytest.raises(DeedError, match=missing):
            read_deed(path)

